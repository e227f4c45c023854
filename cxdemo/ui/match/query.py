"""One patch's answer on the page: a click, a key, a number, a slider, or another pair."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from cxdemo.features import LAYERS
from cxdemo.gallery.match import MATCH_EXAMPLES, find_example
from cxdemo.options import read_config
from cxdemo.pipelines.patch_similarity import RGB, PatchSimilarityConfig
from cxdemo.runs.match import LARGEST, Comparison
from cxdemo.runs.match_click import answer_click, show_scene
from cxdemo.ui.kit.errors import to_toast
from cxdemo.ui.kit.example_strip import check_uploads, index_of
from cxdemo.ui.kit.options_form import show_config
from cxdemo.ui.kit.page_script import AT_ONCE, PRIVATE
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.match.components import Page, Values
from cxdemo.ui.match.link import read_link, write_link

OWN_PICTURES = "Your own pictures: they are deleted after an hour, and no link can bring them back."

Updates = dict[Any, Any]


def wire_query(page: Page) -> list[Any]:
    """A click, a key, a number or a slider shows one row. Returns the sliders' events."""

    def ask(values: Values, event: gr.EventData) -> Updates:
        place = (float(event.x), float(event.y))  # pyright: ignore[reportAttributeAccessIssue]
        asked = replace(read_comparison(page, values), place=place)
        return show_query(page, asked, shown=values[page.state])

    def look(values: Values) -> Updates:
        return show_query(page, read_comparison(page, values), shown=values[page.state])

    controls = [*page.controls.values()]
    page.viewer.ask(  # pyright: ignore[reportAttributeAccessIssue]
        said(page, ask), page.inputs, page.answers, api_name="match_ask", **AT_ONCE, **PRIVATE
    )
    gr.on(
        [control.input for control in (page.x, page.y, *controls)],
        said(page, look), page.inputs, page.answers, api_name="match_look", **AT_ONCE, **PRIVATE,
    )  # fmt: skip
    page.controls["backbone"].input(
        offer_layers, page.controls["backbone"], page.controls["layer"],
        api_name="match_offer_layers", queue=False, **PRIVATE,
    )  # fmt: skip
    return [control.input for control in controls]


def offer_layers(backbone: str) -> Updates:
    """The layers of a network."""
    return gr.update(choices=[RGB, *LAYERS[backbone]])


def wire_pairs(page: Page) -> dict[str, Any]:
    """A pair from the address of the page or from a card. Returns their events, by name."""

    def arrive(event: gr.EventData) -> Updates:
        search = str(event.search)  # pyright: ignore[reportAttributeAccessIssue]
        return show_everything(page, read_link(search))

    def choose(event: gr.SelectData) -> Updates:
        return show_everything(page, MATCH_EXAMPLES[index_of(event)].open())

    arrival = page.viewer.arrive(  # pyright: ignore[reportAttributeAccessIssue]
        said(page, arrive), None, page.everything, api_name="match_arrive", **PRIVATE
    )
    example = page.cards.select(
        said(page, choose), None, page.everything, api_name="match_example", **PRIVATE
    )
    return {"arrival": arrival, "example": example}


def wire_uploads(page: Page) -> dict[str, Any]:
    """Pictures of the visitor's own. Returns the events after which they are shown, by name."""

    def take(values: Values) -> Updates:
        return take_pictures(page, values)

    taken: dict[str, Any] = {}
    for name, picker in (("source", page.source), ("target", page.target)):
        checked = check_uploads(picker, LARGEST, f"match_upload_{name}")
        taken[name] = checked.success(
            said(page, take), {*page.inputs, page.source, page.target},
            [*page.answers, page.lesson], api_name=f"match_take_{name}", **PRIVATE,
        )  # fmt: skip
    return taken


def said(page: Page, handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """A quick handler whose errors appear beside the pictures: it answers outside of the queue."""
    answer = quickly(handler)

    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Updates:
        try:
            return answer(*args, **kwargs)
        except Exception as error:
            return {page.viewer: gr.update(value={"error": to_toast(error).message})}

    return wrapped


# ----------------------------------------------------------------- from the page and to the page


def read_comparison(page: Page, values: Values) -> Comparison:
    """The comparison that the page shows.

    Raises:
        ValueError: There is none yet, or a control holds what its option may not.
    """
    current: Comparison | None = values[page.state]
    if current is None:
        raise ValueError("Choose two pictures first, or one of the examples.")
    settings = {name: values[control] for name, control in page.controls.items()}
    x, y = values[page.x], values[page.y]
    if x is None or y is None or not (0 <= x <= 100 and 0 <= y <= 100):
        raise ValueError(f"Across and Down are percents, from 0 to 100; got {x} and {y}.")
    return replace(
        current, config=read_config(PatchSimilarityConfig, settings), place=(x / 100, y / 100)
    )


def take_pictures(page: Page, values: Values) -> Updates:
    """The pictures of the pickers in place of those that are shown."""
    current = read_comparison(page, values)
    source, target = values[page.source], values[page.target]
    if source is None or target is None:
        return {page.lesson: tell_lesson("Choose the other picture, too.")}
    mine = replace(current, source=source, target=target, example=None)
    return show_query(page, mine, shown=current) | {page.lesson: tell_lesson(OWN_PICTURES)}


def show_query(page: Page, comparison: Comparison, *, shown: Comparison | None = None) -> Updates:
    """One patch's answer, and the pictures unless they are those that are shown already."""
    row, numbers, strip = answer_click(comparison, page.ctx)
    viewer: dict[str, Any] = {"value": row | {"link": write_link(comparison)}}
    if shown is None or shown.scene != comparison.scene:
        viewer["scene"] = show_scene(comparison, page.ctx)
    x, y = (round(100 * share, 2) for share in comparison.place)
    return {
        page.viewer: gr.update(**viewer),
        page.numbers: numbers,
        page.strip: strip,
        page.x: x,
        page.y: y,
        page.state: comparison,
    }


def show_everything(page: Page, comparison: Comparison) -> Updates:
    """A comparison that did not come from the page: its pictures and settings, too."""
    example = find_example(comparison.example)
    return show_query(page, comparison) | {
        page.source: comparison.source,
        page.target: comparison.target,
        page.lesson: tell_lesson(example.lesson if example else OWN_PICTURES),
        **show_config(comparison.config, page.controls),
    }


def tell_lesson(text: str) -> str:
    """What to do and what to see."""
    return f'<p class="cxm-lesson">{escape(text)}</p>'
