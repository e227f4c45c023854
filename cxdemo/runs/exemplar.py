"""One exemplar as the page and the command line see it: faces, settings, progress, result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.engine.zero_gpu import estimate_seconds
from cxdemo.faces import AlignedFace, region_mask
from cxdemo.pipelines.face_exemplar import (
    BACKBONE,
    POOLING,
    TARGET_LAYERS,
    ExemplarConfig,
    ExemplarExplanation,
    FaceMatch,
    transform_face,
)
from cxdemo.runs.files import files_of
from cxdemo.runs.live import Live
from cxdemo.runs.pace import Stage

SETTINGS_KEY = "cxdemo"  # of the PNG's text chunk that holds the settings as JSON
LONG_SIDE = 1024  # pixels of the whole picture, on the page and in its file

Box = tuple[float, float, float, float]


@dataclass(eq=False, kw_only=True)
class ExemplarRun(Live):
    """A face on its way to another. It may be under way, stopped or done.

    Args:
        picture: That the source is part of, (1, 3, H, W) in [0, 1].
        source: The face that changes.
        target: The face whose features it takes.
        config: The settings.
        image: The crop so far, (1, 3, S, S) in [0, 1]; None before the first step.
        history: Terms of the objective, by step.
    """

    picture: Tensor
    source: AlignedFace
    target: AlignedFace
    config: ExemplarConfig
    image: Tensor | None = None
    history: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    index: int = 0
    total: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._explanation: ExemplarExplanation | None = None

    def steps(self, ctx: Context) -> Iterator[ExemplarRun]:
        """Compute; yields itself after each step, until it is done or stopped."""
        source_mask, target_mask = self._masks(ctx.device)
        for step in ctx.stream(
            transform_face,
            self.source.crop.to(ctx.device),
            self.target.crop.to(ctx.device),
            self.config,
            source_mask=source_mask,
            target_mask=target_mask,
            features=_load(ctx),
            seconds=estimate_seconds(self.config.num_steps, self.config.size),
        ):
            self.image = step.image.cpu()
            self.history.append((step.index, step.losses))
            self.index, self.total, self.seconds = step.index, step.total, step.seconds
            yield self
            if self.stopped:
                return

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        return [Stage("exemplar", side, n, float(side * side)) for side, n in self.config.stages]

    @property
    def taken(self) -> float:
        """Steps so far."""
        return self.index

    @property
    def finished(self) -> bool:
        """Whether all steps were taken."""
        return 0 < self.total == self.index

    def result(self) -> Tensor:
        """The crop so far, at the configured size, (1, 3, S, S).

        Raises:
            ValueError: There is none yet.
        """
        if self.image is None:
            raise ValueError("There is no result yet: press Run or choose an example.")
        side = self.config.size
        if self.image.shape[-1] == side:
            return self.image
        return images.resize(self.image, (side, side)).clamp(0, 1)

    def whole(self) -> Tensor:
        """The picture with the result in the place of its face, (1, 3, H, W)."""
        mask = None if self.config.region == "all" else region_mask(self.source, self.config.region)
        result = self.result()
        if mask is not None and mask.shape[-1] != result.shape[-1]:
            side = result.shape[-1]
            mask = images.resize(mask, (side, side)).clamp(0, 1)
        return self.source.paste_back(self.picture, result, mask)

    def explain(self, ctx: Context, x: float, y: float) -> tuple[Box, list[FaceMatch], str]:
        """The place of the result that was clicked, its matches in the target, and the layer.

        Args:
            ctx: Its `load_features` is used.
            x: Share of the width, in [0, 1].
            y: Share of the height.

        Raises:
            ValueError: There is no result yet.
        """
        if self._explanation is None:
            _, target_mask = self._masks(ctx.device)
            self._explanation = ExemplarExplanation(
                self.result().to(ctx.device),
                self.target.crop.to(ctx.device),
                self.config,
                target_mask=target_mask,
                features=_load(ctx),
            )
        made = self._explanation
        (row, column), (rows, columns) = made.cell(x, y), made.grid
        box = (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
        return box, made.at(x, y), made.layer

    def forget_explanation(self) -> None:
        """The result has changed."""
        self._explanation = None

    def settings(self) -> dict[str, Any]:
        """Everything needed to do it again, for JSON."""
        return {
            "made_by": "cxdemo",
            "pipeline": "face_exemplar",
            "config": self.config.as_dict(),
            "steps_taken": self.index,
            "seconds": round(self.seconds, 1),
        }

    def save(self) -> dict[str, Path]:
        """Crop, whole picture and settings as files, deleted with this run."""
        return files_of(self, self._write)

    def _write(self, folder: Path) -> dict[str, Path]:
        text = json.dumps(self.settings(), indent=2)
        names = {"crop": "face.png", "whole": "picture.png", "json": "face.json"}
        files = {kind: folder / name for kind, name in names.items()}
        images.save_png(self.result(), files["crop"], metadata={SETTINGS_KEY: text})
        images.save_png(self.whole(), files["whole"], metadata={SETTINGS_KEY: text})
        files["json"].write_text(text + "\n", encoding="utf-8")
        return files

    def _masks(self, device: str) -> tuple[Tensor | None, Tensor | None]:
        """Where the source changes and where the target's features come from."""
        if self.config.region == "all":
            return None, None
        return tuple(  # pyright: ignore[reportReturnType]
            region_mask(face, self.config.region).to(device) for face in (self.source, self.target)
        )


def shown(image: Tensor) -> Image.Image:
    """A picture for the page, at most 1024 pixels."""
    picture = images.to_pil(image)
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return picture


def _load(ctx: Context) -> Any:
    return ctx.load_features(BACKBONE, TARGET_LAYERS, pooling=POOLING)
