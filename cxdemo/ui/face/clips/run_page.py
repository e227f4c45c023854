"""What the pages of animation and puppet share: results, controls, and what a run shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from cxdemo.gallery.clips import ClipExample, open_result
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.face_animation import AnimationConfig
from cxdemo.runs.clips import ClipRun, open_clip
from cxdemo.ui.face.clips.view import show_losses, show_strip, tell_example, tell_progress
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.run_wiring import (
    RunPage,
    Updates,
    Values,
    build_buttons,
    build_downloads,
    offer_files,
)
from cxdemo.ui.kit.turns import quickly
from cxdemo.video import Clip

OPTIONS = options_of(AnimationConfig)
DOWNLOADS = {"mp4": "MP4", "gif": "GIF", "result": "Result alone, MP4", "json": "Settings"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipPage(RunPage[ClipRun]):
    """The components, and what they show of a network in training."""

    every = 4.0  # each preview costs some computing
    again = "Run again"

    controls: dict[str, Any]
    film: gr.Video
    strip: gr.HTML
    losses: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """The film, the strip and the losses."""
        return [self.film, self.strip, self.losses]

    def read_config(self, values: Values) -> AnimationConfig:
        """The configuration that the controls show."""
        return read_config(AnimationConfig, {n: values[c] for n, c in self.controls.items()})

    def tell(self, run: ClipRun) -> str:
        """Where the run stands."""
        return tell_progress(run)

    def begun(self, run: ClipRun) -> Updates:
        """The frames that drive, and nothing of an earlier result."""
        return {
            self.film: None,
            self.strip: show_strip(run),
            self.losses: "",
            **offer_files(self.downloads, {}),
        }

    def progress(self, run: ClipRun, *extras: Any) -> Updates:
        """A few frames as they are now, and the losses."""
        del extras
        return {self.strip: show_strip(run), self.losses: show_losses(run)}

    def result(self, run: ClipRun, *extras: Any) -> Updates:
        """The same, and the film if there is one."""
        film = {self.film: str(run.export()["mp4"])} if run.has_files else {}
        return {**self.progress(run, *extras), **film}


def build_controls(name: str, defaults: AnimationConfig) -> dict[str, Any]:
    """Buttons, the line of status, and the options."""
    made: dict[str, Any] = {**build_buttons(f"cx-{name}")}
    made["status"] = gr.HTML(tell_progress(None), elem_id=f"cx-{name}-status")
    with gr.Accordion("Settings", open=False):
        made["controls"] = {
            option: _control(name, option, defaults)
            for option in OPTIONS
            if option != "start" or defaults.source_weight  # pairs say where a puppet starts
        }
    return made


def _control(name: str, option: str, defaults: AnimationConfig) -> Any:
    control: Any = control_for(OPTIONS[option], elem_id=f"cx-{name}-{option}")
    value = getattr(defaults, option)
    control.value = list(value) if isinstance(value, tuple) else value
    return control


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
    made["downloads"] = build_downloads(f"cx-{name}", DOWNLOADS)
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
        return tell_clip(path, opened)

    clip.input(
        readable(quickly(check, heavy=True)), clip, [page.status, clip], api_name=f"check_{name}",
        **PRIVATE,
    )  # fmt: skip


def tell_clip(path: str | None, opened: Callable[[str], Clip]) -> tuple[str, Any]:
    """What of a film is used, or why it can't be; and its picker, empty in that case."""
    if path is None:
        return tell_progress(None), gr.skip()
    try:
        taken = opened(path)
    except ValueError as error:
        return tell_progress(None, problem=str(error)), None  # its player would be in the way
    note = taken.note or f"{taken.seconds:.1f} s, {len(taken.frames)} frames."
    return tell_progress(None, note=f"{note} Press Run."), gr.skip()


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
