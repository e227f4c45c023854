"""Five ways to paint one picture in one style: components, and which handler each event calls."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
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
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.run_wiring import (
    answer_stop,
    build_buttons,
    build_downloads,
    follow,
    offer_files,
)
from cxdemo.ui.kit.safe_image import SafeImage, accept_upload, build_picker
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import check_turn, quickly
from cxdemo.ui.lab.rivals_view import show_rivals, tell_progress

OPTIONS = options_of(RivalsConfig)
LARGEST = 1024  # pixels of an upload's long side that are kept
REFRESH = 0.4  # seconds between two updates of the page

Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

    content: SafeImage
    style: SafeImage
    controls: dict[str, Any]
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    cards: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    state: gr.State
    pair: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.content, self.style, self.pair, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.cards, self.state, *self.downloads.values()
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    pairs = finished_pairs()
    first = open_result(pairs[0]) if pairs else None
    gr.HTML(
        '<p class="cxl-lead">One picture, one style, five losses that say what "in this style" '
        "means. All start from the content, look through the same network and take the same steps; "
        "each has the layers and weights of its own paper. <b>Global</b> losses want the style's "
        "colours and textures somewhere; <b>matching</b> ones ask where they belong.</p>"
    )
    strip = picture_cards.build_pairs(
        [pair.open() for pair in pairs],
        [pair.title for pair in pairs],
        label="Pairs with finished results",
        elem_id="cx-riv-pairs",
    )
    with gr.Row(equal_height=False, elem_id="cx-riv"):
        made = _build_inputs(first)
    page = Page(
        **made,
        **_build_results(first),
        state=gr.State(first, time_to_live=3600),
        pair=gr.State(pairs[0] if pairs else None),
    )
    _wire_pictures(page, strip, pairs)
    _wire_run(page, ctx)


# ------------------------------------------------------------------------------- components


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
        made |= build_buttons("riv")
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
    made: dict[str, Any] = {
        "status": gr.HTML(status, elem_id="cx-riv-status"),
        "cards": gr.HTML(
            move_to_shelf(show_rivals(first)) if first else "", elem_id="cx-riv-cards"
        ),
    }
    labels = {"png": "Figure", "gif": "Frames, GIF", "mp4": "Frames, MP4", "json": "Settings"}
    made["downloads"] = build_downloads("riv", labels)
    return made


# ------------------------------------------------------------------------------------ events


def _wire_pictures(page: Page, strip: gr.HTML, pairs: list[RivalPair]) -> None:
    def choose(event: gr.SelectData) -> Updates:
        pair = pairs[int(event.index)]  # pyright: ignore[reportArgumentType]
        run = open_result(pair)
        return {
            page.content: run.content,
            page.style: run.style,
            page.pair: pair,
            **show_config(run.config, page.controls),
            **_result(page, run, stored=True),
        }

    targets = [page.content, page.style, page.pair, *page.controls.values(), *page.outputs]
    strip.select(readable(quickly(choose)), None, targets, api_name="pick_rival_pair", **PRIVATE)
    for picker, name in ((page.content, "content"), (page.style, "style")):
        picker.upload(
            quickly(functools.partial(accept_upload, long_side=LARGEST)), picker, picker,
            preprocess=False, api_name=f"accept_rival_{name}", **PRIVATE,
        )  # fmt: skip
        gr.on(
            [picker.upload, picker.clear],
            lambda: None, None, page.pair, api_name=f"forget_pair_{name}", queue=False, **PRIVATE,
        )  # fmt: skip


def _wire_run(page: Page, ctx: Context) -> None:
    def prepare(values: Mapping[Any, Any]) -> RivalsRun:
        content, style = values[page.content], values[page.style]
        if content is None or style is None:
            missing = "content" if content is None else "style"
            raise ValueError(f"Choose a {missing} picture first: drop one, or click a pair above.")
        config = read_config(RivalsConfig, {n: values[c] for n, c in page.controls.items()})
        return RivalsRun(content=content, style=style, config=config)

    def begin(values: Mapping[Any, Any]) -> Updates:
        job = prepare(values)
        check_turn()
        return {
            page.run: gr.Button("Running…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.status: tell_progress(job),
            page.cards: show_rivals(job),
            page.state: job,
        }

    def run(job: RivalsRun, pair: RivalPair | None) -> Iterator[Updates]:
        def progress() -> Updates:
            return {page.cards: show_rivals(job), page.status: tell_progress(job)}

        def result() -> Updates:
            if job.finished and pair is not None and job.config == RivalsConfig():
                job.note = pair.note  # the same settings as the stored result that it describes
            return _result(page, job)

        yield from follow(
            job, ctx, "comparison of styles", status=page.status, progress=progress, result=result,
            every=REFRESH,
        )  # fmt: skip

    def stop(job: RivalsRun | None) -> Updates:
        return answer_stop(
            job,
            idle=lambda: _idle(page),
            progress=lambda: {
                page.stop: gr.Button(interactive=False),
                page.status: tell_progress(job),
            },
            result=lambda: _result(page, job),  # pyright: ignore[reportArgumentType]
        )

    page.run.click(
        readable(begin), page.inputs, page.outputs, api_name="begin_rivals", **PRIVATE
    ).success(
        readable(run), [page.state, page.pair], page.outputs, api_name="run_rivals", **PRIVATE
    )
    page.stop.click(
        readable(stop), page.state, page.outputs, api_name="stop_rivals", queue=False, **PRIVATE
    )


def _idle(page: Page) -> Updates:
    return {
        page.run: gr.Button("Run", interactive=True),
        page.stop: gr.Button(interactive=False),
        page.status: tell_progress(None, problem="Stopped before it began."),
    }


def _result(page: Page, run: RivalsRun, *, stored: bool = False) -> Updates:
    updates: Updates = {
        **_idle(page),
        page.cards: show_rivals(run),
        page.status: tell_progress(run, stored=stored),
        page.state: run,
    }
    files = run.export() if run.taken else {}
    return updates | offer_files(page.downloads, files)
