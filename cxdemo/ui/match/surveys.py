"""All patches at once on the page: who wins whom, the pictures of it, and all layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.checkpoints import find_checkpoint
from cxdemo.features import LAYERS
from cxdemo.pipelines.patch_similarity import RGB, LayerScore, compare_layers
from cxdemo.runs.match import Comparison, load_layer
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.match import views
from cxdemo.ui.match.components import Page, Values
from cxdemo.ui.match.layers import show_layers
from cxdemo.ui.match.query import Updates, read_comparison

QUICK_VIEWS = ("correspondence", "lines", "coverage")
SLOW_VIEWS = ("redrawn", "place")  # these compare all patches again
DRAW: dict[str, Callable[..., str]] = {
    "correspondence": views.show_correspondence,
    "lines": views.show_lines,
    "coverage": views.show_coverage,
    "redrawn": views.show_redrawn,
    "place": views.show_place,
}


def then_survey(page: Page, name: str, triggers: list[Any], *, mode: str | None = None) -> None:
    """Shows all patches of the page's comparison whenever one of the triggers fires."""

    def survey(values: Values) -> Iterator[Updates]:
        yield from show_survey(page, read_comparison(page, values))

    outputs = [page.viewer, page.figures, *page.views.values()]
    event: dict[str, Any] = {"api_name": name, **PRIVATE}
    handler = readable(quickly(survey, heavy=True))
    if mode:
        gr.on(triggers, handler, page.inputs, outputs, trigger_mode=mode, **event)  # pyright: ignore[reportArgumentType]
    else:
        for trigger in triggers:
            trigger(handler, page.inputs, outputs, **event)


def wire_layers(page: Page) -> None:
    """Compares the pair at every layer, one after another."""

    def compare(values: Values) -> Iterator[str]:
        yield from compare_all(page, read_comparison(page, values))

    page.compare.click(
        readable(quickly(compare, heavy=True)), page.inputs, page.layers, api_name="match_layers",
        **PRIVATE,
    )  # fmt: skip


def compare_all(page: Page, comparison: Comparison) -> Iterator[str]:
    """The scores so far, after each layer."""
    ctx, config = page.ctx, comparison.config
    names = held_layers(config.backbone)
    scores: list[LayerScore] = []
    yield show_layers(scores, layers=names)
    source, target = (
        images.to_tensor(p).to(ctx.device) for p in (comparison.source, comparison.target)
    )
    for score in compare_layers(
        source, target, config, names, load=lambda layer: load_layer(ctx, config, layer)
    ):
        scores.append(score)
        yield show_layers(scores, layers=names)


def show_survey(page: Page, comparison: Comparison) -> Iterator[Updates]:
    """All patches: who wins whom and the numbers at once, then the pictures one by one."""
    survey = comparison.survey(page.ctx)
    yield {
        page.viewer: gr.update(survey=views.show_survey(comparison, survey)),
        page.figures: views.show_figures(comparison, survey),
    }
    yield {page.views[name]: DRAW[name](comparison, page.ctx, survey) for name in QUICK_VIEWS}
    yield {page.views[name]: DRAW[name](comparison, page.ctx, survey) for name in SLOW_VIEWS}


def held_layers(backbone: str) -> tuple[str, ...]:
    """RGB patches and the layers whose parameters are here; all of them where none are."""
    table = LAYERS[backbone]
    tensors = find_checkpoint(backbone).tensors
    held = [name for name, layer in table.items() if f"{layer.key}.weight" in tensors]
    return (RGB, *(held or table))
