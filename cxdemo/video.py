"""Clips: frames to files that browsers play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from PIL import Image
from torch import Tensor

from cxdemo import images


def save_gif(frames: Tensor, path: str | Path, *, fps: float) -> None:
    """An animated GIF that repeats, 256 colours chosen over all frames.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        path: The file to write.
        fps: Frames a second; GIF knows hundredths of a second.
    """
    pictures = _pictures(frames)
    strip = Image.new("RGB", (pictures[0].width, pictures[0].height * min(len(pictures), 8)))
    for row, index in enumerate(range(0, len(pictures), -(-len(pictures) // 8))):
        strip.paste(pictures[index], (0, row * pictures[0].height))
    palette = strip.quantize(256, method=Image.Quantize.MEDIANCUT)
    indexed = [p.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    indexed[0].save(
        path, "GIF", save_all=True, append_images=indexed[1:], duration=round(1000 / fps), loop=0
    )


def save_mp4(frames: Tensor, path: str | Path, *, fps: float) -> None:
    """An MP4 that browsers play: H.264, 4:2:0. An odd last row or column is repeated once.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        path: The file to write.
        fps: Frames a second.
    """
    pictures = [_even(picture) for picture in _pictures(frames)]
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "16"}
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode())


def _pictures(frames: Tensor) -> list[Image.Image]:
    """(T, 3, H, W) in [0, 1] -> T pictures."""
    if frames.ndim != 4 or frames.shape[1] != 3 or not len(frames):
        raise ValueError(
            f"Expected frames (T, 3, H, W) with T of at least 1, got {tuple(frames.shape)}."
        )
    return [images.to_pil(frame) for frame in frames.split(1)]


def _even(picture: Image.Image) -> Image.Image:
    """H.264's colours come in blocks of 2 x 2."""
    width, height = (side + side % 2 for side in picture.size)
    if picture.size == (width, height):
        return picture
    wide = picture.crop((0, 0, width, height))
    wide.paste(picture.crop((picture.width - 1, 0, picture.width, picture.height)), (width - 1, 0))
    wide.paste(wide.crop((0, picture.height - 1, width, picture.height)), (0, height - 1))
    wide.paste(picture, (0, 0))
    return wide
