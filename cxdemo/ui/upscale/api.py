"""The endpoints of super-resolution for programs. Their components are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.options import Option, options_of, read_config
from cxdemo.pipelines.super_resolution import METHODS, Scores, SuperResolutionConfig
from cxdemo.runs.live import take_steps
from cxdemo.runs.upscale import UpscaleRun, choose_methods
from cxdemo.ui.kit.api_fields import ApiField, read_value
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.layered_image import LayeredImage
from cxdemo.ui.kit.turns import take_turn

METHOD = Option(
    name="method", default="cx", label="Method", choices=tuple(METHODS), help="How it is enlarged.",
)  # fmt: skip
SOME_METHODS = Option(
    name="methods", default=tuple(METHODS), label="Methods", choices=tuple(METHODS),
    help="What is compared.",
)  # fmt: skip

REFRESH = 1.0  # seconds between two reports of progress


def add_endpoints(ctx: Context) -> None:
    """Add `/upscale` and `/super_resolution_metrics` to the page that is being built."""
    _add_upscale(ctx)
    _add_metrics(ctx)


def _add_upscale(ctx: Context) -> None:
    def upscale(
        picture: Image.Image | None, method: str = "cx", back_projection: int = 2
    ) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """A picture at four times its size; progress comes first, the last answer is the result.

        Args:
            picture: The small picture, at most 1.2 megapixels. Transparency is kept.
            method: bicubic, mse, cx or cx-gan.
            back_projection: Rounds that make the result shrink to exactly the small picture.

        Returns:
            The PNG (none before the end), and the settings with the share that is done.
        """
        if picture is None:
            raise ValueError("upscale needs a picture.")
        method = read_value(METHOD, method)
        config = read_config(SuperResolutionConfig, {"back_projection": back_projection})
        job = UpscaleRun(picture=picture, methods=[method], config=config)

        def work() -> Iterator[tuple[str | None, dict[str, Any]]]:
            for _ in take_steps(job, ctx, every=0):
                yield None, job.settings(method) | {"done": round(job.share, 3)}
            said = {"done": 1.0, "seconds": round(job.seconds, 2)}
            yield str(job.files[method].png), job.settings(method) | said

        yield from take_turn(
            job, ctx, "upscale", work=work(), often_small=True,
            waiting=lambda said: (None, job.settings(method) | {"done": 0.0, "waiting": said}),
        )  # fmt: skip

    picture = LayeredImage(label="Picture", visible=False)
    fields = [ApiField(METHOD), ApiField(options_of(SuperResolutionConfig)["back_projection"])]
    upscaled = gr.Image(label="Upscaled picture", format="png", type="filepath", visible=False)
    settings = gr.JSON(label="Settings and progress", visible=False)
    gr.Button(visible=False).click(
        readable(upscale), [picture, *fields], [upscaled, settings], api_name="upscale"
    )


def _add_metrics(ctx: Context) -> None:
    def super_resolution_metrics(
        picture: Image.Image | None, methods: list[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """A sharp picture is shrunk to a quarter, restored by each method, and measured.

        Args:
            picture: A sharp picture, at least 192 pixels on each side; of a larger one than 1024
                the middle is used.
            methods: Some of bicubic, mse, cx, cx-gan.

        Returns:
            By method: psnr (dB) and ssim of the brightness, higher is nearer; lpips, lower is
            nearer; cx (contextual similarity), higher is nearer.
        """
        if picture is None:
            raise ValueError("super_resolution_metrics needs a picture.")
        wanted = METHODS if methods is None else read_value(SOME_METHODS, methods)
        chosen = choose_methods(list(wanted))
        job = UpscaleRun(
            picture=picture.convert("RGB"),
            methods=chosen,
            config=SuperResolutionConfig(),
            test=True,
        )
        for said in take_turn(
            job, ctx, "test of methods", work=take_steps(job, ctx, every=REFRESH),
            waiting=lambda said: said, often_small=True,
        ):  # fmt: skip
            yield {"waiting": said} if said else {"done": round(job.share, 3)}
        yield {method: _as_dict(scores) for method, scores in job.scores.items()}

    picture = LayeredImage(label="Sharp picture", visible=False)
    methods = ApiField(SOME_METHODS)
    scores = gr.JSON(label="Scores by method", visible=False)
    gr.Button(visible=False).click(
        readable(super_resolution_metrics), [picture, methods], scores,
        api_name="super_resolution_metrics",
    )  # fmt: skip


def _as_dict(scores: Scores) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores._asdict().items()}
