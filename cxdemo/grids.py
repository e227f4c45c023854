"""Places of a picture, as shares of its sides, and the cells of a map of its features."""

from __future__ import annotations

Cell = tuple[int, int]
"""Row and column; of a grid, how many there are."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of a picture's sides in [0, 1]."""


def cell_at(x: float, y: float, grid: Cell) -> Cell:
    """Row and column of the cell under a place; a place outside has the nearest cell.

    Args:
        x: Share of the width, in [0, 1].
        y: Share of the height, in [0, 1].
        grid: Rows and columns.
    """
    rows, columns = grid
    return min(rows - 1, max(0, int(y * rows))), min(columns - 1, max(0, int(x * columns)))


def box_of(index: int, grid: Cell) -> Box:
    """Where a cell lies in the picture; cells are counted row by row.

    Example:
        >>> box_of(5, (2, 4))
        (0.25, 0.5, 0.5, 1.0)
    """
    row, column = divmod(index, grid[1])
    return (column / grid[1], row / grid[0], (column + 1) / grid[1], (row + 1) / grid[0])
