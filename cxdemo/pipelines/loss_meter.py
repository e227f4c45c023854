"""How much each loss minds a change: a shift, a rotation, a blur, noise, a shuffle of patches.

Each loss is scaled to its own range: 0 is a picture against itself, 1 is a picture against its own
pixels in random order, which keeps the colours and nothing else. A loss may exceed 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.features import PatchFeatures, VGGFeatures, load_features
from cxdemo.images import blur_inside, crop_middle, fit_long_side
from cxdemo.losses import LOSSES, build_loss
from cxdemo.options import check_options, option

VGG_LAYERS = ("conv3_2",)
CROP = 80
"""Side of the two pictures that are compared, pixels."""
MARGIN = 24
"""Pixels around the crop that changes may bring in."""
BLOCK = 4
"""Side of an RGB patch, and of what is shuffled, pixels."""
METER_LOSSES = tuple(name for name in LOSSES if name != "adversarial")
"""An adversarial loss has no value of its own: its judge has to be trained."""


@dataclass(frozen=True)
class Change:
    """A way to change a picture by a growing amount."""

    label: str
    unit: str
    amounts: tuple[float, ...]
    apply: Callable[[Tensor, float], Tensor]
    """(1, 3, CROP + 2 MARGIN, likewise), amount -> (1, 3, CROP, CROP)."""


def _shift(around: Tensor, amount: float) -> Tensor:
    left = MARGIN + round(amount)
    return around[..., MARGIN : MARGIN + CROP, left : left + CROP]


def _warp(around: Tensor, matrix: list[list[float]]) -> Tensor:
    """The crop seen through a linear map about its middle."""
    theta = torch.tensor([[*row, 0.0] for row in matrix])[None].to(around)
    grid = F.affine_grid(theta, list(around.shape), align_corners=False)
    return _middle(F.grid_sample(around, grid, mode="bicubic", align_corners=False)).clamp(0, 1)


def _rotate(around: Tensor, amount: float) -> Tensor:
    if amount == 0:
        return _middle(around)
    c, s = math.cos(math.radians(amount)), math.sin(math.radians(amount))
    return _warp(around, [[c, -s], [s, c]])


def _scale(around: Tensor, amount: float) -> Tensor:
    return _middle(around) if amount == 1 else _warp(around, [[1 / amount, 0.0], [0.0, 1 / amount]])


def _blur(around: Tensor, amount: float) -> Tensor:
    if amount == 0:
        return _middle(around)
    return _middle(blur_inside(around, amount, math.ceil(3 * amount)))


def _noise(around: Tensor, amount: float) -> Tensor:
    clean = _middle(around)
    dice = torch.Generator().manual_seed(0)
    return (clean + amount * torch.randn(clean.shape, generator=dice).to(clean)).clamp(0, 1)


def _recolour(around: Tensor, amount: float) -> Tensor:
    """From the picture's own channels to the next ones: R becomes G, G becomes B, B becomes R."""
    clean = _middle(around)
    return (1 - amount) * clean + amount * clean.roll(-1, dims=1)


def shuffle_blocks(image: Tensor, share: float = 1.0, *, seed: int = 0) -> Tensor:
    """A picture with a share of its `BLOCK` x `BLOCK` blocks in random order.

    Shape:
        image: (1, 3, H, W), sides multiples of `BLOCK`. Returns the same.
    """
    blocks = F.unfold(image, BLOCK, stride=BLOCK)  # (1, 3 B B, K)
    dice = torch.Generator().manual_seed(seed)
    moved = torch.randperm(blocks.shape[2], generator=dice)[: round(share * blocks.shape[2])]
    order = torch.arange(blocks.shape[2])
    order[moved] = moved.roll(1)
    return F.fold(blocks[:, :, order], image.shape[2:], BLOCK, stride=BLOCK)


def mirror(image: Tensor) -> Tensor:
    """Left and right exchanged."""
    return image.flip(3)


CHANGES: dict[str, Change] = {
    "shift": Change("Shift", "pixels", tuple(map(float, range(17))), _shift),
    "rotate": Change("Rotate", "degrees", tuple(map(float, range(0, 33, 2))), _rotate),
    "scale": Change("Scale", "times", tuple(1 + i / 32 for i in range(17)), _scale),
    "blur": Change("Blur", "pixels (sigma)", tuple(i / 4 for i in range(17)), _blur),
    "noise": Change("Noise", "sigma", tuple(i / 50 for i in range(17)), _noise),
    "recolour": Change("Recolour", "share", tuple(i / 16 for i in range(17)), _recolour),
    "shuffle": Change(
        "Shuffle patches",
        "share of the patches",
        tuple(i / 16 for i in range(17)),
        lambda around, amount: shuffle_blocks(_middle(around), amount),
    ),
}


@dataclass(frozen=True, kw_only=True)
class MeterConfig:
    """What is measured."""

    change: str = option(
        "shift", "How the copy differs.", label="Change", choices=tuple(CHANGES), advanced=False
    )
    losses: tuple[str, ...] = option(
        ("l1", "l2", "perceptual", "gram", "cx"), "The losses that are read.", label="Losses",
        choices=METER_LOSSES, advanced=False,
    )  # fmt: skip
    features: str = option(
        "rgb", "What losses of features compare; the perceptual loss always takes VGG16.",
        label="Features", choices=("rgb", "vgg16"), advanced=False,
    )  # fmt: skip
    bandwidth: float = option(
        0.1, "h of the Contextual Loss.", label="h", minimum=0.05, maximum=1.0, step=0.05,
        advanced=False,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Raises ValueError for a value that an option may not take."""
        check_options(self)
        if not self.losses:
            raise ValueError("Choose at least one loss.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"losses": list(self.losses)}


@dataclass(frozen=True)
class Reading:
    """What the losses say of one copy.

    Args:
        amount: Of the change.
        image: The copy, (1, 3, CROP, CROP) in [0, 1].
        values: By loss, each scaled to its own range.
    """

    amount: float
    image: Tensor
    values: dict[str, float]


class LossMeter:
    """Losses between a picture and changed copies of it, each scaled to its own range.

    Args:
        image: (1, 3, H, W) in [0, 1]; its middle is taken.
        config: The losses and what they compare.
        vgg: Features with `VGG_LAYERS`, where they are needed; None: loaded.

    Raises:
        ValueError: The picture is too small.

    Cost:
        A copy under nine losses takes about a third of a second on two cores, most of it for the
        6000 RGB patches of CX, CoBi and the relaxed EMD.
    """

    def __init__(
        self, image: Tensor, config: MeterConfig, *, vgg: VGGFeatures | None = None
    ) -> None:
        self.config, self.around = config, cut(image)
        self.picture = _middle(self.around)
        needs_vgg = config.features == "vgg16" or "perceptual" in config.losses
        self.vgg = vgg if vgg is not None or not needs_vgg else load_features("vgg16", VGG_LAYERS)
        self.zeros = self._measure(self.picture)
        scrambled = shuffle_pixels(self.picture)
        self.ranges = {
            name: max(value - self.zeros[name], 1e-12)
            for name, value in self._measure(scrambled).items()
        }

    def read(self, copy: Tensor, amount: float = 0.0) -> Reading:
        """What each loss says of a copy, (1, 3, CROP, CROP)."""
        values = {
            name: (value - self.zeros[name]) / self.ranges[name]
            for name, value in self._measure(copy).items()
        }
        return Reading(amount, copy, values)

    def run(self) -> Iterator[Reading]:
        """All amounts of the configuration's change, one after another."""
        change = CHANGES[self.config.change]
        for amount in change.amounts:
            yield self.read(change.apply(self.around, amount), amount)

    @torch.no_grad()
    def _measure(self, copy: Tensor) -> dict[str, float]:
        """Every loss as it comes: the copy generated, the picture the target."""
        return {name: float(self._loss(name)(copy, self.picture)) for name in self.config.losses}

    def _loss(self, name: str) -> Callable[[Tensor, Tensor], Tensor]:
        rgb = self.config.features == "rgb" and name != "perceptual"
        # Patches at every pixel, so that no whole pixel is between two of them; those that are
        # shuffled stand side by side, as the shuffle cuts them.
        stride = BLOCK if self.config.change == "shuffle" else 1
        features = PatchFeatures(size=BLOCK, stride=stride) if rgb else self.vgg
        return build_loss(
            name,
            features=features,
            bandwidth=self.config.bandwidth,
            spatial_weight=1.0,
            distance="l2" if rgb else "cosine",
        )


def cut(image: Tensor) -> Tensor:
    """The middle of a picture, shrunk so that much of it is seen.

    Shape:
        image: (1, 3, H, W). Returns (1, 3, S, S), S = CROP + 2 MARGIN.

    Raises:
        ValueError: It is too small.
    """
    side = CROP + 2 * MARGIN
    height, width = image.shape[2:]
    if min(height, width) < side:
        raise ValueError(
            f"The picture has {width} x {height} pixels, but the meter needs {side} x {side}: "
            "choose a larger one."
        )
    scaled = fit_long_side(image, math.ceil(1.2 * side * max(height, width) / min(height, width)))
    scaled = (scaled if min(scaled.shape[2:]) >= side else image).clamp(0, 1)
    return crop_middle(scaled, (side, side))


def shuffle_pixels(image: Tensor, *, seed: int = 0) -> Tensor:
    """The pixels in random order: the colours of the picture and nothing else."""
    order = torch.randperm(
        image.shape[2] * image.shape[3], generator=torch.Generator().manual_seed(seed)
    )
    return image.flatten(2)[..., order].unflatten(2, image.shape[2:])


def _middle(around: Tensor) -> Tensor:
    return crop_middle(around, (CROP, CROP))
