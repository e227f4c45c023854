"""The endpoints of the face modes for programs. Their components are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.faces.choice import LONG_SIDE, ChosenFace, find_largest
from cxdemo.options import Option, options_of, read_config
from cxdemo.pipelines.face_animation import ANIMATION, PUPPET, AnimationConfig
from cxdemo.pipelines.face_exemplar import ExemplarConfig
from cxdemo.runs.clips import (
    SAME_AS_DRIVER,
    ClipRun,
    open_clip,
    open_driver,
    start_animation,
    start_puppet,
)
from cxdemo.runs.exemplar import ExemplarRun
from cxdemo.runs.face_domain import measure_target
from cxdemo.runs.live import take_steps
from cxdemo.runs.translate import figures_of, translate_face
from cxdemo.ui.kit.api_fields import ApiField, fields_of, read_value
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.safe_image import SafeImage, build_api_picture
from cxdemo.ui.kit.turns import check_turn, quickly, take_turn

REFRESH = 1.0  # seconds between two reports of progress
EXEMPLAR = ("strength", "region", "size", "num_steps")
ANIMATE = ("num_steps", "size", "source_weight", "seed", "start")
STEER = ("num_steps", "size", "seed")
CLIPS = options_of(AnimationConfig)

Progress = Iterator[tuple[str | None, dict[str, Any]]]


def add_endpoints(ctx: Context) -> None:
    """Add `/face_exemplar`, `/face_translate`, `/face_animate` and `/face_puppet` to the page."""
    _add_exemplar(ctx)
    _add_translate(ctx)
    _add_animate(ctx)
    _add_puppet(ctx)


def _add_exemplar(ctx: Context) -> None:
    def face_exemplar(
        source: Image.Image | None,
        target: Image.Image | None,
        strength: float = 0.5,
        region: str = "all",
        size: int = 256,
        num_steps: int = 72,
    ) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
        """A face with the features of another; previews come first, the last answer is the result.

        The largest face of each picture is taken.

        Args:
            source: A picture with the face that changes and keeps its pose.
            target: A picture with the face whose features it takes.
            strength: 0 leaves the source as it is, 1 takes most of the target's features.
            region: What may change: all, eyes, mouth, skin or hair.
            size: Side of the face in pixels, 64 to 512.
            num_steps: Steps over all sizes, 3 to 1000.

        Returns:
            The source's picture with the new face (none before the end), the face alone, and the
            settings with the share that is done.
        """
        values = (strength, region, size, num_steps)
        config = read_config(ExemplarConfig, dict(zip(EXEMPLAR, values, strict=True)))
        check_turn()
        first, second = (
            quickly(_find)(picture, ctx, f"{name} picture")
            for picture, name in ((source, "source"), (target, "target"))
        )
        run = ExemplarRun(
            picture=first.picture, source=first.aligned, target=second.aligned, config=config
        )

        def work() -> Iterator[tuple[Any, Any, dict[str, Any]]]:
            for _ in take_steps(run, ctx, every=REFRESH):
                done = round(run.index / run.total, 3)
                yield None, images.to_pil(run.result()), run.settings() | {"done": done}
            files = run.export()
            yield str(files["whole"]), str(files["crop"]), run.settings() | {"done": 1.0}

        yield from take_turn(
            run, ctx, "face", work=work(),
            waiting=lambda said: (None, None, run.settings() | {"done": 0.0, "waiting": said}),
        )  # fmt: skip

    pictures = [_picture("Source"), _picture("Target")]
    outputs = [_result("Picture with the new face"), _result("Face"), _figures()]
    _offer(face_exemplar, [*pictures, *fields_of(options_of(ExemplarConfig), EXEMPLAR)], outputs)


def _add_translate(ctx: Context) -> None:
    first = next(iter(ctx.translators), "")
    way = Option(
        name="direction", default=first, label="Direction", choices=tuple(ctx.translators),
        help="What the face becomes.",
    )  # fmt: skip

    def face_translate(
        picture: Image.Image | None, direction: str = first
    ) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
        """A face in another domain, at once. The largest face of the picture is taken.

        Args:
            picture: A picture with a face that looks at you.
            direction: Which way, such as to-drawn.

        Returns:
            The picture with the translated face, the face alone at 256 pixels (the generator works
            at 64), and what the loss sees.
        """
        direction = read_value(way, direction)
        made = translate_face(ctx, _find(picture, ctx, "picture"), direction)
        term = measure_target(ctx, made.translation, direction)
        return images.to_pil(made.whole), images.to_pil(made.after), figures_of(made, term)

    outputs = [_result("Picture with the translated face"), _result("Face"), _figures()]
    _offer(quickly(face_translate, heavy=True), [_picture("Picture"), ApiField(way)], outputs)


def _add_animate(ctx: Context) -> None:
    def face_animate(
        picture: Image.Image | None,
        clip: str | None,
        num_steps: int = ANIMATION.num_steps,
        size: int = ANIMATION.size,
        source_weight: float = ANIMATION.source_weight,
        seed: int = ANIMATION.seed,
        start: str = ANIMATION.start,
    ) -> Progress:
        """A picture moved by a clip; progress comes first, the last answer is the film.

        Args:
            picture: The picture that is to move; its largest face is taken.
            clip: A film of a face: its first 3 seconds, cut to a square that follows the face. A
                film without a face is refused.
            num_steps: Steps of training, 20 to 2000.
            size: Side of the result in pixels, 64 to 256, a multiple of 32.
            source_weight: Pull towards what the network starts from: pose and expression, 0 to 2.
            seed: Of the order of frames and of the network.
            start: "target", its picture bent as the face of the clip moves, or "driver", the clip's
                frames, as in the paper.

        Returns:
            An MP4, clip and result side by side (none before the end), and the settings with the
            share that is done.
        """
        values = (num_steps, size, source_weight, seed, start)
        config = _read(ANIMATION, ANIMATE, values)
        _need(clip, "clip")
        check_turn()
        face = quickly(_find)(picture, ctx, "picture").align(256, SAME_AS_DRIVER)
        driver = quickly(open_driver, heavy=True)(str(clip), ctx)
        yield from _film(start_animation(face.crop, driver, config), ctx)

    inputs = [_picture("Picture"), _clip("Clip"), *fields_of(CLIPS, ANIMATE, ANIMATION)]
    _offer(face_animate, inputs, [_film_result(), _figures()])


def _add_puppet(ctx: Context) -> None:
    def face_puppet(
        driver: str | None,
        puppet: str | None,
        new: str | None,
        num_steps: int = PUPPET.num_steps,
        size: int = PUPPET.size,
        seed: int = PUPPET.seed,
    ) -> Progress:
        """A puppet learnt from pairs of frames and steered by a new clip.

        Args:
            driver: A film of a face; of each film the first 3 seconds are used.
            puppet: A film of equal length in which the puppet does the same at the same time.
            new: Another film of the driver, which steers the puppet.
            num_steps: Steps of training, 20 to 2000.
            size: Side of the result in pixels, 64 to 256, a multiple of 32.
            seed: Of the order of frames and of the network.

        Returns:
            An MP4, new clip and puppet side by side (none before the end), and the settings with
            the share that is done.
        """
        values = (num_steps, size, seed)
        config = _read(PUPPET, STEER, values)
        named = {"driver": driver, "puppet": puppet, "new": new}
        for name, path in named.items():
            _need(path, f"{name} clip")
        check_turn()
        opened = quickly(open_clip, heavy=True)
        driving, led, steering = (opened(str(path)) for path in named.values())
        yield from _film(start_puppet(driving, led, steering, config), ctx)

    inputs = [*map(_clip, ("Driver", "Puppet", "New")), *fields_of(CLIPS, STEER, PUPPET)]
    _offer(face_puppet, inputs, [_film_result(), _figures()])


# ------------------------------------------------------------------------------------- parts


def _find(picture: Image.Image | None, ctx: Context, what: str) -> ChosenFace:
    _need(picture, what)
    return find_largest(picture, ctx.find_largest_face, what=what)  # pyright: ignore[reportArgumentType]


def _need(given: Any, what: str) -> None:
    if given is None:
        raise ValueError(f"The {what} is missing: send one.")


def _read(base: AnimationConfig, names: tuple[str, ...], values: Any) -> AnimationConfig:
    return read_config(AnimationConfig, dict(zip(names, values, strict=True)), base=base)


def _film(run: ClipRun, ctx: Context) -> Progress:
    """The place in line, progress, then the film."""

    def work() -> Progress:
        for _ in take_steps(run, ctx, every=REFRESH):
            if run.step:
                yield None, run.settings() | {"done": round(run.step.index / run.step.total, 3)}
        yield str(run.export("mp4")["mp4"]), run.settings() | {"done": 1.0}

    yield from take_turn(
        run, ctx, run.kind, work=work(),
        waiting=lambda said: (None, run.settings() | {"done": 0.0, "waiting": said}),
    )  # fmt: skip


def _offer(handler: Any, inputs: list[Any], outputs: list[Any]) -> None:
    gr.Button(visible=False).click(readable(handler), inputs, outputs, api_name=handler.__name__)


def _picture(label: str) -> SafeImage:
    return build_api_picture(label, LONG_SIDE)


def _clip(label: str) -> gr.Video:
    # without its sound Gradio would need the program ffmpeg
    return gr.Video(label=label, include_audio=True, visible=False)


def _result(label: str) -> gr.Image:
    return gr.Image(label=label, format="png", visible=False)


def _film_result() -> gr.Video:
    return gr.Video(label="Film, MP4", visible=False)


def _figures() -> gr.JSON:
    return gr.JSON(label="Settings and figures", visible=False)
