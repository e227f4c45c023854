"""VGG19 that arrives while the app is in use, and what is shown and used until it is there."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from PIL import Image

from cxdemo.checkpoints import CheckpointError
from cxdemo.engine import context
from cxdemo.engine.background_fetch import BackgroundFetch
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from cxdemo.runs.match import Comparison
from cxdemo.ui.app import look_at_weights
from cxdemo.ui.header import is_changing, show_status

FAILURE = CheckpointError("vgg19 cannot be had: the Hub did not answer within 10 s", "try later")


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class Hub:
    """Sends half of the file, waits, and then does what it is told."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.half, self.go_on = threading.Event(), threading.Event()

    def fetch(self, name, *, progress):
        assert name == "vgg19"
        progress(40_000_000, 80_000_000)
        self.half.set()
        assert self.go_on.wait(30)
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        progress(80_000_000, 80_000_000)


def start(hub, **options):
    options = {"waits": (0.0, 0.0, 0.0), "again": 0.0} | options
    fetch = BackgroundFetch(name="vgg19", fetch=hub.fetch, **options)
    fetch.start()
    return fetch


def finish(fetch):
    fetch._thread.join(5)
    assert not fetch.running


def test_the_header_shows_how_far_it_is_and_then_where_it_is(ctx):
    hub = Hub(None)
    fetch = start(hub)
    assert hub.half.wait(5)
    waiting = replace(ctx, fetch=fetch)
    shown = show_status(waiting)
    assert "on its way, 40 of 80 MB" in shown
    assert '<progress max="80000000" value="40000000">' in shown
    assert is_changing(waiting)
    assert fetch.notice("vgg16") == (
        "vgg19 is on its way from the Hugging Face Hub (40 of 80 MB); "
        "vgg16 is used until it is here."
    )
    hub.go_on.set()
    finish(fetch)
    assert not is_changing(waiting)
    assert fetch.notice("vgg16") is None
    here = replace(waiting, locate=lambda name: "cache")
    assert "from this machine&#x27;s cache" in show_status(here)


def test_a_failure_is_tried_again_and_then_told_with_its_reason(ctx):
    hub = Hub(FAILURE, FAILURE, FAILURE, None)
    hub.go_on.set()
    fetch = start(hub, again=60.0)
    finish(fetch)
    assert hub.outcomes == [None]  # three attempts, no more
    shown = show_status(replace(ctx, fetch=fetch))
    assert "could not be fetched" in shown
    assert f'title="{FAILURE.reason}"' in shown
    assert fetch.notice("vgg16") == f"{FAILURE.reason}; vgg16 is used instead; try later."
    fetch.start()
    assert not fetch.running  # it has just failed
    fetch.again = 0.0
    fetch.start()
    finish(fetch)
    assert (hub.outcomes, fetch.error) == ([], None)


def test_offline_nothing_starts(ctx, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fetch = start(Hub())
    assert not fetch.running
    assert "not here, and offline" in show_status(replace(ctx, fetch=fetch))


def test_the_page_looks_again_only_while_something_is_on_its_way(ctx):
    hub = Hub(None)
    fetch = start(hub)
    waiting = replace(ctx, fetch=fetch)
    assert hub.half.wait(5)
    html, timer = look_at_weights(waiting)
    assert "on its way" in html
    assert timer.active
    hub.go_on.set()
    finish(fetch)
    assert not look_at_weights(waiting)[1].active


# --- What is used in the meantime -----------------------------------------------------------------


@pytest.fixture
def loader(monkeypatch):
    """`load_features` of a machine on which VGG19 may be missing."""
    machine = SimpleNamespace(has_vgg19=False, asked=[])

    def load_features(backbone, layers, *, pooling, device, offline, shared):
        machine.asked.append((backbone, offline))
        missing = backbone == "vgg19" and not machine.has_vgg19
        used, notice = ("vgg16", "vgg19 is missing") if missing else (backbone, None)
        return SimpleNamespace(backbone=used, notice=notice, convolutions={})

    monkeypatch.setattr("cxdemo.features.load_features", load_features)
    return machine


def test_a_stand_in_is_never_remembered_as_the_network_that_was_asked_for(loader):
    load = context._remembered_features("cpu")
    first = load("vgg19", ("conv4_2",), pooling="max")
    assert (first.backbone, first.notice) == ("vgg16", "vgg19 is missing")
    loader.has_vgg19 = True
    second = load("vgg19", ("conv4_2",), pooling="max")
    assert (second.backbone, second.notice) == ("vgg19", None)
    assert load("vgg19", ("conv4_2",), pooling="max") is second
    assert loader.asked == [("vgg19", None), ("vgg19", None)]


def test_while_it_is_on_its_way_nobody_waits_and_the_notice_says_how_far(loader):
    hub = Hub(FAILURE, None)
    fetch = start(hub, waits=(0.0,))
    load = context._remembered_features("cpu", fetch)
    assert hub.half.wait(5)
    notice = load("vgg19", ("conv4_2",), pooling="max").notice
    assert notice.startswith("vgg19 is on its way")
    hub.go_on.set()
    finish(fetch)
    assert fetch.error is FAILURE
    load("vgg19", ("conv4_2",), pooling="max")  # who wants it has it tried again
    finish(fetch)
    assert fetch.error is None
    assert {offline for _, offline in loader.asked} == {True}


def test_features_of_a_stand_in_are_not_kept_as_those_of_the_other(ctx, monkeypatch):
    made = []

    def extract(tensor, config, *, features):
        made.append(features.backbone)
        return tensor

    monkeypatch.setattr("cxdemo.runs.match.extract_map", extract)
    arrived = []

    def load(backbone, layers, *, pooling):
        missing = not arrived
        used, notice = ("vgg16", "vgg19 is missing") if missing else ("vgg19", None)
        return SimpleNamespace(backbone=used, notice=notice)

    picture = Image.effect_noise((64, 64), 50).convert("RGB")
    config = PatchSimilarityConfig(backbone="vgg19", layer="conv3_4")
    comparison = Comparison(source=picture, target=picture, config=config)
    waiting = replace(ctx, load_features=load)
    assert comparison.notice(waiting) == "vgg19 is missing"
    assert comparison.notice(waiting) == "vgg19 is missing"
    arrived.append(time.monotonic())
    assert comparison.notice(waiting) is None
    assert made == ["vgg16", "vgg19"]


# --- Which networks and features are kept ---------------------------------------------------------


def test_whoever_asks_for_layers_shares_what_was_read_before():
    """ "Compare all layers" threw the network of a style transfer out."""
    load = context._remembered_features("cpu")
    style = load("vgg16", ("conv3_2",), pooling="average")
    for layer in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"):
        compared = load("vgg16", (layer,), pooling="max")
        assert compared.convolutions["conv1_1"] is style.convolutions["conv1_1"]
    assert load("vgg16", ("conv3_2",), pooling="average") is style


def test_features_of_one_context_are_not_those_of_another(ctx, monkeypatch):
    made = []
    monkeypatch.setattr(
        "cxdemo.runs.match.extract_map",
        lambda tensor, config, *, features: made.append(1) or tensor,
    )
    picture = Image.effect_noise((64, 64), 50).convert("RGB")
    comparison = Comparison(source=picture, target=picture, config=PatchSimilarityConfig())
    for context_ in (ctx, replace(ctx, device_name="another"), ctx):
        comparison.pair(context_)
    assert len(made) == 2
