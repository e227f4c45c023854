"""A picture picker that accepts whatever `cxdemo.images.load` does, and says why it refuses."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from PIL import Image

from cxdemo import images
from cxdemo.ui.errors import to_toast


class _WithoutStub(ComponentMeta):
    """Makes a component class and nothing else: Gradio's own way also writes a .pyi file here."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> type:
        return super(ComponentMeta, mcs).__new__(mcs, name, bases, attrs)


class SafeImage(gr.Image, metaclass=_WithoutStub):
    """A `gr.Image` whose handlers get an upright, opaque sRGB picture or are not called at all."""

    is_template = True  # uses the front end of gr.Image

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The picture of an upload; a file that is none becomes a message to the visitor."""
        if payload is None:
            return None
        try:
            return images.load(source_of(payload))
        except images.ImageError as error:
            raise to_toast(error) from error


def build_picker(
    label: str, elem_id: str, value: Image.Image | None = None, **settings: Any
) -> SafeImage:
    """A picker for one picture of the page.

    Args:
        label: What it is, such as "Style".
        elem_id: Of the picker.
        value: What it holds at first.
        settings: More of `gr.Image`, or other ones: its sources, its height in pixels.
    """
    usual: dict[str, Any] = {
        "format": "png",
        "type": "pil",
        "sources": ["upload"],
        "buttons": [],
        "elem_classes": "cx-picker",
        "alt_text": f"{label} picture",
    }
    return SafeImage(value, label=label, elem_id=elem_id, **(usual | settings))


def read_upload(payload: dict[str, Any] | None, *, long_side: int) -> Image.Image | None:
    """The picture of a raw upload, no larger than it can be used.

    Raises:
        ImageError: It is not a picture that can be used.
    """
    if payload is None:
        return None
    picture = images.load(source_of(ImageData(**payload)))
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return picture


def accept_upload(payload: dict[str, Any] | None, *, long_side: int) -> Image.Image | None:
    """An upload as it will be used, or an empty picker and the reason why."""
    try:
        return read_upload(payload, long_side=long_side)
    except images.ImageError as error:
        gr.Warning(str(error), title="This file cannot be used", duration=12)
        return None


def source_of(payload: ImageData) -> str | bytes:
    """Path or bytes of an upload, which arrives as a file or as a data URL."""
    if payload.path is not None:
        return payload.path
    try:
        return base64.b64decode((payload.url or "").partition(",")[2], validate=True)
    except binascii.Error as error:
        raise images.ImageError("The picture arrived damaged: send it again.") from error
