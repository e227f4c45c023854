"""A puppet steered by a clip: components, and which handler each event calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.gallery.clips import DRIVER, NEW, PUPPET_CAT, PUPPETS
from cxdemo.pipelines.face_animation import PUPPET
from cxdemo.runs.clips import LIMITS, ClipRun, open_clip, start_puppet
from cxdemo.ui.face.clips.run_page import (
    ClipPage,
    build_clip,
    build_controls,
    build_results,
    check_on_arrival,
    show_example,
)
from cxdemo.ui.kit.camera_notice import build_limits
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.run_wiring import Updates, Values

LEAD = (
    '<p class="cxa-lead">A puppet learns from pairs: in two clips of equal length, a driver and '
    "the puppet do the same at the same time, <b>roughly aligned</b>, not pixel by pixel. Then a "
    "<b>new clip</b> steers it. The loss asks each picture for the features of the puppet's frame; "
    "there is no term of the source. <span>(Mechrez et al., ECCV 2018, section 4)</span></p>"
)
NOTICE = (
    '<p class="cxa-notice">The puppet can only do what it was shown: a pose that the first clip '
    "lacks becomes the nearest that it has, or a blend. It learns one driver: steer it with the "
    "same face, in the same light. Use clips of people who agree. Both shipped characters are "
    "drawn by this program. The server deletes uploads and results within an hour.</p>"
)
CLIPS = {
    "driver": "1. Driver: a clip of a face",
    "puppet": "2. Puppet: doing the same at the same time",
    "new": "3. New clip of the driver: it steers",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(ClipPage):
    """The components of a puppet."""

    name, what, place = "puppet", "puppet", "#cx-puppet-film"

    clips: dict[str, gr.Video]

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {*self.clips.values(), *self.controls.values()}

    def prepare(self, values: Values) -> ClipRun:
        """The run that the page asks for."""
        config = self.read_config(values)
        paths = {name: values[clip] for name, clip in self.clips.items()}
        missing = [CLIPS[name] for name, path in paths.items() if path is None]
        if missing:
            raise ValueError(f"A clip is missing: {missing[0]}. Drop one, or use the example.")
        driver, puppet, new = (open_clip(path) for path in paths.values())
        return start_puppet(driver, puppet, new, config)


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(LEAD)
    with gr.Row(equal_height=False, elem_id="cx-puppet"):
        with gr.Column(scale=4, min_width=290):
            example = gr.Button("Show the finished example: a drawn cat", elem_id="cx-puppet-cat")
            build_limits(LIMITS, *(f"cx-puppet-{name}" for name in CLIPS))
            clips = {name: build_clip(said, f"cx-puppet-{name}") for name, said in CLIPS.items()}
            made = build_controls("puppet", PUPPET)
        with gr.Column(scale=7, min_width=320):
            made |= build_results("puppet", "New clip and puppet", PUPPETS[0])
            gr.HTML(NOTICE)
    state = gr.State(None, time_to_live=3600)
    page = Page(ctx=ctx, **made, state=state, clips=clips)
    _wire_example(page, example)
    for name, clip in clips.items():
        check_on_arrival(clip, page, f"puppet_{name}")
    page.wire_run()


def _wire_example(page: Page, example: gr.Button) -> None:
    def choose() -> Updates:
        paths = map(str, (DRIVER, PUPPET_CAT, NEW))
        shown = dict(zip(page.clips.values(), paths, strict=True))
        return {**show_example(page, PUPPETS[0]), **shown}

    example.click(
        readable(choose), None, [*page.outputs, *page.clips.values()], api_name="pick_puppet",
        **PRIVATE,
    )  # fmt: skip
