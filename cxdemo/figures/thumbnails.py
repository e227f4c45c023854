"""Small pictures: cut to a frame, and as text that a page can hold."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageOps

QUALITY = 82  # of the JPEGs


def square(picture: Image.Image, side: int) -> Image.Image:
    """The middle of a picture."""
    return crop(picture, side, side)


def crop(picture: Image.Image, width: int, height: int) -> Image.Image:
    """A picture filled into a frame; what sticks out is cut off, less of it at the top."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS, centering=(0.5, 0.35))


def to_data_url(picture: Image.Image) -> str:
    """The picture as text that a page can hold."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def to_png_url(picture: Image.Image) -> str:
    """The picture as text that a page can hold, exact; for small ones."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
