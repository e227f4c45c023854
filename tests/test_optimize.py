import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from cxdemo.optimize import (
    LONGEST_STEP,
    Step,
    add_octave,
    from_pyramid,
    optimize_pixels,
    to_pyramid,
    total_variation,
)


def grey(image):
    return image.mean(dim=1, keepdim=True).expand_as(image)


@pytest.mark.parametrize("size", [(64, 64), (37, 50), (9, 130)])
@pytest.mark.parametrize("levels", [1, 2, 5])
def test_a_pyramid_of_a_grey_image_gives_the_image_back(size, levels):
    image = grey(torch.rand(1, 3, *size))
    torch.testing.assert_close(from_pyramid(to_pyramid(image, levels)), image)


def test_one_level_is_plain_pixels_in_full_colour():
    image = torch.rand(1, 3, 16, 16)
    (level,) = to_pyramid(image, 1)
    assert torch.equal(level, image)


def test_the_finest_octaves_hold_grey_alone():
    channels = [level.shape[1] for level in to_pyramid(torch.rand(1, 3, 64, 64), 5)]
    assert channels == [1, 1, 3, 3, 3]


def test_a_pyramid_keeps_luminance_and_smooth_colour():
    image = torch.rand(1, 3, 64, 64)
    back = from_pyramid(to_pyramid(image, 5))
    torch.testing.assert_close(back.mean(1), image.mean(1))
    flat = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    torch.testing.assert_close(from_pyramid(to_pyramid(flat, 5)), flat)


def test_a_pyramid_stops_before_a_side_falls_below_four():
    assert [level.shape[2] for level in to_pyramid(torch.rand(1, 3, 16, 16), 8)] == [16, 8, 4]


def test_total_variation_of_a_checkerboard_is_two_and_of_a_flat_image_zero():
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    board = ((rows + columns) % 2).float().expand(1, 3, 8, 8)
    assert total_variation(board) == 2
    assert total_variation(torch.full((1, 3, 8, 8), 0.3)) == 0


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("levels", [1, 4])
def test_a_known_minimum_is_reached(optimizer, levels):
    goal = grey(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    start = torch.full((1, 3, 32, 32), 0.5)

    def objective(image):
        return {"distance": (image - goal).square().mean()}

    steps = list(
        optimize_pixels(start, objective, num_steps=150, optimizer=optimizer, levels=levels)
    )
    losses = [terms["distance"] for terms, _ in steps]
    assert losses[0] == pytest.approx(float((start - goal).square().mean()))
    assert losses[-1] < 0.01 * losses[0]
    assert (steps[-1][1] - goal).abs().mean() < 0.03


def test_values_stay_in_range_when_the_objective_pulls_them_out():
    steps = optimize_pixels(
        torch.full((1, 3, 16, 16), 0.5), lambda x: {"dark": x.mean()}, num_steps=40
    )
    *_, (_, image) = steps
    assert image.min() >= 0
    assert image.mean() < 0.2


def test_what_the_objective_sees_never_leaves_the_range_by_much():
    """Where a clamp alone would let a value go on falling, with no gradient to bring it back."""
    seen = []

    def darken(image):
        seen.append(float(image.detach().min()))
        return {"dark": image.mean()}

    for _ in optimize_pixels(
        torch.full((1, 3, 16, 16), 0.1), darken, num_steps=60, optimizer="adam", step_size=0.05
    ):
        pass
    assert min(seen[10:]) > -0.5  # without the term: below -5


def test_the_start_is_left_as_it_was():
    start = torch.full((1, 3, 16, 16), 0.5)
    for _ in optimize_pixels(start, lambda x: {"dark": x.mean()}, num_steps=3, levels=1):
        pass
    assert torch.equal(start, torch.full((1, 3, 16, 16), 0.5))


def test_a_step_sums_its_losses_and_estimates_what_is_left():
    step = Step(index=2, total=10, losses={"a": 1.5, "b": 2.0}, image=torch.zeros(1), seconds=4.0)
    assert step.loss == 3.5
    assert step.seconds_left == 16.0


def test_no_step_of_lbfgs_is_longer_than_the_longest():
    """From 0.2 to 0.8 a Newton step would move every pixel by 0.6."""

    def objective(image):
        return {"distance": (image - 0.8).square().mean()}

    start = torch.full((1, 3, 16, 16), 0.2)
    steps = optimize_pixels(start, objective, num_steps=8, optimizer="lbfgs", levels=1)
    images = [start, *(image for _, image in steps)]
    moves = [(b - a).square().mean().sqrt().item() for a, b in itertools.pairwise(images)]
    assert max(moves) == pytest.approx(0.03, rel=1e-3)
    assert LONGEST_STEP == 0.03


def test_adams_steps_shrink_along_half_a_cosine():
    image = torch.full((1, 3, 8, 8), 0.9)
    places = [0.9]
    for _, now in optimize_pixels(
        image,
        lambda x: {"loss": x.mean()},  # its gradient never changes, so each step has full length
        num_steps=5,
        optimizer="adam",
        step_size=0.05,
        step_decay=0.2,
        levels=1,
    ):
        places.append(float(now.mean()))
    shares = [0.2 + 0.8 * (1 + math.cos(math.pi * k / 5)) / 2 for k in range(5)]
    steps = [a - b for a, b in itertools.pairwise(places)]
    assert steps == pytest.approx([0.05 * share for share in shares], rel=1e-3)


def test_an_octave_is_what_half_the_size_cannot_hold():
    sharp = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    blurred = sharp - add_octave(torch.zeros_like(sharp), sharp)
    half = F.interpolate(sharp, size=(8, 12), mode="bilinear", align_corners=False)
    expected = F.interpolate(half, size=(16, 24), mode="bilinear", align_corners=False)
    torch.testing.assert_close(blurred, expected)
