"""The pictures of a style transfer, and whose result is shown once they have changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import examples
from cxdemo.runs.style import StyleRun
from cxdemo.ui.kit.example_strip import build_strip, check_uploads, fill_from
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.run_wiring import Values
from cxdemo.ui.kit.safe_image import SafeImage, build_picker
from cxdemo.ui.style.progress import tell_pair
from cxdemo.ui.style.run_page import OPTIONS, Page

LARGEST = int(OPTIONS["size"].maximum or 1024)  # pixels; more of an upload is never used
CONTENTS, PAINTINGS = ("portrait", "photo"), ("painting",)  # kinds of shipped pictures

Event = Callable[..., Any]


def build_pickers(first: StyleRun | None) -> tuple[SafeImage, SafeImage, list[Event]]:
    """Content, style, and the events by which a small picture gets into one of them."""
    with gr.Row(elem_id="cx-pickers", equal_height=True):
        with gr.Column(min_width=150):
            content = _picker("Content", "cx-content", value=first and first.content)
            picked = _add_strip(content, CONTENTS, "Pictures for the content")
        with gr.Column(min_width=150):
            style = _picker("Style", "cx-style-picture", value=first and first.styles[0])
            painted = _add_strip(style, PAINTINGS, "Paintings for the style")
    return content, style, [picked.then, painted.then]


def build_more_styles(style: SafeImage) -> tuple[list[SafeImage], list[gr.Slider]]:
    """Two more styles, and the weight of each of the three."""
    with gr.Accordion("Blend in more styles", open=False, elem_id="cx-more-styles"):
        first = gr.Slider(0, 1, 1, step=0.05, label="Weight of the style above")
        with gr.Row():
            with gr.Column(min_width=150):
                second = _picker("Second style", "cx-style-2", "if you like")
                second_weight = gr.Slider(0, 1, 0.5, step=0.05, label="Its weight")
            with gr.Column(min_width=150):
                third = _picker("Third style", "cx-style-3", "if you like")
                third_weight = gr.Slider(0, 1, 0.5, step=0.05, label="Its weight")
    return [style, second, third], [first, second_weight, third_weight]


def _picker(
    label: str, elem_id: str, hint: str = "or choose below", *, value: Image.Image | None = None
) -> SafeImage:
    placeholder = f"Drop a {label.lower()} picture, {hint}"
    return build_picker(label, elem_id, value, height=170, placeholder=placeholder)


def _add_strip(picker: SafeImage, kinds: Sequence[str], label: str) -> Any:
    files = examples.picture_files(*kinds)
    strip = build_strip(files, label=label, elem_id=f"cx-strip-{kinds[-1]}")
    return fill_from(strip, files, picker, f"pick_{kinds[-1]}")


def wire_pictures(page: Page, picked: Sequence[Event]) -> None:
    """Says whose result is shown whenever the pictures or the settings have changed."""

    def tell_whose(values: Values) -> str:
        return tell_result_of(page, values)

    pickers = [page.content, *page.styles]
    accepted = [check_uploads(p, LARGEST, f"accept_upload_{i}") for i, p in enumerate(pickers)]
    inputs = {*page.inputs, page.state}
    changes = [control.change for control in (*page.weights, *page.controls.values())]
    gr.on(
        [*changes, *(picker.clear for picker in pickers)],
        tell_whose,
        inputs,
        page.pair,
        api_name="tell_whose_result",
        trigger_mode="always_last",
        **PRIVATE,
    )
    events = [*(event.then for event in accepted), *picked]
    for letter, event in zip(ascii_lowercase, events, strict=False):
        event(tell_whose, inputs, page.pair, api_name=f"tell_whose_result_{letter}", **PRIVATE)


def tell_result_of(page: Page, values: Values) -> str:
    """The pictures of the result, and whether they are still those of the page."""
    run: StyleRun | None = values[page.state]
    if run is None:
        return ""
    try:
        styles, shares = page.read_styles(values)
        config = page.read_config(values)
        fits = run.belongs_to(values[page.content], styles, shares, config)
    except ValueError:
        fits = False
    return tell_pair(run, stale=not fits)
