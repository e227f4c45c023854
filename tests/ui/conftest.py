"""What the tests of the page share."""

import gc
import hashlib
import os
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # both are read at import
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from cxdemo.checkpoints import CheckpointError
from cxdemo.engine.context import Context
from cxdemo.runs import pace
from cxdemo.ui.app import launch_options
from ui.fake_faces import FAKE_FACES
from ui.fake_pipeline import (
    FAKE_UPSCALING,
    FakeExplanation,
    FakeFeatures,
    build_demo,
    fake_transfer,
)
from ui.live import Live


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


@pytest.fixture
def gradio_folder(tmp_path, monkeypatch):
    """Where Gradio stores files for this test."""
    folder = tmp_path / "gradio"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.fixture
def store(gradio_folder):
    """Puts a file, or a content under a name, where Gradio would, and says where."""

    def put(file, content=None):
        name, content = Path(file).name, Path(file).read_bytes() if content is None else content
        path = gradio_folder / hashlib.sha256(content).hexdigest() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    return put


@pytest.fixture(scope="session")
def live(ctx, tmp_path_factory):
    """The whole page, running, with pipelines that answer at once."""
    folder = tmp_path_factory.mktemp("live") / "gradio"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        demo = build_demo(ctx)
        with leaving_loops_open():
            _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        yield Live(demo, url, folder)
        with leaving_loops_open():
            demo.close(verbose=False)


@contextmanager
def leaving_loops_open():
    """Gradio closes none of the event loops that it makes when it launches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
