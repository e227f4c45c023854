"""Which pictures are accepted, and the sentence for one that is not."""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
import re
from dataclasses import dataclass, fields

from PIL import Image

READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, AVIF or HEIC"


class ImageError(ValueError):
    """A picture that cannot be used; the text is one sentence for the person who chose it."""


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What `load` accepts; everything is checked before pixels are decoded.

    Args:
        min_side: Shortest side in pixels that is still a picture.
        max_pixels: Width times height; 40 million are a large phone photo.
        max_bytes: Size of the file.
        max_aspect: Long side divided by short side.
    """

    min_side: int = 16
    max_pixels: int = 40_000_000
    max_bytes: int = 30_000_000
    max_aspect: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not (value := getattr(self, field.name)) >= 1:
                raise ValueError(f"{field.name} must be at least 1, got {value}.")
        if self.max_pixels > (ceiling := Image.MAX_IMAGE_PIXELS or math.inf):
            raise ValueError(
                f"max_pixels must be at most {ceiling} (Pillow's), got {self.max_pixels}."
            )


DEFAULT_LIMITS = ImageLimits()


def shown_name(path: str) -> str:
    """The last part of a path, short and printable: people never see the server's folders."""
    last = re.split(r"[\\/]", path.rstrip("\\/"))[-1]
    printable = "".join(c if c.isprintable() else "?" for c in last)
    short = printable if len(printable) <= 60 else f"{printable[:40]}…{printable[-15:]}"
    return f"“{short}”" if short else "The image"


def millions(value: float) -> str:
    """A number in millions, with three digits."""
    return f"{value / 1e6:.3g}" if value < 1e9 else f"{value / 1e6:.0f}"


def check_size(size: tuple[int, int], name: str, limits: ImageLimits = DEFAULT_LIMITS) -> None:
    """Raises an `ImageError` for a width and a height outside the limits."""
    width, height = size
    if min(size) < limits.min_side:
        raise ImageError(
            f"{name} is {width} × {height} pixels, but each side needs at least "
            f"{limits.min_side}: choose a larger image."
        )
    if width * height > limits.max_pixels:
        raise too_many_pixels(name, millions(width * height), limits)
    if max(size) > limits.max_aspect * min(size):
        raise ImageError(
            f"{name} is {width} × {height} pixels, but the long side may be at most "
            f"{limits.max_aspect:g} times the short one: crop it."
        )


def too_many_pixels(name: str, megapixels: str, limits: ImageLimits) -> ImageError:
    """The error for a picture that is too large."""
    return ImageError(
        f"{name} has {megapixels} megapixels, but at most {millions(limits.max_pixels)} are "
        "accepted: scale it down first."
    )


# (kind, pattern matched at the start of the file)
READABLE_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("PNG", rb"\x89PNG"),
    ("JPEG", rb"\xff\xd8\xff"),
    ("GIF", rb"GIF8"),
    ("WebP", rb"RIFF.{4}WEBP"),
    ("BMP", rb"BM.{4}\0\0\0\0"),
    ("TIFF", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    ("PPM", rb"P[1-7Ff]\s"),
    ("AVIF", rb".{4}ftypavi[fs]"),
    ("HEIC", rb".{4}ftyp(hei|hev|mif1|msf1)"),
)


_OTHER_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("a PDF document", rb"%PDF"),
    ("a PostScript (EPS) file", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("a web page", rb"(?i)(\xef\xbb\xbf)?\s*(<!doctype html|<html)"),
    ("an SVG drawing", rb"(?i)(\xef\xbb\xbf)?\s*(<.*)?<svg"),
    ("a camera raw file", rb".{4}ftypcrx|FUJIFILMCCD-RAW"),
    ("a video", rb".{4}(ftyp|moov|mdat)|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\0\0\x01\xba|FLV"),
    ("a sound file", rb"ID3|\xff\xfb|RIFF.{4}WAVE|fLaC|OggS"),
    ("a ZIP archive or an office document", rb"PK\x03\x04"),
    ("an archive", rb"\x1f\x8b|7z\xbc\xaf|Rar!"),
    ("a Photoshop file", rb"8BPS"),
    ("a JPEG 2000 image", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("a JPEG XL image", rb"\0\0\0\x0cJXL |\xff\x0a"),
    ("a Windows icon", rb"\0\0[\x01\x02]\0"),
    ("an OpenEXR image", rb"\x76\x2f\x31\x01"),
    ("a program", rb"\x7fELF|MZ"),
)


def damaged(data: bytes, name: str) -> ImageError:
    """The error for bytes that no accepted parser could read: broken, or something else."""
    if kind := match_magic(READABLE_MAGIC, data):
        return ImageError(
            f"{name} is a {kind} file that is damaged, incomplete or of a rare variant: save it "
            "again as a PNG or JPEG, or choose another."
        )
    kind = match_magic(_OTHER_MAGIC, data) or (
        "a text file" if _is_text(data) else "no known image"
    )
    return ImageError(f"{name} is {kind}, but an image was expected: choose a {READABLE} file.")


def is_picture(head: bytes) -> bool:
    """Whether a file that starts so (1024 bytes) is of a format that `load` reads."""
    return match_magic(READABLE_MAGIC, head) is not None


def say_kind(head: bytes) -> str:
    """What a file is that starts so (1024 bytes), such as "a PNG file" or "a video"."""
    if kind := match_magic(READABLE_MAGIC, head):
        return f"a {kind} file"
    return match_magic(_OTHER_MAGIC, head) or (
        "a text file" if _is_text(head) else "of no known kind"
    )


def match_magic(magic: tuple[tuple[str, bytes], ...], data: bytes) -> str | None:
    """The kind of a file that starts so, if it is one of these kinds."""
    head = data[:1024]
    return next((kind for kind, start in magic if re.match(start, head, re.DOTALL)), None)


def _is_text(data: bytes) -> bool:
    try:
        text = data[:1024].decode("utf-8", errors="strict" if len(data) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)
