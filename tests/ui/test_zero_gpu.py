"""Long runs that go to a borrowed GPU: what arrives there, and what comes back."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from cxdemo.engine import zero_gpu
from cxdemo.engine.context import find_device
from cxdemo.optimize import Step
from cxdemo.pipelines.face_animation import AnimationConfig
from cxdemo.pipelines.misalignment import MisalignmentConfig
from cxdemo.pipelines.style_rivals import RivalsConfig
from cxdemo.pipelines.style_transfer import load_preset, transfer_style
from cxdemo.runs.clips import ClipRun
from cxdemo.runs.misaligned import MisalignedRun
from cxdemo.runs.rivals import RivalsRun
from cxdemo.runs.style import StyleRun


@pytest.fixture
def lent(monkeypatch):
    """The package of a Space whose worker is this process, and the seconds that were asked for."""
    asked = []

    def lend(task, *, duration):
        def borrow(*args):
            asked.append(duration(*args))
            yield from task(*args)

        return borrow

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lend))
    monkeypatch.setattr(zero_gpu, "BORROWED", "cpu")
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    return SimpleNamespace(stream=zero_gpu.build_stream(), asked=asked)


def steps_of(image, factor):
    for index in (1, 2):
        image = image * factor
        yield Step(index=index, total=2, losses={"a": 1.0}, image=image, seconds=0.5)


def refuse(image):
    raise ValueError("The picture is too small.")
    yield


def fail(image):
    raise KeyError("a fault")
    yield


def test_steps_come_back_as_they_were_computed(lent):
    image = torch.rand(1, 3, 4, 4)
    here = list(zero_gpu.stream_here(steps_of, image, 2.0, seconds=20))
    there = list(lent.stream(steps_of, image, 2.0, seconds=20))
    assert [step.index for step in there] == [1, 2]
    assert all(torch.equal(a.image, b.image) for a, b in zip(here, there, strict=True))
    assert lent.asked == [20]


def test_a_refusal_keeps_its_sentence_and_a_fault_stays_a_fault(lent):
    with pytest.raises(ValueError, match=r"^The picture is too small\.$"):
        list(lent.stream(refuse, torch.zeros(1), seconds=15))
    with pytest.raises(KeyError):
        list(lent.stream(fail, torch.zeros(1), seconds=15))


def test_everything_is_moved_and_what_is_in_training_stays():
    network = nn.Linear(2, 2)
    step = SimpleNamespace(network=network)
    moved = zero_gpu.move(({"a": [torch.zeros(2)]}, network, step), "meta")
    assert moved[0]["a"][0].device.type == "meta"
    assert moved[1].weight.device.type == "meta"
    assert network.weight.device.type == "cpu"
    assert moved[2] is step  # no part of a pipeline's steps


def test_a_space_with_a_lent_gpu_computes_the_rest_on_its_cpu(lent, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as the package claims
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(zero_gpu, "find_spec", lambda name: name == "spaces")
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert find_device()[0] == "cuda"
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert find_device() == ("cpu", zero_gpu.DEVICE_NAME)
    monkeypatch.setattr(zero_gpu, "find_spec", lambda name: None)
    assert find_device()[0] == "cuda"  # the package is not installed


# --- The runs ------------------------------------------------------------------------------------


class SmallFeatures(nn.Module):
    """Maps that a pipeline can work with, of two random convolutions."""

    backbone, notice, dtype = "vgg16", None, torch.float32

    def __init__(self, layers):
        super().__init__()
        torch.manual_seed(0)
        self.layers = tuple(layers)
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1).requires_grad_(False)

    def forward(self, image):
        return {layer: self.convolution(image).relu() for layer in self.layers}


def noise(size):
    return Image.effect_noise((size, size), 80).convert("RGB")


def make_style():
    config = load_preset("fast", size=64, num_steps=2)
    return StyleRun(content=noise(64), styles=[noise(64)], shares=[1.0], config=config)


def make_rivals():
    return RivalsRun(content=noise(64), style=noise(64), config=RivalsConfig(size=64, num_steps=2))


def make_misaligned():
    config = MisalignmentConfig(losses=("l2", "cx"), num_steps=8, crop=48)
    return MisalignedRun(picture=noise(128), config=config)


def make_clip():
    frames = torch.rand(4, 3, 64, 64)
    config = AnimationConfig(num_steps=20, size=64)
    return ClipRun(kind="puppet", driver=frames, aim=frames, shown=frames, config=config)


RUNS = {"style": make_style, "rivals": make_rivals, "race": make_misaligned, "puppet": make_clip}


@pytest.mark.parametrize("name", RUNS)
def test_each_long_run_takes_all_of_its_steps_on_the_borrowed_gpu(name, ctx, lent):
    real = replace(
        ctx,
        transfer_style=transfer_style,
        load_features=lambda backbone, layers, *, pooling: SmallFeatures(layers),
        stream=lent.stream,
    )
    run = RUNS[name]()
    for _ in run.steps(real):
        pass
    assert run.finished
    assert lent.asked == [15]
