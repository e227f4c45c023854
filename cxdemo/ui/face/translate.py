"""A face translated into another domain by a trained generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.faces.choice import ChosenFace
from cxdemo.figures.thumbnails import to_data_url
from cxdemo.runs.face_domain import LAYERS, TargetTerm, measure_target
from cxdemo.runs.translate import Translated, translate_face
from cxdemo.ui.face.picker import FaceInput, build_face_input
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.result_views import build_compare, build_shown
from cxdemo.ui.kit.turns import quickly

Updates = dict[Any, Any]
EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

EXAMPLES = sorted(PICTURES.glob("portrait_*.jpg"))
UNPLACED = (
    '<div class="cx-face-empty"><b>No face was found here.</b> Place the crop on one by hand, with '
    "the sliders below the picture: it is translated as soon as you move it.</div>"
)
NOTICE = (
    "The generators are small, work at 64 × 64 pixels and learnt from generated and drawn faces "
    "only: no real person was in their training. What they call male or female is the habit of "
    "those faces, not a statement about anyone. Translate your own face, or that of someone who "
    "agreed. Nothing is kept. Profiles, glasses, dark pictures and paintings come out weak."
)
EMPTY = (
    '<div class="cx-face-empty"><b>One face, another kind of face.</b> Choose a picture: it is '
    "translated at once. No discriminator was trained and no pair was shown, only the Contextual "
    "Loss to faces of both kinds.</div>"
)


@dataclass(frozen=True, eq=False)
class Page:
    """The parts of the section."""

    source: FaceInput
    direction: gr.Radio
    note: gr.HTML
    compare: gr.ImageSlider
    whole: gr.Image
    report: gr.HTML
    results: gr.Column
    empty: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """What a translation writes."""
        return [self.compare, self.whole, self.report, self.results, self.empty]


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    with gr.Row(elem_id="cx-translate", equal_height=False):
        with gr.Column(scale=5, min_width=300):
            source = build_face_input(
                ctx, elem_id="cx-translate-source", label="Face", examples=EXAMPLES
            )
        with gr.Column(scale=6, min_width=300):
            page = _build_results(ctx, source)
    _wire(page, ctx)


def _build_results(ctx: Context, source: FaceInput) -> Page:
    choices = [(info.label, name) for name, info in ctx.translators.items()]
    first = choices[0][1] if choices else None
    direction = gr.Radio(choices, value=first, label="Direction", elem_id="cx-translate-direction")
    note = gr.HTML(_note(ctx, first), elem_id="cx-translate-note")
    empty = gr.HTML(EMPTY)
    with gr.Column(visible=False, elem_id="cx-translate-results") as results:
        compare = build_compare(
            "cx-translate-compare", label="Before and after", show_label=None, type="numpy"
        )
        report = gr.HTML(elem_id="cx-translate-report")
        whole = build_shown(
            "In its picture", "cx-translate-whole", buttons=["download", "fullscreen"]
        )
    gr.HTML(f'<p class="cx-notice">{NOTICE}</p>', elem_id="cx-translate-notice")
    return Page(source, direction, note, compare, whole, report, results, empty)


def _wire(page: Page, ctx: Context) -> None:
    """Translates after every change of the face or the direction."""

    def run(values: Mapping[Any, Any]) -> Updates:
        return translate(page, ctx, values[page.source.state], values[page.direction])

    inputs = {page.source.state, page.direction}
    page.source.on_change(
        readable(quickly(run, heavy=True)),
        inputs,
        page.outputs,
        api_name="translate_changed_face",
        **EVENT,
    )
    page.direction.change(
        readable(quickly(run, heavy=True)), inputs, page.outputs,
        api_name="translate_other_way", **EVENT,
    )  # fmt: skip
    page.direction.change(
        lambda name: _note(ctx, name), page.direction, page.note, api_name="tell_direction",
        queue=False, **PRIVATE,
    )  # fmt: skip


def translate(page: Page, ctx: Context, chosen: ChosenFace | None, direction: str) -> Updates:
    """The face in the other domain, or what is missing."""
    if chosen is None or not chosen.placed:
        return {
            page.results: gr.Column(visible=False),
            page.empty: gr.HTML(UNPLACED if chosen else EMPTY, visible=True),
        }
    made = translate_face(ctx, chosen, direction)
    before, after, whole = (images.to_pil(x) for x in (made.before, made.after, made.whole))
    whole.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    return {
        page.compare: (before, after),
        page.whole: whole,
        page.report: show_report(made, measure_target(ctx, made.translation, direction)),
        page.results: gr.Column(visible=True),
        page.empty: gr.HTML(visible=False),
    }


def _note(ctx: Context, name: str | None) -> str:
    said = ctx.translators[name].note if name else "No translator is here yet."
    return f'<p class="info-text">{escape(said)}</p>'


def show_report(made: Translated, term: TargetTerm | None) -> str:
    """What the loss sees of a translation."""
    found = made.translation
    rows = [
        _row("Target term", *_tell_target(term)),
        _row("Source term", f"{found.source_term:.2f}",
             "CX between result and source at conv4_2: 0 would be the source itself; the higher, "
             "the more of its features were left behind."),
        _row("Change", f"{100 * found.moved:.0f} %", "of the range of a pixel, on average."),
        _row("Time", f"{1000 * found.seconds:.0f} ms", "for the generator."),
    ]  # fmt: skip
    return (
        '<section class="cx-face-report"><h4>What the loss sees</h4>'
        f"<dl>{''.join(rows)}</dl></section>"
    )


def _tell_target(term: TargetTerm | None) -> tuple[str, str, str]:
    if term is None:
        return "", "No faces of this domain are shipped to compare with.", ""
    said = (
        f"CX at {' and '.join(LAYERS)} to the nearest of {term.count} faces that training never "
        "saw, of the source and of the result: the lower, the more of that face's features are "
        "there."
    )
    nearest = (
        f'<img src="{to_data_url(term.nearest)}" title="The nearest of them" '
        'alt="The face of the other domain that the result is nearest to">'
    )
    return f"{term.before:.2f} → {term.after:.2f}", said, nearest


def _row(name: str, value: str, said: str, picture: str = "") -> str:
    return f"<div><dt>{name}</dt><dd>{picture}<b>{value}</b> {escape(said)}</dd></div>"
