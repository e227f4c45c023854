"""A picture picker that keeps transparency, and takes still pictures only."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image

from cxdemo import images
from cxdemo.ui.kit.errors import to_toast
from cxdemo.ui.kit.safe_image import SafeImage, source_of


class LayeredImage(SafeImage):
    """A `SafeImage` whose handlers get RGB, or RGBA where some of it is transparent."""

    def get_block_name(self) -> str:
        """Of the front end: that of gr.Image."""
        return "image"

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:
        """The picture of an upload; a file that is none becomes a message to the visitor."""
        if payload is None:
            return None
        try:
            return read_layers(payload)
        except images.ImageError as error:
            raise to_toast(error) from error


def read_layers(payload: ImageData) -> Image.Image:
    """The still picture of an upload, RGB or RGBA.

    Raises:
        ImageError: It is not a picture that can be used.
    """
    picture, alpha = images.load_with_alpha(source_of(payload))
    if alpha is not None:
        picture.putalpha(alpha)
    return picture


def check_upload(payload: dict[str, Any] | None) -> dict[str, Any] | None:
    """An upload as it came; none, and the reason why, if it cannot be used."""
    if payload is None:
        return None
    try:
        read_layers(ImageData(**payload))
    except images.ImageError as error:
        gr.Warning(escape(str(error)), title="This file cannot be used", duration=12)
        return None
    return payload


def size_of(payload: dict[str, Any] | None) -> tuple[int, int] | None:
    """Width and height of an upload; None if there is none, or none that can be read."""
    if payload is None:
        return None
    try:
        return read_layers(ImageData(**payload)).size
    except images.ImageError:
        return None
