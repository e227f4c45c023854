"""The misalignment experiment of the loss lab: components, and what each event calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.losses import LOSSES
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.misalignment import MisalignmentConfig
from cxdemo.runs.misaligned import MisalignedRun
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.page_script import PRIVATE, page_load
from cxdemo.ui.kit.run_wiring import (
    RunPage,
    Updates,
    Values,
    build_buttons,
    build_downloads,
    offer_files,
)
from cxdemo.ui.kit.safe_image import SafeImage
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.lab.misaligned.view import show_curves, show_race, show_table, tell_progress
from cxdemo.ui.lab.picture import build_lab_picture

OPTIONS = options_of(MisalignmentConfig)
NO_BET = "none"
PREPARING = '<p class="cxl-status">Preparing…</p>'
DOWNLOADS = {"gif": "Frames, GIF", "mp4": "Frames, MP4", "png": "Figure", "json": "Settings"}
LEAD = (
    '<p class="cxl-lead">Clean a noisy crop, when all that you have are clean crops that are '
    "<b>shifted at random</b>. A loss that compares place by place can only average them: a "
    "blur. The Contextual Loss asks <i>what</i> is there, not <i>where</i>. "
    "<span>(Mechrez et al., ECCV 2018, Fig. 6)</span></p>"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[MisalignedRun]):
    """The components, and what they show of a race."""

    name, what, place = "misaligned", "race of losses", "#cx-mis-race"
    every = 0.5
    again = "Run again"

    picture: SafeImage
    controls: dict[str, Any]
    bet: gr.Radio
    race: gr.HTML
    curves: gr.HTML
    table: gr.HTML

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.bet, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The race and its figures."""
        return [self.race, self.curves, self.table]

    def prepare(self, values: Values) -> MisalignedRun:
        """The race that the page asks for."""
        picture: Image.Image | None = values[self.picture]
        if picture is None:
            raise ValueError("Choose a picture first: drop one, or click one below.")
        config = read_config(MisalignmentConfig, {n: values[c] for n, c in self.controls.items()})
        bet = values[self.bet]
        return MisalignedRun(
            picture=picture, config=config, bet=bet if bet in config.losses else ""
        )

    def tell(self, run: MisalignedRun) -> str:
        """Where the race stands."""
        waits = run.last is None and not run.stopped
        return PREPARING if waits else tell_progress(run)

    def begun(self, run: MisalignedRun) -> Updates:
        """The scene, and no files."""
        return {self.race: show_race(run), **offer_files(self.downloads, {})}

    def progress(self, run: MisalignedRun, *extras: Any) -> Updates:
        """The pictures and curves so far."""
        del extras
        return {self.race: show_race(run), self.curves: show_curves(run)}

    def result(self, run: MisalignedRun, *extras: Any) -> Updates:
        """The same with the table."""
        return {**self.progress(run, *extras), self.table: show_table(run)}


# ------------------------------------------------------------------------------- components


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(LEAD)
    with gr.Row(equal_height=False, elem_id="cx-mis"):
        with gr.Column(scale=4, min_width=290):
            made = _build_inputs()
        with gr.Column(scale=8, min_width=320):
            made |= _build_results()
    page = Page(ctx=ctx, **made, state=gr.State(None, time_to_live=3600))
    _wire_scene(page)
    page.wire_run()


def _build_inputs() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["picture"] = build_lab_picture(
        "mis", "misaligned", height=170, alt_text="The picture that crops are cut from"
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
    made |= build_buttons("cx-mis")
    made["status"] = gr.HTML(tell_progress(None), elem_id="cx-mis-status")
    return made | {"controls": controls | _build_options()}


def _build_options() -> dict[str, Any]:
    simple = [name for name, known in OPTIONS.items() if name != "losses" and not known.advanced]
    controls = {name: _control(name) for name in simple}
    with gr.Accordion("Advanced", open=False):
        controls |= {name: _control(name) for name, known in OPTIONS.items() if known.advanced}
    return controls


def _control(name: str) -> Any:
    return control_for(OPTIONS[name], elem_id=f"cx-mis-{name}")


def _build_results() -> dict[str, Any]:
    return {
        "race": gr.HTML(elem_id="cx-mis-race", min_height=360),
        "curves": gr.HTML(elem_id="cx-mis-curves"),
        "table": gr.HTML(elem_id="cx-mis-table"),
        "downloads": build_downloads("cx-mis", DOWNLOADS),
    }


def _bets(losses: Any) -> list[tuple[str, str]]:
    return [("No bet", NO_BET), *((LOSSES[name].label, name) for name in losses)]


# ------------------------------------------------------------------------------------ events


def _wire_scene(page: Page) -> None:
    """Whatever makes another scene shows it at once."""

    def show(values: Values) -> Updates:
        return show_scene(page, values)

    page.controls["losses"].change(
        offer_bets, [page.controls["losses"], page.bet], page.bet, api_name="offer_bets",
        queue=False, **PRIVATE,
    )  # fmt: skip
    gr.on(
        [
            page_load(), page.picture.change, page.bet.input,
            *(control.change for control in page.controls.values()),
        ],
        quickly(show), page.inputs, [*page.shown, page.status, *page.downloads.values()],
        api_name="show_misaligned_scene", trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip


def show_scene(page: Page, values: Values) -> Updates:
    """The scene before a race, or what is wrong with the settings."""
    try:
        race = page.prepare(values)
    except ValueError as error:
        return {page.status: tell_progress(None, problem=str(error))}
    return {
        **page.begun(race),
        page.curves: "",
        page.table: "",
        page.status: tell_progress(None),
    }


def offer_bets(losses: list[str], bet: str) -> Any:
    """Bets on the losses that compete."""
    chosen = [name for name in LOSSES if name in losses]
    return gr.Radio(_bets(chosen), value=bet if bet in chosen else NO_BET)
