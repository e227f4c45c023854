"""The misalignment meter of the loss lab: components, and which handler each event calls."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
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
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.run_wiring import (
    answer_stop,
    build_buttons,
    build_downloads,
    follow,
    offer_files,
)
from cxdemo.ui.kit.safe_image import SafeImage
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import check_turn, quickly
from cxdemo.ui.lab.meter_view import show_meter, show_picture, tell_meter
from cxdemo.ui.lab.picture import build_lab_picture, open_lab_picture

OPTIONS = options_of(MeterConfig)
REFRESH = 0.3  # seconds between two updates of the page
READINGS = 17
STORED = examples.PICTURES / "lab" / "meter_photo_cat_chelsea.json"
"""What `python -m cxdemo lab meter` says of the first picture: shown before anything is pressed."""

Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

    picture: SafeImage
    controls: dict[str, Any]
    run: gr.Button
    stop: gr.Button
    tricks: dict[str, gr.Button]
    place: gr.Slider
    status: gr.HTML
    view: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.place, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.view, self.state, *self.downloads.values(),
            *self.tricks.values(),
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(
        '<p class="cxl-lead">How much does each loss mind that a copy is shifted, turned, blurred '
        "or recoloured? Each is scaled to its own range: <b>0</b> is the picture against itself, "
        "<b>1</b> against its own pixels in random order. A loss made for misaligned data should "
        "stay low for a <i>shift</i>, and rise for a <i>blur</i>.</p>"
    )
    with gr.Row(equal_height=False, elem_id="cx-meter"):
        with gr.Column(scale=4, min_width=290):
            made = _build_inputs()
        with gr.Column(scale=8, min_width=320):
            made |= _build_results()
    page = Page(**made, state=gr.State(first_run(), time_to_live=3600))
    _wire_inputs(page)
    _wire_run(page, ctx)


def first_run() -> MeterRun:
    """The finished run that the section opens with."""
    return MeterRun.remember(open_lab_picture(), json.loads(STORED.read_text(encoding="utf-8")))


def _build_inputs() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["picture"] = build_lab_picture(
        "meter", "meter", height=150, alt_text="The picture that is measured", **PRIVATE
    )
    controls: dict[str, Any] = {
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
    made |= build_buttons("meter", "Measure")
    with gr.Row():
        made["tricks"] = {
            "shuffle": gr.Button("Shuffle patches", size="sm", min_width=110,
                                 elem_id="cx-meter-shuffle"),
            "mirror": gr.Button("Mirror", size="sm", min_width=80, elem_id="cx-meter-mirror"),
        }  # fmt: skip
    made["status"] = gr.HTML(tell_meter(None), elem_id="cx-meter-status")
    made["controls"] = controls
    return made


def _build_results() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["place"] = gr.Slider(
        0, READINGS - 1, 4, step=1, label="Amount, in steps", elem_id="cx-meter-place"
    )
    made["view"] = gr.HTML(
        move_to_shelf(show_meter(first_run(), 4)), elem_id="cx-meter-view", min_height=420
    )
    made["downloads"] = build_downloads("meter", {"png": "Figure", "json": "Settings and readings"})
    return made


# ------------------------------------------------------------------------------------ events


def _prepare(page: Page, values: Mapping[Any, Any], trick: str = "") -> MeterRun:
    picture: Image.Image | None = values[page.picture]
    if picture is None:
        raise ValueError("Choose a picture first: drop one, or click one below.")
    config = read_config(MeterConfig, {n: values[c] for n, c in page.controls.items()})
    return MeterRun(picture=picture, config=config, trick=trick)


def _wire_inputs(page: Page) -> None:
    def show(values: Mapping[Any, Any]) -> Updates:
        try:
            run = _prepare(page, values)
        except ValueError as error:
            return {page.status: tell_meter(None, problem=str(error))}
        shown: MeterRun | None = values[page.state]
        if shown is not None and shown.measures_as(run):
            return {page.status: gr.skip()}  # a component that was mounted says "change", too
        return {
            page.view: show_picture(run),
            page.status: tell_meter(None),
            page.state: None,
            **{button: gr.DownloadButton(visible=False) for button in page.downloads.values()},
        }

    def move(run: MeterRun | None, place: int) -> Any:
        return gr.skip() if run is None else show_meter(run, int(place))

    gr.on(
        [page.picture.change, *(control.change for control in page.controls.values())],
        quickly(show), page.inputs | {page.state},
        [page.view, page.status, page.state, *page.downloads.values()],
        api_name="show_meter_picture", trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip
    page.place.input(
        move, [page.state, page.place], page.view, api_name="move_meter",
        trigger_mode="always_last", queue=False, **PRIVATE,
    )  # fmt: skip


def _wire_run(page: Page, ctx: Context) -> None:
    def begin(values: Mapping[Any, Any], trick: str = "") -> Updates:
        run = _prepare(page, values, trick)
        check_turn()
        return {
            page.state: run,
            page.view: show_picture(run),
            page.run: gr.Button("Measuring…", interactive=False),
            page.stop: gr.Button(interactive=True),
            **{button: gr.Button(interactive=False) for button in page.tricks.values()},
        }

    def measure(run: MeterRun, place: int) -> Iterator[Updates]:
        place = int(place)
        yield from follow(
            run,
            ctx,
            "measurement",
            status=page.status,
            progress=lambda: {page.view: show_meter(run, place), page.status: tell_meter(run)},
            result=lambda: _result(page, run, place),
            every=REFRESH,
            often_small=True,
        )

    def stop(run: MeterRun | None, place: int) -> Updates:
        return answer_stop(
            run,
            idle=lambda: _idle(page),
            progress=lambda: {
                page.stop: gr.Button(interactive=False),
                page.status: tell_meter(run),
            },
            result=lambda: _result(page, run, int(place)),  # pyright: ignore[reportArgumentType]
        )

    buttons = {"": page.run, **page.tricks}
    for trick, button in buttons.items():
        button.click(
            readable(quickly(functools.partial(begin, trick=trick) if trick else begin)),
            page.inputs, page.outputs, api_name=f"begin_meter_{trick or 'run'}", **PRIVATE,
        ).success(
            readable(measure), [page.state, page.place], page.outputs,
            api_name=f"measure_{trick or 'run'}", **PRIVATE,
        )  # fmt: skip
    page.stop.click(
        readable(stop), [page.state, page.place], page.outputs, api_name="stop_meter",
        queue=False, **PRIVATE,
    )  # fmt: skip


def _idle(page: Page) -> Updates:
    return {
        page.run: gr.Button("Measure", interactive=True),
        page.stop: gr.Button(interactive=False),
        **{button: gr.Button(interactive=True) for button in page.tricks.values()},
    }


def _result(page: Page, run: MeterRun, place: int) -> Updates:
    updates: Updates = {**_idle(page), page.state: run, page.status: tell_meter(run)}
    if not run.readings:
        return updates
    updates[page.view] = show_meter(run, place)
    return updates | offer_files(page.downloads, run.export())
