"""One exemplar as the page and the command line see it: faces, settings, progress, result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
from cxdemo.runs.explanation import Box, look_up
from cxdemo.runs.live import OptimisedRun
from cxdemo.runs.pace import Stage

LONG_SIDE = 1024  # pixels of the whole picture, on the page and in its file


@dataclass(eq=False, kw_only=True)
class ExemplarRun(OptimisedRun):
    """A face on its way to another. It may be under way, stopped or done.

    Args:
        picture: That the source is part of, (1, 3, H, W) in [0, 1].
        source: The face that changes.
        target: The face whose features it takes.
        config: The settings.
        image: The crop so far, (1, 3, S, S) in [0, 1]; None before the first step.
    """

    pipeline = "face_exemplar"
    file_names: ClassVar = {"crop": "face.png", "whole": "picture.png", "json": "face.json"}

    picture: Tensor
    source: AlignedFace
    target: AlignedFace
    config: ExemplarConfig
    image: Tensor | None = None

    def __post_init__(self) -> None:
        self._explanation: ExemplarExplanation | None = None

    def compute(self, ctx: Context) -> Iterator[None]:
        """Transforms the face; yields after each step."""
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
            self.keep(step)
            yield

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        return [Stage("exemplar", side, n, float(side * side)) for side, n in self.config.stages]

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
        return look_up(self._explanation, x, y)

    def forget_explanation(self) -> None:
        """The result has changed."""
        self._explanation = None

    def write(self, kind: str, path: Path) -> None:
        """Writes the face or its picture, with the settings inside."""
        picture = self.whole() if kind == "whole" else self.result()
        images.save_picture(picture, path, settings=self.settings())

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
