"""The patch similarity tab's wiring, with features that are mean colours."""

import base64
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch.nn.functional as F
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.features import LAYERS
from cxdemo.gallery.match import MATCH_EXAMPLES
from cxdemo.options import options_of
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from ui.fake_faces import FAKE_FACES
from ui.fake_pipeline import FAKE_UPSCALING, FakeExplanation, build_demo, fake_transfer


class MeanColors:
    """Features that are the mean colour of each cell."""

    notice = None

    def __init__(self, backbone, layers, *, pooling):
        self.strides = {name: LAYERS[backbone][name].stride for name in layers}

    def __call__(self, image):
        return {name: F.avg_pool2d(image, stride) for name, stride in self.strides.items()}


class Driver:
    """Calls the tab's handlers as the page would, and keeps what the components show."""

    def __init__(self, demo):
        self.demo = demo
        self.events = {f.api_name: f for f in self.demo.fns.values()}
        self.values = {c: c.value for c in self.events["match_look"].inputs}
        (self.state,) = [c for c in self.values if isinstance(c, gr.State)]
        self.shown = {}

    def find(self, elem_id):
        (found,) = [b for b in self.demo.blocks.values() if b.elem_id == elem_id]
        return found

    def set(self, **values):
        for name, value in values.items():
            self.values[self.find(f"cx-match-{name}")] = value
        return self

    def take(self, updates):
        """Show updates, and remember what the controls hold now."""
        for component, update in updates.items():
            if component is self.find("cx-match-viewer"):
                kept = {k: v for k, v in update.items() if k != "__type__"}
                self.shown.setdefault(component, {}).update(kept)
            else:
                self.shown[component] = update
            if component in self.values:
                self.values[component] = update
        return self

    def call(self, name, event):
        handler = self.events[name].fn
        wants_values = name == "match_ask"
        return self.take(handler(self.values, event) if wants_values else handler(event))

    def arrive(self, search=""):
        return self.call("match_arrive", SimpleNamespace(search=search))

    def choose(self, index):
        return self.call("match_example", SimpleNamespace(index=index))

    def ask(self, x, y):
        return self.call("match_ask", SimpleNamespace(x=x, y=y))

    def look(self):
        return self.take(self.events["match_look"].fn(self.values))

    def survey(self):
        for updates in self.events["match_survey"].fn(self.values):
            self.take(updates)
        return self

    @property
    def viewer(self):
        return self.shown[self.find("cx-match-viewer")]

    @property
    def row(self):
        return self.viewer["value"]

    def html(self, name):
        return self.shown[self.find(f"cx-match-{name}")]


@pytest.fixture(scope="module")
def page():
    """The page; its handlers keep nothing, so that one will do."""
    ctx = Context(
        transfer_style=fake_transfer,
        explain_style=FakeExplanation,
        load_features=MeanColors,
        locate=lambda name: "embedded",
        device="cpu",
        device_name="CPU, 2 cores",
        **FAKE_UPSCALING,
        **FAKE_FACES,
    )
    return build_demo(ctx)


@pytest.fixture
def driver(page):
    return Driver(page).arrive()


def unpack(text, kind=np.float32):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def by_hand(x, y, index, h, eps=1e-5):
    """d, r, w and CX of one row, in plain numpy: x and y are pictures of mean colours."""
    x, y = (np.asarray(p, dtype=float).reshape(-1, 3) for p in (x, y))
    mu = y.mean(0)
    a, b = x[index] - mu, y - mu
    d = np.clip(1 - b @ a / np.linalg.norm(b, axis=1) / np.linalg.norm(a), 0, None)
    r = d / (d.min() + eps)
    w = np.exp((1 - r) / h)
    return d, r, w, w / w.sum()


def cells(picture, size, stride):
    """Mean colours of the cells of a square picture."""
    small = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC), dtype=float) / 255
    count = size // stride
    return small.reshape(count, stride, count, stride, 3).mean((1, 3))


def test_controls_are_the_options_with_their_ranges(page):
    driver = Driver(page)
    for name, known in options_of(PatchSimilarityConfig).items():
        control = driver.find(f"cx-match-{name}")
        assert control.value == known.default
        assert control.label == known.label
        if known.minimum is not None:
            assert (control.minimum, control.maximum) == (known.minimum, known.maximum)


def test_arriving_shows_the_first_example_with_its_lesson(driver):
    example = MATCH_EXAMPLES[0]
    assert driver.html("layer") == example.changes["layer"]
    assert example.lesson[:20] in driver.html("lesson")
    assert driver.viewer["scene"]["asker"]["title"] == "Source"
    assert driver.viewer["scene"]["asker"]["url"].startswith("data:image/jpeg")
    assert driver.row["scene"] == driver.viewer["scene"]["key"]


def test_the_viewer_gets_the_numbers_that_a_hand_computes(driver):
    dice = np.random.default_rng(0)
    source, target = (
        Image.fromarray(dice.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(2)
    )
    comparison = driver.values[driver.state]
    driver.values[driver.state] = replace(comparison, source=source, target=target)
    driver.set(layer="conv3_2", size=64, bandwidth=0.3)
    driver.ask(x=5.5 / 16, y=2.5 / 16)
    d, r, w, affinity = by_hand(cells(source, 64, 4), cells(target, 64, 4), 2 * 16 + 5, 0.3)
    row = driver.row
    assert row["cell"] == [2, 5]
    shown_d, shown_cx = unpack(row["distance"]), unpack(row["affinity"])
    np.testing.assert_allclose(shown_d, d, atol=1e-5)
    np.testing.assert_allclose(shown_d / row["divisor"], r, rtol=1e-3)
    np.testing.assert_allclose(shown_cx * row["total"], w, atol=2e-3)
    np.testing.assert_allclose(shown_cx, affinity, atol=1e-5)
    assert row["top"][0] == list(divmod(int(d.argmin()), 16))

    # The table and the equations say the same.
    numbers = driver.shown[driver.find("cx-match-numbers")]
    rows = re.findall(
        r"<td>(\d+), (\d+)</td>" + 3 * r"<td>([\d.]+)</td>" + r"<td>([\d.]+) %", numbers
    )
    for (r_, c_, *told), j in zip(rows, d.argsort(kind="stable")[:5], strict=True):
        assert divmod(int(j), 16) == (int(r_), int(c_))
        wanted = (d[j], r[j], w[j], 100 * affinity[j])
        assert [float(v) for v in told] == pytest.approx(wanted, rel=6e-3, abs=6e-5)
    second = d.argsort(kind="stable")[1]
    for value in (d.min(), 0.3 * (d.min() + 1e-5), r[second], w[second]):
        assert any(
            float(said) == pytest.approx(value, rel=1e-3)
            for said in re.findall(r"<mn>([\d.e-]+)</mn>", numbers)
        )
    spread = np.exp(-(affinity * np.log(np.maximum(affinity, 1e-300))).sum())
    assert row["report"]["candidates"] == pytest.approx(spread, rel=1e-4)


def test_the_pictures_travel_only_when_they_change(driver):
    updates = driver.events["match_ask"].fn(driver.values, SimpleNamespace(x=0.1, y=0.1))
    assert "scene" not in updates[driver.find("cx-match-viewer")]
    driver.set(layer="rgb")
    updates = driver.events["match_look"].fn(driver.values)
    assert updates[driver.find("cx-match-viewer")]["scene"]["key"] != driver.viewer["scene"]["key"]


def test_a_larger_bandwidth_spreads_the_vote(driver):
    few = driver.set(bandwidth=0.05).look().row["report"]["candidates"]
    many = driver.set(bandwidth=1.0).look().row["report"]["candidates"]
    assert many > 3 * few
    assert "h = 1 " in driver.row["sentence"]


def test_who_asks_swaps_the_two(driver):
    before = driver.viewer["scene"]
    driver.set(asks="target").look()
    after = driver.viewer["scene"]
    assert after["asker"]["title"] == "Target"
    assert after["asker"]["url"] == before["asked"]["url"]
    driver.survey()
    assert "CX(target, source)" in driver.html("figures")


def test_the_strip_shows_three_bandwidths_and_marks_the_chosen(driver):
    strip = driver.set(bandwidth=0.5).look().html("strip")
    assert re.findall(r"<b>h = ([\d.]+)</b>", strip) == ["0.1", "0.5", "1"]
    assert strip.count("cxm-chosen") == 1


@pytest.mark.parametrize("index", range(len(MATCH_EXAMPLES)))
def test_every_example_opens_and_is_surveyed(driver, index):
    driver.set(size=64).choose(index).set(size=64).survey()
    assert MATCH_EXAMPLES[index].lesson[:15] in driver.html("lesson").replace("&#x27;", "'")
    assert driver.viewer["survey"]["key"] == driver.look().row["key"]
    for name in ("correspondence", "lines", "coverage", "redrawn", "place"):
        assert "data:image" in driver.html(name)


def test_survey_says_what_it_shows(driver):
    winner = unpack(driver.choose(3).survey().viewer["survey"]["winner"], np.int32)
    report = driver.viewer["survey"]["report"]
    affinity = unpack(driver.viewer["survey"]["affinity"])
    assert report["contextual_similarity"] == pytest.approx(affinity.mean(), rel=1e-5)
    assert report["contextual_loss"] == pytest.approx(-math.log(affinity.mean()), rel=1e-4)
    assert winner.shape == affinity.shape
    figures = driver.html("figures")
    assert f"{report['contextual_similarity']:.3f}" in figures


def test_locking_the_place_blinds_the_loss(driver):
    place = driver.choose(3).survey().html("place")
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', place)
    assert rows[-1] == ("locked: only the same place", "1.000", "0.000")


def test_a_link_brings_everything_back(driver, page):
    driver.choose(5).set(layer="conv2_2", bandwidth=0.25, spatial_weight=1.5, asks="target")
    driver.ask(x=0.3, y=0.7)
    link = "&".join(f"{k}={v}" for k, v in driver.row["link"].items())
    again = Driver(page).arrive(f"?{link}")
    assert again.row["key"] == driver.row["key"]
    assert again.row["cell"] == driver.row["cell"]
    assert again.html("layer") == "conv2_2"


@pytest.mark.parametrize(
    "search",
    [
        "",
        "?tab=other",
        "?tab=patch-similarity&layer=conv9_9&x=abc",
        "?tab=patch-similarity&x=900&y=1",
    ],
)
def test_a_wrong_link_opens_an_example(page, search):
    assert Driver(page).arrive(search).row["top"]


def test_saved_numbers_bring_everything_back(driver, page, tmp_path):
    driver.choose(2).set(bandwidth=0.4).ask(x=0.2, y=0.6)
    file = tmp_path / "match.json"
    file.write_text(json.dumps(driver.row["report"]))
    again = Driver(page).arrive()
    again.take(again.events["match_load"].fn(str(file), again.values[again.state]))
    assert again.row["key"] == driver.row["key"]
    assert again.row["cell"] == driver.row["cell"]


@pytest.mark.parametrize("text", ["[]", "no json", '{"config": {}, "place": [7, 8]}'])
def test_a_file_that_holds_no_settings_is_refused_in_a_sentence(driver, tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    driver.take(driver.events["match_load"].fn(str(file), driver.values[driver.state]))
    assert re.search("holds no settings|place must lie in", driver.row["error"])


def test_what_a_control_may_not_hold_is_said_beside_the_pictures(driver):
    assert "from 0 to 100" in driver.set(x=140).look().row["error"]
    driver.set(x=50, layer="conv3_4").look()
    assert "conv3_3" in driver.row["error"]


def test_own_pictures_replace_one_at_a_time(driver, content):
    before = driver.values[driver.state]
    values = driver.values | {
        driver.find("cx-match-source"): content,
        driver.find("cx-match-target"): before.target,
    }
    driver.take(driver.events["match_take_source"].fn(values))
    after = driver.values[driver.state]
    assert after.source is content
    assert after.target is before.target
    assert after.example is None
    assert "example" not in driver.row["link"]


def test_layers_are_compared_one_by_one(driver):
    steps = list(driver.set(size=64).events["match_layers"].fn(driver.values))
    assert steps[0].count("to come") == len(steps) - 1
    assert "to come" not in steps[-1]
    for name in ("rgb", "conv1_1", "conv4_2"):
        assert f"<b>{name}</b>" in steps[-1]
    scores = re.findall(r"<output>([\d.]+)</output>.*?itself ([\d.]+), floor", steps[-1])
    assert len(scores) == len(steps) - 1
    assert all(float(score) <= float(itself) <= 1 for score, itself in scores)


def test_figures_for_slides_are_made(driver):
    pdf, svg = driver.set(size=64).events["match_figures"].fn(driver.values)
    assert pdf["interactive"]
    assert Path(pdf["value"]).read_bytes().startswith(b"%PDF-")
    assert "<svg" in Path(svg["value"]).read_text(encoding="utf-8")


def test_the_endpoint_answers_with_the_same_numbers(driver, content):
    match = driver.events["match"].fn
    answer = match(content, content, 30, 40, "rgb", 0.1, 0.0, "source", 64)
    assert answer["contextual_similarity"] == pytest.approx(1, abs=1e-4)
    assert answer["best"][0]["cell"] == answer["cell"]
    assert answer["best"][0]["distance"] == pytest.approx(0, abs=1e-5)
    assert answer["claimed"] == 1
    with pytest.raises(gr.Error, match="two pictures"):
        match(content, None)
    with pytest.raises(gr.Error, match=r"x must lie in"):
        match(content, content, 130, 0)
