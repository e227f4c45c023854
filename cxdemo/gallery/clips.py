"""Animations and puppets that are one click from a finished result, and how these are computed."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.gallery.made import Result
from cxdemo.images import resize
from cxdemo.pipelines.animation_measures import (
    flicker,
    landmark_correlation,
    pose_accuracy,
    shape_distance,
    shape_of,
)
from cxdemo.pipelines.face_animation import ANIMATION, PUPPET, AnimationConfig
from cxdemo.runs.clips import ClipRun, open_clip, start_animation, start_puppet
from cxdemo.runs.private_folder import runs_folder
from cxdemo.video import read_clip, save_gif

FOLDER = PICTURES / "face"
DRIVER, NEW, PUPPET_CAT, PUPPET_TRUTH = (
    FOLDER / f"{name}.mp4" for name in ("clip_driver", "clip_new", "puppet_cat", "puppet_truth")
)
POINTS_KEPT = 60

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClipExample:
    """A finished animation or puppet.

    Args:
        name: Of its files.
        title: For people.
        picture: File of the target in `cxdemo/examples`; "" for a puppet.
        box: Left, top and side of the target's square, in shares of the picture's width.
        changes: Of the settings.
    """

    name: str
    title: str
    picture: str = ""
    box: tuple[float, float, float] = (0.0, 0.0, 1.0)
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> AnimationConfig:
        """Its settings."""
        return replace(ANIMATION if self.picture else PUPPET, **self.changes)

    @property
    def film(self) -> Path:
        """File of its result."""
        return FOLDER / f"{self.name}.mp4"

    def target(self) -> Tensor:
        """The square of the picture that moves, (1, 3, 256, 256)."""
        image = images.to_tensor(images.load(PICTURES / self.picture))
        width = image.shape[3]
        left, top, side = (round(width * share) for share in self.box)
        return resize(image[:, :, top : top + side, left : left + side], (256, 256)).clamp(0, 1)

    def start(self) -> ClipRun:
        """A run before its first step."""
        if self.picture:
            return start_animation(self.target(), open_clip(DRIVER), self.config)
        return start_puppet(open_clip(DRIVER), open_clip(PUPPET_CAT), open_clip(NEW), self.config)


ANIMATIONS = (
    ClipExample(
        name="animate_monalisa",
        title="Mona Lisa",
        picture="portrait_monalisa.jpg",
        box=(0.113, 0.122, 0.663),
    ),
    ClipExample(
        name="animate_einstein",
        title="Einstein, 1927",
        picture="portrait_einstein_1927.jpg",
        box=(0.198, 0.202, 0.484),
    ),
    ClipExample(
        name="animate_drawn", title="A drawn face", picture="face/exemplar_drawn_woman.png"
    ),
)
PUPPETS = (ClipExample(name="puppet_result", title="A drawn cat"),)


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """A result from its files."""

    film: Path
    settings: dict[str, Any]

    @property
    def said(self) -> str:
        """Where the result comes from, as a sentence."""
        steps, seconds = self.settings["steps"], self.settings["cpu_seconds"]
        return f"A finished example: {steps} steps, {seconds:.0f} s of one processor core."

    def show_losses(self) -> str:
        """Its curves."""
        history = [(int(step), terms) for step, terms in self.settings["losses"]]
        return draw_loss_curve(history, total=self.settings["steps"])

    def gif(self) -> Path:
        """The film as a GIF, made when first asked for."""
        return _gif_of(self.film)


def _gif_of(film: Path) -> Path:
    path = runs_folder() / f"{film.stem}.gif"
    if not path.is_file():
        clip = read_clip(film)
        with tempfile.TemporaryDirectory(dir=runs_folder()) as folder:
            unfinished = Path(folder) / path.name
            save_gif(clip.frames, unfinished, fps=clip.fps)
            unfinished.replace(path)
    return path


def open_result(example: ClipExample) -> StoredResult:
    """The finished result of an example.

    Raises:
        ValueError: It was not computed yet.
    """
    stored = example.film.with_suffix(".json")
    if not stored.is_file() or not example.film.is_file():
        raise ValueError(f"{example.title} was not computed yet: press Run.")
    return StoredResult(film=example.film, settings=json.loads(stored.read_text("utf-8")))


def make_result(example: ClipExample, ctx: Context) -> ClipRun:
    """Computes an example and writes its film and settings."""
    begun = time.process_time()
    run = example.start()
    for _ in run.steps(ctx):
        step = run.history[-1][0]
        if step % 20 == 0:
            _LOGGER.info("%s: step %d, %.0f s", example.name, step, time.process_time() - begun)
    run.save(example.film)
    stride = -(-len(run.history) // POINTS_KEPT)
    losses = [
        (step, {name: round(value, 4) for name, value in terms.items()})
        for step, terms in [*run.history[:-1:stride], run.history[-1]]
    ]
    figures = {
        "cpu_seconds": round(time.process_time() - begun, 1),
        "flicker": round(flicker(run.render(), _middle(run.shown, run.config.size)), 3),
    }
    if example.picture:
        followed, _ = landmark_correlation(run.render(), run.shown, ctx.find_faces)
        figures["correlation"] = round(followed, 3)
        figures |= _shapes(run, ctx)
    else:
        result, truth = (_middle(frames, 128) for frames in (run.render(), _truth()))
        figures["pose_accuracy"] = round(pose_accuracy(result, truth), 3)
        figures["pose_accuracy_l2"] = round(pose_accuracy(result, truth, centred=False), 3)
    text = json.dumps({**run.settings(), **figures, "losses": losses})
    example.film.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    return run


def _shapes(run: ClipRun, ctx: Context) -> dict[str, float]:
    """How far the shape of the result's face is from the target's and from the driver's."""
    shapes = [shape_of(each, ctx.find_faces) for each in (run.render(), run.aim, run.shown)]
    result, target, driver = shapes
    if result is None or target is None or driver is None:
        return {}
    return {
        "shape_to_target": round(shape_distance(result, target), 3),
        "shape_to_driver": round(shape_distance(result, driver), 3),
    }


def _truth() -> Tensor:
    """The cat as it was drawn for the new clip, which the network has not seen, (T, 3, S, S)."""
    return open_clip(PUPPET_TRUTH).frames


def _middle(frames: Tensor, size: int) -> Tensor:
    return resize(frames, (size, size)) if frames.shape[3] != size else frames


def results() -> list[Result]:
    """The animations and puppets, as `python -m cxdemo examples` makes them."""
    return [
        Result(
            name=f"clips/{example.name}",
            files=(example.film, example.film.with_suffix(".json")),
            made_of=(DRIVER, PICTURES / example.picture)
            if example.picture
            else (DRIVER, PUPPET_CAT, NEW, PUPPET_TRUTH),
            settings={**asdict(example.config), "box": example.box},
            code=("cxdemo.pipelines.face_animation", "cxdemo.faces.mesh_warp"),
            make=partial(make_result, example),
        )
        for example in (*ANIMATIONS, *PUPPETS)
    ]
