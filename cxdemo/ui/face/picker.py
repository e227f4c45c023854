"""The one component by which every mode takes a face.

A picture comes by upload, clipboard or webcam, or is an example; its faces are found at once, one
is chosen, and its crop can be corrected. Where no face is found, the crop is placed by hand.

    source = build_face_input(ctx, elem_id="cx-exemplar-source", label="Source face",
                              examples=[EXAMPLES / "portrait_monalisa.jpg"])

    def run(values):
        picture, aligned = read_face(values[source.state], what="source face")
        result = transform(aligned.crop)                    # (1, 3, 256, 256)
        whole = aligned.paste_back(picture, result)         # (1, 3, H, W)

    button.click(readable(run), {source.state, ...}, [...])
    source.on_change(readable(run), {source.state, ...}, [...], api_name=..., ...)

`source.state` holds a `ChosenFace`, or None. It stays on the server: it is a `gr.State`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.faces.choice import LONG_SIDE, ChosenFace, Nudge
from cxdemo.gallery.faces import find_known
from cxdemo.ui.face.picker_view import show_choice
from cxdemo.ui.kit.camera_notice import build_limits
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.example_strip import build_strip, fill_from, index_of
from cxdemo.ui.kit.page_script import PRIVATE, clickable
from cxdemo.ui.kit.safe_image import SafeImage, build_picker, read_upload
from cxdemo.ui.kit.turns import quickly

Updates = dict[Any, Any]

LIMITS = (
    "PNG, JPEG, WebP, GIF, AVIF or HEIC, at most 30 MB and 40 megapixels; larger than "
    f"{LONG_SIDE} pixels is scaled down. A webcam works too, if you let the browser use it; "
    "if not, upload a picture. Nothing is kept."
)
# name in `Nudge`: (label, least, most, default)
SLIDERS = {
    "right": ("Move left or right, %", -100, 100, 0),
    "down": ("Move up or down, %", -100, 100, 0),
    "size": ("Size, %", 30, 300, 100),
    "turn": ("Turn, degrees", -180, 180, 0),
}


@dataclass(frozen=True, eq=False)
class FaceInput:
    """The parts of a face input.

    Attributes:
        picture: The picker.
        state: `ChosenFace` or None; on the server.
        view: The picture with its faces, and the crop.
        sliders: By their names in `Nudge`.
        correction: The fold around the sliders.
        reset: Takes the correction back.
        events: What changes the choice, see `on_change`.
    """

    picture: SafeImage
    state: gr.State
    view: gr.HTML
    sliders: Mapping[str, gr.Slider]
    correction: gr.Accordion
    reset: gr.Button
    events: list[Any] = field(default_factory=list)

    @property
    def components(self) -> list[Any]:
        """All that an event may write to."""
        return [self.picture, *self.outputs]

    @property
    def outputs(self) -> list[Any]:
        """All but the picker, as `show` writes them."""
        return [self.state, self.view, self.correction, *self.sliders.values()]

    def show(self, chosen: ChosenFace | None, problem: str = "") -> Updates:
        """Updates that put a choice on the page."""
        found = chosen is not None
        nudge = chosen.nudge if chosen else Nudge()
        return {
            self.state: chosen,
            self.view: show_choice(chosen, problem),
            self.correction: gr.Accordion(visible=found, open=found and not chosen.faces),
            **{slider: getattr(nudge, name) for name, slider in self.sliders.items()},
        }

    def fill(self, chosen: ChosenFace) -> Updates:
        """Updates of all `components`: the choice with its picture, whose faces are known."""
        return {self.picture: images.to_pil(chosen.picture), **self.show(chosen)}

    def on_change(
        self, handler: Callable[..., Any], *args: Any, api_name: str, **kwargs: Any
    ) -> list:
        """Calls a handler after each change of the choice. Arguments are those of an event."""
        return [
            event.success(handler, *args, api_name=f"{api_name}_{'abcdef'[i]}", **kwargs)
            for i, event in enumerate(self.events)
        ]


def build_face_input(
    ctx: Context, *, elem_id: str, label: str, examples: Sequence[Path] = ()
) -> FaceInput:
    """Puts a face input on the page and wires it.

    Args:
        ctx: Its `find_faces` is used.
        elem_id: Of the whole; the parts are called `{elem_id}-picture`, `-view`, `-strip` ...
        label: What the face is, such as "Source face".
        examples: Pictures to try, of this repository.
    """
    with gr.Column(elem_id=elem_id, elem_classes="cx-face-input", min_width=260):
        picture = build_picker(
            label,
            f"{elem_id}-picture",
            sources=["upload", "webcam", "clipboard"],
            height=210,
            alt_text=None,
            placeholder="Drop a picture, or choose below",
        )
        build_limits(LIMITS, f"{elem_id}-picture")
        if examples:  # one of them goes into the picker, whose change does the rest
            said = f"{label}: pictures to try"
            strip = build_strip(examples, label=said, elem_id=f"{elem_id}-strip")
            fill_from(strip, examples, picture, _name("pick", elem_id))
        view = clickable(show_choice(None), elem_id=f"{elem_id}-view")
        correction, sliders, reset = _build_correction(elem_id)
    made = FaceInput(picture, gr.State(None, time_to_live=3600), view, sliders, correction, reset)
    _wire_picture(made, ctx, elem_id)
    _wire_choice(made, elem_id)
    _wire_correction(made, elem_id)
    return made


def _build_correction(elem_id: str) -> tuple[gr.Accordion, dict[str, gr.Slider], gr.Button]:
    with gr.Accordion(
        "Correct the crop", open=False, visible=False, elem_id=f"{elem_id}-correction"
    ) as correction:
        sliders = {
            name: gr.Slider(least, most, value, step=1, label=said, elem_id=f"{elem_id}-{name}")
            for name, (said, least, most, value) in SLIDERS.items()
        }
        reset = gr.Button("Reset", size="sm", elem_id=f"{elem_id}-reset")
    return correction, sliders, reset


def _wire_picture(made: FaceInput, ctx: Context, elem_id: str) -> None:
    """Looks for faces whenever there is another picture, wherever it came from."""

    def look(payload: dict[str, Any] | None) -> Updates:
        try:
            picture = read_upload(payload, long_side=LONG_SIDE)
        except images.ImageError as error:
            return made.show(None, str(error))
        return made.show(None if picture is None else find_known(picture, ctx.find_faces))

    made.events.append(
        made.picture.change(
            readable(quickly(look)),
            made.picture,
            made.outputs,
            preprocess=False,
            api_name=_name("find", elem_id),
            trigger_mode="always_last",
            **PRIVATE,
        )
    )


def _wire_choice(made: FaceInput, elem_id: str) -> None:
    """Another face."""

    def choose(chosen: ChosenFace | None, event: gr.SelectData) -> Updates:
        if chosen is None:
            raise ValueError("The picture is gone: choose it again.")
        return made.show(chosen.choose(index_of(event)))

    made.events.append(
        made.view.select(
            readable(choose), made.state, made.outputs, api_name=_name("choose", elem_id), **PRIVATE
        )
    )


def _wire_correction(made: FaceInput, elem_id: str) -> None:
    """Another crop."""
    names = list(made.sliders)

    def correct(chosen: ChosenFace | None, *values: float) -> tuple[Any, Any]:
        if chosen is None:
            return gr.skip(), gr.skip()
        moved = chosen.correct(Nudge(**dict(zip(names, values, strict=True))))
        return moved, show_choice(moved)

    def reset(chosen: ChosenFace | None) -> Updates:
        return made.show(None if chosen is None else chosen.correct(Nudge()))

    corrected = gr.on(
        [slider.input for slider in made.sliders.values()],
        readable(correct),
        [made.state, *made.sliders.values()],
        [made.state, made.view],
        api_name=_name("correct", elem_id),
        trigger_mode="always_last",
        **PRIVATE,
    )
    undone = made.reset.click(
        readable(reset), made.state, made.outputs, api_name=_name("reset", elem_id), **PRIVATE
    )
    made.events.extend([corrected, undone])


def _name(verb: str, elem_id: str) -> str:
    return f"{verb}_{elem_id.replace('-', '_')}"
