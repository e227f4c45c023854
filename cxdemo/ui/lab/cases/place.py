"""The perceptual loss as a special case, on the page: the weight of the place grows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo import examples, images
from cxdemo.engine.context import Context
from cxdemo.figures.thumbnails import to_data_url
from cxdemo.pipelines.special_cases import (
    PlaceStep,
    perceptual_cosine,
    shift_pair,
    weigh_place,
)
from cxdemo.ui.lab.viewer import Answer, answers, build_viewer, read_number

HERE = Path(__file__).resolve().parent
PICTURES = ("photo_parrot", "photo_cat_chelsea", "portrait_monalisa", "photo_coffee")
LAYER = "conv3_2"
SIDE, FURTHEST = 96, 16  # pixels of a crop, and of the largest shift


@dataclass(frozen=True, kw_only=True)
class PlaceCase:
    """A picture, its shifted copy, and CX between them at every weight."""

    x: Tensor
    y: Tensor
    steps: list[PlaceStep]
    perceptual: float


def build(ctx: Context) -> None:
    """Puts the panel on the page."""
    compute = _remembered(ctx)

    def ask(event: Any) -> Answer:
        name = getattr(event, "picture", PICTURES[0])
        if name not in PICTURES:
            raise ValueError(f"picture must be one of {', '.join(PICTURES)}, got {name!r}.")
        return show_place(compute(name, int(read_number(event, "shift", 0, FURTHEST))))

    answers(
        build_viewer(HERE / "place", "cx-cases-place"), ask, "case_place_ask", heavy=lambda _: True
    )


def _remembered(ctx: Context) -> Callable[[str, int], PlaceCase]:
    @lru_cache(maxsize=16)
    def compute(name: str, shift: int) -> PlaceCase:
        picture = examples.open_picture(examples.PICTURES / f"{name}.jpg")
        x, y = shift_pair(_fit(images.to_tensor(picture)), shift, SIDE)
        features = ctx.load_features("vgg16", (LAYER,), pooling="max")
        with torch.no_grad():
            maps = [
                next(iter(features(part.to(ctx.device)).values())).float().cpu() for part in (x, y)
            ]
        return PlaceCase(
            x=x,
            y=y,
            steps=weigh_place(maps[0], maps[1], y),
            perceptual=perceptual_cosine(maps[0], maps[1]),
        )

    return compute


def _fit(image: Tensor) -> Tensor:
    """An image (1, 3, H, W) as small as two shifted crops allow: most of it is seen."""
    height, width = image.shape[2:]
    scale = max(SIDE / height, (SIDE + FURTHEST) / width)
    return images.fit_long_side(image, math.ceil(scale * max(height, width)) + 1)


def show_place(case: PlaceCase) -> Answer:
    """What the viewer draws."""
    return {
        "x": to_data_url(images.to_pil(case.x)),
        "y": to_data_url(images.to_pil(case.y)),
        "perceptual": case.perceptual,
        "steps": [
            {
                "weight": step.weight,
                "loss": step.loss,
                "own": step.own,
                "voted": step.voted,
                "url": to_data_url(images.to_pil(step.redrawn)),
            }
            for step in case.steps
        ],
    }
