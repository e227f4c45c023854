"""The style transfer tab: its parts, and what is wired to what."""

from __future__ import annotations

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.gallery import style as gallery
from cxdemo.runs.style import StyleRun
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.example_strip import index_of
from cxdemo.ui.kit.options_form import show_config
from cxdemo.ui.kit.page_script import PRIVATE, scroll_on
from cxdemo.ui.kit.run_wiring import Updates
from cxdemo.ui.style.api import add_endpoints
from cxdemo.ui.style.inputs import build_more_styles, build_pickers, wire_pictures
from cxdemo.ui.style.results import build_results, wire_explanation
from cxdemo.ui.style.run_page import Page
from cxdemo.ui.style.settings import build_advanced, build_settings, wire_settings

Finished = list[tuple[gallery.Example, StyleRun]]


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    finished = gallery.finished_examples()
    first = finished[0][1] if finished else None
    with gr.Row(elem_id="cx-style", equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_id="cx-inputs"):
            content, style, picked = build_pickers(first)
            made = build_settings()
            styles, weights = build_more_styles(style)
        with gr.Column(scale=6, min_width=320, elem_id="cx-outputs"):
            made |= build_results(first)
    advanced, upload = build_advanced()
    made["controls"] |= advanced
    cards = _build_examples(finished)
    page = Page(ctx=ctx, content=content, styles=styles, weights=weights, **made)
    wire_pictures(page, picked)
    wire_settings(page, upload)
    page.wire_run()
    wire_explanation(page)
    _wire_examples(page, cards, finished)
    add_endpoints(ctx)


def _build_examples(finished: Finished) -> gr.HTML:
    cards = [(run.content, run.styles[0], run.image or run.content) for _, run in finished]
    gr.HTML('<h2 class="cx-heading">Finished examples, one click away</h2>', visible=bool(finished))
    titles = [example.title for example, _ in finished]
    return picture_cards.build_cards(cards, titles, label="Examples", elem_id="cx-examples")


def _wire_examples(page: Page, cards: gr.HTML, finished: Finished) -> None:
    def choose(event: gr.SelectData) -> Updates:
        return show_example(page, finished[index_of(event)][0])

    targets = [page.content, *page.styles, page.preset, *page.controls.values(), *page.weights]
    scroll_on(cards.select, page.place, "scroll_on_example")
    cards.select(
        readable(choose), None, [*targets, *page.outputs], api_name="open_example", **PRIVATE
    )


def show_example(page: Page, example: gallery.Example) -> Updates:
    """An example with its pictures, its settings and its stored result."""
    run = gallery.open_example(example)
    return {
        **page.show_result(run),
        **show_config(run.config, page.controls),
        page.preset: example.preset,
        page.content: run.content,
        **dict(zip(page.styles, [run.styles[0], None, None], strict=True)),
        page.weights[0]: 1.0,
        page.views: gr.Tabs(selected="live"),
    }
