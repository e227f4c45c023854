"""The endpoints of style transfer for programs. Their components are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.figures import overlay
from cxdemo.options import Option, options_of, read_config
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig, load_preset
from cxdemo.runs.live import take_steps
from cxdemo.runs.style import StyleRun
from cxdemo.ui.kit.api_fields import ACROSS, DOWN, ApiField, fields_of, read_value
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.safe_image import LARGEST, build_api_picture
from cxdemo.ui.kit.turns import quickly, take_turn

NAMES = ("style_strength", "size", "seed", "keep_colors")
PRESET = Option(
    name="preset", default="fast", label="Preset", choices=tuple(PRESETS),
    help="The settings that the others change.",
)  # fmt: skip
_LARGEST_SIZE = options_of(StyleTransferConfig)["size"].maximum
SIZE = Option(
    name="size", default=0, label="Size", minimum=0, maximum=_LARGEST_SIZE,
    help="Long side of the result, in pixels, 64 or more. 0 or nothing: that of the preset.",
)  # fmt: skip
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
        size: int | None = 0,
        seed: int = 0,
        keep_colors: bool = False,
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The content painted in the style; previews come first, the last answer is the result.

        Args:
            content: What the picture shows.
            style: The picture whose style it takes.
            preset: fast, fine, paper or authors.
            style_strength: How far the style is taken, 0 to 4.
            size: Long side of the result in pixels, 64 to 1024; 0 or None: that of the preset.
            seed: Of the noise, for settings that start from noise.
            keep_colors: Whether to keep the colours of the content.
        """
        if content is None or style is None:
            raise ValueError("stylize needs two pictures, a content and a style.")
        base = load_preset(read_value(PRESET, preset))
        asked = read_value(SIZE, 0 if size is None else size) or base.size
        given = (style_strength, asked, seed, keep_colors)
        values: dict[str, Any] = dict(zip(NAMES, given, strict=True))
        config = read_config(StyleTransferConfig, values, base=base)
        job = StyleRun(content=content, styles=[style], shares=[1.0], config=config)

        def work() -> Iterator[tuple[Any, dict[str, Any]]]:
            for _ in take_steps(job, ctx, every=REFRESH):
                yield job.image, job.settings()
            yield str(job.export("png")["png"]), job.settings() | {"notice": job.notice}

        yield from take_turn(
            job, ctx, "style transfer", work=work(),
            waiting=lambda said: (None, job.settings() | {"waiting": said}),
        )  # fmt: skip

    stylized = gr.Image(label="Stylized picture", format="png", visible=False)
    settings = gr.JSON(label="Settings", visible=False)
    largest = int(options_of(StyleTransferConfig)["size"].maximum or LARGEST)
    pictures = [build_api_picture(name, largest) for name in ("Content", "Style")]
    fields = fields_of(
        options_of(StyleTransferConfig) | {"preset": PRESET, "size": SIZE}, ("preset", *NAMES)
    )
    gr.Button(visible=False).click(
        readable(stylize),
        [*pictures, *fields],
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
        across, down = read_value(ACROSS, x) / 100, read_value(DOWN, y) / 100
        place, matches, layer = job.explain(ctx, across, down)
        found = [{"box": list(match.box), "affinity": match.affinity} for match in matches]
        answer = {"place": list(place), "layer": layer, "matches": found}
        return overlay.mark_matches([style], matches), answer

    pair = [build_api_picture(name, LARGEST) for name in ("Stylized picture", "Style")]
    places = [ApiField(ACROSS), ApiField(DOWN)]
    marked = gr.Image(label="Style with the matched patches", format="png", visible=False)
    matches = gr.JSON(label="Place and matches, boxes as shares of the sides", visible=False)
    gr.Button(visible=False).click(
        readable(quickly(explain_style)),
        [*pair, *places],
        [marked, matches],
        api_name="explain_style",
    )
