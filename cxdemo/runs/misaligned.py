"""One run of the misalignment experiment as the page sees it, and the files that it leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
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
from cxdemo.runs.files import files_of
from cxdemo.runs.live import Live
from cxdemo.runs.pace import Stage
from cxdemo.video import save_gif, save_mp4

FPS = 8
PANEL = 192  # pixels of a panel's side in the exported frames
HEADER = 22
NEEDS_VGG = ("perceptual",)


@dataclass(eq=False, kw_only=True)
class MisalignedRun(Live):
    """A race of losses. It may be under way, stopped or done.

    Args:
        picture: RGB.
        config: The settings.
        bet: The loss that the visitor believes in; "" if none.
    """

    picture: Image.Image
    config: MisalignmentConfig
    bet: str = ""
    frames: list[Frame] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Cuts the crops, which takes no time."""
        self.image: Tensor = images.to_tensor(self.picture)
        self.scene: Scene = make_scene(self.image, self.config)

    def steps(self, ctx: Context) -> Iterator[MisalignedRun]:
        """Compute; yields itself with each frame, until all are there or it is stopped."""
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
            yield self
            if self.stopped:
                return

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

    def settings(self) -> dict[str, Any]:
        """Everything needed to do it again, and what came of it, for JSON."""
        last = self.last
        return {
            "made_by": "cxdemo",
            "pipeline": "misalignment",
            "config": self.config.as_dict(),
            "bet": self.bet,
            "shifts": self.scene.shifts,
            "steps": last.index if last else 0,
            "results": {name: s.figures for name, s in last.standings.items()} if last else {},
        }

    def export(self) -> dict[str, Path]:
        """Settings, figure and frames as files, by their endings; deleted with this run."""
        return files_of(self, self._write)

    def _write(self, folder: Path) -> dict[str, Path]:
        files = {kind: folder / f"misaligned.{kind}" for kind in ("json", "png", "gif", "mp4")}
        for path in files.values():
            self.save(path)
        return files

    def save(self, path: Path) -> None:
        """Writes settings (.json), the last frame (.png) or all (.gif, .mp4).

        Raises:
            ValueError: An ending that is none of these.
        """
        kind = path.suffix.lower()
        if kind == ".json":
            path.write_text(json.dumps(self.settings(), indent=2) + "\n", encoding="utf-8")
        elif kind == ".png":
            sheet = draw_frame(self.scene, self.frames[-1])
            meta = {"cxdemo": json.dumps(self.settings())}
            images.save_png(images.to_tensor(sheet), path, metadata=meta)
        elif kind in {".gif", ".mp4"}:
            frames = [images.to_tensor(draw_frame(self.scene, frame)) for frame in self.frames]
            clip = torch.cat([*frames, *[frames[-1]] * (2 * FPS)])  # the end stays for two seconds
            save = save_gif if kind == ".gif" else save_mp4
            save(clip, path, fps=FPS, settings=self.settings())
        else:
            raise ValueError(f"{path.name}: choose .gif, .mp4, .png or .json.")


def draw_frame(scene: Scene, frame: Frame) -> Image.Image:
    """The noisy crop, a shifted clean one, what each loss has made of it, and the clean crop."""
    panels = [("Noisy crop", scene.noisy, ""), ("A clean one, shifted", scene.targets[0], "")]
    for name, standing in frame.standings.items():
        panels.append((LOSSES[name].label, standing.image, f"{standing.psnr:.1f} dB"))
    panels.append(("Clean crop", scene.clean, ""))
    columns = len(panels) if len(panels) <= 6 else -(-len(panels) // 2)
    rows = -(-len(panels) // columns)
    size = (columns * (PANEL + 6) + 6, rows * (PANEL + HEADER + 6) + 4)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for place, (label, image, figure) in enumerate(panels):
        left = 6 + place % columns * (PANEL + 6)
        top = 4 + place // columns * (PANEL + HEADER + 6)
        draw.text((left, top), label, "#1e2a48", font)
        draw.text((left + PANEL, top), figure, "#7a7265", font, anchor="ra")
        shown = images.to_pil(image).resize((PANEL, PANEL), Image.Resampling.BICUBIC)
        sheet.paste(shown, (left, top + HEADER - 2))
    return sheet
