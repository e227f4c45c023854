"""One run of the rivals as the page sees it, and the files that it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

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
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage
from cxdemo.runs.sheets import GAP, PANEL, new_sheet, save_film, write_label

HEADER = 24
NARROWEST = 110  # pixels of a panel, for its label


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
class RivalsRun(Run):
    """A comparison. It may be under way, stopped or done.

    Args:
        content: What the picture shows.
        style: How it is painted.
        config: The settings.
        note: What to look for.
        stands: By rival, one a step so far; of a stored result, the last alone.
        seconds: Since the run began.
    """

    pipeline = "style_rivals"
    file_names: ClassVar = {kind: f"rivals.{kind}" for kind in ("json", "png", "gif", "mp4")}

    content: Image.Image
    style: Image.Image
    config: RivalsConfig
    note: str = ""
    stands: dict[str, list[Stand]] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in self.config.rivals:
            self.stands.setdefault(name, [])

    def compute(self, ctx: Context) -> Iterator[None]:
        """Lets the rivals paint; yields after each step of one of them."""
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
            yield

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

    def record(self) -> dict[str, Any]:
        """Where each rival stands."""
        results = {
            name: {
                "steps": stand.index,
                "loss": round(stand.loss, 4),
                "seconds": round(stand.seconds, 1),
                "source": RIVALS[name].source,
            }
            for name, stand in self.last.items()
        }
        return {"seconds": round(self.seconds, 1), "results": results}

    @property
    def count(self) -> int:
        """Steps of the rival that is ahead."""
        return max(len(stands) for stands in self.stands.values())

    def export(self, *kinds: str) -> dict[str, Path]:
        """As of all runs; a stored result has no film."""
        return super().export(*(kinds or (() if self.count > 1 else ("json", "png"))))

    def write(self, kind: str, path: Path) -> None:
        """Writes the figure (png) or all steps (gif, mp4)."""
        if kind == "png":
            images.save_picture(self.draw(-1), path, settings=self.settings())
        else:
            sheets = [self.draw(index) for index in range(self.count)]
            save_film(sheets, path, settings=self.settings())

    def draw(self, index: int) -> Image.Image:
        """Content, style and every rival after a step, counted from 0, or -1 for the last."""
        panels = [("Content", self.content), ("Style", self.style)]
        for name, stands in self.stands.items():
            at = stands[min(index, len(stands) - 1)].picture if stands else self.content
            panels.append((RIVALS[name].label, at))
        shown = [(label, _fit(picture)) for label, picture in panels]
        height = max(picture.height for _, picture in shown)
        widths = [max(picture.width, NARROWEST) + GAP for _, picture in shown]
        sheet, draw = new_sheet(sum(widths) + GAP, height + HEADER + 8)
        left = GAP
        for (label, picture), width in zip(shown, widths, strict=True):
            write_label(draw, (left, 4), label)
            sheet.paste(picture, (left, HEADER))
            left += width
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
