"""Five ways to paint one picture in one style: components, and what each event calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.gallery.rivals import RivalPair, finished_pairs, open_result
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.style_rivals import RIVALS, RivalsConfig
from cxdemo.runs.rivals import RivalsRun
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.example_strip import check_uploads, index_of
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.run_wiring import (
    RunPage,
    Updates,
    Values,
    build_buttons,
    build_downloads,
    offer_files,
)
from cxdemo.ui.kit.safe_image import SafeImage, build_picker
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.lab.rivals.view import show_rivals, tell_progress

OPTIONS = options_of(RivalsConfig)
LARGEST = 1024  # pixels of an upload's long side that are kept
DOWNLOADS = {"png": "Figure", "gif": "Frames, GIF", "mp4": "Frames, MP4", "json": "Settings"}
LEAD = (
    '<p class="cxl-lead">One picture, one style, five losses that say what "in this style" '
    "means. All start from the content, look through the same network and take the same steps; "
    "each has the layers and weights of its own paper. <b>Global</b> losses want the style's "
    "colours and textures somewhere; <b>matching</b> ones ask where they belong.</p>"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[RivalsRun]):
    """The components, and what they show of a comparison."""

    name, what, place = "rivals", "comparison of styles", "#cx-riv-status"
    every = 0.4

    content: SafeImage
    style: SafeImage
    controls: dict[str, Any]
    cards: gr.HTML
    pair: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.content, self.style, self.pair, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The cards."""
        return [self.cards]

    def prepare(self, values: Values) -> RivalsRun:
        """The comparison that the page asks for."""
        content, style = values[self.content], values[self.style]
        if content is None or style is None:
            missing = "content" if content is None else "style"
            raise ValueError(f"Choose a {missing} picture first: drop one, or click a pair above.")
        config = read_config(RivalsConfig, {n: values[c] for n, c in self.controls.items()})
        pair: RivalPair | None = values[self.pair]
        described = pair is not None and config == RivalsConfig()  # its note is of these settings
        note = pair.note if pair and described else ""
        return RivalsRun(content=content, style=style, config=config, note=note)

    def tell(self, run: RivalsRun) -> str:
        """Where the rivals stand."""
        return tell_progress(run)

    def tell_unbegun(self) -> Updates:
        """That there was nothing to stop."""
        return {self.status: tell_progress(None, problem="Stopped before it began.")}

    def begun(self, run: RivalsRun) -> Updates:
        """The content on every card, and no files."""
        return {self.cards: show_rivals(run), **offer_files(self.downloads, {})}

    def progress(self, run: RivalsRun, *extras: Any) -> Updates:
        """The cards so far."""
        del extras
        return {self.cards: show_rivals(run)}

    def result(self, run: RivalsRun, *extras: Any) -> Updates:
        """The cards as they are."""
        return self.progress(run, *extras)


# ------------------------------------------------------------------------------- components


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    pairs = finished_pairs()
    first = open_result(pairs[0]) if pairs else None
    gr.HTML(LEAD)
    strip = picture_cards.build_pairs(
        [pair.open() for pair in pairs],
        [pair.title for pair in pairs],
        label="Pairs with finished results",
        elem_id="cx-riv-pairs",
    )
    with gr.Row(equal_height=False, elem_id="cx-riv"):
        made = _build_inputs(first)
    made |= _build_results(first)
    made["state"] = gr.State(first, time_to_live=3600)
    page = Page(ctx=ctx, **made, pair=gr.State(pairs[0] if pairs else None))
    _wire_uploads(page)
    _wire_pairs(page, strip, pairs)
    page.wire_run()


def _build_inputs(first: RivalsRun | None) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Column(scale=3, min_width=150):
        made["content"] = _picker("Content", "cx-riv-content", first and first.content)
    with gr.Column(scale=3, min_width=150):
        made["style"] = _picker("Style", "cx-riv-style", first and first.style)
    with gr.Column(scale=5, min_width=290):
        controls: dict[str, Any] = {
            "rivals": gr.CheckboxGroup(
                [(info.label, name) for name, info in RIVALS.items()],
                value=list(RIVALS),
                label="Rivals",
                elem_id="cx-riv-rivals",
            )
        }
        with gr.Row():
            for name in ("size", "num_steps", "style_strength"):
                controls[name] = control_for(OPTIONS[name], brief=True, elem_id=f"cx-riv-{name}")
        made |= build_buttons("cx-riv")
        with gr.Accordion("Advanced", open=False):
            controls["seed"] = control_for(OPTIONS["seed"], elem_id="cx-riv-seed")
    return made | {"controls": controls}


def _picker(label: str, elem_id: str, value: Image.Image | None) -> SafeImage:
    return build_picker(
        label,
        elem_id,
        value,
        sources=["upload", "clipboard"],
        height=190,
        placeholder=f"Drop a {label.lower()} picture, or choose a pair above",
    )


def _build_results(first: RivalsRun | None) -> dict[str, Any]:
    """The cards and downloads, filled from the start."""
    status = tell_progress(first, stored=True) if first else ""
    cards = move_to_shelf(show_rivals(first)) if first else ""
    return {
        "status": gr.HTML(status, elem_id="cx-riv-status"),
        "cards": gr.HTML(cards, elem_id="cx-riv-cards"),
        "downloads": build_downloads("cx-riv", DOWNLOADS),
    }


# ------------------------------------------------------------------------------------ events


def _wire_pairs(page: Page, strip: gr.HTML, pairs: list[RivalPair]) -> None:
    def choose(event: gr.SelectData) -> Updates:
        return show_pair(page, pairs[index_of(event)])

    targets = [page.content, page.style, page.pair, *page.controls.values(), *page.outputs]
    strip.select(readable(quickly(choose)), None, targets, api_name="pick_rival_pair", **PRIVATE)


def show_pair(page: Page, pair: RivalPair) -> Updates:
    """A pair with its stored result and settings."""
    run = open_result(pair)
    return {
        page.content: run.content,
        page.style: run.style,
        page.pair: pair,
        **show_config(run.config, page.controls),
        **page.show_result(run),
        page.status: tell_progress(run, stored=True),
    }


def _wire_uploads(page: Page) -> None:
    """Another picture is no longer the pair's."""
    for picker, name in ((page.content, "content"), (page.style, "style")):
        check_uploads(picker, LARGEST, f"accept_rival_{name}")
        gr.on(
            [picker.upload, picker.clear],
            lambda: None, None, page.pair, api_name=f"forget_pair_{name}", queue=False, **PRIVATE,
        )  # fmt: skip
