"""The misalignment experiment of the loss lab: components, and which handler each event calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.context import Context as BeingBuilt
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.losses import LOSSES
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.misalignment import MisalignmentConfig
from cxdemo.runs.misaligned import MisalignedRun
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
from cxdemo.ui.kit.turns import check_turn, quickly
from cxdemo.ui.lab.misaligned_view import show_curves, show_race, show_table, tell_progress
from cxdemo.ui.lab.picture import build_lab_picture

OPTIONS = options_of(MisalignmentConfig)
REFRESH = 0.5  # seconds between two updates of the page
NO_BET = "none"
PREPARING = '<p class="cxl-status">Preparing…</p>'

Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

    picture: SafeImage
    controls: dict[str, Any]
    bet: gr.Radio
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    race: gr.HTML
    curves: gr.HTML
    table: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.bet, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.race, self.curves, self.table, self.state,
            *self.downloads.values(),
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(
        '<p class="cxl-lead">Clean a noisy crop, when all that you have are clean crops that are '
        "<b>shifted at random</b>. A loss that compares place by place can only average them: a "
        "blur. The Contextual Loss asks <i>what</i> is there, not <i>where</i>. "
        "<span>(Mechrez et al., ECCV 2018, section 4.1)</span></p>"
    )
    with gr.Row(equal_height=False, elem_id="cx-mis"):
        with gr.Column(scale=4, min_width=290):
            made = _build_inputs()
        with gr.Column(scale=8, min_width=320):
            made |= _build_results()
    page = Page(**made, state=gr.State(None, time_to_live=3600))
    _wire_scene(page)
    _wire_run(page, ctx)


def _build_inputs() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["picture"] = build_lab_picture(
        "mis", "misaligned", height=170, alt_text="The picture that crops are cut from", **PRIVATE
    )
    controls: dict[str, Any] = {
        "losses": gr.CheckboxGroup(
            [(info.label, name) for name, info in LOSSES.items()],
            value=list(OPTIONS["losses"].default),
            label="Losses that compete",
            elem_id="cx-mis-losses",
        )
    }
    made["bet"] = gr.Radio(
        _bets(OPTIONS["losses"].default),
        value=NO_BET,
        label="Make a bet: whose picture will be the nearest to the answer?",
        elem_id="cx-mis-bet",
    )
    made |= build_buttons("mis")
    made["status"] = gr.HTML(tell_progress(None), elem_id="cx-mis-status")
    for name, known in OPTIONS.items():
        if name != "losses" and not known.advanced:
            controls[name] = control_for(known, elem_id=f"cx-mis-{name}")
    with gr.Accordion("Advanced", open=False):
        for name, known in OPTIONS.items():
            if known.advanced:
                controls[name] = control_for(known, elem_id=f"cx-mis-{name}")
    made["controls"] = controls
    return made


def _build_results() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["race"] = gr.HTML(elem_id="cx-mis-race", min_height=360)
    made["curves"] = gr.HTML(elem_id="cx-mis-curves")
    made["table"] = gr.HTML(elem_id="cx-mis-table")
    labels = {"gif": "Frames, GIF", "mp4": "Frames, MP4", "png": "Figure", "json": "Settings"}
    made["downloads"] = build_downloads("mis", labels)
    return made


def _bets(losses: Any) -> list[tuple[str, str]]:
    return [("No bet", NO_BET), *((LOSSES[name].label, name) for name in losses)]


# ------------------------------------------------------------------------------------ events


def _prepare(page: Page, values: Mapping[Any, Any]) -> MisalignedRun:
    """The race that the page asks for, before its first step."""
    picture: Image.Image | None = values[page.picture]
    if picture is None:
        raise ValueError("Choose a picture first: drop one, or click one below.")
    config = read_config(MisalignmentConfig, {n: values[c] for n, c in page.controls.items()})
    bet = values[page.bet]
    bet = bet if bet in config.losses else ""
    return MisalignedRun(picture=picture, config=config, bet=bet)


def _wire_scene(page: Page) -> None:
    """Whatever makes another scene shows it at once."""

    def show(values: Mapping[Any, Any]) -> Updates:
        try:
            race = _prepare(page, values)
        except ValueError as error:
            return {page.status: tell_progress(None, problem=str(error))}
        return {
            page.race: show_race(race),
            page.curves: "",
            page.table: "",
            page.status: tell_progress(None),
            **{button: gr.DownloadButton(visible=False) for button in page.downloads.values()},
        }

    def offer(losses: list[str], bet: str) -> Any:
        chosen = [name for name in LOSSES if name in losses]
        return gr.Radio(_bets(chosen), value=bet if bet in chosen else NO_BET)

    shown = [page.race, page.curves, page.table, page.status, *page.downloads.values()]
    page.controls["losses"].change(
        offer, [page.controls["losses"], page.bet], page.bet, api_name="offer_bets", queue=False,
        **PRIVATE,
    )  # fmt: skip
    gr.on(
        [
            _page_load(), page.picture.change, page.bet.input,
            *(control.change for control in page.controls.values()),
        ],
        quickly(show), page.inputs, shown, api_name="show_misaligned_scene",
        trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip


def _wire_run(page: Page, ctx: Context) -> None:
    def begin(values: Mapping[Any, Any]) -> Updates:
        race = _prepare(page, values)
        check_turn()
        return {
            page.run: gr.Button("Running…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.status: PREPARING,
            page.race: show_race(race),
            page.state: race,
        }

    def run(race: MisalignedRun) -> Iterator[Updates]:
        yield from follow(
            race,
            ctx,
            "race of losses",
            status=page.status,
            progress=lambda: _progress(page, race),
            result=lambda: _result(page, race),
            every=REFRESH,
        )

    def stop(race: MisalignedRun | None) -> Updates:
        return answer_stop(
            race,
            idle=lambda: {page.run: gr.Button("Run", interactive=True), page.stop: _off()},
            progress=lambda: {page.stop: _off(), page.status: tell_progress(race)},
            result=lambda: _result(page, race),  # pyright: ignore[reportArgumentType]
        )

    page.run.click(
        readable(quickly(begin)), page.inputs, page.outputs, api_name="begin_misaligned", **PRIVATE
    ).success(readable(run), page.state, page.outputs, api_name="run_misaligned", **PRIVATE)
    page.stop.click(
        readable(stop), page.state, page.outputs, api_name="stop_misaligned", queue=False, **PRIVATE
    )


def _off() -> gr.Button:
    return gr.Button(interactive=False)


def _progress(page: Page, race: MisalignedRun) -> Updates:
    return {
        page.race: show_race(race),
        page.curves: show_curves(race),
        page.status: tell_progress(race),
    }


def _result(page: Page, race: MisalignedRun) -> Updates:
    files = race.export() if race.frames else {}
    return {
        **_progress(page, race),
        page.run: gr.Button("Run again", interactive=True),
        page.stop: _off(),
        page.table: show_table(race),
        page.state: race,
        **offer_files(page.downloads, files),
    }


def _page_load() -> Callable[..., Any]:
    """The event of a visitor's arrival."""
    page = BeingBuilt.root_block
    if page is None:
        raise RuntimeError("A section is built inside `with gr.Blocks()`.")
    return page.load
