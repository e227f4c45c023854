"""The endpoints of style transfer for programs. Their components are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.options import options_of
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig, load_preset
from cxdemo.ui import match_overlay
from cxdemo.ui.context import Context
from cxdemo.ui.errors import readable
from cxdemo.ui.live_state import take_steps
from cxdemo.ui.options_form import control_for
from cxdemo.ui.safe_image import SafeImage
from cxdemo.ui.style_run import StyleRun
from cxdemo.ui.turns import quickly, take_turn

REFRESH = 1.0  # seconds between two previews


def add_endpoints(ctx: Context) -> None:
    """Add `/stylize` and `/explain_style` to the page that is being built."""
    _add_stylize(ctx)
    _add_explain_style(ctx)


def _add_stylize(ctx: Context) -> None:
    def stylize(
        content: Image.Image | None,
        style: Image.Image | None,
        preset: str = "fast",
        style_strength: float = 1.0,
        size: float = 256,
        seed: float = 0,
        keep_colors: bool = False,
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The content painted in the style; previews come first, the last answer is the result.

        Args:
            content: What the picture shows.
            style: The picture whose style it takes.
            preset: fast, paper or authors.
            style_strength: How far the style is taken, 0 to 4.
            size: Long side of the result in pixels, 64 to 1024.
            seed: Of the noise, for settings that start from noise.
            keep_colors: Whether to keep the colours of the content.
        """
        if content is None or style is None:
            raise ValueError("stylize needs two pictures, a content and a style.")
        config = load_preset(
            preset,
            style_strength=float(style_strength),
            size=int(size),
            seed=int(seed),
            keep_colors=bool(keep_colors),
        )
        job = StyleRun(content=content, styles=[style], shares=[1.0], config=config)

        def work() -> Iterator[tuple[Any, dict[str, Any]]]:
            for _ in take_steps(job, ctx, every=REFRESH):
                yield job.image, job.settings()
            png, _ = job.save()
            yield str(png), job.settings() | {"notice": job.notice}

        yield from take_turn(
            job, ctx, "style transfer", work=work(),
            waiting=lambda said: (None, job.settings() | {"waiting": said}),
        )  # fmt: skip

    known = options_of(StyleTransferConfig)
    names = ("style_strength", "size", "seed", "keep_colors")
    stylized = gr.Image(label="Stylized picture", format="png", visible=False)
    settings = gr.JSON(label="Settings", visible=False)
    pictures = [SafeImage(label=name, visible=False) for name in ("Content", "Style")]
    preset = gr.Radio(list(PRESETS), value="fast", label="Preset", visible=False)
    with gr.Row(visible=False):
        fields = [control_for(known[name]) for name in names]
    gr.Button(visible=False).click(
        readable(stylize),
        [*pictures, preset, *fields],
        [stylized, settings],
        api_name="stylize",
    )


def _add_explain_style(ctx: Context) -> None:
    def explain_style(
        stylized: Image.Image | None, style: Image.Image | None, x: float = 50, y: float = 50
    ) -> tuple[Image.Image, dict[str, Any]]:
        """Which patches of a style a place of a stylized picture took after.

        Args:
            stylized: A result of /stylize.
            style: The style that it was given.
            x: Percent of the width, from the left.
            y: Percent of the height, from the top.
        """
        if stylized is None or style is None:
            raise ValueError("explain_style needs two pictures, a stylized one and its style.")
        job = StyleRun(
            content=stylized, styles=[style], shares=[1.0], config=PRESETS["fast"], image=stylized
        )
        place, matches, layer = job.explain(ctx, x / 100, y / 100)
        found = [{"box": list(match.box), "affinity": match.affinity} for match in matches]
        answer = {"place": list(place), "layer": layer, "matches": found}
        return match_overlay.mark_matches([style], matches), answer

    pair = [SafeImage(label=name, visible=False) for name in ("Stylized picture", "Style")]
    places = [gr.Number(50, label=label, visible=False) for label in ("x, %", "y, %")]
    marked = gr.Image(label="Style with the matched patches", format="png", visible=False)
    matches = gr.JSON(label="Place and matches, boxes as shares of the sides", visible=False)
    gr.Button(visible=False).click(
        readable(quickly(explain_style)),
        [*pair, *places],
        [marked, matches],
        api_name="explain_style",
    )
