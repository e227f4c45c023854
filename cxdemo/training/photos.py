"""Photos of a folder as training pairs: a crop, and the same crop four times smaller.

The batch of a step is a function of the seed and the step alone, so that a run that is resumed
sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from cxdemo.images import blur, list_pictures, shrink

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
LARGE = 1400
"""Longer side, pixels, from which a photo is halved: compressed photos hold less than they show."""


def list_photos(folder: Path) -> list[Path]:
    """The photos of a folder and of those in it, in the order of their names.

    Raises:
        ValueError: There is none, or no such folder.
    """
    return list_pictures(folder, endings=SUFFIXES, deep=True)


def split_photos(paths: Sequence[Path], num_validation: int) -> tuple[list[Path], list[Path]]:
    """Training photos and validation photos; the latter evenly spread over the list.

    Raises:
        ValueError: Fewer than one photo would be left to train on.

    Example:
        >>> train, validation = split_photos([Path(str(i)) for i in range(6)], 2)
        >>> [path.name for path in validation], len(train)
        (['1', '4'], 4)
    """
    if not 0 <= num_validation < len(paths):
        raise ValueError(
            f"Expected fewer than {len(paths)} validation photos (there are so many photos in "
            f"all), got {num_validation}: add photos."
        )
    step = len(paths) / max(num_validation, 1)
    held = {int((i + 0.5) * step) for i in range(num_validation)}
    train = [path for i, path in enumerate(paths) if i not in held]
    return train, [paths[i] for i in sorted(held)]


def load_photo(path: Path) -> Tensor:
    """A photo as bytes, (3, H, W) uint8; halved if its longer side is `LARGE` or more."""
    with Image.open(path) as file:
        photo = halve_large(file.convert("RGB"))
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous()  # (3, H, W)


def halve_large(photo: Image.Image) -> Image.Image:
    """A photo, halved if its longer side is `LARGE` or more."""
    return photo.reduce(2) if max(photo.size) >= LARGE else photo


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """How a small photo comes to be.

    Attributes:
        scale: How many times smaller it is.
        share: Of the images that are also blurred, noisy and compressed, in [0, 1].
        max_blur: Largest standard deviation of the blur before shrinking, pixels.
        max_noise: Largest standard deviation of the noise, of a range of [0, 1].
        min_quality: Lowest JPEG quality.
    """

    scale: int = 4
    share: float = 0.1
    max_blur: float = 2.0
    max_noise: float = 0.03
    min_quality: int = 50


def degrade(high_res: Tensor, degradation: Degradation, dice: random.Random) -> Tensor:
    """Small versions of images: antialiased bicubic, 8 bits; some with what cameras and sites add.

    Shape:
        high_res: (N, 3, H, W) in [0, 1], H and W multiples of the scale.
        Returns (N, 3, H / scale, W / scale) in [0, 1].
    """
    return torch.cat([_degrade_one(image, degradation, dice) for image in high_res.split(1)])


def _degrade_one(image: Tensor, degradation: Degradation, dice: random.Random) -> Tensor:
    """(1, 3, H, W) -> (1, 3, H / scale, W / scale)."""
    if dice.random() >= degradation.share:
        return round_to_bytes(shrink(image, degradation.scale))
    low_res = shrink(blur(image, dice.uniform(0.2, degradation.max_blur)), degradation.scale)
    generator = torch.Generator().manual_seed(dice.getrandbits(60))
    noise = torch.randn(low_res.shape, generator=generator) * dice.uniform(0, degradation.max_noise)
    return compress_jpeg((low_res + noise).clamp(0, 1), dice.randint(degradation.min_quality, 95))


def round_to_bytes(image: Tensor) -> Tensor:
    """The nearest of 256 levels, as a file has them."""
    return (image * 255).round() / 255


def compress_jpeg(image: Tensor, quality: int) -> Tensor:
    """An image after a JPEG file: (1, 3, H, W) in [0, 1] -> the same."""
    levels = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()  # (H, W, 3)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, format="JPEG", quality=quality)
    decoded = np.array(Image.open(file))  # (H, W, 3)
    return torch.from_numpy(decoded).permute(2, 0, 1)[None].float() / 255


class Crops:
    """Random pairs of crops from photos.

    A crop is cut from a photo that is drawn by its area, shrunk by a random factor, mirrored and
    turned by 90 degrees at random.

    Args:
        photos: (3, H, W) uint8 each.
        size: Side of a crop at the large size, pixels, a multiple of the degradation's scale.
        max_shrink: A crop shows up to so many times its side of the photo.
    """

    def __init__(
        self,
        photos: Sequence[Tensor],
        *,
        size: int,
        degradation: Degradation,
        max_shrink: float = 4 / 3,
    ) -> None:
        self.photos = [photo for photo in photos if min(photo.shape[1:]) >= size]
        if not self.photos:
            raise ValueError(f"Expected photos of at least {size} x {size} pixels, found none.")
        self.size = size
        self.degradation = degradation
        self.max_shrink = max_shrink
        self._areas = [photo.shape[1] * photo.shape[2] for photo in self.photos]

    def draw(self, batch_size: int, seed: str) -> tuple[Tensor, Tensor]:
        """The batch of a seed: low_res (N, 3, size / scale, ...), high_res (N, 3, size, size)."""
        dice = random.Random(seed)  # noqa: S311  crops are not secrets
        high_res = torch.cat([self._crop(dice) for _ in range(batch_size)])
        return degrade(high_res, self.degradation, dice), high_res

    def _crop(self, dice: random.Random) -> Tensor:
        """(1, 3, size, size) in [0, 1]."""
        photo = dice.choices(self.photos, weights=self._areas)[0]
        height, width = photo.shape[1:]
        side = min(round(self.size * dice.uniform(1, self.max_shrink)), height, width)
        top, left = dice.randint(0, height - side), dice.randint(0, width - side)
        crop = v2.functional.crop(photo[None], top, left, side, side).float() / 255
        crop = v2.functional.resize(crop, [self.size, self.size], v2.InterpolationMode.BICUBIC)
        crop = crop.rot90(dice.randrange(4), dims=(2, 3))
        mirrored = v2.functional.horizontal_flip(crop) if dice.random() < 0.5 else crop
        return mirrored.clamp(0, 1).contiguous()
