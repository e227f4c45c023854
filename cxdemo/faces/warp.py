"""Moving, turning and scaling a picture: similarity transforms and how pixels follow them.

Coordinates are continuous: x to the right and y down, and the pixel in column i covers [i, i + 1].
A transform is a matrix (2, 3), float64, that maps points of the picture to points of the crop.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def similarity(centre: tuple[float, float], side: float, angle: float, size: int) -> Tensor:
    """Transform (2, 3) of a turned square of the picture to a crop of `size` pixels.

    Args:
        centre: Of the square, in the picture.
        side: Of the square, in pixels of the picture.
        angle: Degrees by which the square is turned clockwise, as the picture is seen.
        size: Pixels of the crop's side.
    """
    scale, turn = size / side, math.radians(angle)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    shift = size / 2 - linear @ torch.tensor(centre, dtype=torch.float64)
    return torch.cat([linear, shift[:, None]], 1)


def invert(matrix: Tensor) -> Tensor:
    """The transform back, (2, 3)."""
    linear = torch.linalg.inv(matrix[:, :2])
    return torch.cat([linear, -linear @ matrix[:, 2:]], 1)


def move(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (..., 2) after a transform, of their own type."""
    matrix = matrix.to(points)
    return points @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: Tensor) -> float:
    """Pixels of the crop for one pixel of the picture."""
    return math.hypot(float(matrix[0, 0]), float(matrix[0, 1]))


def places_of(back: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where in the picture the pixels of a crop lie: x and y, each (H, W), float64.

    Args:
        back: (2, 3), from the crop to the picture.
        size: Height and width of the crop in pixels.
    """
    y, x = (torch.arange(length, dtype=torch.float64) + 0.5 for length in size)
    (a, b, c), (d, e, f) = back.tolist()
    return a * x + (b * y + c)[:, None], d * x + (e * y + f)[:, None]


def sample(image: Tensor, matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture as seen after a transform; outside it is mirrored at its edges.

    Where the crop is smaller than what it shows, the picture is averaged first, so that fine
    patterns do not turn into false ones.

    Args:
        image: (1, C, H, W).
        matrix: (2, 3), from the picture to the crop.
        size: Height and width of the crop in pixels.

    Shape:
        - returns: (1, C, *size), within the range of `image`.
    """
    factor = max(1, min(int(1 / scale_of(matrix)), *image.shape[-2:]))
    height, width = image.shape[-2:]
    if factor > 1:
        image = F.interpolate(
            image, (math.ceil(height / factor), math.ceil(width / factor)), mode="area"
        )
    across, down = places_of(invert(matrix.double()), size)
    grid = torch.stack([2 / width * across - 1, 2 / height * down - 1], -1)  # (H', W', 2)
    return F.grid_sample(
        image,
        grid[None].to(image),
        mode="bicubic",
        padding_mode="reflection",
        align_corners=False,
    ).clamp(0, 1)
