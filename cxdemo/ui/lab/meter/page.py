"""The misalignment meter of the loss lab: components, and what each event calls."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import examples
from cxdemo.engine.context import Context
from cxdemo.losses import LOSSES
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.loss_meter import CHANGES, METER_LOSSES, MeterConfig
from cxdemo.runs.meter import MeterRun
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.page_script import AT_ONCE, PRIVATE
from cxdemo.ui.kit.run_wiring import (
    RunPage,
    Updates,
    Values,
    build_buttons,
    build_downloads,
    offer_files,
)
from cxdemo.ui.kit.safe_image import SafeImage
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.lab.meter.view import show_meter, show_picture, tell_meter
from cxdemo.ui.lab.picture import build_lab_picture, open_lab_picture

OPTIONS = options_of(MeterConfig)
READINGS = 17
FIRST = 4  # reading that is shown at first
STORED = examples.PICTURES / "lab" / "meter_photo_cat_chelsea.json"
"""What `python -m cxdemo lab meter` says of the first picture: shown before anything is pressed."""

LEAD = (
    '<p class="cxl-lead">How much does each loss mind that a copy is shifted, turned, blurred '
    "or recoloured? Each is scaled to its own range: <b>0</b> is the picture against itself, "
    "<b>1</b> against its own pixels in random order. A loss made for misaligned data should "
    "stay low for a <i>shift</i>, and rise for a <i>blur</i>.</p>"
)
TRICKS = {"shuffle": "Shuffle patches", "mirror": "Mirror"}
DOWNLOADS = {"png": "Figure", "json": "Settings and readings"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[MeterRun]):
    """The components, and what they show of a measurement."""

    name, what, place = "meter", "measurement", "#cx-meter-view"
    often_small = True
    ready, busy, again = "Measure", "Measuring…", "Measure"

    picture: SafeImage
    controls: dict[str, Any]
    tricks: dict[str, gr.Button]
    amount: gr.Slider
    view: gr.HTML

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.amount, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The pictures, curves and bars."""
        return [self.view]

    @property
    def siblings(self) -> list[gr.Button]:
        """The tricks."""
        return [*self.tricks.values()]

    @property
    def extras(self) -> list[Any]:
        """Which reading is shown."""
        return [self.amount]

    def prepare(self, values: Values, trick: str = "") -> MeterRun:
        """The measurement that the page asks for."""
        picture: Image.Image | None = values[self.picture]
        if picture is None:
            raise ValueError("Choose a picture first: drop one, or click one below.")
        config = read_config(MeterConfig, {n: values[c] for n, c in self.controls.items()})
        return MeterRun(picture=picture, config=config, trick=trick)

    def tell(self, run: MeterRun) -> str:
        """How many readings there are."""
        return tell_meter(run)

    def begun(self, run: MeterRun) -> Updates:
        """The picture alone."""
        return {self.view: show_picture(run)}

    def progress(self, run: MeterRun, *extras: Any) -> Updates:
        """The curves so far."""
        return {self.view: show_meter(run, int(extras[0]))}

    def result(self, run: MeterRun, *extras: Any) -> Updates:
        """The curves, if there is anything to draw."""
        return self.progress(run, *extras) if run.readings else {}


# ------------------------------------------------------------------------------- components


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(LEAD)
    with gr.Row(equal_height=False, elem_id="cx-meter"):
        with gr.Column(scale=4, min_width=290):
            made = _build_inputs()
        with gr.Column(scale=8, min_width=320):
            made |= _build_results()
    page = Page(ctx=ctx, **made, state=gr.State(first_run(), time_to_live=3600))
    _wire_inputs(page)
    page.wire_run()
    for trick, button in page.tricks.items():
        page.start_on(button.click, f"meter_{trick}", functools.partial(page.prepare, trick=trick))


def first_run() -> MeterRun:
    """The finished run that the section opens with."""
    return MeterRun.remember(open_lab_picture(), json.loads(STORED.read_text(encoding="utf-8")))


def _build_inputs() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["picture"] = build_lab_picture(
        "meter", "meter", height=150, alt_text="The picture that is measured"
    )
    made["controls"] = _build_controls()
    made |= build_buttons("cx-meter", Page.ready)
    with gr.Row():
        made["tricks"] = {
            trick: gr.Button(label, size="sm", min_width=100, elem_id=f"cx-meter-{trick}")
            for trick, label in TRICKS.items()
        }
    made["status"] = gr.HTML(tell_meter(None), elem_id="cx-meter-status")
    return made


def _build_controls() -> dict[str, Any]:
    return {
        "change": gr.Radio(
            [(change.label, name) for name, change in CHANGES.items()],
            value=OPTIONS["change"].default,
            label="The copy grows more different by",
            elem_id="cx-meter-change",
        ),
        "losses": gr.CheckboxGroup(
            [(LOSSES[name].label, name) for name in METER_LOSSES],
            value=list(OPTIONS["losses"].default),
            label="Losses",
            elem_id="cx-meter-losses",
        ),
        "features": gr.Radio(
            [("RGB patches", "rgb"), ("VGG16", "vgg16")],
            value=OPTIONS["features"].default,
            label="Features",
            info=OPTIONS["features"].help,
            elem_id="cx-meter-features",
        ),
        "bandwidth": control_for(OPTIONS["bandwidth"], elem_id="cx-meter-bandwidth"),
    }


def _build_results() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["amount"] = gr.Slider(
        0, READINGS - 1, FIRST, step=1, label="Amount, in steps", elem_id="cx-meter-place"
    )
    made["view"] = gr.HTML(
        move_to_shelf(show_meter(first_run(), FIRST)), elem_id="cx-meter-view", min_height=420
    )
    made["downloads"] = build_downloads("cx-meter", DOWNLOADS)
    return made


# ------------------------------------------------------------------------------------ events


def _wire_inputs(page: Page) -> None:
    """Another picture or setting makes the curves old; the slider chooses a reading."""

    def show(values: Values) -> Updates:
        return show_inputs(page, values)

    def move(run: MeterRun | None, place: int) -> Any:
        return gr.skip() if run is None else show_meter(run, int(place))

    gr.on(
        [page.picture.change, *(control.change for control in page.controls.values())],
        quickly(show), page.inputs | {page.state},
        [page.view, page.status, page.state, *page.downloads.values()],
        api_name="show_meter_picture", trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip
    page.amount.input(
        move, [page.state, page.amount], page.view, api_name="move_meter", **AT_ONCE, **PRIVATE
    )


def show_inputs(page: Page, values: Values) -> Updates:
    """What a change of picture or settings shows: the picture alone, or what is wrong."""
    try:
        run = page.prepare(values)
    except ValueError as error:
        return {page.status: tell_meter(None, problem=str(error))}
    shown: MeterRun | None = values[page.state]
    if shown is not None and shown.measures_as(run):
        return {page.status: gr.skip()}  # a component that was mounted says "change", too
    return {
        page.view: show_picture(run),
        page.status: tell_meter(None),
        page.state: None,
        **offer_files(page.downloads, {}),
    }
