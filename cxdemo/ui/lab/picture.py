"""The picture that an experiment of the loss lab starts from: a picker, and pictures to try."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cxdemo import examples
from cxdemo.ui.kit.example_strip import build_strip, check_uploads, fill_from
from cxdemo.ui.kit.safe_image import SafeImage, build_picker

PICTURES = (
    "photo_cat_chelsea", "portrait_monalisa", "photo_parrot", "painting_starry_night",
    "photo_city_night", "photo_coffee",
)  # fmt: skip
LARGEST = 1024  # pixels of an upload's long side that are kept


def open_lab_picture(index: int = 0) -> Image.Image:
    """One of `PICTURES`."""
    return examples.open_picture(_paths()[index])


def build_lab_picture(name: str, event: str, *, height: int, alt_text: str) -> SafeImage:
    """Puts the picker and the strip on the page and wires them.

    Args:
        name: Its parts are called `cx-{name}-picture` and `cx-{name}-strip`.
        event: Part of the events' names.
        height: Of the picker, pixels.
        alt_text: For those who do not see it.
    """
    picture = build_picker(
        "Picture",
        f"cx-{name}-picture",
        open_lab_picture(),
        sources=["upload", "clipboard"],
        height=height,
        alt_text=alt_text,
        placeholder="Drop a picture of at least 128 pixels",
    )
    strip = build_strip(_paths(), label="Pictures to try", elem_id=f"cx-{name}-strip")
    fill_from(strip, _paths(), picture, f"pick_{event}_picture")
    check_uploads(picture, LARGEST, f"accept_{event}_picture")
    return picture


def _paths() -> list[Path]:
    return [examples.PICTURES / f"{name}.jpg" for name in PICTURES]
