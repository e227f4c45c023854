"""The super-resolution tab: components, and what each event calls."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.gallery.upscale import EXAMPLES, UpscaleExample
from cxdemo.options import options_of
from cxdemo.pipelines.super_resolution import METHODS, SuperResolutionConfig
from cxdemo.runs.pace import paces_of
from cxdemo.runs.upscale import NAMES, UpscaleRun
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.example_strip import index_of
from cxdemo.ui.kit.layered_image import LayeredImage, check_upload, size_of
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.page_script import AT_ONCE, PRIVATE, page_load
from cxdemo.ui.kit.result_views import build_compare, build_position, build_shown
from cxdemo.ui.kit.run_wiring import Updates, build_buttons, build_downloads
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.upscale.api import add_endpoints
from cxdemo.ui.upscale.lens import LENS_SCRIPT
from cxdemo.ui.upscale.run_page import Page, open_pair
from cxdemo.ui.upscale.view import INVITATION, tell_estimate

OPTIONS = options_of(SuperResolutionConfig)
ADVANCED = [name for name, known in OPTIONS.items() if known.advanced]
DOWNLOADS = {method: f"{name}, PNG" for method, name in NAMES.items()}


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    with gr.Row(elem_id="cx-sr", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_id="cx-sr-inputs"):
            picture, strip = _build_pictures()
            made = _build_settings()
        with gr.Column(scale=7, min_width=320, elem_id="cx-sr-outputs"):
            made |= _build_results()
    made["lens"] = gr.HTML(elem_id="cx-sr-lens", js_on_load=LENS_SCRIPT)
    made |= {"example": gr.State(EXAMPLES[0]), "state": gr.State(None, time_to_live=3600)}
    page = Page(ctx=ctx, picture=picture, **made)
    _wire_inputs(page)
    page.wire_run()
    page.start_on(_wire_examples(page, strip).success, "upscale_example")
    _wire_views(page)
    add_endpoints(ctx)


# ------------------------------------------------------------------------------- components


def _build_pictures() -> tuple[LayeredImage, gr.HTML]:
    """The picker and the examples."""
    picture = LayeredImage(
        EXAMPLES[0].open(test=False),
        label="Picture",
        format="png",
        type="pil",
        sources=["upload", "clipboard"],
        buttons=[],
        height=230,
        elem_id="cx-sr-picture",
        elem_classes="cx-picker",
        alt_text="The picture to enlarge",
        placeholder="Drop a small picture, or choose below",
    )
    strip = picture_cards.build_thumbnails(
        [example.open(test=False) for example in EXAMPLES],
        [example.title for example in EXAMPLES],
        label="Pictures to try",
        elem_id="cx-sr-strip",
    )
    return picture, strip


def _build_settings() -> dict[str, Any]:
    """What to compare, Run and Stop, by their names in `Page`."""
    made: dict[str, Any] = {}
    made["methods"] = gr.CheckboxGroup(
        [(name, method) for method, name in NAMES.items()],
        value=list(METHODS),
        label="Compare",
        elem_id="cx-sr-methods",
    )
    made["test"] = gr.Checkbox(
        label="Test me: shrink my picture first, and measure",
        info="Give it a sharp picture. It is shrunk to a quarter, restored, and compared with "
        "itself.",
        elem_id="cx-sr-test",
    )
    made |= build_buttons("cx-sr", Page.ready)
    made["estimate"] = gr.HTML(elem_id="cx-sr-estimate")
    with gr.Accordion("Advanced", open=False, elem_id="cx-sr-advanced"):
        made["controls"] = {
            name: control_for(OPTIONS[name], elem_id=f"cx-sr-option-{name}") for name in ADVANCED
        }
    return made


def _build_results() -> dict[str, Any]:
    """The views of the results, the scores and the downloads, by their names in `Page`."""
    made: dict[str, Any] = {"status": gr.HTML(INVITATION, elem_id="cx-sr-progress")}
    made["live"] = build_shown(
        "The result so far", "cx-sr-live", format="jpeg", show_label=False, visible=False
    )
    with gr.Column(visible=False, elem_id="cx-sr-views") as made["views"]:
        with gr.Row(elem_id="cx-sr-sides"):
            made["left"] = gr.Radio([], label="Left", min_width=140, elem_id="cx-sr-left")
            made["right"] = gr.Radio([], label="Right", min_width=140, elem_id="cx-sr-right")
        made["compare"] = build_compare("cx-sr-compare", type="filepath")
        build_position(made["compare"], "cx-sr-position", "move_upscale_slider")
        made["scores"] = gr.HTML(elem_id="cx-sr-scores")
        made["downloads"] = build_downloads("cx-sr-png", DOWNLOADS)
    return made


# ------------------------------------------------------------------------------------ events


def _wire_inputs(page: Page) -> None:
    """Uploads are checked, and an estimate follows what is chosen."""
    seconds = paces_of(page.ctx.device).seconds

    def accept(payload: dict[str, Any] | None) -> Updates:
        checked = check_upload(payload)
        kept: Any = gr.skip() if checked is not None else None
        return {page.picture: kept, page.example: None}

    def estimate(payload: dict[str, Any] | None, methods: list[str], test: bool) -> str:
        return tell_estimate(size_of(payload), methods, test=test, seconds=seconds)

    page.picture.upload(
        quickly(accept), page.picture, [page.picture, page.example], preprocess=False,
        api_name="accept_small_picture", **PRIVATE,
    )  # fmt: skip
    gr.on(
        [page_load(), page.picture.change, page.methods.change, page.test.change],
        estimate,
        [page.picture, page.methods, page.test],
        page.estimate,
        preprocess=False,
        api_name="estimate_upscale",
        **AT_ONCE,
        **PRIVATE,
    )


def _wire_examples(page: Page, strip: gr.HTML) -> Any:
    """Wires the strip of examples. Returns the event of a choice."""
    page.test.input(
        switch_test, [page.test, page.example], page.picture, api_name="switch_test", queue=False,
        **PRIVATE,
    )  # fmt: skip
    return strip.select(
        choose_example, page.test, [page.picture, page.example], api_name="pick_small_picture",
        queue=False, **PRIVATE,
    )  # fmt: skip


def choose_example(event: gr.SelectData, test: bool) -> tuple[Image.Image, UpscaleExample]:
    """The picture of an example."""
    example = EXAMPLES[index_of(event)]
    return example.open(test=test), example


def switch_test(test: bool, example: UpscaleExample | None) -> Any:
    """An example is sharp for a test, and small without one."""
    return gr.skip() if example is None else example.open(test=test)


def _wire_views(page: Page) -> None:
    for side, radio in (("left", page.left), ("right", page.right)):
        radio.input(
            show_pair, [page.state, page.left, page.right], page.compare,
            api_name=f"choose_{side}", **AT_ONCE, **PRIVATE,
        )  # fmt: skip


def show_pair(run: UpscaleRun | None, left: str, right: str) -> Any:
    """Two results side by side, if they are there."""
    if run is None or left not in run.files or right not in run.files:
        return gr.skip()
    return open_pair(run, left, right)
