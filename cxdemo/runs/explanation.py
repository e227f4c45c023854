"""What a place of a result took after, as shares of the picture's sides."""

from __future__ import annotations

from typing import Any

Box = tuple[float, float, float, float]  # left, top, right, bottom: shares of the sides


def look_up(explanation: Any, x: float, y: float, **options: Any) -> tuple[Box, list[Any], str]:
    """The patch at a place, what it matches, and the layer that was compared.

    Args:
        explanation: Of a pipeline, such as `StyleExplanation`.
        x: Share of the width, in [0, 1].
        y: Share of the height, in [0, 1].
        options: Of the explanation's `at`.
    """
    (row, column), (rows, columns) = explanation.cell(x, y), explanation.grid
    box = (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
    return box, explanation.at(x, y, **options), explanation.layer
