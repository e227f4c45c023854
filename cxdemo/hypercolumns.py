"""Hypercolumns: what several layers hold at one place of the picture, as one feature.

A deep layer knows what a place shows, a shallow one how it is painted. Read bilinearly at the same
positions and put together, they are a feature like any other: a map (N, C, 1, P) that the core
takes as it is. A grid of positions that moves at every step sees all of the picture in a few steps,
for the price of its few positions.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.grids import Box

COLORS = "rgb"
"""The name under which the picture itself is a layer."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def moved_grid(
    height: int, width: int, count: int, generator: torch.Generator, *, box: Box = WHOLE
) -> Tensor:
    """About `count` positions on a square grid whose offset is drawn at random.

    Args:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        count: How many positions are wanted, >= 1.
        generator: Draws the offset, on the CPU.
        box: The part of the picture that the grid covers.

    Shape:
        - returns: (P, 2), x and y as shares of the picture's sides, within the box.
    """
    left, top, right, bottom = box
    across, down = (right - left) * width, (bottom - top) * height  # pixels
    step = min(math.sqrt(across * down / count), across, down)
    offset_x, offset_y = (torch.rand(2, generator=generator) * step).tolist()
    x = left + torch.arange(offset_x, across, step) / width
    y = top + torch.arange(offset_y, down, step) / height
    return torch.cartesian_prod(y, x).flip(1)


def cell_grid(rows: int, columns: int) -> Tensor:
    """The centres of the cells of a grid, row by row: (rows columns, 2), x and y as shares."""
    y, x = ((torch.arange(n) + 0.5) / n for n in (rows, columns))
    return torch.cartesian_prod(y, x).flip(1)


def read_at(features: Tensor, positions: Tensor) -> Tensor:
    """A map read bilinearly: (1, C, H, W) and (P, 2), x and y as shares, give (1, C, 1, P)."""
    places = (positions * 2 - 1).to(features)[None, None]  # (1, 1, P, 2)
    return F.grid_sample(features, places, padding_mode="border", align_corners=False)


@dataclass(frozen=True, eq=False)
class Hypercolumns:
    """How layers become one feature: each centred and scaled, then projected together.

    Attributes:
        means: Of each layer, (1, C_l, 1, 1).
        projections: From each layer to the common space, (K, C_l), its scale included.
    """

    means: dict[str, Tensor]
    projections: dict[str, Tensor]

    def read(self, maps: Mapping[str, Tensor], positions: Tensor) -> Tensor:
        """The hypercolumns of a picture.

        Args:
            maps: Every layer by its name, (1, C_l, H_l, W_l), "rgb" among them where it was fitted.
            positions: Where to read, (P, 2), x and y as shares.

        Shape:
            - returns: (1, K, 1, P).

        Cost:
            P x K x sum C_l multiply-adds.
        """
        parts = [
            projection @ (read_at(maps[name], positions) - self.means[name])[0, :, 0]  # (K, P)
            for name, projection in self.projections.items()
        ]
        return torch.stack(parts).sum(dim=0)[None, :, None]


@torch.no_grad()
def fit_hypercolumns(
    pictures: Sequence[Mapping[str, Tensor]],
    layers: Sequence[str],
    positions: Sequence[Tensor],
    *,
    dimensions: int = 128,
) -> Hypercolumns:
    """Scales and projection that suit some pictures.

    A layer's features are divided by their root mean square norm about their mean, so that each
    layer weighs alike; the principal components of all layers together are kept.

    Args:
        pictures: The maps of each picture, as `Hypercolumns.read` takes them.
        layers: Names of those that count.
        positions: Where each picture is read, (P, 2).
        dimensions: How many principal components are kept; all if there are fewer.
    """
    read = {
        name: torch.cat(
            [
                read_at(maps[name], at)[0, :, 0]
                for maps, at in zip(pictures, positions, strict=True)
            ],
            dim=1,
        )  # (C, P)
        for name in layers
    }
    means = {name: columns.mean(dim=1, keepdim=True) for name, columns in read.items()}
    centred = {name: columns - means[name] for name, columns in read.items()}
    scales = {
        name: columns.square().sum(dim=0).mean().sqrt().clamp_min(1e-8).reciprocal()
        for name, columns in centred.items()
    }
    stacked = torch.cat([centred[name] * scales[name] for name in layers])  # (sum C, P)
    _, vectors = torch.linalg.eigh(stacked @ stacked.mT / stacked.shape[1])
    kept = vectors[:, -dimensions:].mT.split([len(read[name]) for name in layers], dim=1)
    return Hypercolumns(
        means={name: mean[None, :, :, None] for name, mean in means.items()},
        projections={name: part * scales[name] for name, part in zip(layers, kept, strict=True)},
    )
