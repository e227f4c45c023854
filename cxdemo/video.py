"""Clips: any film to evenly spaced frames, and frames to files that browsers play."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import torch
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.animations import open_animation
from cxdemo.films import READABLE, Film, FilmError, Moment, Size, open_film, read_comment

MAX_BYTES = 200_000_000
MAX_TAKEN = 25_000_000  # pixels over all frames; a float tensor of these has 300 MB
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers for the colour matrix of HD, and for 16 to 235
LONGEST_TOLD = 24 * 3600.0  # seconds; a film that claims to be longer is not believed


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
    """The first seconds of a film as people see them, as evenly spaced frames; sound is left out.

    Frames are upright, over white where they are transparent, with square pixels. A film of
    varying frame rate is sampled at even times; each frame is the one on show then. Nothing after
    the part that is taken is read.

    Args:
        source: MP4, WebM, MOV, AVI, MKV, MPEG, Ogg, FLV; animated GIF, WebP, PNG, AVIF.
        max_seconds: How much is taken.
        max_frames: The most frames. More than these lower `fps`, so that the time still fits; of
            an animated picture, whose length is not told, they shorten the clip.
        long_side: Frames are shrunk to this, pixels. None: as they are, or as large as
            `MAX_TAKEN` pixels over all frames allow.
        fps: Frames a second. None: those of the film.

    Raises:
        ValueError: No file, not a film, damaged, without pictures, a still picture, or too large;
            one sentence.

    Cost:
        The time to decode `max_seconds`, whatever the film's length, and at most `Film.most`
        frames: about 5 s for 3 s of 4K on one core. At most 0.5 GB.
    """
    path = Path(source)
    film = _open(path)
    rate = fps or film.fps
    if film.seconds:
        rate = min(rate, max_frames / min(max_seconds, film.seconds))
    most = min(max_frames, max(1, math.ceil(max_seconds * rate - 0.5)))
    roll = _Roll(long_side)
    moments = _Bounded(film)
    samples = _sample(moments, rate)
    for moment in islice(samples, most):
        roll.add(moment)
    if len(roll.pictures) < min(2, most):
        raise _too_few(path, moments.read)
    cut = next(samples, None) is not None or moments.cut
    note = _say_left_out(len(roll.pictures) / rate, film, cut)
    return Clip(frames=roll.to_tensor(), fps=float(rate), note=note)


def _open(path: Path) -> Film:
    with _check_file(path).open("rb") as file:
        head = file.read(1024)
    return open_animation(path) if images.is_picture(head) else open_film(path)


def _check_file(path: Path) -> Path:
    name = images.shown_name(str(path))
    if not path.is_file():
        raise FilmError(f"There is no file {name}: check its name, or choose another.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FilmError(
            f"{name} has {size / 1e6:.0f} MB, but at most {MAX_BYTES / 1e6:.0f} MB can be read: "
            "cut it shorter first."
        )
    if not size:
        raise FilmError(f"{name} is an empty file of 0 bytes: choose an {READABLE} film.")
    return path


class _Bounded:
    """The moments of a film until enough was decoded."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.read = 0
        self.cut = False

    def __iter__(self) -> Iterator[Moment]:
        for moment in self.film.moments:
            yield moment
            self.read += 1
            if self.read >= self.film.most:
                self.cut = True
                return


class _Roll:
    """Pictures of one size, never more than `MAX_TAKEN` pixels in all."""

    def __init__(self, long_side: int | None) -> None:
        self.pictures: list[Image.Image] = []
        self.size: Size = (0, 0)
        self._long_side = long_side
        self._last: tuple[Moment, Image.Image] | None = None

    def add(self, moment: Moment) -> None:
        """Takes one more picture; all are made smaller if they become too many."""
        if not self.pictures:
            self.size = _fit(moment.size, self._long_side)
        width, height = self.size
        if (len(self.pictures) + 1) * width * height > MAX_TAKEN:
            self.size = (max(1, round(width * 0.7)), max(1, round(height * 0.7)))
            self.pictures = [
                picture.resize(self.size, Image.Resampling.BICUBIC) for picture in self.pictures
            ]
            self._last = None
        self.pictures.append(self._show(moment))

    def _show(self, moment: Moment) -> Image.Image:
        """The moment's picture, which is often asked for again."""
        if self._last is None or self._last[0] is not moment:
            self._last = moment, moment.show(self.size)
        return self._last[1]

    def to_tensor(self) -> Tensor:
        """All pictures, (T, 3, H, W) in [0, 1]."""
        width, height = self.size
        frames = torch.empty(len(self.pictures), 3, height, width)
        for index, picture in enumerate(self.pictures):
            frames[index] = images.to_tensor(picture)[0]
        return frames


def _fit(size: Size, long_side: int | None) -> Size:
    """A size that is at most so long, and as many pixels as a roll of two holds."""
    width, height = size
    shrink = min(
        1.0, (long_side or math.inf) / max(size), math.sqrt(MAX_TAKEN / 2 / width / height)
    )
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _sample(moments: Iterable[Moment], rate: float) -> Iterator[Moment]:
    """The moment on show at 0, 1 / rate, 2 / rate ...; the last one only marks the end."""
    before: Moment | None = None
    index = 0
    for moment in moments:
        while before is not None and index / rate < moment.time - 1e-3 / rate:
            yield before
            index += 1
        before = moment


def _too_few(path: Path, read: int) -> FilmError:
    name = images.shown_name(str(path))
    if read > 2:
        return FilmError(f"{name} is too short for two frames: choose a longer film.")
    return FilmError(
        f"{name} has only one frame, but a film was expected: choose an {READABLE} film."
    )


def _say_left_out(taken: float, film: Film, cut: bool) -> str:
    said = []
    if cut:
        told = film.seconds if film.seconds and film.seconds < LONGEST_TOLD else 0
        of = f" of {_say_length(told)}" if told > 1.02 * taken else ""
        said.append(f"The first {taken:.3g} s{of} are used.")
    if film.damaged:
        said.append("A part of the film is damaged and was left out.")
    return " ".join(said)


def _say_length(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def read_settings_text(path: str | Path) -> str:
    """What a result says about how it was made: a film, a picture, or a JSON file.

    Returns:
        The text, not yet parsed. "": a film or a picture that has none.

    Raises:
        ValueError: The file cannot be read, or it is damaged; one sentence.
    """
    path = Path(path)
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(1024)
        if images.say_kind(head) == "a video":
            return read_comment(path)
    return images.read_settings_text(path)


def save_gif(
    frames: Tensor, path: str | Path, *, fps: float, settings: Mapping[str, Any] | None = None
) -> None:
    """An animated GIF that repeats, 256 colours chosen over all frames.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        path: The file to write.
        fps: Frames a second; GIF knows hundredths of a second.
        settings: What `read_settings_text` will find as JSON.
    """
    pictures = _pictures(frames)
    strip = Image.new("RGB", (pictures[0].width, pictures[0].height * min(len(pictures), 8)))
    for row, index in enumerate(range(0, len(pictures), -(-len(pictures) // 8))):
        strip.paste(pictures[index], (0, row * pictures[0].height))
    palette = strip.quantize(256, method=Image.Quantize.MEDIANCUT)
    indexed = [p.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    comment = {"comment": json.dumps(settings)} if settings is not None else {}
    indexed[0].save(
        path, "GIF", save_all=True, append_images=indexed[1:], duration=round(1000 / fps), loop=0,
        **comment,
    )  # fmt: skip


def save_mp4(
    frames: Tensor, path: str | Path, *, fps: float, settings: Mapping[str, Any] | None = None
) -> None:
    """An MP4 that browsers play: H.264, 4:2:0. An odd last row or column is repeated once.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        path: The file to write.
        fps: Frames a second.
        settings: What `read_settings_text` will find as JSON.
    """
    pictures = [_even(picture) for picture in _pictures(frames)]
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as file:
        if settings is not None:
            file.metadata["comment"] = json.dumps(settings)
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "16"}
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        for picture in pictures:
            file.mux(stream.encode(_to_yuv(picture)))
        file.mux(stream.encode())


def _to_yuv(picture: Image.Image) -> av.VideoFrame:
    """A frame as H.264 keeps it; its tags say so, because players guess by the size."""
    frame = av.VideoFrame.from_image(picture).reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    frame.colorspace, frame.color_range = _BT709, _LIMITED
    return frame


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
