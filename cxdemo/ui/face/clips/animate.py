"""A single picture moved by a clip: components, and which handler each event calls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.faces.choice import read_face
from cxdemo.gallery.clips import ANIMATIONS, DRIVER
from cxdemo.gallery.faces import open_example
from cxdemo.pipelines.face_animation import ANIMATION
from cxdemo.runs.clips import (
    DRIVER_LIMITS,
    SAME_AS_DRIVER,
    ClipRun,
    open_clip,
    open_driver,
    start_animation,
)
from cxdemo.ui.face.clips.run_page import (
    ClipPage,
    build_clip,
    build_controls,
    build_results,
    check_on_arrival,
    show_example,
)
from cxdemo.ui.face.picker import FaceInput, build_face_input
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.camera_notice import build_limits
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.example_strip import index_of
from cxdemo.ui.kit.page_script import PRIVATE, scroll_on
from cxdemo.ui.kit.run_wiring import Updates, Values
from cxdemo.ui.kit.turns import quickly

TARGETS = ("portrait_monalisa", "portrait_einstein_1927", "portrait_curie_1927")

LEAD = (
    "<p class=\"cxa-lead\">One picture, moved by somebody else's face. The mesh of the driver's "
    "face bends your <b>target</b>, frame by frame; then a small network is trained here and now, "
    "so that each frame has the target's features, wherever they are, and keeps its pose. It can "
    "also start from the <b>driver's own frames</b>, as in the paper: colours and texture come "
    "over, the shape does not. "
    "<span>(Mechrez et al., ECCV 2018, section 4)</span></p>"
)
NOTICE = (
    '<p class="cxa-notice">The target\'s face, hair and surroundings stay its own. A head that '
    "turns far is followed in part only, because one picture does not show the other cheek; the "
    "inside of an opened mouth is dark, because the picture does not show that either. A face that "
    "is large in the clip, seen from the front, works best. Use pictures of people who "
    "agree, or who are long dead; say that it is made. The shipped driver is a computer's head. "
    "The server deletes uploads and results within an hour.</p>"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(ClipPage):
    """The components of an animation."""

    name, what, place = "animate", "animation", "#cx-animate-film"

    target: FaceInput
    clip: gr.Video

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.target.state, self.clip, *self.controls.values()}

    def prepare(self, values: Values) -> ClipRun:
        """The run that the page asks for."""
        config = self.read_config(values)
        _, face = read_face(values[self.target.state], what="target", framing=SAME_AS_DRIVER)
        clip = values[self.clip]
        if clip is None:
            raise ValueError(
                "Choose a clip of a face first: drop one, record one, or use the shipped."
            )
        return start_animation(face.crop, open_driver(clip, self.ctx), config)


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(LEAD)
    with gr.Row(equal_height=False, elem_id="cx-animate"):
        with gr.Column(scale=4, min_width=290):
            cards = _build_cards()
            target = build_face_input(
                ctx,
                elem_id="cx-animate-target",
                label="Target: the picture that is to move",
                examples=[PICTURES / f"{name}.jpg" for name in TARGETS],
            )
            build_limits(DRIVER_LIMITS, "cx-animate-clip")
            clip = build_clip("Driver: a clip of a face", "cx-animate-clip")
            shipped = gr.Button("Use the shipped driver", size="sm", elem_id="cx-animate-shipped")
            made = build_controls("animate", ANIMATION)
        with gr.Column(scale=7, min_width=320):
            made |= build_results("animate", "Driver and result", ANIMATIONS[0])
            gr.HTML(NOTICE)
    state = gr.State(None, time_to_live=3600)
    page = Page(ctx=ctx, **made, state=state, target=target, clip=clip)
    _wire_examples(page, cards)
    shipped.click(lambda: str(DRIVER), None, clip, api_name="use_driver", **PRIVATE)
    check_on_arrival(clip, page, "animate_clip", lambda path: open_driver(path, ctx))
    page.wire_run()


def _build_cards() -> gr.HTML:
    driver = _first_picture(DRIVER)
    return picture_cards.build_pairs(
        [(driver, _target_picture(example)) for example in ANIMATIONS],
        [example.title for example in ANIMATIONS],
        label="Finished examples",
        elem_id="cx-animate-cards",
    )


def _target_picture(example: Any) -> Any:
    """The target of an example, for its card."""
    return images.to_pil(example.target())


def _first_picture(path: Path) -> Any:
    return images.to_pil(open_clip(path).frames[:1])


def _wire_examples(page: Page, cards: gr.HTML) -> None:
    def choose(event: gr.SelectData) -> Updates:
        example = ANIMATIONS[index_of(event)]
        return {
            **show_example(page, example),
            page.clip: str(DRIVER),
            **page.target.fill(open_example(PICTURES / example.picture, page.ctx.find_faces)),
        }

    chosen = cards.select(
        readable(quickly(choose)), None, [*page.outputs, page.clip, *page.target.components],
        api_name="pick_animation", **PRIVATE,
    )  # fmt: skip
    scroll_on(chosen.success, page.place, "scroll_to_animation")
