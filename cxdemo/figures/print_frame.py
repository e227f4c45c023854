"""A figure for slides and papers: its sizes in inches, its fonts, and its file.

matplotlib is imported when a figure is drawn, not before, and its global settings stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from PIL import Image

from cxdemo.images import SETTINGS_KEY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAD = 0.09  # inches between a picture and its title


BOLD: dict[str, Any] = {"fontweight": "bold"}


FORMATS = ("png", "svg", "pdf")


DPI = 300


# Inches. Sizes of text suit a figure that is printed at half of them.
WIDTH, MARGIN, GAP = 13.0, 0.35, 0.4


COLUMN = (WIDTH - 2 * MARGIN - 3 * GAP) / 4


TALLEST = 1.15 * COLUMN  # of a picture


LOWEST = 2.3  # of the first row: as much as the numbers need


TITLE, HEADER, CAPTION, EQUATION, BAR, FOOTER = 0.78, 0.34, 0.5, 0.6, 0.7, 0.42


INK, SOFT, GRID, ACCENT = "#16191F", "#565C66", "#FFFFFF", "#D55E00"


FONT, SMALL, LARGE = 11.0, 10.0, 16.0


_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text, to be searched and edited
    "pdf.fonttype": 42,  # TrueType, embedded
    "svg.hashsalt": "cxdemo",  # the same figure is the same file
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": FONT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
}


@dataclass(frozen=True)
class Layout:
    """Where things lie, in inches from the top left."""

    upper: float  # height of the boxes of the first row
    lower: float  # of the second

    @property
    def first(self) -> float:
        """Top of the first row of pictures."""
        return TITLE + HEADER

    @property
    def second(self) -> float:
        """Top of the second."""
        return self.first + self.upper + CAPTION + EQUATION

    @property
    def height(self) -> float:
        """Of the figure."""
        return self.second + self.lower + BAR + FOOTER


def save_figure(
    figure: Figure,
    file: str | Path | BinaryIO,
    *,
    kind: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Writes a figure: text as text, fonts embedded in a PDF, pictures at 300 dpi.

    Args:
        figure: What `draw_figure` made.
        file: Where to.
        kind: png, svg or pdf. None: as the file's name ends.
        settings: What a PNG carries as JSON.

    Raises:
        ValueError: Another kind.
    """
    kind = kind or check_ending(file if isinstance(file, str | Path) else "")
    quick: dict[str, Any] = {"pil_kwargs": {"compress_level": 4}} if kind == "png" else {}
    words: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    words["png"] = {} if settings is None else {SETTINGS_KEY: json.dumps(settings)}
    with print_settings():
        figure.savefig(file, format=kind, dpi=DPI, metadata=words[kind], facecolor="white", **quick)


def check_ending(path: str | Path) -> str:
    """The kind of file that a name asks for.

    Raises:
        ValueError: It is not one that can be written.
    """
    ending = Path(path).suffix.lower()
    if ending[1:] not in FORMATS:
        raise ValueError(
            f"A figure is a .png, .svg or .pdf file, got {Path(path).name!r}. Change its ending."
        )
    return ending[1:]


@contextmanager
def print_settings() -> Iterator[None]:
    """Matplotlib as the figure needs it; afterwards as it was."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def for_print(picture: Image.Image) -> Image.Image:
    """A picture with as many pixels as are printed."""
    height = height_of(picture)
    size = (round(DPI * height * picture.width / picture.height), round(DPI * height))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def height_of(picture: Image.Image) -> float:
    """Of a picture in its column, inches."""
    return min(TALLEST, COLUMN * picture.height / picture.width)


def left_of(column: int) -> float:
    """The left edge of a column, inches."""
    return MARGIN + column * (COLUMN + GAP)


def add_axes(
    figure: Figure, layout: Layout, column: int, top: float, height: float, width: float = COLUMN
) -> Axes:
    """Axes at a place in inches, the left edge on the column's."""
    bottom = 1 - (top + height) / layout.height
    return figure.add_axes((left_of(column) / WIDTH, bottom, width / WIDTH, height / layout.height))


def write(figure: Figure, layout: Layout, x: float, y: float, text: str, **options: Any) -> None:
    """Text at a place in inches from the top left."""
    known: dict[str, Any] = {"va": "baseline", "ha": "left", **options}
    figure.text(x / WIDTH, 1 - y / layout.height, text, **known)


def add_picture_axes(figure: Figure, layout: Layout, column: int, picture: Image.Image) -> Axes:
    """Axes that a picture fills, at the top left of its box."""
    height = height_of(picture)
    width = height * picture.width / picture.height
    return add_axes(figure, layout, column, layout.first, height, width)


def versions() -> str:
    """What made the figure."""
    import matplotlib

    return f"cxdemo, PyTorch {torch.__version__.split('+')[0]}, matplotlib {matplotlib.__version__}"
