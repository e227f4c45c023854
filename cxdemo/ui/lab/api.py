"""The lab's quick endpoints for programs: the toy of the points, and the meter."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.loss_meter import MeterConfig
from cxdemo.pipelines.loss_toys import LOSSES, PointsConfig
from cxdemo.runs.meter import MeterRun
from cxdemo.ui.kit.api_fields import fields_of
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.safe_image import build_api_picture
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.lab.toys.points import run_points, tell_points

POINTS = ("target", "start", "bandwidth", "seed")
METER = ("change", "features", "bandwidth")
LARGEST = 1024  # pixels of a picture's long side


def add_endpoints(ctx: Context) -> None:
    """Add `/lab_points` and `/lab_meter` to the page that is being built."""

    def lab_points(
        target: str = "ring", start: str = "blob", bandwidth: float = 0.3, seed: int = 0
    ) -> dict[str, Any]:
        """Points moved towards a target by three losses: how many targets each one covers.

        Args:
            target: ring, smiley, moons, grid or clusters.
            start: blob, line or scattered.
            bandwidth: h of the loss, 0.05 to 2.
            seed: Of the start, 0 to 9999.

        Returns:
            For each loss the share of targets that are some point's nearest, mean distances both
            ways, and the Contextual Loss; and a sentence.
        """
        chosen = (target, start, bandwidth, seed)
        values: dict[str, Any] = dict(zip(POINTS, chosen, strict=True))
        last = run_points(read_config(PointsConfig, values))[-1]
        return {
            "standings": {name: asdict(last.standings[name]) for name in LOSSES},
            "sentence": re.sub(r"</?b>", "", tell_points(last)),
        }

    def lab_meter(
        picture: Image.Image | None,
        change: str = "shift",
        features: str = "rgb",
        bandwidth: float = 0.1,
    ) -> dict[str, Any]:
        """What L1, L2, perceptual loss, Gram and CX read as a copy of a picture changes.

        Args:
            picture: At least 128 pixels wide and high.
            change: shift, rotate, scale, blur, noise, recolour or shuffle.
            features: rgb or vgg16, for CX and Gram.
            bandwidth: h of the loss, 0.05 to 1.

        Returns:
            The amounts of the change, and for each loss its readings: 0 is the picture itself, 1
            its own pixels in random order.
        """
        if picture is None:
            raise ValueError("lab_meter needs a picture.")
        values: dict[str, Any] = dict(zip(METER, (change, features, bandwidth), strict=True))
        run = MeterRun(picture=picture, config=read_config(MeterConfig, values))
        for _ in run.compute(ctx):
            pass
        return run.record()

    picture = build_api_picture("Picture", LARGEST)
    _add(lab_points, fields_of(options_of(PointsConfig), POINTS), heavy=True)
    _add(lab_meter, [picture, *fields_of(options_of(MeterConfig), METER)], heavy=True)


def _add(handler: Callable[..., Any], inputs: list[Any], *, heavy: bool) -> None:
    """One endpoint; its components are never shown."""
    name = handler.__name__
    answer = gr.JSON(label=name, visible=False)
    gr.Button(visible=False).click(
        readable(quickly(handler, heavy=heavy)), inputs, answer, api_name=name
    )
