"""The shell: which endpoints there are, who may call them, how it listens."""

from dataclasses import replace

import pytest
from gradio.state_holder import SessionState

from cxdemo.ui.app import FLOOD, TABS, launch_options
from cxdemo.ui.header import show_equations, show_status, show_title
from ui.fake_pipeline import build_demo

STYLIZE = ["content", "style", "preset", "style_strength", "size", "seed", "keep_colors"]


def test_public_endpoints_are_these(demo):
    public = {f.api_name for f in demo.fns.values() if f.api_visibility == "public"}
    assert public == {
        "stylize", "explain_style", "match", "upscale", "super_resolution_metrics",
        "face_exemplar", "face_translate", "face_animate", "face_puppet", "lab_points", "lab_meter",
    }  # fmt: skip


def demo_names(demo):
    return [f.api_name for f in demo.fns.values()]


def test_endpoints_are_typed_and_documented(demo):
    info = demo.get_api_info()["named_endpoints"]
    assert [p["parameter_name"] for p in info["/stylize"]["parameters"]] == STYLIZE
    assert [p["parameter_name"] for p in info["/explain_style"]["parameters"]] == [
        "stylized", "style", "x", "y",
    ]  # fmt: skip
    assert len(info["/stylize"]["returns"]) == 2
    assert [p["parameter_name"] for p in info["/face_animate"]["parameters"]] == [
        "picture", "clip", "num_steps", "size", "source_weight", "seed", "start",
    ]  # fmt: skip
    faces = [name for name in demo_names(demo) if name.startswith("face_")]
    assert len(faces) == 4
    for name in ("stylize", "explain_style", *faces):
        (function,) = [f for f in demo.fns.values() if f.api_name == name]
        assert "Args:" in function.fn.__doc__


def test_every_event_has_a_name_of_its_own(demo):
    names = [f.api_name for f in demo.fns.values()]
    assert all(isinstance(name, str) for name in names)
    assert len(names) == len(set(names))
    counted = [name for name in names if name[-2:] in {"_1", "_2"} and "accept" not in name]
    assert not [name for name in counted if "unnamed" not in name]  # so Gradio calls a cancel


def test_no_event_waits_in_the_queue_of_gradio(demo):
    """Its one length for everything let a few long runs keep clicks out; see `turns`."""
    limits = {f.concurrency_limit for f in demo.fns.values()}
    assert limits <= {"default", None}
    assert demo._queue.default_concurrency_limit is None
    assert demo._queue.max_size == FLOOD > 100
    assert not [f.api_name for f in demo.fns.values() if f.cancels]  # runs end themselves


def test_what_may_refuse_goes_through_the_queue(demo):
    """Gradio 6.31 shows no message of an event that does not."""
    refusing = {"begin_style", "run_style", "load_settings", "explain_click", "explain_keys"}
    assert refusing <= {f.api_name for f in demo.fns.values() if f.queue}


def test_each_tab_is_shown_and_no_other(demo):
    labels = [b.label for b in demo.blocks.values() if b.get_block_name() == "tabitem"]
    assert labels[: len(TABS)] == [title for title, _ in TABS] or labels[0] == TABS[0][0]
    assert "Style transfer" in labels
    assert not any("soon" in label.lower() for label in labels)


def test_listens_on_this_machine_only_unless_told_otherwise(monkeypatch):
    for variable in ("SPACE_ID", "GRADIO_SERVER_NAME"):
        monkeypatch.delenv(variable, raising=False)
    assert launch_options()["server_name"] == "127.0.0.1"
    monkeypatch.setenv("SPACE_ID", "me/cxdemo")
    assert launch_options()["server_name"] == "0.0.0.0"  # noqa: S104  as it should
    monkeypatch.setenv("GRADIO_SERVER_NAME", "10.0.0.7")
    assert launch_options()["server_name"] == "10.0.0.7"


def test_header_says_what_the_loss_does_and_shows_five_equations():
    assert "compared with all the others" in show_title()
    assert show_equations().count("<math") == 5


def test_status_names_source_and_device(ctx):
    html = show_status(ctx)
    assert "VGG16, shipped with the app" in html
    assert "CPU, 2 cores" in html
    assert "cx-banner" not in html


@pytest.mark.parametrize("fault", [None, OSError("no manifest")])
def test_starts_without_any_weights_and_says_so(ctx, fault):
    def locate(name):
        if fault:
            raise fault

    bare = replace(ctx, locate=locate)
    assert "No weights were found" in show_status(bare)
    build_demo(bare)


def test_a_visit_describes_no_component(demo):
    """It would be half a megabyte, or an empty dictionary for each of them."""
    described = {id(each) for each in SessionState(demo).config_values.values()}
    described |= {id(each) for each in SessionState(demo).config_values.values()}
    assert len(described) == 1
