"""The toys against published numbers, closed forms and counts by hand."""

import math

import pytest
import torch

from cxdemo.pipelines.loss_toys import (
    GaussiansConfig,
    PointsConfig,
    compare,
    expect_gaussians,
    map_gaussians,
    move_points,
    row_of_point,
    vote_field,
)

pytestmark = pytest.mark.usefixtures("one_thread")

# E[CX] at h = 0.1 (rows: sigma; columns: mu), found by an independent simulation of Fig. 5.
MUS = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0)
TABLE = {
    0.25: (0.32, 0.24, 0.08, 0.02, 0.01, 0.01),
    1.0: (0.565, 0.44, 0.25, 0.10, 0.02, 0.01),
    2.0: (0.47, 0.43, 0.32, 0.24, 0.08, 0.02),
    4.0: (0.32, 0.33, 0.30, 0.28, 0.19, 0.05),
    10.0: (0.19, 0.18, 0.18, 0.18, 0.16, 0.13),
}


@pytest.mark.parametrize("sigma", TABLE)
def test_the_table_of_expected_similarities_is_reproduced(sigma):
    means = expect_gaussians(torch.tensor(MUS), torch.full((6,), sigma), GaussiansConfig(draws=40))
    assert means.similarity.tolist() == pytest.approx(TABLE[sigma], abs=0.03)


def test_l2_is_least_without_a_spread_and_cx_is_best_with_the_right_one():
    sigmas = (0.05, 0.5, 1.0, 2.0, 4.0)
    for h in (0.1, 0.5, 1.0):
        means = map_gaussians(GaussiansConfig(bandwidth=h), mus=(0.0,), sigmas=sigmas)
        assert means.similarity[:, 0].argmax() == 2
        assert means.squared[:, 0].argmin() == 0


def test_the_closed_form_of_l2_is_the_mean_of_a_simulation():
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, 200_000, generator=generator, dtype=torch.float64)
    for mu, sigma in ((0.0, 1.0), (2.0, 0.5), (3.0, 4.0)):
        means = expect_gaussians(torch.tensor([mu]), torch.tensor([sigma]))
        assert float(means.squared) == pytest.approx(
            float((mu + sigma * y - x).square().mean()), rel=0.02
        )


def test_distinct_neighbours_follow_the_published_run():
    sigmas = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0, 10.0])
    means = expect_gaussians(torch.zeros(6), sigmas, GaussiansConfig(draws=40))
    assert means.distinct.tolist() == pytest.approx([0.32, 0.47, 0.55, 0.46, 0.32, 0.17], abs=0.03)


def test_a_sigma_of_zero_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"sigmas above 0.*0\.05"):
        expect_gaussians(torch.zeros(1), torch.zeros(1))


@pytest.mark.parametrize("target", ["ring", "moons", "smiley"])
def test_points_pile_up_under_the_nearest_and_spread_under_cx(target):
    *_, last = move_points(PointsConfig(target=target), frames=2)
    piled, both, spread = (last.standings[name] for name in ("nearest", "chamfer", "cx"))
    assert piled.distinct < 0.45
    assert piled.to_target < 0.01  # each point sits on a target: by its own measure it is perfect
    assert spread.distinct > 0.7
    assert spread.distinct > both.distinct + 0.1
    assert spread.from_target < piled.from_target / 2


def test_the_race_begins_with_the_same_points_and_yields_the_last_step():
    frames = list(move_points(PointsConfig(steps=10, points=20), frames=5))
    first = frames[0].positions
    assert torch.equal(first["cx"], first["nearest"])
    assert torch.equal(first["cx"], first["chamfer"])
    assert [frame.index for frame in frames] == [0, 2, 4, 6, 8, 10]


def test_standings_are_what_one_counts_by_hand():
    target = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = torch.tensor([[0.1, 0.0], [-0.1, 0.0], [1.0, 0.0]])
    standing = compare(points, target, 0.3)
    assert standing.distinct == pytest.approx(2 / 3)
    assert standing.to_target == pytest.approx(0.2 / 3)
    assert standing.from_target == pytest.approx((0.1 + 0 + math.hypot(0.1, 1)) / 3)


def test_a_row_is_what_the_equations_say():
    targets = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.0, 0.4]])
    row = row_of_point(torch.tensor([0.1, 0.0]), targets, bandwidth=0.5)
    distances = [0.01, 0.04, 0.17]
    weights = [math.exp((1 - d / (0.01 + 1e-5)) / 0.5) for d in distances]
    assert row.distance.flatten().tolist() == pytest.approx(distances, abs=1e-6)
    assert row.affinity.flatten().tolist() == pytest.approx(
        [w / sum(weights) for w in weights], abs=1e-4
    )


def test_the_field_is_the_row_of_each_place():
    targets = torch.tensor([[0.2, 0.2], [1.2, 0.3], [0.7, 0.9]])
    index, share = vote_field(targets, bandwidth=0.5, width=6, height=4)
    place = torch.tensor([(4 + 0.5) / 6 * 1.5, (1 + 0.5) / 4])
    row = row_of_point(place, targets, bandwidth=0.5).affinity.flatten()
    assert index[1, 4] == row.argmax()
    assert float(share[1, 4]) == pytest.approx(float(row.max()), rel=1e-4)
    nearest = torch.tensor([[[(c + 0.5) / 4, (r + 0.5) / 4] for c in range(6)] for r in range(4)])
    assert torch.equal(index, torch.cdist(nearest.view(-1, 2), targets).argmin(1).view(4, 6))
