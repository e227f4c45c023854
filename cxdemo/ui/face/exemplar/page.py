"""One face with the features of another: components, and what each event calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.faces.choice import read_face
from cxdemo.gallery import exemplar as gallery
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.face_exemplar import ExemplarConfig
from cxdemo.runs.exemplar import ExemplarRun
from cxdemo.ui.face.exemplar.view import (
    compare,
    enlarge,
    mark_matches,
    mark_place,
    show_losses,
    tell_matches,
    tell_progress,
)
from cxdemo.ui.face.picker import FaceInput, build_face_input
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.example_strip import index_of
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.page_script import PRIVATE, scroll_on
from cxdemo.ui.kit.result_views import build_compare, build_shown
from cxdemo.ui.kit.run_wiring import RunPage, Updates, Values, build_buttons, build_downloads
from cxdemo.ui.kit.turns import quickly

OPTIONS = options_of(ExemplarConfig)
SIMPLE = [name for name, known in OPTIONS.items() if not known.advanced]
EXAMPLES = [PICTURES / name for name in (gallery.EINSTEIN, gallery.CURIE, gallery.MONA_LISA)]
DOWNLOADS = {"crop": "Face, PNG", "whole": "Picture, PNG", "json": "Settings, JSON"}
NOTICE = (
    "Use your own face, or that of someone who agreed. Nothing is kept. The method moves textures "
    "and colours, not bones: glasses, beards and open mouths do not appear or vanish cleanly, a "
    "face seen from the side comes out weak, and a result is no likeness of anyone."
)
LEAD = (
    '<p class="cxe-lead">The <b>source</b> takes the <b>target</b>\'s features and keeps its '
    "own pose: eyes from eyes, mouth from mouth. Nothing was trained; the pixels themselves "
    "are optimised under the Contextual Loss to both faces.</p>"
)
STRENGTH_HINT = (
    '<p class="cx-hint">Strength runs from the source with the target\'s features to the '
    "target's features in the source's pose. Only the region changes.</p>"
)
CLICK_HINT = (
    '<p class="cx-hint">Click a place of the result: the places of the target that it prefers '
    "light up.</p>"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[ExemplarRun]):
    """The components, and what they show of a face on its way."""

    name, what, place = "exemplar", "face", "#cx-exemplar-status"
    every = 0.5

    source: FaceInput
    target: FaceInput
    controls: dict[str, Any]
    live: gr.Image
    compare: gr.ImageSlider
    paste: gr.Checkbox
    result_picture: gr.Image
    matched: gr.Image
    told: gr.HTML
    losses: gr.HTML

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.source.state, self.target.state, self.paste, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The views of the result."""
        return [
            self.live, self.compare, self.result_picture, self.matched, self.told, self.losses
        ]  # fmt: skip

    @property
    def extras(self) -> list[Any]:
        """Whether the whole picture is compared, or the face alone."""
        return [self.paste]

    def prepare(self, values: Values) -> ExemplarRun:
        """The run that the page asks for."""
        picture, source = read_face(values[self.source.state], what="source face")
        _, target = read_face(values[self.target.state], what="target face")
        settings = {name: values[control] for name, control in self.controls.items()}
        config = read_config(ExemplarConfig, settings)
        return ExemplarRun(picture=picture, source=source, target=target, config=config)

    def tell(self, run: ExemplarRun) -> str:
        """Where the run stands."""
        return tell_progress(run)

    def progress(self, run: ExemplarRun, *extras: Any) -> Updates:
        """The face so far."""
        del extras
        return {self.live: enlarge(run), self.losses: show_losses(run)}

    def result(self, run: ExemplarRun, *extras: Any) -> Updates:
        """A result that can be compared and explained, whether finished or stopped."""
        run.forget_explanation()
        if run.image is None:
            return {}
        return {
            **self.progress(run),
            self.compare: compare(run, whole=extras[0]),
            self.result_picture: mark_place(run, (0, 0, 1, 1)),
            self.matched: mark_matches(run, []),
            self.told: "",
        }


# ------------------------------------------------------------------------------- components


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    pairs = gallery.finished_pairs()
    gr.HTML(LEAD)
    strip = picture_cards.build_cards(
        [gallery.card(pair) for pair in pairs], [pair.title for pair in pairs],
        label="Pairs with finished results", elem_id="cx-exemplar-pairs",
    )  # fmt: skip
    with gr.Row(equal_height=False, elem_id="cx-exemplar"):
        with gr.Column(scale=5, min_width=300):
            made = _build_inputs(ctx)
        with gr.Column(scale=6, min_width=300):
            made |= _build_results()
    page = Page(ctx=ctx, **made, state=gr.State(None, time_to_live=3600))
    page.wire_run()
    _wire_views(page)
    _wire_pairs(page, strip, pairs)


def _build_inputs(ctx: Context) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Row():
        for side in ("source", "target"):
            made[side] = build_face_input(
                ctx, elem_id=f"cx-exemplar-{side}", label=f"{side.capitalize()} face",
                examples=EXAMPLES,
            )  # fmt: skip
    controls = {name: _control(name, brief=True) for name in SIMPLE}
    gr.HTML(STRENGTH_HINT)
    made |= build_buttons("cx-exemplar")
    with gr.Accordion("Advanced", open=False, elem_id="cx-exemplar-advanced"):
        controls |= {name: _control(name) for name in OPTIONS if name not in SIMPLE}
    gr.HTML(f'<p class="cxe-notice">{NOTICE}</p>', elem_id="cx-exemplar-notice")
    return made | {"controls": controls}


def _control(name: str, *, brief: bool = False) -> Any:
    return control_for(OPTIONS[name], brief=brief, elem_id=f"cx-exemplar-{name}")


def _build_results() -> dict[str, Any]:
    made: dict[str, Any] = {"status": gr.HTML(tell_progress(None), elem_id="cx-exemplar-status")}
    with gr.Tabs(elem_id="cx-exemplar-views"):
        with gr.Tab("Result"):
            made["live"] = _picture("Result", "cx-exemplar-live")
        with gr.Tab("Before / after"):
            made["paste"] = gr.Checkbox(True, label="In its picture", elem_id="cx-exemplar-paste")
            made["compare"] = build_compare("cx-exemplar-compare", height=420)
        with gr.Tab("Eyes to eyes?"):
            gr.HTML(CLICK_HINT)
            with gr.Row():
                made["result_picture"] = _picture("Result: click it", "cx-exemplar-result")
                made["matched"] = _picture("Target", "cx-exemplar-matched")
            made["told"] = gr.HTML(elem_id="cx-exemplar-told")
    made["losses"] = gr.HTML(show_losses(None), elem_id="cx-exemplar-losses")
    made["downloads"] = build_downloads("cx-exemplar", DOWNLOADS)
    return made


def _picture(label: str, elem_id: str) -> gr.Image:
    return build_shown(label, elem_id, buttons=["fullscreen"])


# ------------------------------------------------------------------------------------ events


def _wire_views(page: Page) -> None:
    def paste(run: ExemplarRun | None, whole: bool) -> Any:
        return gr.skip() if run is None or run.image is None else compare(run, whole=whole)

    def explain(run: ExemplarRun | None, event: gr.SelectData) -> Updates:
        return show_explanation(page, run, event)

    page.paste.input(
        readable(quickly(paste)), [page.state, page.paste], page.compare,
        api_name="paste_exemplar", **PRIVATE,
    )  # fmt: skip
    page.result_picture.select(
        readable(quickly(explain)), page.state, [page.result_picture, page.matched, page.told],
        api_name="explain_exemplar", **PRIVATE,
    )  # fmt: skip


def show_explanation(page: Page, run: ExemplarRun | None, event: gr.SelectData) -> Updates:
    """The place of the result that was clicked, and the places of the target that it prefers."""
    if run is None or run.image is None:
        raise ValueError("There is no result to explain yet: press Run or choose an example.")
    x, y = event.index
    side = mark_place(run, (0, 0, 1, 1)).width  # of the picture that was clicked
    box, matches, layer = run.explain(page.ctx, x / side, y / side)
    return {
        page.result_picture: mark_place(run, box),
        page.matched: mark_matches(run, matches),
        page.told: tell_matches(run, matches, layer),
    }


def _wire_pairs(page: Page, strip: gr.HTML, pairs: list[gallery.ExemplarPair]) -> None:
    def choose(paste: bool, event: gr.SelectData) -> Updates:
        return show_pair(page, pairs[index_of(event)], whole=paste)

    targets = [
        *page.source.components, *page.target.components, *page.controls.values(), *page.outputs
    ]  # fmt: skip
    chosen = strip.select(
        readable(quickly(choose)), page.paste, targets, api_name="pick_exemplar_pair", **PRIVATE
    )
    scroll_on(chosen.success, page.place, "scroll_to_exemplar_pair")


def show_pair(page: Page, pair: gallery.ExemplarPair, *, whole: bool) -> Updates:
    """A pair with its faces, its settings and its stored result."""
    run = gallery.open_result(pair, page.ctx)
    return {
        **page.source.fill(gallery.open_face(pair.source, page.ctx)),
        **page.target.fill(gallery.open_face(pair.target, page.ctx)),
        **show_config(run.config, page.controls),
        **page.show_result(run, whole),
        page.status: tell_progress(run, stored=True),
    }
