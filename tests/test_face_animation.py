"""Animation and puppet on clips of plain shapes, whose right answer is known."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cxdemo.faces import Face
from cxdemo.pipelines.animation_measures import (
    flicker,
    landmark_correlation,
    pose_accuracy,
    shape_distance,
)
from cxdemo.pipelines.face_animation import (
    ANIMATION,
    animate,
    learn_puppet,
    render,
)

SIDE = 64


class Pooled:
    """Colours at the strides of VGG's layers, in place of its features."""

    def __call__(self, image):
        strides = {"conv2_2": 2, "conv3_2": 4, "conv4_2": 8}
        return {name: F.avg_pool2d(image, stride) for name, stride in strides.items()}


def moving_square(inside, outside, count=6):
    """A square that goes from left to right, (T, 3, 64, 64)."""
    frames = torch.tensor(outside).view(1, 3, 1, 1).repeat(count, 1, SIDE, SIDE)
    for index in range(count):
        left = 4 + index * 40 // (count - 1)
        frames[index, :, 24:40, left : left + 16] = torch.tensor(inside).view(3, 1, 1)
    return frames


DRIVER = moving_square((0.9, 0.9, 0.9), (0.2, 0.2, 0.2))
PUPPET_FRAMES = moving_square((0.8, 0.2, 0.1), (0.1, 0.2, 0.6))
FAST = {"size": SIDE, "num_steps": 40, "coarse_share": 0.5, "step_size": 6e-3}


def run(steps):
    found = list(steps)
    return found, found[-1].network


def test_it_starts_as_the_identity_where_the_source_asks_for_nothing():
    steps, _ = run(animate(PUPPET_FRAMES[:1], DRIVER, replace(ANIMATION, **FAST, batch_size=1),
                           features=Pooled()))  # fmt: skip
    assert steps[0].losses["source"] == pytest.approx(0, abs=0.01)
    assert steps[0].losses["palette"] > 1.2 * steps[-1].losses["palette"]
    assert [step.index for step in steps] == list(range(1, 41))
    assert [step.size for step in steps] == [32] * 20 + [64] * 20


def test_an_animation_takes_the_targets_colours_and_keeps_the_drivers_place():
    _, network = run(
        animate(PUPPET_FRAMES[:1], DRIVER, replace(ANIMATION, **FAST, palette_weight=20),
                features=Pooled())
    )  # fmt: skip
    result = render(network, DRIVER, SIDE)
    wanted = PUPPET_FRAMES[:1].mean(dim=(0, 2, 3))
    away = [
        float((frames.mean(dim=(0, 2, 3)) - wanted).abs().mean()) for frames in (result, DRIVER)
    ]
    assert away[0] < 0.7 * away[1]
    redness = (result[:, 0] - result[:, 2]).flatten(1)
    for index in range(len(DRIVER)):
        square = (DRIVER[index, 0] > 0.5).flatten()
        assert redness[index, square].mean() > redness[index, ~square].mean() + 0.1


def test_the_same_seed_gives_the_same_numbers():
    config = replace(ANIMATION, **FAST | {"num_steps": 20, "coarse_share": 1.0})
    runs = [
        [step.losses for step in animate(PUPPET_FRAMES[:1], DRIVER, config, features=Pooled())]
        for _ in range(2)
    ]
    for first, second in zip(*runs, strict=True):
        assert first == pytest.approx(second, rel=1e-4)


def test_the_distance_of_shapes_knows_neither_place_nor_size_nor_turn():
    mesh = torch.rand(468, 2, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert shape_distance(3 * mesh @ turn.T + 5, mesh) == pytest.approx(0, abs=1e-4)
    wider = mesh * torch.tensor([1.5, 1.0])
    assert shape_distance(wider, mesh) > 0.02
    assert shape_distance(mesh * torch.tensor([-1.0, 1.0]), mesh) > 0.2  # a mirror is no turn


def test_steps_grow_shorter_in_the_last_third(monkeypatch):
    taken = []
    adam = torch.optim.Adam.step

    def step(self, *args):
        taken.append(self.param_groups[0]["lr"])
        return adam(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run(animate(PUPPET_FRAMES[:1], DRIVER, replace(ANIMATION, **FAST), features=Pooled()))
    assert taken[:26] == pytest.approx([6e-3] * 26)
    assert taken[33] == pytest.approx(3 * (1 - 33 / 40) * 6e-3, rel=0.1)
    assert taken[-1] < 0.2 * taken[0]


def test_frames_that_are_not_square_are_cut_to_their_middle():
    wide = F.pad(DRIVER, (10, 10), value=0.5)
    _, network = run(
        animate(PUPPET_FRAMES[:1], wide, replace(ANIMATION, **FAST | {"num_steps": 20}),
                features=Pooled())
    )  # fmt: skip
    torch.testing.assert_close(render(network, wide, SIDE), render(network, DRIVER, SIDE))


def test_flicker_is_one_for_the_driver_none_for_steady_change_and_more_for_noise():
    torch.manual_seed(0)
    driver = torch.rand(8, 3, 4, 4)
    assert flicker(driver, driver) == pytest.approx(1)
    ramp = torch.linspace(0, 1, 8).view(8, 1, 1, 1).expand(8, 3, 4, 4)
    assert flicker(ramp, driver) == pytest.approx(0, abs=1e-5)
    # On and off: each second difference is twice the first. Steps of +1, +1, 0, 0 and so on have
    # first differences 1, 1, 0, 0 and second differences 0, 1, 0, 1: as large on average.
    blinking = torch.tensor([0.0, 1.0] * 4).view(8, 1, 1, 1).expand(8, 3, 4, 4)
    stairs = torch.tensor([0.0, 1, 2, 2, 2, 3, 4, 4, 4]).view(9, 1, 1, 1).expand(9, 3, 4, 4)
    first, second = 4 / 8, 3 / 7
    assert flicker(blinking, stairs) == pytest.approx(2 / (second / first))
    assert flicker(blinking, ramp * 0) == 0


def test_pose_accuracy_counts_the_right_frames():
    truths = torch.eye(4).view(4, 1, 2, 2).expand(4, 3, 2, 2)
    assert pose_accuracy(truths * 0.9, truths) == 1.0
    assert pose_accuracy(truths[[0, 1, 3, 2]], truths) == 0.5
    # All are half way to the mean, and brighter: by what moves each is its own, in squares none
    # but the brightest frame is near.
    truths = truths + torch.tensor([0.0, 0.0, 0.0, 0.4]).view(4, 1, 1, 1)
    blurred = 0.3 * truths + 0.7 * truths.mean(dim=0) + 0.5
    assert pose_accuracy(blurred, truths) == 1.0
    assert pose_accuracy(blurred, truths, centred=False) == 0.25


def test_landmarks_that_move_alike_correlate_and_missing_faces_are_counted():
    def find(frame):
        """A face at a place that the top left pixel tells; none where it is black."""
        red, green = frame[0, 0, 0, 0], frame[0, 1, 0, 0]
        landmarks = torch.zeros(468, 3) + torch.stack([red, green, red * 0])
        return [Face((0, 0, 1, 1), 1.0, landmarks)] if red > 0.05 else []

    red = torch.tensor([0.1, 0.4, 0.2, 0.6, 0.9, 0.3, 0.0])
    frames = torch.stack([red, 1 - red, red], dim=1)[:, :, None, None].expand(-1, 3, 8, 8)
    same, share = landmark_correlation(frames * 0.9, frames, find)
    assert (same, share) == (pytest.approx(1, abs=1e-4), pytest.approx(6 / 7))
    opposite, _ = landmark_correlation((1 - frames).clamp_min(0.1), frames, find)
    assert opposite == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (lambda: learn_puppet(DRIVER, PUPPET_FRAMES[:4]), "6 frames and the puppet 4"),
        (lambda: animate(DRIVER, DRIVER), r"Expected target \(1, 3, H, W\)"),
        (lambda: animate(DRIVER[:1], DRIVER[:0]), r"Expected driver \(T, 3, H, W\)"),
    ],
)
def test_what_does_not_fit_is_said(start, said):
    with pytest.raises(ValueError, match=said):
        next(start())


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        replace(ANIMATION, size=100)
    with pytest.raises(ValueError, match="num_steps must lie in"):
        replace(ANIMATION, num_steps=0)
    with pytest.raises(ValueError, match="conv4_2"):
        replace(ANIMATION, target_layers=("conv9_9",))
