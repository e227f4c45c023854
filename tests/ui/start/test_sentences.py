"""Each sentence of the toys and special cases that states a result agrees with its numbers.

All choices of the menus are walked. The runs are short: a sentence must be true of any run.
"""

import itertools
import re

import pytest

from cxdemo.pipelines.loss_toys import LOSSES, STARTS, TARGETS, PointsConfig, move_points
from cxdemo.pipelines.special_cases import compare_with_kl, move_sample
from cxdemo.ui.lab.cases.kl import CLOSE, MOVES, ROUGH, tell_agreement, tell_kl
from cxdemo.ui.lab.toys.points import tell_points

BANDWIDTHS = (0.1, 0.3, 0.5, 1.0)
PERCENT = re.compile(r"<b>(\d+)%</b>")
NUMBER = r"(-?\d+\.\d+)"


@pytest.mark.parametrize(
    ("target", "start", "bandwidth"), [*itertools.product(TARGETS, STARTS, BANDWIDTHS)]
)
def test_points(target, start, bandwidth):
    config = PointsConfig(target=target, start=start, bandwidth=bandwidth, points=30, steps=20)
    *_, last = move_points(config, frames=1)
    near, both, cx = (last.standings[name] for name in LOSSES)
    said = tell_points(last)
    assert PERCENT.findall(said) == [f"{100 * s.distinct:.0f}" for s in (near, both, cx)]
    assert ("CX covers more of the target" in said) == (cx.distinct > both.distinct)
    assert ("here Chamfer covers more" in said) == (both.distinct > cx.distinct)
    assert ("end farther from" in said) == (cx.to_target > both.to_target)
    assert re.findall(NUMBER, said) == [f"{cx.to_target:.3f}", f"{both.to_target:.3f}"]


@pytest.mark.parametrize("target", TARGETS)
def test_kl(target):
    frames = list(move_points(PointsConfig(target=target, points=30, steps=20), frames=5))
    goal = frames[0].target
    moments = {name: [frame.positions[name] for frame in frames] for name in LOSSES}
    moments |= {name: sets for name, (_, sets) in move_sample(goal, steps=6).items()}
    assert set(moments) == set(MOVES)
    for move, sets in moments.items():
        curve = compare_with_kl(sets, goal, bandwidth=0.3)
        said = tell_kl(curve, move)
        ends = (curve.losses[0], curve.losses[-1], curve.divergences[0], curve.divergences[-1])
        numbers = re.findall(NUMBER, said)
        assert numbers[:4] == [f"{value:.2f}" for value in ends]
        assert numbers[4:] == [f"{curve.correlation:.2f}", f"{curve.rank_correlation:.2f}"]
        assert ("closely" in said) == (curve.correlation >= CLOSE)
        assert ("disagree" in said) == (curve.correlation < 0)


@pytest.mark.parametrize(
    ("correlation", "word"),
    [(1, "closely"), (CLOSE - 0.01, "roughly"), (ROUGH - 0.01, "hardly"), (-0.1, "disagree")],
)
def test_a_correlation_in_words(correlation, word):
    assert word in tell_agreement(correlation)
