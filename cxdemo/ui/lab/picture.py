"""The picture that an experiment of the loss lab starts from: a picker, and pictures to try."""

from __future__ import annotations

import functools
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo import examples
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.safe_image import SafeImage, accept_upload, build_picker
from cxdemo.ui.kit.turns import quickly

PICTURES = (
    "photo_cat_chelsea", "portrait_monalisa", "photo_parrot", "painting_starry_night",
    "photo_city_night", "photo_coffee",
)  # fmt: skip
LARGEST = 1024  # pixels of an upload's long side that are kept


def open_lab_picture(index: int = 0) -> Image.Image:
    """One of `PICTURES`."""
    return examples.open_picture(_paths()[index])


def build_lab_picture(
    name: str, event: str, *, height: int, alt_text: str, **settings: Any
) -> SafeImage:
    """Puts the picker and the strip on the page and wires them.

    Args:
        name: Its parts are called `cx-{name}-picture` and `cx-{name}-strip`.
        event: Part of the events' names.
        height: Of the picker, pixels.
        alt_text: For those who do not see it.
        settings: Of the events.
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
    strip = picture_cards.build_thumbnails(
        [examples.open_picture(path) for path in _paths()],
        [examples.title_of(path) for path in _paths()],
        label="Pictures to try",
        elem_id=f"cx-{name}-strip",
    )

    def choose(event: gr.SelectData) -> Image.Image:
        return open_lab_picture(int(event.index))  # pyright: ignore[reportArgumentType]

    strip.select(choose, None, picture, api_name=f"pick_{event}_picture", queue=False, **settings)
    picture.upload(
        quickly(functools.partial(accept_upload, long_side=LARGEST)), picture, picture,
        preprocess=False, api_name=f"accept_{event}_picture", **settings,
    )  # fmt: skip
    return picture


def _paths() -> list[Any]:
    return [examples.PICTURES / f"{name}.jpg" for name in PICTURES]
