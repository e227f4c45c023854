"""Why a result looks like this: which patches of the style its places took after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cxdemo.contextual import contextual_target
from cxdemo.explanation import Explanation
from cxdemo.features import check_layers, load_features
from cxdemo.grids import Cell
from cxdemo.hypercolumns import COLORS, cell_grid, fit_hypercolumns
from cxdemo.images import fit_long_side
from cxdemo.pipelines.style_transfer.config import StyleTransferConfig
from cxdemo.pipelines.style_transfer.objective import Extractor

CELLS = 64  # of a grid's long side, where hypercolumns are compared


class StyleMatch(NamedTuple):
    """A patch of a style that a place of the result took after."""

    style: int  # which style image, from 0
    box: tuple[float, float, float, float]  # left, top, right, bottom as shares of its sides
    affinity: float  # CX_ij in [0, 1]


class StyleExplanation(Explanation):
    """Which style patches each place of a result prefers, by the features that the run compared.

    Made once, asked many times.

    Args:
        stylized: The result, (1, 3, H, W) in [0, 1].
        styles: The style images, (1, 3, H, W) in [0, 1].
        config: That of the transfer.
        features: See `transfer_style`.
    """

    def __init__(
        self,
        stylized: Tensor,
        styles: Sequence[Tensor],
        config: StyleTransferConfig,
        *,
        features: Extractor | None = None,
    ) -> None:
        layers = check_layers(config.backbone, config.style_layers)
        features = features or load_features(
            config.backbone,
            layers,
            pooling=config.pooling,  # pyright: ignore[reportArgumentType]
            device=stylized.device,
        )
        size = max(stylized.shape[2:])
        with torch.no_grad():
            pictures = [stylized, *(fit_long_side(style, size) for style in styles)]
            maps = [{**features(picture), COLORS: picture} for picture in pictures]
            if config.compare == "maps":
                layer = layers[-1]
                read = [m[layer] for m in maps]
            else:
                layer = f"{', '.join(layers)} and colour together"
                read = _read_hypercolumns(maps, (*layers, COLORS))
            source, *rest = read  # (1, C, H', W')
            targets = [contextual_target(m) for m in rest]
        super().__init__(source, targets, layer=layer, bandwidth=config.style_bandwidth)

    def at(self, x: float, y: float, *, count: int = 5) -> list[StyleMatch]:
        """The strongest matches of a place, best first.

        Args:
            x: Share of the result's width, in [0, 1].
            y: Share of its height, in [0, 1].
            count: How many.
        """
        return [StyleMatch(*match) for match in self.strongest(x, y, count)]


def _read_hypercolumns(maps: Sequence[Mapping[str, Tensor]], layers: Sequence[str]) -> list[Tensor]:
    """Hypercolumns of each picture's cells, (1, K, rows, columns); fitted to all but the first."""
    shapes = [_cells(m[COLORS]) for m in maps]
    grids = [cell_grid(*shape) for shape in shapes]
    columns = fit_hypercolumns(maps[1:], layers, grids[1:])
    return [
        columns.read(m, grid)[:, :, 0].unflatten(2, shape)
        for m, grid, shape in zip(maps, grids, shapes, strict=True)
    ]


def _cells(image: Tensor) -> Cell:
    """Rows and columns of about square cells."""
    height, width = image.shape[2:]
    cell = max(height, width) / min(CELLS, max(height, width))
    return max(1, round(height / cell)), max(1, round(width / cell))
