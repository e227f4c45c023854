"""Film files as people see them: upright, over white, with square pixels and the right colours.

FFmpeg decodes; what it leaves to the player is done here: the display matrix, the shape of the
pixels, the colour matrix and range, transparency.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.stream import Disposition
from PIL import Image, ImageChops, ImageFilter

from cxdemo import images

READABLE = "MP4, WebM, MOV or GIF"
MAX_PIXELS = 3840 * 2160
MAX_DECODED = 800_000_000  # pixels over all frames: 3 s of 4K at 30 frames a second

# Only these parsers ever see an upload: no playlists, which name other files, and no stills.
FORMATS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf"
_PERHAPS_FILMS = {"a video", "of no known kind"}
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave alpha out
_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
_FULL_RANGE = 2
_DECODER_PIXELS = str(MAX_PIXELS * 9 // 8)  # with the padding of a codec; headers may lie
_PROBED_PIXELS = str(7680 * 4320 * 9 // 8)  # so that 8K can be refused by its size
_HIDDEN = 16  # of 255, below which a pixel's colour says nothing
_REACH = 2  # pixels over which a hue is shared
_TICK = Fraction(1, 25)  # a filter wants to know, and does nothing with it
_MOST_STRETCH = 10  # a pixel that is longer than this is a broken header
_MOST_DAMAGE = 100  # packets in a row that can't be decoded
_LONGEST_GAP = 60.0  # seconds between two frames
_FALLBACK_RATE = 25.0

Size = tuple[int, int]  # width and height


class FilmError(ValueError):
    """A film that cannot be used; the text is one sentence for the person who chose it."""


@dataclass(frozen=True)
class Moment:
    """A picture that comes on show.

    Args:
        time: When, in seconds from the first one.
        size: Width and height in pixels.
        show: The picture at a size; smaller is faster.
    """

    time: float
    size: Size
    show: Callable[[Size], Image.Image]


@dataclass(kw_only=True)
class Film:
    """Moments in the order of time; the last one repeats a picture and only marks the end.

    Args:
        moments: To be read once.
        fps: Frames a second.
        seconds: Length, if it is told.
        most: Moments that may be read, so that the work is bounded.
        damaged: Whether a part could not be read; known when the moments have been read.
    """

    moments: Iterator[Moment] = field(default_factory=lambda: iter(()))
    fps: float
    seconds: float | None = None
    most: int
    damaged: bool = False


def open_film(path: Path) -> Film:
    """A film; sound, subtitles and cover pictures are left out.

    Raises:
        FilmError: Nothing that can be decoded as a film, or too large. The moments raise it too.
    """
    name = images.shown_name(str(path))
    try:
        with _open(path) as file:
            stream = _best_stream(file, name)
            check_size(name, stream.width, stream.height)
            clock = _Clock(file, stream)
            film = Film(fps=clock.fps, seconds=clock.seconds, most=_most(stream))
    except FilmError:
        raise
    except Exception as error:  # PyAV raises nearly every type there is
        raise broken(path) from error
    film.moments = _moments(path, name, film, clock)
    return film


def read_comment(path: Path) -> str:
    """The comment that a film carries; "" if it has none.

    Raises:
        FilmError: Nothing that can be opened as a film.
    """
    try:
        with _open(path) as file:
            return str(file.metadata.get("comment", ""))
    except Exception as error:  # PyAV raises nearly every type there is
        raise broken(path) from error


def broken(path: Path) -> FilmError:
    """The error for a file that can't be decoded: damaged, or something else."""
    name = images.shown_name(str(path))
    with path.open("rb") as file:
        kind = images.say_kind(file.read(1024))
    if kind in _PERHAPS_FILMS:
        return FilmError(
            f"{name} can't be read: it is damaged or not a film. Choose an {READABLE} film."
        )
    return FilmError(f"{name} is {kind}, but a film was expected: choose an {READABLE} film.")


def check_size(name: str, width: int, height: int) -> None:
    """Raises for frames that are too large."""
    if width * height > MAX_PIXELS:
        raise FilmError(
            f"{name} is {width} × {height} pixels, but at most 3840 × 2160 can be read: make it "
            "smaller first."
        )


@contextmanager
def _open(path: Path, **options: str) -> Iterator[Any]:
    """The container. By its file object: FFmpeg takes some names for addresses."""
    options |= {"format_whitelist": FORMATS, "max_pixels": _PROBED_PIXELS}
    with (
        path.open("rb") as raw,
        av.open(raw, options=options, metadata_errors="ignore") as file,
    ):
        yield file


def _best_stream(file: Any, name: str) -> Any:
    stream = file.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise FilmError(f"{name} has no pictures, only sound. Choose an {READABLE} film.")
    if stream.codec_context is None:
        raise FilmError(
            f"{name} is coded in a way that is not known here: save it as an MP4 with H.264."
        )
    return stream


def _most(stream: Any) -> int:
    return max(2, MAX_DECODED // (stream.width * stream.height))


class _Clock:
    """When frames come on show. A time base that contradicts the length is not believed."""

    def __init__(self, file: Any, stream: Any) -> None:
        length = file.duration / av.time_base if file.duration and file.duration > 0 else None
        told = float(stream.average_rate or stream.guessed_rate or 0)
        counted = stream.frames / length if length else 0.0
        self.believed = _plausible(told) or not (_plausible(counted) or told > 1)
        rate = told if self.believed else counted if _plausible(counted) else _FALLBACK_RATE
        self.fps = min(max(rate or _FALLBACK_RATE, 1.0), 60.0)
        self.step = 1 / (rate or _FALLBACK_RATE)
        self.seconds = length
        if self.believed and stream.duration and stream.duration > 0:
            self.seconds = float(stream.duration * stream.time_base)  # without a longer sound

    def times(self, frames: Iterator[Any]) -> Iterator[tuple[float, Any]]:
        """Seconds since the first frame; where a clock is set anew, time goes on from there."""
        time, before = -self.step, None
        for frame in frames:
            told = frame.time if self.believed else None
            passed = self.step if told is None or before is None else told - before
            time += passed if 0 <= passed <= _LONGEST_GAP else self.step
            before = told
            yield time, frame


def _plausible(rate: float) -> bool:
    return 1 <= rate <= 1000


def _moments(path: Path, name: str, film: Film, clock: _Clock) -> Iterator[Moment]:
    last: Moment | None = None
    try:
        with _open(path, **({} if clock.believed else {"ignore_editlist": "1"})) as file:
            stream = _best_stream(file, name)
            for time, frame in clock.times(_frames(file, stream, film)):
                check_size(name, frame.width, frame.height)
                film.damaged |= bool(frame.is_corrupt)
                last = _moment(time, frame, stream)
                yield last
    except Exception as error:  # decoders raise nearly every type there is
        if last is None:
            raise error if isinstance(error, FilmError) else broken(path) from error
        film.damaged = True  # what came before is good
    if last is not None:
        yield Moment(last.time + clock.step, last.size, last.show)


def _frames(file: Any, stream: Any, film: Film) -> Iterator[Any]:
    """Decoded frames; packets that can't be decoded are left out."""
    decoders = _decoders(stream)
    in_a_row = 0
    for packet in file.demux(stream):
        try:
            *_, frames = [list(decoder.decode(packet)) for decoder in decoders]
        except (FFmpegError, ValueError):
            film.damaged = True
            in_a_row += 1
            if in_a_row > _MOST_DAMAGE:
                return
            continue
        in_a_row = 0 if frames else in_a_row
        yield from frames


def _decoders(stream: Any) -> list[Any]:
    """The stream's own decoder; where there is alpha, behind it the one that knows alpha.

    The first one still sees every packet: it refuses giants, which the other has no limit for.
    """
    context = stream.codec_context
    context.options = {"max_pixels": _DECODER_PIXELS}
    told = {key.lower(): value for key, value in stream.metadata.items()}
    other = _WITH_ALPHA.get(context.name) if told.get("alpha_mode") == "1" else None
    if other is None:
        context.thread_type = "AUTO"
        return [context]
    with_alpha = av.CodecContext.create(other, "r")
    with_alpha.extradata = context.extradata
    return [context, with_alpha]


# ------------------------------------------------------------------------- frames to pictures


def _moment(time: float, frame: Any, stream: Any) -> Moment:
    turn = _Turn.of(frame)
    size = turn.turned(_display_size(frame, stream.sample_aspect_ratio))
    return Moment(time, size, partial(_show, frame, turn))


def _display_size(frame: Any, pixel_shape: Any) -> Size:
    """Width and height with square pixels, before the frame is turned."""
    stretch = float(pixel_shape or 1)
    if not 1 / _MOST_STRETCH <= stretch <= _MOST_STRETCH:
        stretch = 1.0
    return max(1, round(frame.width * stretch)), frame.height


def _show(frame: Any, turn: _Turn, size: Size) -> Image.Image:
    """A frame as it is meant to be seen, at a size."""
    size = turn.turned(size)
    if any(component.is_alpha for component in frame.format.components):
        # At full size: the colours of transparent pixels must not reach their neighbours.
        whole = _convert(frame, (frame.width, frame.height), "rgba")
        whole = images.flatten(_without_fringe(whole) if _is_subsampled(frame) else whole)
        return turn.apply(whole.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
    return turn.apply(_convert(frame, size, "rgb24"))


def _is_subsampled(frame: Any) -> bool:
    """Whether neighbouring pixels share their colour, as in 4:2:0."""
    first, second, *_ = frame.format.components
    return (second.width, second.height) != (first.width, first.height)


def _without_fringe(picture: Image.Image) -> Image.Image:
    """RGBA whose edges have lost the hue that they share with hidden pixels.

    Next to hidden pixels the hue is that of the nearest ones that are clear of them; brightness
    stays.
    """
    alpha = picture.getchannel("A")
    hidden = alpha.point([255 * (level < _HIDDEN) for level in range(256)])
    clear = ImageChops.invert(hidden.filter(ImageFilter.MaxFilter(2 * _REACH + 1)))
    light, *hues = picture.convert("RGB").convert("YCbCr").split()
    blur = ImageFilter.BoxBlur(2 * _REACH)
    weight = np.asarray(clear.filter(blur), dtype=np.float32)
    edge = (np.asarray(clear) == 0) & (weight > 0)
    mended = [light]
    for hue in hues:
        known = ImageChops.multiply(hue, clear).filter(blur)
        near = 255 * np.asarray(known, dtype=np.float32) / np.maximum(weight, 1)
        levels = np.where(edge, near.clip(0, 255).round(), np.asarray(hue)).astype(np.uint8)
        mended.append(Image.fromarray(levels))
    result = Image.merge("YCbCr", mended).convert("RGB")
    result.putalpha(alpha)
    return result


def _convert(frame: Any, size: Size, pixels: str) -> Image.Image:
    """A frame in RGB or RGBA at a size: by its own colour matrix and range."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=_TICK
    )
    flags = "area+accurate_rnd+full_chroma_int"
    scale = graph.add("scale", f"{size[0]}:{size[1]}:flags={flags}:{_colours(frame)}")
    wanted, sink = graph.add("format", pixels), graph.add("buffersink")
    graph.link_nodes(source, scale, wanted, sink).configure()
    graph.push(frame)
    converted: Any = graph.pull()
    return Image.fromarray(converted.to_ndarray(format=pixels))


def _colours(frame: Any) -> str:
    """Matrix and range for the scaler. Where nothing is said, HD is BT.709 and the rest BT.601."""
    sides = sorted((frame.width, frame.height))
    usual = "bt709" if sides[0] >= 720 or sides[1] >= 1280 else "bt601"
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    matrix = _MATRICES.get(frame.colorspace, usual)
    return f"in_color_matrix={matrix}:in_range={'full' if full else 'limited'}"


@dataclass(frozen=True)
class _Turn:
    """One of the eight ways to lay a frame: transposed first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, frame: Any) -> _Turn:
        """By the display matrix, in which (x, y) goes to (a x + c y, b x + d y)."""
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def turned(self, size: Size) -> Size:
        """Width and height after the turn, or before it: it is its own way back."""
        return (size[1], size[0]) if self.transpose else size

    def apply(self, picture: Image.Image) -> Image.Image:
        """The picture turned."""
        steps = {
            Image.Transpose.TRANSPOSE: self.transpose,
            Image.Transpose.FLIP_LEFT_RIGHT: self.mirror_x,
            Image.Transpose.FLIP_TOP_BOTTOM: self.mirror_y,
        }
        for step, wanted in steps.items():
            picture = picture.transpose(step) if wanted else picture
        return picture
