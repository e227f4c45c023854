"""One face with the features of another: components, and which handler each event calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.faces.choice import read_face
from cxdemo.gallery import exemplar as exemplar_examples
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.face_exemplar import ExemplarConfig
from cxdemo.runs.exemplar import ExemplarRun, shown
from cxdemo.ui.face.exemplar_view import (
    mark_matches,
    mark_place,
    show_losses,
    tell_matches,
    tell_progress,
)
from cxdemo.ui.face.face_input import FaceInput, build_face_input
from cxdemo.ui.face.view import scroll_on
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.run_wiring import (
    answer_stop,
    build_buttons,
    build_downloads,
    follow,
    offer_files,
)
from cxdemo.ui.kit.turns import check_turn, quickly

OPTIONS = options_of(ExemplarConfig)
SIMPLE = [name for name, known in OPTIONS.items() if not known.advanced]
REFRESH = 0.5  # seconds between two previews
PREVIEW = 512  # pixels of a preview's side
EXAMPLES = [
    PICTURES / name
    for name in (exemplar_examples.EINSTEIN, exemplar_examples.CURIE, exemplar_examples.MONA_LISA)
]
DOWNLOADS = {"crop": "Face, PNG", "whole": "Picture, PNG", "json": "Settings, JSON"}
NOTICE = (
    "Use your own face, or that of someone who agreed. Nothing is kept. The method moves textures "
    "and colours, not bones: glasses, beards and open mouths do not appear or vanish cleanly, a "
    "face seen from the side comes out weak, and a result is no likeness of anyone."
)

Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """The components that handlers write to."""

    source: FaceInput
    target: FaceInput
    controls: dict[str, Any]
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    live: gr.Image
    compare: gr.ImageSlider
    paste: gr.Checkbox
    result: gr.Image
    matched: gr.Image
    told: gr.HTML
    losses: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.source.state, self.target.state, self.paste, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.live, self.compare, self.result, self.matched,
            self.told, self.losses, *self.downloads.values(), self.state,
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    pairs = exemplar_examples.finished_pairs()
    gr.HTML(
        '<p class="cxe-lead">The <b>source</b> takes the <b>target</b>\'s features and keeps its '
        "own pose: eyes from eyes, mouth from mouth. Nothing was trained; the pixels themselves "
        "are optimised under the Contextual Loss to both faces.</p>"
    )
    strip = picture_cards.build_cards(
        [exemplar_examples.card(pair) for pair in pairs], [pair.title for pair in pairs],
        label="Pairs with finished results", elem_id="cx-exemplar-pairs",
    )  # fmt: skip
    with gr.Row(equal_height=False, elem_id="cx-exemplar"):
        with gr.Column(scale=5, min_width=300):
            made = _build_inputs(ctx)
        with gr.Column(scale=6, min_width=300):
            made |= _build_results()
    page = Page(**made, state=gr.State(None, time_to_live=3600))
    _wire_run(page, ctx)
    _wire_views(page, ctx)
    _wire_pairs(page, ctx, strip, pairs)


# ------------------------------------------------------------------------------- components


def _build_inputs(ctx: Context) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Row():
        for side in ("source", "target"):
            made[side] = build_face_input(
                ctx, elem_id=f"cx-exemplar-{side}", label=f"{side.capitalize()} face",
                examples=EXAMPLES,
            )  # fmt: skip
    controls = {name: _control(name, brief=True) for name in SIMPLE}
    gr.HTML(
        '<p class="cx-hint">Strength runs from the source with the target\'s features to the '
        "target's features in the source's pose. Only the region changes.</p>"
    )
    made |= build_buttons("exemplar")
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
            made["compare"] = gr.ImageSlider(
                format="png", type="pil", interactive=False, show_label=False,
                buttons=["fullscreen"], height=420, elem_id="cx-exemplar-compare",
            )  # fmt: skip
        with gr.Tab("Eyes to eyes?"):
            gr.HTML(
                '<p class="cx-hint">Click a place of the result: the places of the target that it '
                "prefers light up.</p>"
            )
            with gr.Row():
                made["result"] = _picture("Result: click it", "cx-exemplar-result")
                made["matched"] = _picture("Target", "cx-exemplar-matched")
            made["told"] = gr.HTML(elem_id="cx-exemplar-told")
    made["losses"] = gr.HTML(show_losses(None), elem_id="cx-exemplar-losses")
    made["downloads"] = build_downloads("exemplar", DOWNLOADS)
    return made


def _picture(label: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label, format="png", type="pil", interactive=False, buttons=["fullscreen"],
        elem_id=elem_id, alt_text=label,
    )  # fmt: skip


# ------------------------------------------------------------------------------------ events


def _wire_run(page: Page, ctx: Context) -> None:
    def begin(values: Mapping[Any, Any]) -> Updates:
        picture, source = read_face(values[page.source.state], what="source face")
        _, target = read_face(values[page.target.state], what="target face")
        config = read_config(
            ExemplarConfig, {n: values[control] for n, control in page.controls.items()}
        )
        run = ExemplarRun(picture=picture, source=source, target=target, config=config)
        check_turn()
        return {
            page.run: gr.Button("Running…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.status: tell_progress(run),
            page.state: run,
        }

    def run(run: ExemplarRun, paste: bool) -> Iterator[Updates]:
        yield from follow(
            run,
            ctx,
            "face",
            status=page.status,
            progress=lambda: _progress(page, run),
            result=lambda: _result(page, run, paste),
            every=REFRESH,
        )

    def stop(run: ExemplarRun | None, paste: bool) -> Updates:
        if run is None or run.finished:
            return _idle(page)
        return answer_stop(
            run,
            idle=lambda: _idle(page),
            progress=lambda: {
                page.stop: gr.Button(interactive=False),
                page.status: tell_progress(run),
            },
            result=lambda: _result(page, run, paste),
        )

    begun = page.run.click(
        readable(quickly(begin)), page.inputs, page.outputs, api_name="begin_exemplar", **PRIVATE
    )
    begun.success(
        readable(run), [page.state, page.paste], page.outputs, api_name="run_exemplar", **PRIVATE
    )
    scroll_on(begun.success, "#cx-exemplar-status", "scroll_to_exemplar")
    page.stop.click(
        readable(stop), [page.state, page.paste], page.outputs, api_name="stop_exemplar",
        queue=False, **PRIVATE,
    )  # fmt: skip


def _wire_views(page: Page, ctx: Context) -> None:
    def paste(run: ExemplarRun | None, whole: bool) -> Any:
        return gr.skip() if run is None or run.image is None else _compared(run, whole)

    def explain(run: ExemplarRun | None, event: gr.SelectData) -> Updates:
        if run is None or run.image is None:
            raise ValueError("There is no result to explain yet: press Run or choose an example.")
        x, y = event.index
        side = mark_place(run, (0, 0, 1, 1)).width  # of the picture that was clicked
        box, matches, layer = run.explain(ctx, x / side, y / side)
        return {
            page.result: mark_place(run, box),
            page.matched: mark_matches(run, matches),
            page.told: tell_matches(run, matches, layer),
        }

    page.paste.input(
        readable(quickly(paste)), [page.state, page.paste], page.compare,
        api_name="paste_exemplar", **PRIVATE,
    )  # fmt: skip
    page.result.select(
        readable(quickly(explain)), page.state, [page.result, page.matched, page.told],
        api_name="explain_exemplar", **PRIVATE,
    )  # fmt: skip


def _wire_pairs(
    page: Page, ctx: Context, strip: gr.HTML, pairs: list[exemplar_examples.ExemplarPair]
) -> None:
    def choose(paste: bool, event: gr.SelectData) -> Updates:
        pair = pairs[int(event.index)]  # pyright: ignore[reportArgumentType]
        run = exemplar_examples.open_result(pair, ctx)
        return {
            **page.source.fill(exemplar_examples.open_face(pair.source, ctx)),
            **page.target.fill(exemplar_examples.open_face(pair.target, ctx)),
            **show_config(run.config, page.controls),
            **_result(page, run, paste, stored=True),
        }

    targets = [
        *page.source.components, *page.target.components, *page.controls.values(), *page.outputs
    ]  # fmt: skip
    chosen = strip.select(
        readable(quickly(choose)), page.paste, targets, api_name="pick_exemplar_pair", **PRIVATE
    )
    scroll_on(chosen.success, "#cx-exemplar-status", "scroll_to_exemplar_pair")


def _progress(page: Page, run: ExemplarRun) -> Updates:
    return {
        page.status: tell_progress(run),
        page.live: _enlarged(run),
        page.losses: show_losses(run),
    }


def _result(page: Page, run: ExemplarRun, whole: bool, *, stored: bool = False) -> Updates:
    run.forget_explanation()
    updates = {**_idle(page), page.state: run, page.status: tell_progress(run, stored=stored)}
    if run.image is None:
        return updates
    return {
        **updates,
        page.live: _enlarged(run),
        page.compare: _compared(run, whole),
        page.result: mark_place(run, (0, 0, 1, 1)),
        page.matched: mark_matches(run, []),
        page.told: "",
        page.losses: show_losses(run),
        **offer_files(page.downloads, run.save()),
    }


def _compared(run: ExemplarRun, whole: bool) -> tuple[Image.Image, Image.Image]:
    """Before and after, of the picture or of the face."""
    if whole:
        return shown(run.picture), shown(run.whole())
    result = run.result()
    side = result.shape[-1]
    before = images.resize(run.source.crop, (side, side)).clamp(0, 1)
    return images.to_pil(before), images.to_pil(result)


def _enlarged(run: ExemplarRun) -> Image.Image:
    """The result at one size, so that the page stays still."""
    picture = images.to_pil(run.result())
    return picture.resize((PREVIEW, PREVIEW), Image.Resampling.BICUBIC)


def _idle(page: Page) -> Updates:
    return {
        page.run: gr.Button("Run", interactive=True),
        page.stop: gr.Button(interactive=False),
    }
