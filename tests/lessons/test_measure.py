"""The lesson's stored numbers are what core and network say today."""

import pytest
import torch

from cxdemo.contextual import contextual_matches
from cxdemo.features import load_features
from cxdemo.lessons import measure
from cxdemo.pipelines.loss_meter import CHANGES
from cxdemo.pipelines.loss_toys import EPS, to_map

# Convolutions run in bfloat16, whose last digit depends on how the work is shared among threads.
THREADS = {"atol": 2e-2, "rtol": 0}
NUMBERS, MATRICES = measure.read_numbers(), measure.read_distances()


@pytest.fixture(scope="module")
def vgg():
    return load_features("vgg16", ("conv1_1", *measure.LAYERS), pooling="max")


@torch.no_grad()
def test_distances_of_the_faces(vgg):
    for name, d in measure.measure_faces(vgg).items():
        torch.testing.assert_close(MATRICES[f"faces_{name}"].float(), d, **THREADS)


@torch.no_grad()
def test_distances_of_the_place(vgg):
    torch.testing.assert_close(MATRICES["place"].float(), measure.measure_place(vgg), **THREADS)


def test_the_meters_at_eight_pixels(vgg):
    meter = measure._meter(vgg, ("l1", "cx"), "vgg16")
    read = meter.read(CHANGES["shift"].apply(meter.around, 8)).values
    at = measure.SHIFTS.index(8)
    assert NUMBERS["shift"]["l1"][at] == pytest.approx(read["l1"], abs=1e-3)
    assert NUMBERS["shift"]["cx"][at] == pytest.approx(read["cx"], abs=1e-3)
    assert read["l1"] > 10 * read["cx"]  # the lesson's first answer


@pytest.mark.parametrize("name", ["cx", "symmetric"])
def test_who_wins_no_target_and_how_many_are_taken(name):
    made = NUMBERS["points"][name]
    points, goal = torch.tensor(made["points"]), torch.tensor(NUMBERS["points"]["target"])
    winners = contextual_matches(
        to_map(points), to_map(goal), bandwidth=measure.POINT_BANDWIDTH, distance="l2", eps=EPS
    ).source_of_target[0]
    assert made["idle"] == sorted(set(range(measure.POINTS)) - set(winners.tolist()))
    assert made["taken"] == len(torch.cdist(points, goal).argmin(dim=1).unique())


def test_what_the_last_step_says_helps_does_help():
    points, colour = NUMBERS["points"], NUMBERS["colour"]
    assert points["symmetric"]["taken"] > 1.5 * points["cx"]["taken"]
    assert len(points["symmetric"]["idle"]) < 0.5 * len(points["cx"]["idle"])
    assert colour["rgb"] > 5 * colour["cx"]
    hubs = {
        name: MATRICES[f"faces_{name}"].argmin(dim=1).bincount(minlength=196)
        for name in ("conv1_2", "conv4_2")
    }
    assert hubs["conv4_2"].max() < 0.5 * hubs["conv1_2"].max()
    assert (hubs["conv4_2"] > 0).sum() > 2 * (hubs["conv1_2"] > 0).sum()
    sky = [_at_home(MATRICES["sky"].float() + w * _apart(measure.GRID)) for w in (0, 1)]
    assert sky[1] > sky[0] + 0.2


def _apart(side):
    cells = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float() / side
    return torch.cdist(cells, cells)


def _at_home(d):
    """Share of the upper five rows of cells that find themselves within one cell."""
    near, own = d.argmin(dim=1), torch.arange(len(d))
    down = (near // measure.GRID - own // measure.GRID).abs()
    across = (near % measure.GRID - own % measure.GRID).abs()
    return float(((down <= 1) & (across <= 1))[: 5 * measure.GRID].float().mean())


@pytest.mark.parametrize("layer", ["conv3_2", "conv5_1"])
def test_the_eye_finds_her_eye(layer):
    einstein, monalisa = 6 * measure.GRID + 5, 6 * measure.GRID + 4
    assert int(MATRICES[f"faces_{layer}"][einstein].argmin()) == monalisa
    assert int(MATRICES["faces_conv1_2"][einstein].argmin()) != monalisa
