"""Pictures with an opacity: what lies under full transparency must not show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cxdemo.images import to_tensor
from cxdemo.pipelines.super_resolution.config import SCALE, check_size


def prepare_layers(
    picture: Image.Image, alpha: Image.Image | None = None
) -> tuple[Tensor, Image.Image | None]:
    """Colours to enlarge, and the enlarged opacity: bicubic, as an edge of a shape has no texture.

    Args:
        picture: RGB.
        alpha: Its opacity, mode L; None: opaque.

    Shape:
        Returns (1, 3, H, W) in [0, 1], and a picture of 4 W x 4 H or None.

    Raises:
        ValueError: The size cannot be enlarged; before any work.
    """
    check_size(picture.height, picture.width)
    colours = to_tensor(picture)
    if alpha is None:
        return colours, None
    opacity = to_tensor(alpha.convert("RGB"))[:, :1]  # (1, 1, H, W)
    size = (SCALE * picture.width, SCALE * picture.height)
    return fill_transparent(colours, opacity), alpha.resize(size, Image.Resampling.BICUBIC)


@torch.no_grad()
def fill_transparent(image: Tensor, alpha: Tensor) -> Tensor:
    """An image whose invisible pixels take the colours of the visible ones around them.

    What lies under full transparency is anything, often black, and would bleed into the edges.

    Args:
        image: Colours.
        alpha: Opacity.

    Shape:
        image: (1, 3, H, W) in [0, 1]; alpha: (1, 1, H, W) in [0, 1]. Returns (1, 3, H, W).

    Source:
        The push and pull of Gortler et al., "The Lumigraph" (1996), section 3.4.
    """
    known = (alpha > 0).to(image.dtype)  # (1, 1, H, W)
    return torch.where(known > 0, image, _pull(image * known, known))


def _pull(colour: Tensor, weight: Tensor) -> Tensor:
    """Weighted means at the finest level that has any, level by level: (1, 3, H, W)."""
    here = colour / weight.clamp_min(1e-6)
    if max(colour.shape[2:]) == 1 or bool((weight > 0).all()):
        return here
    coarse = _pull(
        F.avg_pool2d(colour, 2, ceil_mode=True, count_include_pad=False),
        F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False),
    )
    wide = F.interpolate(coarse, colour.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(weight > 0, here, wide)
