"""Why a result looks like this: which patches of its targets each of its places took after."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cxdemo.contextual import ContextualTarget, contextual_affinity
from cxdemo.grids import Box, Cell, box_of, cell_at


class Explanation:
    """The preferences of all places of a picture, by the features that were compared.

    Args:
        source: The picture's map, (1, C, H', W').
        targets: What its patches may prefer.
        layer: What was compared, for people.
        bandwidth: h of the Contextual Loss.
        spatial_weight: Of the places.
    """

    def __init__(
        self,
        source: Tensor,
        targets: Sequence[ContextualTarget],
        *,
        layer: str,
        bandwidth: float,
        spatial_weight: float = 0.0,
    ) -> None:
        self.source, self.targets = source, list(targets)
        self.layer, self.bandwidth, self.spatial_weight = layer, bandwidth, spatial_weight

    @property
    def grid(self) -> Cell:
        """Rows and columns of the picture's map."""
        return (self.source.shape[2], self.source.shape[3])

    def cell(self, x: float, y: float) -> Cell:
        """Row and column of the map under a place, shares of width and height in [0, 1]."""
        return cell_at(x, y, self.grid)

    def affinity(self, positions: Tensor, *, target: int = 0) -> Tensor:
        """CX_ij of some positions of the picture, (R, Py); each row sums to 1."""
        return contextual_affinity(
            self.source,
            self.targets[target],
            rows=positions,
            bandwidth=self.bandwidth,
            spatial_weight=self.spatial_weight,
        )[0]

    def strongest(self, x: float, y: float, count: int) -> list[tuple[int, Box, float]]:
        """The strongest matches of a place over all targets, best first.

        Args:
            x: Share of the width, in [0, 1].
            y: Share of the height, in [0, 1].
            count: How many.

        Returns:
            For each the target, the patch's box in it, and CX_ij in [0, 1].
        """
        row, column = self.cell(x, y)
        position = torch.tensor([row * self.grid[1] + column], device=self.source.device)
        found: list[tuple[int, Box, float]] = []
        for index, target in enumerate(self.targets):
            affinity = self.affinity(position, target=index)[0]  # (Py,)
            values, places = affinity.topk(min(count, len(affinity)))
            size = target.size or (1, len(affinity))  # a sequence has no rows
            pairs = zip(places.tolist(), values.tolist(), strict=True)
            found += [(index, box_of(place, size), value) for place, value in pairs]
        return sorted(found, key=lambda match: -match[2])[:count]
