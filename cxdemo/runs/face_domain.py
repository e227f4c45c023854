"""How near a translation is to its domain: CX to faces of it that training never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.contextual import ContextualTarget, contextual_loss, contextual_target
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.pipelines.face_translation import BANDWIDTH, Translation

LAYERS = ("conv3_2", "conv4_2")
PREFIX = "to-"  # of the name of a direction; what follows is the domain


@dataclass(frozen=True, kw_only=True)
class TargetTerm:
    """CX to the nearest of some faces of a domain, summed over `LAYERS`.

    Args:
        before: Of what went in.
        after: Of what came out.
        nearest: The face that the result is nearest to.
        count: How many faces there are.
    """

    before: float
    after: float
    nearest: Image.Image
    count: int


@torch.no_grad()
def measure_target(ctx: Context, made: Translation, direction: str) -> TargetTerm | None:
    """The target term before and after a translation; None if there are no faces to compare with.

    Cost:
        About 0.1 s on two cores, and 0.4 s when a domain is first asked for.
    """
    faces = open_domain(direction)
    if faces is None:
        return None
    targets = _read_targets(ctx.load_features, ctx.device, direction)
    maps = _load(ctx.load_features)(torch.cat([made.source, made.image]).to(ctx.device))
    before, after = (
        torch.stack([_compare(maps, row, target) for target in targets]) for row in (0, 1)
    )
    return TargetTerm(
        before=float(before.min()),
        after=float(after.min()),
        nearest=images.to_pil(faces[int(after.argmin())][None]),
        count=len(faces),
    )


def _compare(maps: Mapping[str, Tensor], row: int, target: Mapping[str, ContextualTarget]) -> Any:
    """CX of one picture of a batch to one face, ()."""
    return sum(
        contextual_loss(maps[name][row : row + 1], target[name], bandwidth=BANDWIDTH)
        for name in LAYERS
    )


@lru_cache(maxsize=8)
def _read_targets(
    load_features: Callable[..., Any], device: str, direction: str
) -> list[dict[str, ContextualTarget]]:
    """The features of each face of a domain, which stay the same."""
    faces = open_domain(direction)
    if faces is None:
        return []
    maps = _load(load_features)(faces.to(device))
    return [
        {name: contextual_target(maps[name][k : k + 1]) for name in LAYERS}
        for k in range(len(faces))
    ]


def _load(load_features: Callable[..., Any]) -> Any:
    return load_features("vgg16", LAYERS, pooling="average")


@cache
def open_domain(direction: str) -> Tensor | None:
    """Faces of the domain that a direction leads to, (K, 3, S, S) in [0, 1], or None.

    They stand side by side in one picture.
    """
    path = PICTURES / "face" / f"domain_{direction.removeprefix(PREFIX)}.png"
    if not path.is_file():
        return None
    strip = images.to_tensor(images.load(path))
    return torch.cat(strip.split(strip.shape[2], dim=3))
