"""The browser's arithmetic is the core's."""

import json

import pytest
import torch

from cxdemo.contextual import contextual_affinity, contextual_matches
from cxdemo.lessons import measure
from cxdemo.pipelines.special_cases import weigh_place
from cxdemo.ui.start.page import HERE

pytestmark = pytest.mark.browser
MATH = (HERE / "math.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ask(browser):
    page = browser.new_page()
    yield lambda code: page.evaluate(f"(() => {{ {MATH}\n return {code}; }})()")
    page.close()


def test_votes_winners_and_the_loss(ask):
    dice = torch.Generator().manual_seed(3)
    x, y = torch.rand(2, 1, 2, 1, 6, generator=dice)
    votes = contextual_affinity(x, y, bandwidth=0.5, distance="l2")[0]
    matches = contextual_matches(x, y, bandwidth=0.5, distance="l2")
    places = [json.dumps(p[0, :, 0].mT.tolist()) for p in (x, y)]
    rows = ask(f"distancesBetween({places[0]}, {places[1]}).map((d) => affinityOf(d, 0.5))")
    torch.testing.assert_close(torch.tensor(rows), votes, atol=1e-5, rtol=1e-4)
    found = ask(f"similarityOf({json.dumps(rows)})")
    assert found["winner"] == matches.source_of_target[0].tolist()
    assert found["cx"] == pytest.approx(float(matches.target_affinity.mean()), abs=1e-5)
    assert found["idle"] == sorted(set(range(6)) - set(found["winner"]))


@pytest.mark.parametrize("weight", [0.0, 0.5, 5.0, 100.0])
def test_the_place_as_the_core_weighs_it(ask, weight):
    dice = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 1, 5, 4, 4, generator=dice)
    image = torch.rand(1, 3, 4, 4, generator=dice)
    core = weigh_place(x, y, image, weights=(weight,))[0]
    d = measure.feature_distances(x, y).tolist()
    found = ask(
        "(({loss, voted, own}) => ({loss, voted, own}))"
        f"(weighPlace({json.dumps(d)}, 4, {weight}, 0.5))"
    )
    assert found == pytest.approx(
        {"loss": core.loss, "voted": core.voted, "own": core.own}, abs=2e-4
    )


def test_halves_are_read_as_they_were_written(ask):
    values = torch.tensor([0.0, 1.0, 0.333, 1.999, 6e-5, 3e-7]).half()
    bits = values.view(torch.int16).tolist()
    assert ask(f"{json.dumps(bits)}.map(readHalf)") == pytest.approx(values.tolist(), abs=1e-12)
