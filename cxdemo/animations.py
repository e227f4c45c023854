"""Animated pictures: GIF, WebP, PNG and AVIF, by Pillow, which reads more of them than FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from cxdemo import images
from cxdemo.films import MAX_PIXELS, READABLE, Film, FilmError, Moment, Size, broken

MAX_DECODED = 330_000_000  # pixels over all frames: 40 frames of 4K; slower than a film
_LIMITS = images.ImageLimits(max_pixels=MAX_PIXELS, max_bytes=200_000_000)
_PEEKED = 16  # frames whose times tell the rate
_SHORTEST, _USUAL = 0.011, 0.1  # seconds; what is shorter, browsers show for the usual time


def open_animation(path: Path) -> Film:
    """An animated picture over white; its length is not told.

    Raises:
        FilmError: A still picture. The moments raise it for a picture that is damaged.
        ImageError: Not a picture that `cxdemo.images.load` would take.
    """
    name = images.shown_name(str(path))
    with _open(path) as file:
        width, height = file.size
        most = max(2, MAX_DECODED // (width * height))
        try:
            most_peeked = min(_PEEKED, max(2, most // 10)) if file.format in images.ANIMATED else 1
            times = [_seconds(frame) for frame in _frames(file, name, most_peeked)]
        except (FilmError, images.ImageError):
            raise
        except Exception as error:
            raise broken(path) from error
    if len(times) < 2:
        raise FilmError(
            f"{name} is a still picture ({file.format}), but a film was expected: choose an "
            f"{READABLE} film."
        )
    film = Film(fps=1 / min(times), most=most)
    film.moments = _moments(path, name, film)
    return film


def _open(path: Path) -> Image.Image:
    return images.open_header(path, limits=_LIMITS)


def _frames(file: Any, name: str, most: int | None = None) -> Iterator[Image.Image]:
    """The frames, loaded, one after the other in the same object."""
    index = 0
    while index != most:
        try:
            file.seek(index)
        except EOFError:
            return
        images.check_size(file.size, name, _LIMITS)  # a frame may be larger than its header says
        file.load()
        yield file
        index += 1


def _seconds(frame: Image.Image) -> float:
    """How long a frame is on show; some decoders tell only once it is loaded."""
    told = float(frame.info.get("duration") or 0) / 1000
    return told if told >= _SHORTEST else _USUAL


def _moments(path: Path, name: str, film: Film) -> Iterator[Moment]:
    last: Moment | None = None
    time = 0.0
    try:
        with _open(path) as file:
            for frame in _frames(file, name):
                last = _moment(time, images.flatten(frame))
                yield last
                time += _seconds(frame)
    except Exception as error:  # decoders raise nearly every type there is
        if last is None:
            raise (
                error if isinstance(error, (FilmError, images.ImageError)) else broken(path)
            ) from error
        film.damaged = True
    if last is not None:
        yield Moment(time, last.size, last.show)


def _moment(time: float, picture: Image.Image) -> Moment:
    def show(size: Size) -> Image.Image:
        return picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)

    return Moment(time, picture.size, show)
