"""Pictures to files, with the settings that made them, and settings back out of files."""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image, PngImagePlugin
from torch import Tensor

from cxdemo.images.colour import to_rgb
from cxdemo.images.decode import Source, open_picture, read_bytes
from cxdemo.images.limits import READABLE_MAGIC, ImageError, ImageLimits, damaged, match_magic
from cxdemo.images.tensors import to_pil

LARGE_PICTURE = 4_000_000  # pixels, from which a PNG is packed fast instead of small


SMALL_PNG, FAST_PNG = 6, 1


SETTINGS_KEY = "cxdemo"  # of the PNG's text chunk that holds settings as JSON


WRITABLE = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF",
    ".tiff": "TIFF",
}  # fmt: skip
"""The formats of results, by ending."""


PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm",
    ".pgm", ".avif", ".heic", ".heif",
)  # fmt: skip
"""Endings of the files that are taken from a folder."""
LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}  # pixels, of the formats that have such a limit


_SAVED_AS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_deflate"},
}


def list_pictures(
    *folders: Path, endings: Collection[str] = PICTURES, deep: bool = False
) -> list[Path]:
    """The pictures in folders by the endings of their names, folder by folder in order.

    Args:
        folders: Where they lie.
        endings: In lower case, such as ".png".
        deep: Whether folders in folders count.

    Raises:
        ValueError: A folder that is not there, or no picture in any.
    """
    found = [
        path for folder in folders for path in _members(folder, deep=deep)
        if path.suffix.lower() in endings
    ]  # fmt: skip
    if not found:
        names = " and ".join(map(str, folders))
        raise ValueError(f"Expected pictures ({', '.join(endings)}) in {names}, found none.")
    return found


def _members(folder: Path, *, deep: bool) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"Expected a folder of pictures, and {folder} is none: name another.")
    return sorted(folder.rglob("*") if deep else folder.iterdir())


def save_png(
    image: Tensor | Image.Image,
    file: str | Path | BinaryIO,
    *,
    metadata: Mapping[str, str] | None = None,
    keep_alpha: bool = False,
) -> None:
    """A PNG file with text in it, and with nothing else: no EXIF, no profile, no place.

    Args:
        image: What `to_pil` takes, or a picture.
        file: A path or a binary file object to write to.
        metadata: Text chunks; keys are 1 to 79 printable Latin-1 characters, values any text.
        keep_alpha: Whether an RGBA picture stays one, instead of lying on white.
    """
    if isinstance(image, Tensor):
        picture = to_pil(image)
    else:
        picture = image if keep_alpha and image.mode == "RGBA" else to_rgb(image)
    chunks = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        _check_key(key)
        chunks.add_itxt(key, value)  # UTF-8, so every text survives
    level = SMALL_PNG if picture.width * picture.height < LARGE_PICTURE else FAST_PNG
    picture.save(file, format="PNG", pnginfo=chunks, compress_level=level)


def _check_key(key: str) -> None:
    latin = all(" " <= c <= "~" or "\xa1" <= c <= "\xff" for c in key)
    if not (latin and 1 <= len(key) <= 79 and key == key.strip()):
        raise ValueError(
            f"Expected a PNG key of 1 to 79 printable Latin-1 characters, got {key!r}: rename it."
        )


def read_png_metadata(source: Source) -> dict[str, str]:
    """The text chunks of a PNG file, in the order of the file.

    Raises:
        ImageError: It is not a PNG file, or it is damaged.
    """
    limits = ImageLimits(min_side=1, max_aspect=math.inf)
    data, name = read_bytes(source, limits.max_bytes)
    picture = open_picture(data, name, limits)
    if not isinstance(picture, PngImagePlugin.PngImageFile):
        raise ImageError(f"{name} is a {picture.format} file, but a PNG was expected: choose one.")
    try:
        return {key: str(value) for key, value in picture.text.items()}
    except Exception as error:  # text after the pixels is only found by decoding them
        raise damaged(data, name) from error


def save_picture(
    image: Tensor | Image.Image,
    file: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    keep_alpha: bool = False,
) -> None:
    """A picture in the format that the file's ending names, with its settings and nothing else.

    PNG, WebP and TIFF keep every pixel; JPEG (quality 95) nearly does. Settings go where each
    format has a place for words: a text chunk of a PNG, the EXIF comment of JPEG and WebP, the
    description of a TIFF.

    Args:
        image: What `to_pil` takes, or a picture.
        file: A path with one of the endings in `WRITABLE`.
        settings: What `read_settings_text` will find as JSON.
        keep_alpha: Whether an RGBA picture stays one, instead of lying on white. JPEG cannot.

    Raises:
        ValueError: Another ending.
    """
    kind = WRITABLE.get(Path(file).suffix.lower())
    if kind is None:
        raise ValueError(f"Expected one of the endings {', '.join(WRITABLE)}, got {file}.")
    text = json.dumps(settings) if settings is not None else ""
    if kind == "PNG":
        metadata = {SETTINGS_KEY: text} if text else {}
        save_png(image, file, metadata=metadata, keep_alpha=keep_alpha)
        return
    picture = to_pil(image) if isinstance(image, Tensor) else image
    if not (keep_alpha and picture.mode == "RGBA" and kind != "JPEG"):
        picture = to_rgb(picture)
    picture.save(file, format=kind, exif=_comment(text, kind), **_SAVED_AS[kind])


def _comment(text: str, kind: str) -> Image.Exif:
    """Text, all ASCII, where this kind of picture has a place for it."""
    exif = Image.Exif()
    if text and kind == "TIFF":
        exif[ExifTags.Base.ImageDescription] = text
    elif text:
        comment = b"ASCII\0\0\0" + text.encode("ascii")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif


def read_settings_text(source: Source) -> str:
    """What a result says about how it was made: the JSON in a picture, or that of a JSON file.

    Returns:
        The text, not yet parsed. "": a picture that has none.

    Raises:
        ImageError: The file cannot be read, or it is a damaged picture.
    """
    limits = ImageLimits(min_side=1, max_aspect=math.inf)
    data, name = read_bytes(source, limits.max_bytes)
    if not match_magic(READABLE_MAGIC, data):
        return data.decode("utf-8", errors="replace")
    picture = open_picture(data, name, limits)
    if isinstance(picture, PngImagePlugin.PngImageFile):
        return read_png_metadata(data).get(SETTINGS_KEY, "")
    if picture.format == "GIF":
        return bytes(picture.info.get("comment", b"")).decode("utf-8", errors="replace")
    try:
        return _read_comment(picture.getexif())
    except Exception as error:  # the parser of this block raises nearly every type there is
        raise damaged(data, name) from error


def _read_comment(exif: Image.Exif) -> str:
    comment = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(b"ASCII\0\0\0"):
        return comment[8:].decode("ascii", errors="replace")
    return str(exif.get(ExifTags.Base.ImageDescription, ""))
