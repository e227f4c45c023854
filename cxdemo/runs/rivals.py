"""One run of the rivals as the page sees it, and the files that it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.engine.zero_gpu import estimate_seconds
from cxdemo.pipelines.style_rivals import (
    BACKBONE,
    RIVAL_LAYERS,
    RIVALS,
    RivalsConfig,
    RivalStep,
    run_rivals,
)
from cxdemo.runs.files import files_of
from cxdemo.runs.live import Live
from cxdemo.runs.pace import Stage
from cxdemo.video import save_gif, save_mp4

FPS = 8
PANEL = 192  # pixels of a panel's long side in the exported frames
HEADER = 24


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a rival stands after a step.

    Args:
        picture: What it has painted.
        index: Steps so far.
        loss: Share of its objective at the start.
        seconds: That it has used; 0 of a stored result.
    """

    picture: Image.Image
    index: int
    loss: float
    seconds: float


@dataclass(eq=False, kw_only=True)
class RivalsRun(Live):
    """A comparison. It may be under way, stopped or done.

    Args:
        content: What the picture shows.
        style: How it is painted.
        config: The settings.
        note: What to look for.
        stands: By rival, one a step so far; of a stored result, the last alone.
        seconds: Since the run began.
    """

    content: Image.Image
    style: Image.Image
    config: RivalsConfig
    note: str = ""
    stands: dict[str, list[Stand]] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in self.config.rivals:
            self.stands.setdefault(name, [])

    def steps(self, ctx: Context) -> Iterator[RivalsRun]:
        """Compute; yields itself after each step of a rival, until the last or until stopped."""
        content, style = (
            images.to_tensor(picture, long_side=self.config.size).to(ctx.device)
            for picture in (self.content, self.style)
        )
        for step in ctx.stream(
            run_rivals,
            content,
            style,
            self.config,
            load=_Networks({pooling: _load(ctx, pooling) for pooling in ("average", "max")}),
            seconds=estimate_seconds(self.total, self.config.size),
        ):
            self.stands[step.rival].append(_stand(step))
            self.seconds = step.elapsed
            yield self
            if self.stopped:
                return

    @property
    def last(self) -> dict[str, Stand]:
        """Where those stand that have taken a step."""
        return {name: stands[-1] for name, stands in self.stands.items() if stands}

    @property
    def taken(self) -> int:
        """Steps of all rivals together."""
        return sum(stand.index for stand in self.last.values())

    @property
    def total(self) -> int:
        """Steps that all will have taken."""
        return self.config.num_steps * len(self.config.rivals)

    @property
    def finished(self) -> bool:
        """Whether all steps were taken."""
        return self.taken == self.total

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        side = self.config.size
        return [Stage("rivals", side, self.total, float(side * side))]

    def settings(self) -> dict[str, Any]:
        """Everything needed to do it again, and what came of it, for JSON."""
        return {
            "made_by": "cxdemo",
            "pipeline": "style_rivals",
            "config": self.config.as_dict(),
            "seconds": round(self.seconds, 1),
            "results": {
                name: {
                    "steps": stand.index,
                    "loss": round(stand.loss, 4),
                    "seconds": round(stand.seconds, 1),
                    "source": RIVALS[name].source,
                }
                for name, stand in self.last.items()
            },
        }

    def export(self) -> dict[str, Path]:
        """Settings, figure and, if there are steps, frames as files; deleted with this run."""
        return files_of(self, self._write)

    def _write(self, folder: Path) -> dict[str, Path]:
        moving = max(len(stands) for stands in self.stands.values()) > 1
        kinds = ("json", "png", "gif", "mp4") if moving else ("json", "png")
        files = {kind: folder / f"rivals.{kind}" for kind in kinds}
        for path in files.values():
            self.save(path)
        return files

    def save(self, path: Path) -> None:
        """Writes settings (.json), the figure (.png) or all steps (.gif, .mp4).

        Raises:
            ValueError: An ending that is none of these.
        """
        kind = path.suffix.lower()
        if kind == ".json":
            path.write_text(json.dumps(self.settings(), indent=2) + "\n", encoding="utf-8")
        elif kind == ".png":
            meta = {"cxdemo": json.dumps(self.settings())}
            images.save_png(self.draw(-1), path, metadata=meta)
        elif kind in {".gif", ".mp4"}:
            count = max(len(stands) for stands in self.stands.values())
            frames = [images.to_tensor(self.draw(index)) for index in range(count)]
            clip = torch.cat([*frames, *[frames[-1]] * (2 * FPS)])  # the end stays for two seconds
            save = save_gif if kind == ".gif" else save_mp4
            save(clip, path, fps=FPS, settings=self.settings())
        else:
            raise ValueError(f"{path.name}: choose .gif, .mp4, .png or .json.")

    def draw(self, index: int) -> Image.Image:
        """Content, style and every rival after a step, counted from 0, or -1 for the last."""
        panels = [("Content", self.content), ("Style", self.style)]
        for name, stands in self.stands.items():
            at = stands[min(index, len(stands) - 1)].picture if stands else self.content
            panels.append((RIVALS[name].label, at))
        shown = [(label, _fit(picture)) for label, picture in panels]
        height = max(picture.height for _, picture in shown)
        width = sum(max(picture.width, 110) + 6 for _, picture in shown) + 6
        sheet = Image.new("RGB", (width, height + HEADER + 8), "white")
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
        left = 6
        for label, picture in shown:
            draw.text((left, 4), label, "#1e2a48", font)
            sheet.paste(picture, (left, HEADER))
            left += max(picture.width, 110) + 6
        return sheet


def _fit(picture: Image.Image) -> Image.Image:
    factor = PANEL / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _stand(step: RivalStep) -> Stand:
    return Stand(
        picture=images.to_pil(step.image), index=step.index, loss=step.loss, seconds=step.seconds
    )


@dataclass(frozen=True)
class _Networks:
    """The extractor of each pooling, in a form that can go to another process."""

    extractors: dict[str, Any]

    def __call__(self, pooling: str) -> Any:
        return self.extractors[pooling]


def _load(ctx: Context, pooling: str) -> Any:
    return ctx.load_features(BACKBONE, RIVAL_LAYERS, pooling=pooling)
