"""The views of a result: as it comes, before and after, and why it looks like this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.figures import overlay
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.runs.style import StyleRun
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.result_views import build_compare, build_position, build_shown
from cxdemo.ui.kit.run_wiring import Updates, build_downloads
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.style.progress import tell_progress
from cxdemo.ui.style.run_page import Page, result_values

DOWNLOADS = {"png": "Download PNG, settings inside", "json": "Settings as JSON"}
HINT = (
    '<p class="cx-hint">Click a place of the result, or move the sliders with the arrow keys: the '
    "style patches it took after light up.</p>"
)


def build_results(first: StyleRun | None) -> dict[str, Any]:
    """The views of the result, the loss curve and the downloads, by their names in `Page`.

    They show a finished example from the start: an event that filled them on arrival would come
    late on a slow server, and undo what the visitor had done by then.
    """
    value: Mapping[str, Any] = result_values(first) if first else {}
    made: dict[str, Any] = {"state": gr.State(first, time_to_live=3600)}
    made["status"] = gr.HTML(tell_progress(first) if first else "", elem_id="cx-progress")
    made["pair"] = gr.HTML(move_to_shelf(value.get("pair", "")), elem_id="cx-result-of")
    with gr.Tabs(elem_id="cx-views", overflow_behavior="wrap") as made["views"]:
        with gr.Tab("Result", id="live"):
            made["live"] = build_shown(
                "Result", "cx-live", value.get("live"), format="jpeg", buttons=["fullscreen"],
                show_label=False,
            )  # fmt: skip
        with gr.Tab("Before / after", id="compare"):
            made["compare"] = build_compare("cx-compare", value.get("compare"), height=420)
            build_position(made["compare"], "cx-position", "move_slider")
        with gr.Tab("Why like this?", id="why"):
            made |= _build_explanation(value)
    curve = value.get("curve", draw_loss_curve([], total=0))
    made["curve"] = gr.HTML(curve, elem_id="cx-losses")
    made["downloads"] = build_downloads("cx", DOWNLOADS, first.export() if first else {})
    return made


def _build_explanation(value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    gr.HTML(HINT)
    with gr.Row(elem_id="cx-why"):
        made["result_picture"] = build_shown(
            "Result: click it", "cx-why-result", value.get("result_picture")
        )
        made["matched"] = build_shown("Matched style patches", "cx-why-style", value.get("matched"))
    with gr.Row():
        made["x"] = gr.Slider(0, 100, 50, step=1, label="Across, %", elem_id="cx-x")
        made["y"] = gr.Slider(0, 100, 50, step=1, label="Down, %", elem_id="cx-y")
    made["told"] = gr.HTML(elem_id="cx-why-told")
    return made


# ------------------------------------------------------------------------------------ events


def wire_explanation(page: Page) -> None:
    """A click, or the sliders, light up the style patches that a place took after."""

    def explain(run: StyleRun | None, x: float, y: float) -> Updates:
        return show_explanation(page, run, x / 100, y / 100)

    inputs, outputs = [page.state, page.x, page.y], [page.result_picture, page.matched, page.told]
    handler = readable(quickly(explain))
    page.result_picture.select(
        readable(read_place), page.result_picture, [page.x, page.y], api_name="pick_place",
        **PRIVATE,
    ).success(handler, inputs, outputs, api_name="explain_click", **PRIVATE)  # fmt: skip
    gr.on(
        [page.x.input, page.y.input],
        handler,
        inputs,
        outputs,
        api_name="explain_keys",
        trigger_mode="always_last",
        **PRIVATE,
    )


def read_place(event: gr.SelectData, picture: Image.Image) -> tuple[int, int]:
    """Percents of width and height of a click on a picture."""
    x, y = event.index
    return round(100 * x / picture.width), round(100 * y / picture.height)


def show_explanation(page: Page, run: StyleRun | None, x: float, y: float) -> Updates:
    """The place in the result, and what it took after in the styles."""
    if run is None:
        raise ValueError("There is no result to explain yet: press Run or choose an example.")
    place, matches, layer = run.explain(page.ctx, x, y)
    told = overlay.tell_matches(matches, layer=layer, bandwidth=run.config.style_bandwidth)
    return {
        page.result_picture: overlay.mark_place(run.image or run.content, place),
        page.matched: overlay.mark_matches(run.styles, matches),
        page.told: told + overlay.list_matches(matches, several_styles=len(run.styles) > 1),
    }
