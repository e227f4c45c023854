"""Files to pictures: whatever people upload, opened safely."""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import functools
import io
import re
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from cxdemo.images.colour import split_alpha, to_eight_bits, to_rgb, to_srgb, upright
from cxdemo.images.limits import (
    DEFAULT_LIMITS,
    READABLE,
    ImageError,
    ImageLimits,
    check_size,
    damaged,
    millions,
    shown_name,
    too_many_pixels,
)

Source = str | Path | bytes | BinaryIO


# Only these parsers ever see an upload. EPS (it starts Ghostscript), PSD, ICO and the many
# formats of old machines are refused before a single byte of them is interpreted.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF")


MOST_NOTES, MOST_CHUNKS = 1000, 20_000  # of a PNG: beside its pixels, and all together


def load(
    source: Source, *, limits: ImageLimits = DEFAULT_LIMITS, long_side: int | None = None
) -> Image.Image:
    """A picture as people see it: upright, sRGB, opaque, 8 bits a channel.

    The first frame of an animation is taken, transparency is composited over white, an embedded
    colour profile is applied, and all metadata (place, camera, profile) is dropped.

    Args:
        source: A path, the bytes of a file, or a binary file object (read from where it stands).
        limits: What is accepted.
        long_side: A larger picture is shrunk to this, pixels. None: it stays as it is.

    Raises:
        ImageError: The file is missing, empty, not an image, damaged, or outside the limits.
    """
    data, name = read_bytes(source, limits.max_bytes)
    picture = open_picture(data, name, limits)
    try:
        if long_side is not None:  # a JPEG can be decoded small: a 64th of the time and memory
            picture.draft("RGB", (2 * long_side, 2 * long_side))
        picture.load()
        rgb = to_rgb(upright(picture))
    except Exception as error:  # Pillow's decoders raise nearly every type there is
        raise damaged(data, name) from error
    check_size(rgb.size, name, limits)  # a decoder may correct the size of the header
    if long_side is not None:
        rgb.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return rgb


def load_with_alpha(
    source: Source, *, limits: ImageLimits = DEFAULT_LIMITS
) -> tuple[Image.Image, Image.Image | None]:
    """A still picture as RGB, and its opacity (mode L) if any of it is transparent.

    As `load`, but transparency is kept apart instead of composited, and an animation is refused:
    for pipelines whose result takes the picture's place.

    Args:
        source: As in `load`.
        limits: What is accepted.

    Raises:
        ImageError: As in `load`; also an animation.
    """
    data, name = read_bytes(source, limits.max_bytes)
    picture = open_picture(data, name, limits)
    try:
        moves = picture.format in ANIMATED and getattr(picture, "is_animated", False)
        picture.load()
        profile = picture.info.get("icc_profile")
        colour, alpha = split_alpha(to_eight_bits(upright(picture)))
        rgb = to_srgb(colour, profile)
    except Exception as error:  # Pillow's decoders raise nearly every type there is
        raise damaged(data, name) from error
    if moves:
        raise ImageError(
            f"{name} is an animation, but a still picture was expected: save one frame of it as a "
            "PNG."
        )
    check_size(rgb.size, name, limits)
    rgb.info = {}
    if alpha is not None and alpha.getextrema()[0] == 255:
        alpha = None
    return rgb, alpha


def open_header(source: Source, *, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """A picture of which only the header was read and checked, with all its frames.

    Raises:
        ImageError: As in `load`, but for what only the pixels tell.
    """
    data, name = read_bytes(source, limits.max_bytes)
    return open_picture(data, name, limits)


ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # the second frame of an MPO or TIFF is another thing


def read_bytes(source: Source, max_bytes: int) -> tuple[bytes, str]:
    """All bytes of a source, and the name by which an error may call it."""
    name = "The image"
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | Path):
        name = shown_name(str(source))
        with _open_file(source, name) as file:
            data = file.read(max_bytes + 1)
    else:
        data = source.read(max_bytes + 1)
    if not data:
        raise ImageError(f"{name} is an empty file of 0 bytes: choose a {READABLE} image.")
    if len(data) > max_bytes:
        raise ImageError(
            f"{name} has more than the {millions(max_bytes)} MB that are accepted: save it "
            "smaller, for example as a JPEG."
        )
    return data, name


def _open_file(path: str | Path, name: str) -> BinaryIO:
    try:
        file = Path(path)
        if file.is_dir():
            raise ImageError(f"{name} is a folder: choose one image file in it.")
        if not file.is_file():  # also a device or a pipe, which might never end
            raise ImageError(f"{name} does not exist as a file: check its name, or choose another.")
        return file.open("rb")
    except OSError as error:  # no permission, a name of 5000 letters
        raise ImageError(f"{name} cannot be opened: check its name and permissions.") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """The accepted formats that this Pillow can read, HEIF among them."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_picture(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """A picture of which only the header was read, within the limits."""
    _check_chunks(data, name)
    try:
        picture = Image.open(io.BytesIO(data), formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels(name, _pixels_of(error), limits) from error
    except Exception as error:  # a header may break a parser in any way
        raise damaged(data, name) from error
    check_size(picture.size, name, limits)
    return picture


def _check_chunks(data: bytes, name: str) -> None:
    """Raises for a PNG of so many chunks that to read them would take seconds."""
    if not data.startswith(b"\x89PNG"):
        return
    place, notes, chunks = 8, 0, 0
    while place < len(data) and notes <= MOST_NOTES and chunks <= MOST_CHUNKS:
        chunks += 1
        notes += data[place + 4 : place + 8] not in {b"IDAT", b"fdAT", b"fcTL"}
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    if place < len(data):
        raise ImageError(
            f"{name} is a PNG of too many parts, such as notes: save it again, as a PNG or JPEG."
        )


def _pixels_of(error: Exception) -> str:
    """The number of pixels that Pillow's own guard found, in millions."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return millions(int(found[1])) if found else "far too many"
