"""A run that moves a picture or steers a puppet, as the page and the command line see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo.engine.context import Context
from cxdemo.engine.zero_gpu import estimate_seconds
from cxdemo.faces import Face, Framing, crop_along
from cxdemo.faces.mesh_warp import carry_unfolded, move_face
from cxdemo.images import crop_middle, resize
from cxdemo.optimize import carry_change
from cxdemo.pipelines.animation_measures import flicker
from cxdemo.pipelines.face_animation import (
    AnimationConfig,
    AnimationStep,
    animate,
    learn_puppet,
    render,
    stages_of,
)
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage
from cxdemo.video import Clip, read_clip, save_gif, save_mp4

MAX_SECONDS = 3.0
FPS = 12.0
MAX_FRAMES = 36
_TAKEN = "MP4, WebM, MOV or GIF, at most 30 MB. The first 3 seconds are used, 12 frames a second, "
_REST = " Sound is ignored. A webcam works too, if you let the browser use it."
LIMITS = f"{_TAKEN}and of each frame the middle square.{_REST}"
DRIVER_LIMITS = (
    f"{_TAKEN}and of each frame the square around the face, which it follows. A clip without a "
    f"face is refused.{_REST}"
)
SAME_AS_DRIVER = Framing(apart=0.25, down=0.43)
"""Where the shipped driver has its eyes; those of targets and drivers go to the same place."""
DRIVER_SIDE = 640  # pixels of a frame's long side, before it is cut
LEAST_SEEN = 0.5  # share of the frames
UNBENT = (
    "No face was found in the target, so its picture can't be bent: the network starts from the "
    "driver's frames, and the shape of the face is the driver's."
)
PREVIEWS = 6  # frames of the strip
SHOWN = 256  # pixels of a panel's side in the films


def open_clip(path: str | Path) -> Clip:
    """A film as a run takes it.

    Raises:
        ValueError: It can't be used; one sentence.
    """
    return _read(path, 320)


def open_driver(path: str | Path, ctx: Context) -> Clip:
    """A film of a face as an animation takes it: cut to a square that follows the face.

    Raises:
        ValueError: It can't be used, or has no face in at least half of its frames; one sentence.
    """
    clip = _read(path, DRIVER_SIDE)
    faces = ctx.follow_face(clip.frames)
    seen = sum(face is not None for face in faces)
    if seen < LEAST_SEEN * len(faces):
        where = f"only {seen} of the {len(faces)} frames" if seen else "no frame"
        raise ValueError(
            f"A face was found in {where} of the driver's clip: choose a clip in which a face is "
            "seen from the front and fills a good part of the picture."
        )
    return replace(clip, frames=crop_along(clip.frames, faces, SHOWN, SAME_AS_DRIVER))


def _read(path: str | Path, long_side: int) -> Clip:
    return read_clip(
        path, max_seconds=MAX_SECONDS, max_frames=MAX_FRAMES, long_side=long_side, fps=FPS
    )


@dataclass(eq=False, kw_only=True)
class ClipRun(Run):
    """A network in training and what it makes of the frames.

    Args:
        kind: "animation" or "puppet".
        driver: Frames that it learns from, (T, 3, h, w) in [0, 1].
        aim: The picture that is to move, (1, 3, h, w), or the puppet's frames, (T, 3, h, w).
        shown: Frames that are turned; the driver's own, or new ones.
        fps: Of the films.
        config: The settings.
    """

    kind: str
    driver: Tensor
    aim: Tensor
    shown: Tensor
    config: AnimationConfig
    fps: float = FPS
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    step: AnimationStep | None = None
    result: Tensor | None = None
    notice: str = ""
    bent: Tensor | None = None  # the target as the driver moves, (T, 3, S, S)

    def __post_init__(self) -> None:
        """Nothing is rendered yet."""
        self._made_at = -1

    def compute(self, ctx: Context) -> Iterator[None]:
        """Trains; yields after each step."""
        if self.kind == "animation" and self.config.start == "target":
            self.bent = bend_target(self.aim, self.driver, ctx)
            self.notice = "" if self.bent is not None else UNBENT
        features = ctx.load_features("vgg16", self.config.layers, pooling="average")
        train = animate if self.kind == "animation" else learn_puppet
        frames = self.driver if self.bent is None else self.bent
        pair = (self.aim, frames) if self.kind == "animation" else (frames, self.aim)
        for step in ctx.stream(
            train,
            *(frames.to(ctx.device) for frames in pair),
            self.config,
            features=features,
            seconds=estimate_seconds(self.config.num_steps),
        ):
            self.step = step
            self.history.append((step.index, step.losses))
            yield

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        per_pixel = float(self.config.batch_size)
        return [
            Stage(self.kind, size, steps, per_pixel * size * size)
            for size, steps in stages_of(self.config)
        ]

    @property
    def taken(self) -> float:
        """Steps so far."""
        return self.step.index if self.step else 0

    @property
    def finished(self) -> bool:
        """Whether all steps were taken."""
        return self.step is not None and self.step.finished

    def sample(self, count: int = PREVIEWS) -> tuple[Tensor, Tensor]:
        """A few frames and what the network makes of them now, (n, 3, h, w) each."""
        chosen = torch.linspace(0, len(self.shown) - 1, min(count, len(self.shown))).round().long()
        frames = self.shown[chosen]
        if self.result is not None:
            return frames, self.result[chosen]
        read = frames if self.bent is None else self.bent[chosen]
        return frames, read if self.step is None else self._turn(read, self.step.size)

    def render(self) -> Tensor:
        """All frames as the network makes them now, (T, 3, size, size)."""
        if self.step is not None and self._made_at != self.step.index:
            read = self.shown if self.bent is None else self.bent
            self.result = self._turn(read, self.config.size)
            self._made_at = self.step.index
        if self.result is None:
            raise ValueError("Nothing has been computed yet: run it first.")
        return self.result

    def _turn(self, frames: Tensor, size: int) -> Tensor:
        """Frames as the network makes them; those of the target keep their finer details."""
        if self.step is None:
            return frames
        made = render(self.step.network, frames, size)
        if self.bent is None:
            return made
        return carry_change(made, resize(frames, (size, size)).clamp(0, 1), frames)

    def film(self) -> Tensor:
        """What drives beside what came of it, (T, 3, S, 2 S + 8)."""
        panels = [_enlarge(self.shown), _enlarge(self.render())]
        gap = torch.ones(len(self.shown), 3, SHOWN, 8)
        return torch.cat([panels[0], gap, panels[1]], dim=3)

    @property
    def pipeline(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Its kind."""
        return self.kind

    @property
    def file_names(self) -> dict[str, str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Both films, the settings, and an MP4 of the result without its driver."""
        names = {kind: f"{self.kind}.{kind}" for kind in ("mp4", "gif", "json")}
        return names | {"result": f"{self.kind}_result.mp4"}

    def record(self) -> dict[str, Any]:
        """How far it came, and how much the result flickers."""
        figures = {}
        if len(self.shown) >= 3 and self.result is not None:
            figures["flicker"] = round(flicker(self.result, _enlarge(self.shown)), 3)
        return {
            "frames": len(self.driver),
            **({"notice": self.notice} if self.notice else {}),
            "steps": self.step.index if self.step else 0,
            "seconds": round(self.step.seconds, 1) if self.step else 0,
            **figures,
        }

    def write(self, kind: str, path: Path) -> None:
        """Writes a film."""
        film = self.render() if kind == "result" else self.film()
        save = save_gif if path.suffix.lower() == ".gif" else save_mp4
        save(film, path, fps=self.fps, settings=self.settings())


def bend_target(target: Tensor, driver: Tensor, ctx: Context) -> Tensor | None:
    """The target for each frame of the driver, bent as the face there moves.

    Args:
        target: A square picture, (1, 3, S, S) in [0, 1].
        driver: Frames, (T, 3, h, w) in [0, 1].
        ctx: Finds the faces.

    Returns:
        (T, 3, 256, 256) in [0, 1]; None if no face is found in the target or in the driver.
    """
    square = _enlarge(target)
    face = ctx.find_largest_face(square)
    meshes = _meshes(ctx.follow_face(driver))
    if face is None or meshes is None:
        return None
    mesh = face.landmarks.to(square)
    moved = carry_unfolded(meshes.to(square), mesh, square.shape[3])
    return move_face(square, mesh, moved)


def _meshes(faces: Sequence[Face | None]) -> Tensor | None:
    """Landmarks of a clip, (T, K, 2); a frame without a face has those of the frame before it."""
    first = next((face for face in faces if face), None)
    if first is None:
        return None
    kept: list[Face] = []
    for face in faces:
        kept.append(face or (kept[-1] if kept else first))
    return torch.stack([face.landmarks for face in kept])


def _enlarge(frames: Tensor) -> Tensor:
    """The middle squares at the size of a panel."""
    return resize(crop_middle(frames), (SHOWN, SHOWN)).clamp(0, 1)


def start_animation(target: Tensor, driver: Clip, config: AnimationConfig) -> ClipRun:
    """A run that moves a picture, before its first step."""
    return ClipRun(
        kind="animation",
        driver=driver.frames,
        aim=target,
        shown=driver.frames,
        fps=driver.fps,
        config=config,
    )


def start_puppet(driver: Clip, puppet: Clip, new: Clip, config: AnimationConfig) -> ClipRun:
    """A run that teaches a puppet and steers it by new frames, before its first step.

    Raises:
        ValueError: Driver and puppet can't be paired.
    """
    first, second = len(driver.frames), len(puppet.frames)
    if abs(first - second) > max(2, 0.1 * max(first, second)):
        raise ValueError(
            f"The driver's clip has {first} frames ({driver.seconds:.1f} s) and the puppet's "
            f"{second} ({puppet.seconds:.1f} s). A puppet is learnt from pairs: use two clips of "
            "equal length in which both do the same at the same time."
        )
    pairs = min(first, second)
    return ClipRun(
        kind="puppet",
        driver=driver.frames[:pairs],
        aim=puppet.frames[:pairs],
        shown=new.frames,
        fps=new.fps,
        config=config,
    )
