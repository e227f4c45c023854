"""What the tests of the page share."""

import os
from dataclasses import replace

import pytest
import torch
from PIL import Image

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # both are read at import
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from cxdemo.checkpoints import CheckpointError
from cxdemo.ui import pace
from cxdemo.ui.context import Context
from ui.fake_faces import FAKE_FACES
from ui.fake_pipeline import (
    FAKE_UPSCALING,
    FakeExplanation,
    FakeFeatures,
    build_demo,
    fake_transfer,
)


@pytest.fixture(scope="session")
def ctx():
    return Context(
        transfer_style=fake_transfer,
        explain_style=FakeExplanation,
        load_features=lambda backbone, layers, *, pooling: FakeFeatures(backbone),
        locate=lambda name: "embedded" if name == "vgg16" else None,
        device="cpu",
        device_name="CPU, 2 cores",
        **FAKE_UPSCALING,
        **FAKE_FACES,
    )


@pytest.fixture(autouse=True)
def unmeasured():
    """No estimate depends on what an earlier test took."""
    pace.paces_of("cpu")._measured.clear()


@pytest.fixture
def ctx_without_vgg19(ctx):
    def load(backbone, layers, *, pooling):
        if backbone == "vgg19":
            raise CheckpointError("vgg19 cannot be had: the Hub did not answer", "try later")
        return FakeFeatures(backbone)

    return replace(ctx, load_features=load)


@pytest.fixture
def content():
    torch.manual_seed(0)
    return Image.effect_noise((96, 64), 60).convert("RGB")


@pytest.fixture
def style():
    return Image.new("RGB", (80, 80), (200, 120, 20))


@pytest.fixture
def demo(ctx):
    return build_demo(ctx)
