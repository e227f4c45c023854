"""A picture at four times its size, one tile at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from PIL import Image
from torch import Tensor

from cxdemo.checkpoints import load_state_dict
from cxdemo.images import Canvas, to_pil
from cxdemo.networks import Upscaler, compact_upscaler
from cxdemo.pipelines.super_resolution.config import SCALE, Box, SuperResolutionConfig, check_size
from cxdemo.pipelines.super_resolution.projection import project


@dataclass(frozen=True, kw_only=True)
class TileStep:
    """One step of an enlargement.

    Args:
        index: Of this step, from 1.
        total: Number of steps: the tiles, and the back-projection.
        box: Where the result has changed.
        canvas: The result so far; what is still missing shows bicubic interpolation. It is the same
            object in every step.
        seconds: Since the run began.
    """

    index: int
    total: int
    box: Box
    canvas: Canvas
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Estimate from the pace so far."""
        return self.seconds * (self.total - self.index) / self.index


def load_upscaler(name: str, *, device: torch.device | str = "cpu") -> Upscaler:
    """The shipped network of a checkpoint, ready to use.

    Args:
        name: "mse", "cx" or "cx-gan".
        device: Where to compute.

    Raises:
        ValueError: Another name.
        CheckpointError: Its weights cannot be had.
    """
    SuperResolutionConfig(checkpoint=name)  # an unknown name ends here, with the nearest one
    network = compact_upscaler()
    network.load_state_dict(load_state_dict(f"sr-{name}").state_dict)
    return network.to(device).eval().requires_grad_(False)


def upscale(
    image: Tensor,
    network: Upscaler | None,
    config: SuperResolutionConfig | None = None,
) -> Iterator[TileStep]:
    """A picture at four times its size, one tile at a time.

    Args:
        image: The small picture.
        network: What enlarges a tile; None: bicubic interpolation, in one step.
        config: See `SuperResolutionConfig`; its checkpoint is the caller's business.

    Shape:
        image: (1, 3, H, W) in [0, 1].

    Yields:
        Every tile, then the back-projection.

    Raises:
        ValueError: The picture is too small or too large; before any work.

    Cost:
        3 bytes a pixel of the result, and the activations of one tile. The back-projection takes 8
        bytes more for a moment, and 30 (long side)² bytes.
    """
    config = config or SuperResolutionConfig()
    height, width = image.shape[2:]
    check_size(height, width)
    begun = time.monotonic()
    canvas = enlarge_bicubic(image)
    whole = Box(0, 0, *canvas.size)
    boxes = plan_tiles(height, width, config.tile) if network else []
    total = len(boxes) + (config.back_projection > 0 or network is None)
    for index, box in enumerate(boxes, start=1):
        place = box.scaled(SCALE)
        canvas.write(_upscale_tile(image, network, box), top=place.top, left=place.left)  # pyright: ignore[reportArgumentType]
        yield _step(index, total, place, canvas, begun)
    if network is not None:
        project(canvas, image, rounds=config.back_projection)
    if total > len(boxes):
        yield _step(total, total, whole, canvas, begun)


def _step(index: int, total: int, box: Box, canvas: Canvas, begun: float) -> TileStep:
    seconds = time.monotonic() - begun
    return TileStep(index=index, total=total, box=box, canvas=canvas, seconds=seconds)


def plan_tiles(height: int, width: int, tile: int) -> list[Box]:
    """Rectangles of nearly equal size, no side longer than `tile`, that cover a picture by rows.

    Example:
        >>> plan_tiles(10, 16, 8)[:2], len(plan_tiles(10, 16, 8))
        ([Box(top=0, left=0, bottom=5, right=8), Box(top=0, left=8, bottom=5, right=16)], 4)
    """
    rows, columns = _cut(height, tile), _cut(width, tile)
    return [Box(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _cut(length: int, longest: int) -> list[tuple[int, int]]:
    """Begin and end of equal parts, such as [(0, 5), (5, 10)]."""
    count = math.ceil(length / longest)
    ends = [round(i * length / count) for i in range(count + 1)]
    return list(pairwise(ends))


@torch.no_grad()
def _upscale_tile(image: Tensor, network: Upscaler, box: Box) -> Tensor:
    """The enlarged rectangle of a picture: (1, 3, H, W) -> (1, 3, 4 h, 4 w)."""
    margin = network.receptive_field
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    seen = image[:, :, top : box.bottom + margin, left : box.right + margin]
    large = network(seen)
    inside = Box(box.top - top, box.left - left, box.bottom - top, box.right - left).scaled(SCALE)
    return large[:, :, inside.top : inside.bottom, inside.left : inside.right]


def enlarge_bicubic(image: Tensor) -> Canvas:
    """Bicubic interpolation (Keys' kernel, a = -0.5): (1, 3, H, W) -> a canvas of (4 H, 4 W)."""
    height, width = image.shape[2:]
    size = (SCALE * width, SCALE * height)
    return Canvas(to_pil(image).resize(size, Image.Resampling.BICUBIC))
