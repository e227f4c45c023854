"""The app with pipelines that take their time, on a port of this machine: `slow_app.py PORT`."""

import os
import sys
import time
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (1, 2)]

from cxdemo.engine.context import Context  # noqa: E402
from cxdemo.ui.app import build_app, launch_options  # noqa: E402  Gradio reads the environment
from ui.fake_faces import FAKE_FACES  # noqa: E402
from ui.fake_pipeline import (  # noqa: E402
    FAKE_UPSCALING,
    FakeExplanation,
    FakeFeatures,
    fake_transfer,
)

STEP = 0.05  # seconds


def slow_transfer(content, styles, config, *, style_weights=None, features=None):
    for step in fake_transfer(content, styles, config):
        time.sleep(STEP)
        yield step


if __name__ == "__main__":
    ctx = Context(
        transfer_style=slow_transfer,
        explain_style=FakeExplanation,
        load_features=lambda backbone, layers, *, pooling: FakeFeatures(backbone),
        locate=lambda name: "embedded",
        device="cpu",
        device_name="CPU, 2 cores",
        **FAKE_UPSCALING,
        **FAKE_FACES,
    )
    build_app(ctx).launch(**launch_options(), server_port=int(sys.argv[1]), quiet=True)
