"""The lab's endpoints for programs."""

import pytest
from PIL import Image

from cxdemo.pipelines.loss_toys import LOSSES, PointsConfig
from cxdemo.ui.lab.toys.points import run_points
from ui.live import WITH_GRADIO

pytestmark = WITH_GRADIO


def handler_of(demo, name):
    (found,) = [f.fn for f in demo.fns.values() if f.api_name == name]
    return found


def test_points_are_those_of_the_page(demo):
    answer = handler_of(demo, "lab_points")("grid", "blob", 0.3, 0)
    last = run_points(PointsConfig(target="grid", start="blob"))[-1]
    assert {name: s["distinct"] for name, s in answer["standings"].items()} == {
        name: last.standings[name].distinct for name in LOSSES
    }
    assert "here Chamfer covers more" in answer["sentence"]
    assert "<" not in answer["sentence"]


def test_the_meter_refuses_what_it_cannot_measure(demo):
    meter = handler_of(demo, "lab_meter")
    with pytest.raises(Exception, match="needs a picture"):
        meter(None, "shift", "rgb", 0.1)
    with pytest.raises(Exception, match="needs 128 x 128"):
        meter(Image.new("RGB", (64, 64)), "shift", "rgb", 0.1)
    with pytest.raises(Exception, match="bend"):
        meter(Image.new("RGB", (200, 200)), "bend", "rgb", 0.1)
