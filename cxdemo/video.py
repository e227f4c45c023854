"""Clips: any film to evenly spaced frames, and frames to files that browsers play."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch
from av.error import FFmpegError
from PIL import Image, ImageSequence, UnidentifiedImageError
from torch import Tensor

from cxdemo import images

MAX_BYTES = 200_000_000
MAX_PIXELS = 3840 * 2160
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Evenly spaced frames.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        fps: Frames a second.
        note: What was left out, as a sentence; "" if nothing was.
    """

    frames: Tensor
    fps: float
    note: str = ""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.frames) / self.fps


def read_clip(
    source: str | Path,
    *,
    max_seconds: float = 10.0,
    max_frames: int = 300,
    long_side: int | None = None,
    fps: float | None = None,
) -> Clip:
    """The first seconds of a film, upright, as evenly spaced frames; sound is left out.

    Nothing after the part that is taken is read. A film of varying frame rate is sampled at even
    times; each frame is the one on show then.

    Args:
        source: MP4, WebM, MOV or whatever else FFmpeg reads; GIF; animated WebP.
        max_seconds: How much is taken.
        max_frames: The most frames; more than these lower `fps`, so that the time still fits.
        long_side: Frames are shrunk to this, pixels. None: as they are.
        fps: Frames a second. None: those of the film.

    Raises:
        ValueError: No file, not a film, broken, without pictures, or too large; one sentence.

    Cost:
        The time to decode `max_seconds`, whatever the film's length.
    """
    path = Path(source)
    _check_file(path)
    film = _open_animation(path) if _is_animation(path) else _open_film(path)
    rate = fps or film.fps
    rate = min(rate, max_frames / min(max_seconds, film.seconds or max_seconds))
    taken: list[Tensor] = []
    ended = True
    for picture in _sample(film.pictures, rate):
        if len(taken) >= max_frames or len(taken) / rate > max_seconds - 0.5 / rate:
            ended = False
            break
        taken.append(images.to_tensor(picture, long_side=_smaller(picture, long_side)))
    if not taken:
        raise ValueError(f"{path.name} has no frames. Choose another film.")
    note = "" if ended else _say_cut(len(taken) / rate, film.seconds)
    return Clip(frames=torch.cat(taken), fps=float(rate), note=note)


@dataclass(frozen=True)
class _Film:
    """Pictures with the second at which each comes on show; the last is there to mark the end."""

    pictures: Iterator[tuple[float, Image.Image]]
    fps: float
    seconds: float | None


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"There is no file {path.name}. Check the name.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path.name} has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB can be read. "
            "Cut it shorter first."
        )
    if not size:
        raise ValueError(f"{path.name} is empty. Choose another film.")


def _is_animation(path: Path) -> bool:
    with path.open("rb") as file:
        magic = file.read(12)
    return magic[:4] == b"GIF8" or (magic[:4] == b"RIFF" and magic[8:] == b"WEBP")


def _open_animation(path: Path) -> _Film:
    """GIF and WebP, by Pillow: FFmpeg does not read all animated WebP."""
    try:
        with Image.open(path) as file:
            _check_pixels(path, *file.size)
            count = getattr(file, "n_frames", 1)
            file.load()  # WebP tells the delay of a frame only then
            delay = file.info.get("duration", 100) or 100
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise _broken(path) from error
    if count < 2:
        raise ValueError(f"{path.name} is a picture that doesn't move. Choose a film.")
    return _Film(_animation_frames(path), 1000 / delay, None)


def _animation_frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    time = 0.0
    try:
        with Image.open(path) as file:
            picture: Image.Image | None = None
            for frame in ImageSequence.Iterator(file):
                picture = frame.convert("RGB")
                yield time, picture
                time += (frame.info.get("duration", 100) or 100) / 1000
            if picture is not None:
                yield time, picture  # the last one stays on show until here
    except (OSError, SyntaxError, EOFError) as error:
        raise _broken(path) from error


def _open_film(path: Path) -> _Film:
    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise ValueError(f"{path.name} has no pictures, only sound. Choose a film.")
            stream = file.streams.video[0]
            _check_pixels(path, stream.width, stream.height)
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            seconds = file.duration / av.time_base if file.duration else None
    except (FFmpegError, OSError) as error:
        raise _broken(path) from error
    return _Film(_film_frames(path, rate), min(max(rate, 1.0), 60.0), seconds)


def _film_frames(path: Path, rate: float) -> Iterator[tuple[float, Image.Image]]:
    first: float | None = None
    picture: Image.Image | None = None
    shown = 0.0
    try:
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                time = frame.time if frame.time is not None else shown + 1 / rate
                first = time if first is None else first
                shown = time - first
                picture = _upright(frame)
                yield shown, picture
    except (FFmpegError, OSError) as error:
        if picture is None:
            raise _broken(path) from error  # else: cut off in the middle; what came is good
    if picture is not None:
        yield shown + 1 / rate, picture


def _upright(frame: av.VideoFrame) -> Image.Image:
    """A frame as it is meant to be seen."""
    picture = frame.to_image()
    turn = _TURNS.get(round(frame.rotation) % 360)
    return picture.transpose(turn) if turn is not None else picture


def _sample(film: Iterator[tuple[float, Image.Image]], rate: float) -> Iterator[Image.Image]:
    """The picture on show at 0, 1 / rate, 2 / rate ...; the last item only marks the end."""
    before: Image.Image | None = None
    index = 0
    for time, picture in film:
        while before is not None and index / rate < time - 1e-3 / rate:
            yield before
            index += 1
        before = picture


def _smaller(picture: Image.Image, long_side: int | None) -> int | None:
    return long_side if long_side and max(picture.size) > long_side else None


def _check_pixels(path: Path, width: int, height: int) -> None:
    if not width or not height:
        raise _broken(path)
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"{path.name} is {width} x {height} pixels; at most 3840 x 2160 can be read. "
            "Make it smaller first."
        )


def _broken(path: Path) -> ValueError:
    return ValueError(
        f"{path.name} can't be read: it is broken or not a film. Try MP4, WebM, MOV or GIF."
    )


def _say_cut(taken: float, whole: float | None) -> str:
    of = f" of {_say_length(whole)}" if whole else ""
    return f"The first {taken:.3g} s{of} are used."


def _say_length(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{round(seconds / 60)} minutes"


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
