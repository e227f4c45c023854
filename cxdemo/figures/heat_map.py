"""Maps of numbers as pictures, in one colour scale that colour-blind people read like everyone.

Cividis runs from dark blue to yellow and grows steadily in lightness. Here bright always means
"wanted": a scale of distances is turned round.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Every eighth colour of cividis: Nuñez, Anderton, Renslow, PLOS ONE 13(7), 2018.
_KNOTS = (
    "00224e 00285b 002e6a 053371 1a386f 273e6e 32436d 3b496c 434e6c 4b546c 535a6d 5a5f6e 61656f "
    "686a71 6f7073 767676 7d7c78 838179 8b8778 928d78 9a9376 a29975 aaa073 b3a670 bbad6d c3b369 "
    "ccba64 d4c15f ddc858 e6d051 efd748 f8df3c fee838"
)
Corners = tuple[tuple[int, int, int], ...]
# Place as colour: dark above, light below; blue to the left, orange to the right.
_CORNERS: Corners = ((16, 50, 128), (178, 70, 8), (150, 214, 252), (255, 236, 150))


@lru_cache(maxsize=1)
def palette() -> NDArray[np.uint8]:
    """The colour scale: (256, 3), from unwanted to wanted."""
    knots = np.array([list(bytes.fromhex(knot)) for knot in _KNOTS.split()], dtype=float)
    places = np.linspace(0, 255, len(knots)).round()
    channels = [np.interp(np.arange(256), places, knots[:, k]) for k in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def draw_heat_map(values: NDArray[np.floating], low: float, high: float) -> Image.Image:
    """A map (H, W) as a picture of H x W pixels; `low` is dark, `high` bright.

    `low` may be the larger one: of distances the small ones are bright.
    """
    span = high - low if high != low else 1.0
    levels = np.clip((values - low) / span, 0, 1)
    picture = Image.fromarray((levels * 255).round().astype(np.uint8))
    picture.putpalette(palette().tobytes())
    return picture


def gradient_css(*, stops: int = 9) -> str:
    """The colour scale as a CSS gradient, from left to right."""
    colors = palette()[np.linspace(0, 255, stops).round().astype(int)]
    return f"linear-gradient(90deg,{','.join('#%02x%02x%02x' % tuple(c) for c in colors)})"  # noqa: UP031


def place_colors(height: int, width: int) -> NDArray[np.uint8]:
    """A colour for each place of a map: (H, W, 3)."""
    v, u = np.meshgrid(_centres(height), _centres(width), indexing="ij")  # (H, W) each
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=2)  # (H, W, 4)
    return (weights @ np.array(_CORNERS, dtype=float)).round().astype(np.uint8)


def blend(color: Image.Image, picture: Image.Image, share: float) -> Image.Image:
    """Colours laid over the greys of a picture.

    Args:
        color: What is laid over; it is enlarged to the picture's size, without smoothing.
        picture: What shows through.
        share: Of the colours, in [0, 1].
    """
    grey = picture.convert("L").convert("RGB")
    over = color.convert("RGB").resize(picture.size, Image.Resampling.NEAREST)
    return Image.blend(grey, over, share)


def png_url(picture: Image.Image) -> str:
    """A picture without loss, as text that a page can hold."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=4)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _centres(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


PALETTE = base64.b64encode(palette().tobytes()).decode()
