"""Back-projection: the result is moved until it shrinks to the picture that it came from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.images import Canvas
from cxdemo.pipelines.super_resolution.config import SCALE

ROUNDING = 1 / 255
"""An error of the shrunk result below which nothing but rounding is left to mend."""


@torch.no_grad()
def project(canvas: Canvas, low_res: Tensor, *, rounds: int = 1) -> None:
    """Moves a picture until it shrinks to `low_res`: iterated back-projection, at its limit.

    Back-projection adds the enlarged difference, x <- x + U (low_res - D x), with D the antialiased
    bicubic reduction and U bicubic interpolation, again and again. Its limit is known: the one
    correction U e with D U e = low_res - D x. D and U work on rows and columns one after the other,
    so that D U is a small matrix for each axis, well conditioned (its eigenvalues lie between 0.48
    and 1), and the limit is computed at once. On the whole picture, colour by colour: a tile would
    need a margin, and the matrices are small.

    Args:
        canvas: The picture, changed in place.
        low_res: What it should shrink to.
        rounds: How often at most; it ends earlier where only rounding was left to mend.

    Shape:
        canvas: (4 H, 4 W). low_res: (1, 3, H, W) in [0, 1].

    Source:
        Irani and Peleg, "Improving resolution by image registration" (1991).

    Deviates:
        Rounding to 256 levels and clamping to [0, 1] come after. The first leaves an error of about
        a tenth of a level; the second can leave more where light or dark is at its end, which
        another round lessens.
    """
    low_res = low_res.cpu()
    rows, columns = (torch.linalg.inv(_round_trip(length)) for length in low_res.shape[2:])
    for _ in range(rounds):
        worst = 0.0
        for index in range(3):
            large = canvas.channel(index)  # (1, 1, 4 H, 4 W)
            missing = low_res[:, index, None] - _interpolate(large, low_res.shape[2:])
            worst = max(worst, float(missing.abs().max()))
            correction = rows @ missing @ columns.T  # (1, 1, H, W)
            large += _interpolate(correction, canvas.size)
            canvas.write_channel(index, large)
        if worst < ROUNDING:
            return


def _round_trip(length: int) -> Tensor:
    """The matrix of D U along one axis: (L, L)."""
    unit = torch.eye(length)[None, None]  # (1, 1, L, L)
    large = _interpolate(unit, (SCALE * length, length))
    return _interpolate(large, (length, length))[0, 0]


def _interpolate(image: Tensor, size: Sequence[int]) -> Tensor:
    """Bicubic at another size, widened when shrinking, not clamped: linear in the image."""
    return F.interpolate(image, tuple(size), mode="bicubic", align_corners=False, antialias=True)
