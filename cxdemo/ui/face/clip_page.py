"""What the pages of animation and puppet share: results, controls, and the events of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.gallery.clips import ClipExample, open_result
from cxdemo.options import options_of
from cxdemo.pipelines.face_animation import AnimationConfig
from cxdemo.runs.clips import ClipRun, open_clip
from cxdemo.ui.face.clip_view import show_losses, show_strip, tell_example, tell_progress
from cxdemo.ui.face.view import scroll_on
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.run_wiring import (
    answer_stop,
    build_buttons,
    build_downloads,
    follow,
    offer_files,
)
from cxdemo.ui.kit.turns import check_turn, quickly
from cxdemo.video import Clip

OPTIONS = options_of(AnimationConfig)
REFRESH = 4.0  # seconds between two previews, each of which costs some computing
Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
DOWNLOADS = {"mp4": "MP4", "gif": "GIF", "result": "Result alone, MP4", "json": "Settings"}

Prepare = Callable[[Mapping[Any, Any]], ClipRun]


@dataclass(frozen=True, kw_only=True)
class ClipPage:
    """The components that the handlers of a run read and write."""

    name: str
    controls: dict[str, Any]
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    film: gr.Video
    strip: gr.HTML
    losses: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    state: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.film, self.strip, self.losses, self.state,
            *self.downloads.values(),
        ]  # fmt: skip

    def read_options(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """The values of the controls by the names of their options."""
        return {name: values[control] for name, control in self.controls.items()}


def build_controls(name: str, defaults: AnimationConfig) -> dict[str, Any]:
    """Buttons, the line of status, and the options."""
    made: dict[str, Any] = {**build_buttons(name)}
    made["status"] = gr.HTML(tell_progress(None), elem_id=f"cx-{name}-status")
    controls: dict[str, Any] = {}
    with gr.Accordion("Settings", open=False):
        for option_name, known in OPTIONS.items():
            control = control_for(known, elem_id=f"cx-{name}-{option_name}")
            value = getattr(defaults, option_name)
            control.value = list(value) if isinstance(value, tuple) else value
            controls[option_name] = control
    made["controls"] = controls
    return made


def build_results(name: str, what: str, example: ClipExample) -> dict[str, Any]:
    """The film, the strip, the losses and the downloads; at first those of a finished example."""
    stored = open_result(example)
    made: dict[str, Any] = {
        "film": gr.Video(
            str(stored.film),
            label=what,
            interactive=False,
            autoplay=True,
            loop=True,
            buttons=[],
            height=300,
            elem_id=f"cx-{name}-film",
        ),
        "strip": gr.HTML(tell_example(example.title, stored.said), elem_id=f"cx-{name}-strip"),
    }
    made["downloads"] = build_downloads(name, DOWNLOADS)
    with gr.Accordion("What the loss sees", open=True):
        made["losses"] = gr.HTML(stored.show_losses(), elem_id=f"cx-{name}-losses")
    return made


def build_clip(label: str, elem_id: str) -> gr.Video:
    """A picker for a film, or a recording by webcam."""
    return gr.Video(
        label=label,
        sources=["upload", "webcam"],
        include_audio=True,  # without it Gradio would need the program ffmpeg; sound is ignored
        webcam_options=gr.WebcamOptions(mirror=False),
        buttons=[],
        height=250,
        elem_id=elem_id,
        elem_classes="cx-clip",
    )


def check_on_arrival(
    clip: gr.Video, page: ClipPage, name: str, opened: Callable[[str], Clip] = open_clip
) -> None:
    """Says at once what of a film is used, or why it can't be.

    Args:
        clip: The picker.
        page: Its status says it.
        name: Of the event.
        opened: The film as the run will take it.
    """

    def check(path: str | None) -> tuple[str, Any]:
        if path is None:
            return tell_progress(None), gr.skip()
        try:
            taken = opened(path)
        except ValueError as error:
            return tell_progress(None, problem=str(error)), None  # its player would be in the way
        note = taken.note or f"{taken.seconds:.1f} s, {len(taken.frames)} frames."
        return tell_progress(None, note=f"{note} Press Run."), gr.skip()

    clip.input(
        readable(quickly(check, heavy=True)), clip, [page.status, clip], api_name=f"check_{name}",
        **PRIVATE,
    )  # fmt: skip


def wire_run(page: ClipPage, ctx: Context, inputs: set[Any], prepare: Prepare) -> None:
    """Run and Stop."""
    reads = inputs | set(page.controls.values())

    def begin(values: Mapping[Any, Any]) -> Updates:
        check_turn()
        run = prepare(values)
        return {
            page.run: gr.Button("Running…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.state: run,
            page.film: None,
            page.strip: show_strip(run),
            page.losses: "",
            page.status: tell_progress(run),
            **offer_files(page.downloads, {}),
        }

    def run(run: ClipRun) -> Iterator[Updates]:
        yield from follow(
            run,
            ctx,
            page.name,
            status=page.status,
            progress=lambda: _progress(page, run),
            result=lambda: _result(page, run),
            every=REFRESH,
        )

    def stop(run: ClipRun | None) -> Updates:
        if run is None or run.finished:
            return {page.run: gr.Button("Run", interactive=True), page.stop: _off()}
        return answer_stop(
            run,
            idle=dict,
            progress=lambda: {page.stop: _off(), page.status: tell_progress(run)},
            result=lambda: _result(page, run),
        )

    name = page.name
    begun = page.run.click(
        readable(quickly(begin, heavy=True)), reads, page.outputs, api_name=f"begin_{name}",
        **PRIVATE,
    )  # fmt: skip
    scroll_on(begun.success, f"#cx-{name}-film", f"scroll_to_{name}")
    begun.success(readable(run), page.state, page.outputs, api_name=f"run_{name}", **PRIVATE)
    page.stop.click(
        readable(stop), page.state, page.outputs, api_name=f"stop_{name}", queue=False, **PRIVATE
    )


def show_example(page: ClipPage, example: ClipExample) -> Updates:
    """The finished result of an example, at once."""
    stored = open_result(example)
    return {
        page.film: str(stored.film),
        page.strip: tell_example(example.title, stored.said),
        page.losses: stored.show_losses(),
        page.status: tell_progress(None, note=f"{stored.said} Press Run to compute it again."),
        page.run: gr.Button("Run", interactive=True),
        **offer_files(page.downloads, {"mp4": stored.film, "gif": stored.gif()}),
    }


def _progress(page: ClipPage, run: ClipRun) -> Updates:
    return {
        page.strip: show_strip(run),
        page.losses: show_losses(run),
        page.status: tell_progress(run),
    }


def _result(page: ClipPage, run: ClipRun) -> Updates:
    updates: Updates = {
        **_progress(page, run),
        page.run: gr.Button("Run again", interactive=True),
        page.stop: _off(),
        page.state: run,
    }
    if run.step is None:
        return updates
    files = run.export()
    return {**updates, page.film: str(files["mp4"]), **offer_files(page.downloads, files)}


def _off() -> gr.Button:
    return gr.Button(interactive=False)
