"""One run of the misalignment experiment as the page sees it, and the files that it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.engine.zero_gpu import estimate_seconds
from cxdemo.losses import LOSSES
from cxdemo.pipelines.misalignment import (
    VGG_LAYERS,
    Frame,
    MisalignmentConfig,
    Scene,
    make_scene,
    run_misalignment,
)
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage
from cxdemo.runs.sheets import FAINT, GAP, PANEL, new_sheet, save_film, write_label

HEADER = 22
NEEDS_VGG = ("perceptual",)


@dataclass(eq=False, kw_only=True)
class MisalignedRun(Run):
    """A race of losses. It may be under way, stopped or done.

    Args:
        picture: RGB.
        config: The settings.
        bet: The loss that the visitor believes in; "" if none.
    """

    pipeline = "misalignment"
    file_names: ClassVar = {kind: f"misaligned.{kind}" for kind in ("json", "png", "gif", "mp4")}

    picture: Image.Image
    config: MisalignmentConfig
    bet: str = ""
    frames: list[Frame] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Cuts the crops, which takes no time."""
        self.image: Tensor = images.to_tensor(self.picture)
        self.scene: Scene = make_scene(self.image, self.config)

    def compute(self, ctx: Context) -> Iterator[None]:
        """Lets the losses compete; yields after each frame."""
        vgg = None
        if self.config.features == "vgg16" or set(NEEDS_VGG) & set(self.config.losses):
            vgg = ctx.load_features("vgg16", VGG_LAYERS, pooling="max")
        for frame in ctx.stream(
            run_misalignment,
            self.image.to(ctx.device),
            self.config,
            vgg=vgg,
            seconds=estimate_seconds(self.config.num_steps * len(self.config.losses), 128),
        ):
            self.frames.append(frame)
            yield

    @property
    def last(self) -> Frame | None:
        """Where all losses stand."""
        return self.frames[-1] if self.frames else None

    @property
    def finished(self) -> bool:
        """Whether all steps were taken."""
        return self.last is not None and self.last.index == self.last.total

    @property
    def winner(self) -> str:
        """The loss whose picture is the nearest to the clean crop; "" before the first step."""
        if self.last is None or self.last.index == 0:
            return ""
        return max(self.last.standings, key=lambda name: self.last.standings[name].psnr)  # pyright: ignore[reportOptionalMemberAccess]

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        config = self.config
        work = float(len(config.losses))
        return [Stage(f"misaligned {config.features}", config.crop, config.num_steps, work)]

    @property
    def taken(self) -> float:
        """Steps so far."""
        return self.last.index if self.last else 0

    def lines(self, what: str) -> dict[str, list[tuple[float, float]]]:
        """A figure of every loss over the steps; the loss itself as a share of its first value."""
        found: dict[str, list[tuple[float, float]]] = {}
        for name in self.config.losses:
            points = [
                (float(frame.index), frame.standings[name].figures[what])
                for frame in self.frames
                if what != "loss" or frame.index
            ]
            if what == "loss" and points:
                first = points[0][1] or 1.0
                points = [(step, value / first) for step, value in points]
            found[LOSSES[name].label] = points
        return found

    def record(self) -> dict[str, Any]:
        """The bet, where the clean crops lie, and what came of it."""
        last = self.last
        return {
            "bet": self.bet,
            "shifts": self.scene.shifts,
            "steps": last.index if last else 0,
            "results": {name: s.figures for name, s in last.standings.items()} if last else {},
        }

    def write(self, kind: str, path: Path) -> None:
        """Writes the last frame (png) or all (gif, mp4)."""
        if kind == "png":
            sheet = draw_frame(self.scene, self.frames[-1])
            images.save_picture(sheet, path, settings=self.settings())
        else:
            sheets = [draw_frame(self.scene, frame) for frame in self.frames]
            save_film(sheets, path, settings=self.settings())


def draw_frame(scene: Scene, frame: Frame) -> Image.Image:
    """The noisy crop, a shifted clean one, what each loss has made of it, and the clean crop."""
    panels = [("Noisy crop", scene.noisy, ""), ("A clean one, shifted", scene.targets[0], "")]
    for name, standing in frame.standings.items():
        panels.append((LOSSES[name].label, standing.image, f"{standing.psnr:.1f} dB"))
    panels.append(("Clean crop", scene.clean, ""))
    columns = len(panels) if len(panels) <= 6 else -(-len(panels) // 2)
    rows = -(-len(panels) // columns)
    sheet, draw = new_sheet(columns * (PANEL + GAP) + GAP, rows * (PANEL + HEADER + GAP) + 4)
    for place, (label, image, figure) in enumerate(panels):
        left = GAP + place % columns * (PANEL + GAP)
        top = 4 + place // columns * (PANEL + HEADER + GAP)
        write_label(draw, (left, top), label)
        write_label(draw, (left + PANEL, top), figure, FAINT, anchor="ra")
        shown = images.to_pil(image).resize((PANEL, PANEL), Image.Resampling.BICUBIC)
        sheet.paste(shown, (left, top + HEADER - 2))
    return sheet
