"""What the toys' viewers are told, and what they may ask."""

import base64
import io
import math
from contextlib import contextmanager
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from cxdemo.figures import toys as toys_figure
from cxdemo.pipelines.loss_toys import PointsConfig
from cxdemo.ui.kit import turns
from cxdemo.ui.lab.cases import kl
from cxdemo.ui.lab.toys import gaussians, points, row
from cxdemo.ui.lab.viewer import pack, pack_file


def ask(**data):
    return SimpleNamespace(**data)


def unpack(text, kind=np.float32):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_numbers_survive_the_way_to_the_page():
    assert unpack(pack(torch.tensor([[1.5, -2.0]]))).tolist() == [1.5, -2.0]
    assert unpack(pack(torch.tensor([3, 255], dtype=torch.uint8)), np.uint8).tolist() == [3, 255]


def test_a_packed_file_leaves_nothing_behind():
    seen = []

    def write(path):
        seen.append(path)
        path.write_text("{}")

    assert base64.b64decode(pack_file("a.json", write)["data"]) == b"{}"
    assert not seen[0].exists()


def test_the_row_says_when_x_is_torn_and_when_it_is_sure():
    targets = [[0.2, 0.5], [0.8, 0.5], [1.4, 0.9]]
    torn = row._ask(ask(point=[0.5, 0.5], targets=targets, h=0.5))
    assert torn["affinity"][0] == pytest.approx(torn["affinity"][1], rel=1e-3)
    assert "torn" in torn["sentence"]
    sure = row._ask(ask(point=[0.25, 0.5], targets=targets, h=0.5, field=True))
    assert sure["best"] == 0
    assert "clearly" in sure["sentence"]
    among = row._ask(ask(point=[0.8, 0.8], targets=[[0.5, 0.8], [1.1, 0.8], [0.8, 0.5]], h=1))
    assert "undecided" in among["sentence"]
    field = sure["field"]
    index = unpack(field["index"], np.uint8).reshape(field["height"], field["width"])
    assert index[24, 8] == 0  # (0.18, 0.51)
    assert index[24, 40] == 1  # (0.84, 0.51)


@pytest.mark.parametrize(
    "data",
    [
        {"point": [0.1], "targets": [[0, 0]], "h": 0.5},
        {"point": [0.1, math.nan], "targets": [[0, 0]], "h": 0.5},
        {"point": [0, 0], "targets": [[0, 0]] * 7, "h": 0.5},
        {"point": [0, 0], "targets": [[0, 0]], "h": 0},
        {"point": [0, 0], "targets": None, "h": 0.5},
    ],
)
def test_a_row_that_cannot_be_is_refused(data):
    with pytest.raises(ValueError, match="must be"):
        row._ask(ask(**data))


def test_the_marker_tells_why_the_same_law_is_not_one():
    reading = gaussians.read_marker(0.0, 1.0, 0.1)
    assert reading["similarity"] == pytest.approx(0.565, abs=0.03)
    assert "not 1" in reading["sentence"]
    blur = gaussians.read_marker(0.0, 0.05, 0.1)
    assert "L2 likes this best" in blur["sentence"]
    assert blur["squared"] == pytest.approx(1.0025)
    assert np.std(blur["y"]) == pytest.approx(0.05, rel=0.25)


def test_points_travel_as_frames_and_their_last_one_is_the_figure():
    config = PointsConfig(steps=20, points=15)
    frames = points.run_points(config)
    told = toys_figure.describe_points(frames, config)
    assert told["config"]["points"] == 15
    assert [frame["step"] for frame in told["frames"]] == list(range(21))
    assert told["frames"][-1]["cx"]["positions"] == frames[-1].positions["cx"].tolist()


def test_the_page_cannot_ask_for_more_work_than_its_menus_offer():
    config = points.read_points(ask(shape="moons", start="line", steps=10**9, seed=3))
    assert (config.target, config.start, config.steps, config.seed) == ("moons", "line", 300, 3)
    with pytest.raises(ValueError, match="target must be one of ring"):
        points.read_points(ask(shape="square"))
    with pytest.raises(ValueError, match="whole number"):
        points.read_points(ask(seed="x"))


def test_the_saved_figure_is_a_picture_of_three_panels():
    file = points._save(ask(kind="png", shape="ring", start="blob", bandwidth=0.3, seed=0))
    with Image.open(io.BytesIO(base64.b64decode(file["data"]))) as picture:
        assert picture.size == (1560, 600)
    with pytest.raises(ValueError, match="gif, png or json"):
        points._save(ask(kind="exe"))


def test_questions_that_cost_seconds_wait_for_a_heavy_turn(monkeypatch):
    seen = []

    @contextmanager
    def turn(visitor, *, heavy):
        seen.append(heavy)
        yield

    monkeypatch.setattr(turns, "_quick_turn", turn)
    with gr.Blocks() as page:
        for toy in (row, points, gaussians, kl):
            toy.build()
    asked = {
        "toy_row_ask": ask(), "toy_points_ask": ask(shape="square"), "case_kl_ask": ask(move="x"),
        "toy_gaussians_ask": ask(h=-1), "toy_gaussians_save": ask(h=-1),
    }  # fmt: skip
    for event in page.fns.values():
        if event.api_name in asked:
            event.fn(asked[event.api_name])
    page_asks_all = {f.api_name: f.fn for f in page.fns.values()}["toy_gaussians_ask"]
    page_asks_all(ask(h=-1, whole=True))
    assert seen == [False, True, False, True, True, True]
