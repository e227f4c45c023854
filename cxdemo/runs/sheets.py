"""Sheets of labelled panels, and films of such sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from cxdemo import images
from cxdemo.video import save_gif, save_mp4

FPS = 8
REST = 2  # seconds that the end of a film stays
PANEL = 192  # pixels of a panel's long side
GAP = 6
INK, FAINT = "#1e2a48", "#7a7265"


def new_sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white sheet, and what draws on it."""
    sheet = Image.new("RGB", (width, height), "white")
    return sheet, ImageDraw.Draw(sheet)


def write_label(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    color: str = INK,
    *,
    anchor: str | None = None,
) -> None:
    """Writes a label.

    Args:
        draw: Of the sheet.
        place: Pixels from the left and the top.
        text: What it says.
        color: Of the text.
        anchor: What of the text lies at the place, as Pillow names it; usually its top left.
    """
    draw.text(place, text, color, ImageFont.load_default(size=14), anchor=anchor)


def save_film(sheets: Sequence[Image.Image], path: Path, *, settings: Mapping[str, Any]) -> None:
    """Writes sheets as a film, .gif or .mp4, that carries settings; its end stays for a while."""
    frames = [images.to_tensor(sheet) for sheet in sheets]
    film = torch.cat([*frames, *[frames[-1]] * (REST * FPS)])
    save = save_gif if path.suffix.lower() == ".gif" else save_mp4
    save(film, path, fps=FPS, settings=settings)
