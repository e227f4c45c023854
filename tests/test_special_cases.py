"""The two special cases: limits of the derivation, bounds, and closed forms of the KL."""

import math

import pytest
import torch

from cxdemo.pipelines.loss_toys import PointsConfig, move_points
from cxdemo.pipelines.special_cases import (
    EPS,
    compare_with_kl,
    feature_distances,
    kde_divergence,
    log_density,
    perceptual_cosine,
    shift_pair,
    weigh_place,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 1, 8, 6, 6, generator=generator)
    return x, y, torch.rand(1, 3, 24, 24, generator=generator)


def test_with_a_growing_place_the_vote_becomes_the_perceptual_loss_and_cx_goes_blind(maps):
    x, y, image = maps
    mu = y.mean(dim=(2, 3), keepdim=True)
    perceptual = float((1 - torch.cosine_similarity(x - mu, y - mu, dim=1)).mean())
    free, bound = weigh_place(x, y, image, weights=(0.0, 1000.0))
    assert perceptual_cosine(x, y) == pytest.approx(perceptual, rel=1e-5)
    assert bound.voted == pytest.approx(perceptual, rel=1e-5)
    assert bound.own == pytest.approx(1, abs=1e-6)
    assert bound.loss == pytest.approx(0, abs=1e-6)
    assert torch.allclose(bound.redrawn, image, atol=1e-5)
    assert free.voted < 0.7 * perceptual
    assert free.loss > 0.5


def blindness_bound(x, y, weight, *, bandwidth=0.5):
    """The bound of `special_cases`'s head on 1 - CX_ii, its largest over the rows.

    Raises:
        ValueError: w is too small for every own position to be the nearest, as the bound needs.
    """
    d = feature_distances(x, y).double()  # (P, P)
    height, width = x.shape[2:]
    down, across = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    places = torch.stack([down.flatten(), across.flatten()], dim=1)  # (P, 2)
    apart = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    own = d.diagonal()[:, None]  # (P, 1)
    excess = weight * apart + d - own  # (P, P)
    if bool((excess.fill_diagonal_(math.inf) < 0).any()):
        raise ValueError(f"A weight of {weight:g} leaves a nearer target elsewhere: raise it.")
    return float((-excess / (bandwidth * (own + EPS))).exp().sum(dim=1).max())


@pytest.mark.parametrize("weight", [30.0, 60.0])
def test_the_bound_on_what_the_own_position_misses_holds(maps, weight):
    x, y, image = maps
    (step,) = weigh_place(x, y, image, weights=(weight,))
    assert 0 < 1 - step.own <= blindness_bound(x, y, weight) < 1


def test_a_shift_by_whole_cells_is_undone_without_place_and_seen_with_it():
    picture = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(1))
    x, y = shift_pair(picture, 8, side=24)
    assert torch.equal(x[..., 8:], y[..., :-8])
    cells = [torch.nn.functional.pixel_unshuffle(part, 4) for part in (x, y)]
    free, bound = weigh_place(*cells, y, weights=(0.0, 1000.0))
    inside = slice(8, None)  # where x's cells have their twin in y
    assert torch.allclose(free.redrawn[..., inside], x[..., inside], atol=1e-3)
    assert torch.allclose(bound.redrawn, y, atol=1e-3)


def test_distances_are_those_of_single_pairs(maps):
    x, y, _ = maps
    mu = y.mean(dim=(2, 3), keepdim=True)
    a, b = (x - mu)[0, :, 1, 2], (y - mu)[0, :, 4, 3]
    expected = 1 - float(torch.cosine_similarity(a, b, dim=0))
    assert float(feature_distances(x, y)[1 * 6 + 2, 4 * 6 + 3]) == pytest.approx(expected, abs=1e-5)


def test_a_shift_that_leaves_the_picture_is_refused():
    with pytest.raises(ValueError, match="needs 104 x 96 pixels, got 100 x 100"):
        shift_pair(torch.zeros(1, 3, 100, 100), 8)


def test_maps_of_two_sizes_are_refused(maps):
    x, y, image = maps
    with pytest.raises(ValueError, match="two maps of one size"):
        weigh_place(x[..., :-1], y, image)


def test_the_density_of_one_point_is_the_normal_law():
    density = log_density(torch.tensor([[0.3, 0.4]]), torch.zeros(1, 2), width=0.5)
    assert float(density) == pytest.approx(-0.5 - math.log(2 * math.pi * 0.25), rel=1e-5)


def test_a_single_point_at_a_distance_has_the_kl_of_two_normal_laws():
    points, target = torch.tensor([[0.6, 0.8]]), torch.zeros(1, 2)
    # Equal variances s^2: |a - b|^2 / (2 s^2).
    assert kde_divergence(points, target, width=0.5) == pytest.approx(1 / (2 * 0.25), rel=1e-5)
    assert kde_divergence(target, target) == 0


def test_kl_and_cx_fall_together_when_cx_moves_points_and_kl_stays_under_the_nearest():
    frames = list(move_points(PointsConfig(target="smiley"), frames=20))
    target = frames[0].target
    curves = {
        name: compare_with_kl([f.positions[name] for f in frames], target, bandwidth=0.3)
        for name in ("cx", "nearest")
    }
    assert curves["cx"].correlation > 0.9
    assert curves["cx"].rank_correlation > 0.9
    assert curves["cx"].divergences[-1] < 0.5
    assert curves["nearest"].divergences[-1] > 1.2
