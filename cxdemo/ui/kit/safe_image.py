"""A picture picker that accepts whatever `cxdemo.images.load` does, and says why it refuses."""

from __future__ import annotations

import base64
import binascii
from html import escape
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from PIL import Image

from cxdemo import images
from cxdemo.ui.kit.errors import to_toast
from cxdemo.ui.kit.uploads import RefusedFileError, stored_file


class WithoutStub(ComponentMeta):
    """Makes a component class and nothing else: Gradio's own way also writes a .pyi file here."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> type:
        """The class."""
        return super(ComponentMeta, mcs).__new__(mcs, name, bases, attrs)


LARGEST = 2048  # pixels of the long side; most tabs use less, and none more


class SafeImage(gr.Image, metaclass=WithoutStub):
    """A `gr.Image` whose handlers get an upright, opaque sRGB picture or are not called at all.

    Attributes:
        long_side: Pixels; larger pictures are shrunk to it before anything is computed of them.
    """

    is_template = True  # uses the front end of gr.Image
    long_side = LARGEST

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The picture of an upload; a file that is none becomes a message to the visitor."""
        if payload is None:
            return None
        try:
            return images.load(source_of(payload), long_side=self.long_side)
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


def build_api_picture(label: str, long_side: int) -> SafeImage:
    """A picture that programs send; never shown.

    Args:
        label: What it is.
        long_side: Pixels that are used at most.
    """
    picture = SafeImage(label=label, visible=False)
    picture.long_side = long_side
    return picture


def read_upload(payload: dict[str, Any] | None, *, long_side: int) -> Image.Image | None:
    """The picture of a raw upload, no larger than it can be used.

    Raises:
        ImageError: It is not a picture that can be used.
    """
    if payload is None:
        return None
    return images.load(source_of(ImageData(**payload)), long_side=long_side)


def accept_upload(payload: dict[str, Any] | None, *, long_side: int) -> Image.Image | None:
    """An upload as it will be used, or an empty picker and the reason why."""
    try:
        return read_upload(payload, long_side=long_side)
    except images.ImageError as error:
        gr.Warning(escape(str(error)), title="This file cannot be used", duration=12)
        return None


def source_of(payload: ImageData) -> str | bytes:
    """Path or bytes of an upload, which arrives as a file or as a data URL.

    Raises:
        ImageError: It is neither a file that Gradio stored nor a data URL.
    """
    if payload.path is not None:
        try:
            return str(stored_file(payload.path))
        except RefusedFileError as error:
            raise images.ImageError(str(error)) from error
    try:
        return base64.b64decode((payload.url or "").partition(",")[2], validate=True)
    except binascii.Error as error:
        raise images.ImageError("The picture arrived damaged: send it again.") from error
