"""Pictures in and out: whatever people upload becomes RGB, and tensors become files.

This is the only file that knows about uint8. Everywhere else an image is a float32 tensor of
shape (N, 3, H, W), RGB, sRGB-encoded, with values in [0, 1].
"""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import functools
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFont, ImageOps, PngImagePlugin
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "ANIMATED",
    "Canvas",
    "ImageError",
    "ImageLimits",
    "check_size",
    "contact_sheet",
    "fit_long_side",
    "flatten",
    "is_picture",
    "keep_luminance",
    "load",
    "load_with_alpha",
    "luma",
    "open_header",
    "read_png_metadata",
    "read_settings_text",
    "resize",
    "save_picture",
    "save_png",
    "say_kind",
    "shown_name",
    "shrink",
    "to_pil",
    "to_tensor",
]

Source = str | Path | bytes | BinaryIO
ResizeMode = Literal["bicubic", "bilinear", "area", "nearest"]

# Only these parsers ever see an upload. EPS (it starts Ghostscript), PSD, ICO and the many
# formats of old machines are refused before a single byte of them is interpreted.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF")
STRIP = 4_000_000  # values of a deep grey picture that are converted at once
MOST_NOTES, MOST_CHUNKS = 1000, 20_000  # of a PNG: beside its pixels, and all together
LARGE_PICTURE = 4_000_000  # pixels, from which a PNG is packed fast instead of small
SMALL_PNG, FAST_PNG = 6, 1
SETTINGS_KEY = "cxdemo"  # of the PNG's text chunk that holds settings as JSON
WRITABLE = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF",
    ".tiff": "TIFF",
}  # fmt: skip
"""The formats of results, by ending."""
LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}  # pixels, of the formats that have such a limit
_SAVED_AS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_deflate"},
}
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


# ------------------------------------------------------------------------- files to pictures


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
    data, name = _read(source, limits.max_bytes)
    picture = _open(data, name, limits)
    try:
        if long_side is not None:  # a JPEG can be decoded small: a 64th of the time and memory
            picture.draft("RGB", (2 * long_side, 2 * long_side))
        picture.load()
        rgb = _to_rgb(_upright(picture))
    except Exception as error:  # Pillow's decoders raise nearly every type there is
        raise _damaged(data, name) from error
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
    data, name = _read(source, limits.max_bytes)
    picture = _open(data, name, limits)
    try:
        moves = picture.format in ANIMATED and getattr(picture, "is_animated", False)
        picture.load()
        profile = picture.info.get("icc_profile")
        colour, alpha = _split_alpha(_to_eight_bits(_upright(picture)))
        rgb = _to_srgb(colour, profile)
    except Exception as error:  # Pillow's decoders raise nearly every type there is
        raise _damaged(data, name) from error
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
    data, name = _read(source, limits.max_bytes)
    return _open(data, name, limits)


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode as opaque 8-bit sRGB over white, without metadata: what `load` makes of pixels."""
    return _to_rgb(picture)


ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # the second frame of an MPO or TIFF is another thing


def _read(source: Source, max_bytes: int) -> tuple[bytes, str]:
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
            f"{name} has more than the {_millions(max_bytes)} MB that are accepted: save it "
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


def shown_name(path: str) -> str:
    """The last part of a path, short and printable: people never see the server's folders."""
    last = re.split(r"[\\/]", path.rstrip("\\/"))[-1]
    printable = "".join(c if c.isprintable() else "?" for c in last)
    short = printable if len(printable) <= 60 else f"{printable[:40]}…{printable[-15:]}"
    return f"“{short}”" if short else "The image"


def _millions(value: float) -> str:
    return f"{value / 1e6:.3g}" if value < 1e9 else f"{value / 1e6:.0f}"


@functools.cache
def _formats() -> tuple[str, ...]:
    """The accepted formats that this Pillow can read, HEIF among them."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """A picture of which only the header was read, within the limits."""
    _check_chunks(data, name)
    try:
        picture = Image.open(io.BytesIO(data), formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, _pixels_of(error), limits) from error
    except Exception as error:  # a header may break a parser in any way
        raise _damaged(data, name) from error
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
    return _millions(int(found[1])) if found else "far too many"


def check_size(size: tuple[int, int], name: str, limits: ImageLimits = DEFAULT_LIMITS) -> None:
    """Raises an `ImageError` for a width and a height outside the limits."""
    width, height = size
    if min(size) < limits.min_side:
        raise ImageError(
            f"{name} is {width} × {height} pixels, but each side needs at least "
            f"{limits.min_side}: choose a larger image."
        )
    if width * height > limits.max_pixels:
        raise _too_many_pixels(name, _millions(width * height), limits)
    if max(size) > limits.max_aspect * min(size):
        raise ImageError(
            f"{name} is {width} × {height} pixels, but the long side may be at most "
            f"{limits.max_aspect:g} times the short one: crop it."
        )


def _too_many_pixels(name: str, megapixels: str, limits: ImageLimits) -> ImageError:
    return ImageError(
        f"{name} has {megapixels} megapixels, but at most {_millions(limits.max_pixels)} are "
        "accepted: scale it down first."
    )


# ------------------------------------------------------------------ naming what is no picture

# (kind, pattern matched at the start of the file)
_READABLE_MAGIC: tuple[tuple[str, bytes], ...] = (
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


def _damaged(data: bytes, name: str) -> ImageError:
    """The error for bytes that no accepted parser could read: broken, or something else."""
    if kind := _match(_READABLE_MAGIC, data):
        return ImageError(
            f"{name} is a {kind} file that is damaged, incomplete or of a rare variant: save it "
            "again as a PNG or JPEG, or choose another."
        )
    kind = _match(_OTHER_MAGIC, data) or ("a text file" if _is_text(data) else "no known image")
    return ImageError(f"{name} is {kind}, but an image was expected: choose a {READABLE} file.")


def is_picture(head: bytes) -> bool:
    """Whether a file that starts so (1024 bytes) is of a format that `load` reads."""
    return _match(_READABLE_MAGIC, head) is not None


def say_kind(head: bytes) -> str:
    """What a file is that starts so (1024 bytes), such as "a PNG file" or "a video"."""
    if kind := _match(_READABLE_MAGIC, head):
        return f"a {kind} file"
    return _match(_OTHER_MAGIC, head) or ("a text file" if _is_text(head) else "of no known kind")


def _match(magic: tuple[tuple[str, bytes], ...], data: bytes) -> str | None:
    head = data[:1024]
    return next((kind for kind, start in magic if re.match(start, head, re.DOTALL)), None)


def _is_text(data: bytes) -> bool:
    try:
        text = data[:1024].decode("utf-8", errors="strict" if len(data) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


# -------------------------------------------------------------------- any mode to opaque sRGB


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation asks; a broken EXIF block asks nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the parser of this block raises nearly every type there is
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as opaque 8-bit sRGB over white, without metadata."""
    colour, alpha = _split_alpha(_to_eight_bits(picture))
    rgb = _to_srgb(colour, picture.info.get("icc_profile"))
    if alpha is not None:  # the colours of transparent pixels never show, not even at their edges
        white = Image.new("RGB", rgb.size, "white")
        white.paste(rgb, mask=alpha)
        rgb = white
    rgb.info = {}
    return rgb


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Deep grey as 8 bits: 16-bit values / 257; floats in [0, 1] x 255; other ranges stretched."""
    if picture.mode not in {"I", "F"} and not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture)  # (H, W), of 2 or 4 bytes
    strips = np.array_split(values, -(-values.size // STRIP))  # doubles of all would take 1 GB
    black, white = _black_and_white(picture.mode, strips)
    levels = [_to_levels(strip, black, white) for strip in strips]
    grey = Image.fromarray(np.concatenate(levels))
    if isinstance(clear := picture.info.get("transparency"), int):  # one 16-bit value is clear
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _to_levels(strip: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    values = np.nan_to_num(strip.astype(np.float64), nan=black, neginf=black, posinf=white)
    return np.rint((values - black) * (255.0 / (white - black))).astype(np.uint8)


def _black_and_white(mode: str, strips: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Which values of a deep grey picture are black and white."""
    usual = 1.0 if mode == "F" else 65535.0
    finite = [strip[np.isfinite(strip)] for strip in strips]
    finite = [values for values in finite if values.size]
    low = min((float(values.min()) for values in finite), default=0.0)
    high = max((float(values.max()) for values in finite), default=0.0)
    if low >= 0.0 and high <= usual:
        return 0.0, usual
    return low, high if high > low else low + 1.0


def _split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour without alpha in a mode that a profile can describe, and alpha if there is any."""
    alpha = None
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA").getchannel("A")
    if picture.mode in {"1", "L", "LA"}:
        return picture.convert("L"), alpha
    if picture.mode in {"CMYK", "LAB"}:
        return picture, alpha
    return (picture.convert("RGBA") if alpha else picture).convert("RGB"), alpha


def _to_srgb(colour: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """L, RGB, CMYK or LAB as sRGB; a profile that is broken or does not fit is ignored."""
    if colour.mode == "LAB":
        return _transformed(colour, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if icc_profile:
        try:
            profile = ImageCms.getOpenProfile(io.BytesIO(icc_profile))
            if colour.mode == "CMYK" or _differs_from_srgb(profile, colour.mode):
                return _transformed(colour, profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return colour.convert("RGB")


def _transformed(colour: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    transform = ImageCms.buildTransform(
        profile, srgb, colour.mode, "RGB", ImageCms.Intent.PERCEPTUAL
    )
    result = ImageCms.applyTransform(colour, transform)
    if result is None:
        raise ValueError("no picture came back from the colour transform")
    return result


def _differs_from_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether a profile moves any colour of a probe by more than rounding does.

    Names of profiles do not tell ("linear sRGB"), and converting sRGB to itself would cost the
    exact values of the file.
    """
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    probe = Image.fromarray(levels[None] if mode == "L" else grid)
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(_transformed(probe, profile), dtype=np.int16)
    return bool(np.abs(after - before).max() > 2)


# ------------------------------------------------------------------------ pictures and tensors


def to_tensor(picture: Image.Image, *, long_side: int | None = None) -> Tensor:
    """A picture as a float32 tensor; modes other than RGB are treated as `load` does.

    Args:
        picture: What `load` returns, or any other picture.
        long_side: Size as in `fit_long_side`. Large photos are reduced as bytes, which takes a
            tenth of the time and of the memory.

    Shape:
        Returns (1, 3, H, W) in [0, 1], on the CPU.

    Example:
        >>> to_tensor(Image.new("RGB", (4, 2), "red"))[0, :, 0, 0]
        tensor([1., 0., 0.])
    """
    rgb = picture if picture.mode == "RGB" else _to_rgb(picture)
    if long_side is not None and long_side < max(rgb.size):
        height, width = _fitted(rgb.height, rgb.width, long_side)
        rgb = rgb.resize((width, height), Image.Resampling.BICUBIC)
    levels = torch.from_numpy(np.array(rgb, dtype=np.uint8))  # (H, W, 3)
    tensor = levels.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255  # (1, 3, H, W)
    return tensor if long_side is None else fit_long_side(tensor, long_side)


def to_pil(image: Tensor) -> Image.Image:
    """A tensor as a picture: clamped to [0, 1], rounded to the nearest of 256 levels.

    `to_pil(to_tensor(picture))` is exactly `picture`.

    Shape:
        image: (1, 3, H, W) or (3, H, W), any float type, any device.

    Raises:
        ValueError: Another shape, or values that are not finite.
    """
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(
            f"Expected one RGB image of shape (3, H, W) or (1, 3, H, W), got {tuple(image.shape)}: "
            "pick one image of the batch."
        )
    values = image.detach().to("cpu", torch.float32)  # (3, H, W)
    if not torch.isfinite(values).all():
        raise ValueError(
            "Expected finite values in [0, 1], got NaN or infinity: the computation that made this "
            "image diverged; use a smaller step size."
        )
    levels = (values.clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())  # (H, W, 3)


def resize(image: Tensor, size: tuple[int, int], *, mode: ResizeMode = "bicubic") -> Tensor:
    """An image at another size, without aliasing.

    Args:
        image: Images in [0, 1].
        size: Height and width in pixels.
        mode: "bicubic" (Keys' kernel, widened when shrinking), "bilinear" (likewise), "area" (mean
            of the covered pixels) or "nearest".

    Shape:
        image: (N, 3, H, W). Returns (N, 3, *size) in [0, 1]: the overshoot of "bicubic" is clamped.
    """
    if min(size) < 1:
        raise ValueError(f"Expected a height and a width of at least 1 pixel, got {size}.")
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    if mode in {"bicubic", "bilinear"}:
        resized = F.interpolate(image, size, mode=mode, align_corners=False, antialias=True)
    else:
        resized = F.interpolate(image, size, mode="nearest-exact" if mode == "nearest" else mode)
    return resized.clamp(0, 1)


def shrink(image: Tensor, scale: int = 4) -> Tensor:
    """An image a whole number of times smaller: antialiased bicubic, as super-resolution means it.

    Shape:
        image: (N, 3, H, W) in [0, 1]. Returns (N, 3, H / scale, W / scale) in [0, 1].

    Raises:
        ValueError: A side is no multiple of the scale.
    """
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(
            f"Expected sides that are multiples of {scale}, got {width} x {height}: crop the image."
        )
    return resize(image, (height // scale, width // scale))


def fit_long_side(image: Tensor, long_side: int, *, mode: ResizeMode = "bicubic") -> Tensor:
    """An image whose longer side has `long_side` pixels; the aspect ratio is kept.

    The shorter side is rounded to the nearest pixel, and is at least 1.

    Shape:
        image: (N, 3, H, W). Returns (N, 3, H', W') with max(H', W') = long_side.

    Example:
        >>> fit_long_side(torch.zeros(1, 3, 300, 400), 256).shape
        torch.Size([1, 3, 192, 256])
    """
    height, width = image.shape[-2:]
    return resize(image, _fitted(height, width, long_side), mode=mode)


def _fitted(height: int, width: int, long_side: int) -> tuple[int, int]:
    if long_side < 1:
        raise ValueError(f"Expected a long side of at least 1 pixel, got {long_side}.")
    scale = long_side / max(height, width)
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


# ------------------------------------------------------------------------------------- colour


def luma(image: Tensor) -> Tensor:
    """Brightness as the eye weighs the three channels: 0.299 R + 0.587 G + 0.114 B.

    Shape:
        image: (N, 3, H, W) in [0, 1]. Returns (N, 1, H, W) in [0, 1].

    Source:
        ITU-R BT.601; the Y of YIQ and of JPEG's YCbCr.
    """
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)  # (N, 1, H, W)


def keep_luminance(stylized: Tensor, content: Tensor) -> Tensor:
    """The light and dark of `stylized` with the colours of `content`.

    In YIQ the three channels are R = Y + c_R(I, Q) and so on, so the chroma of a pixel is simply
    its RGB minus its luma, and the result is luma(stylized) + chroma(content).

    Shape:
        stylized, content: (N, 3, H, W) of equal size in [0, 1]. Returns the same.

    Source:
        Gatys, Bethge, Hertzmann, Shechtman, "Preserving Color in Neural Artistic Style Transfer"
        (2016), arXiv:1606.05897, luminance-only transfer.

    Deviates:
        A sum outside [0, 1] is not clipped, which would change luma and hue, but its chroma is
        scaled down until it fits: the luma of the result is always exactly that of `stylized`.
    """
    if stylized.shape != content.shape:
        raise ValueError(
            f"Expected two images of one shape, got {tuple(stylized.shape)} and "
            f"{tuple(content.shape)}: resize one of them."
        )
    light = luma(stylized)  # (N, 1, H, W)
    chroma = content - luma(content)  # (N, 3, H, W)
    room = torch.where(chroma > 0, 1 - light, light)  # distance to the face of the RGB cube
    fits = (room / chroma.abs().clamp_min(1e-8)).clamp(0, 1).amin(dim=1, keepdim=True)
    return (light + fits * chroma).clamp(0, 1)


# ------------------------------------------------------------------- pictures too large for floats


class Canvas:
    """A large picture as bytes, written piece by piece: a quarter of the memory of a tensor.

    Args:
        picture: What it shows at first.

    Attributes:
        levels: (H, W, 3), uint8.
    """

    def __init__(self, picture: Image.Image) -> None:
        self.levels: NDArray[np.uint8] = np.array(picture.convert("RGB"))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.levels.shape[0], self.levels.shape[1]

    def write(self, image: Tensor, *, top: int, left: int) -> None:
        """Puts an image (1, 3, h, w) at a place: clamped to [0, 1], rounded to 256 levels."""
        height, width = image.shape[-2:]
        self.levels[top : top + height, left : left + width] = np.asarray(to_pil(image))

    def channel(self, index: int) -> Tensor:
        """One colour of all of it, (1, 1, H, W) in [0, 1]."""
        return torch.from_numpy(self.levels[..., index].astype(np.float32))[None, None] / 255

    def write_channel(self, index: int, values: Tensor) -> None:
        """Replaces one colour by (1, 1, H, W): clamped to [0, 1], rounded to 256 levels."""
        self.levels[..., index] = (values[0, 0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()

    def to_tensor(self) -> Tensor:
        """All of it, (1, 3, H, W) in [0, 1]: twelve bytes a pixel."""
        return to_tensor(self.to_pil())

    def to_pil(self, alpha: Image.Image | None = None) -> Image.Image:
        """The picture; with an opacity (mode L, of its size), an RGBA one."""
        picture = Image.fromarray(self.levels)
        if alpha is not None:
            picture.putalpha(alpha)
        return picture

    def preview(self, long_side: int) -> Image.Image:
        """A small copy whose long side is at most `long_side` pixels."""
        picture = Image.fromarray(self.levels)
        picture.thumbnail((long_side, long_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return picture


# ----------------------------------------------------------------------------- pictures to files


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
        picture = image if keep_alpha and image.mode == "RGBA" else _to_rgb(image)
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
    data, name = _read(source, limits.max_bytes)
    picture = _open(data, name, limits)
    if not isinstance(picture, PngImagePlugin.PngImageFile):
        raise ImageError(f"{name} is a {picture.format} file, but a PNG was expected: choose one.")
    try:
        return {key: str(value) for key, value in picture.text.items()}
    except Exception as error:  # text after the pixels is only found by decoding them
        raise _damaged(data, name) from error


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
        picture = _to_rgb(picture)
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
    data, name = _read(source, limits.max_bytes)
    if not _match(_READABLE_MAGIC, data):
        return data.decode("utf-8", errors="replace")
    picture = _open(data, name, limits)
    if isinstance(picture, PngImagePlugin.PngImageFile):
        return read_png_metadata(data).get(SETTINGS_KEY, "")
    if picture.format == "GIF":
        return bytes(picture.info.get("comment", b"")).decode("utf-8", errors="replace")
    try:
        return _read_comment(picture.getexif())
    except Exception as error:  # the parser of this block raises nearly every type there is
        raise _damaged(data, name) from error


def _read_comment(exif: Image.Exif) -> str:
    comment = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(b"ASCII\0\0\0"):
        return comment[8:].decode("ascii", errors="replace")
    return str(exif.get(ExifTags.Base.ImageDescription, ""))


def contact_sheet(
    rows: Sequence[Sequence[Tensor]], *, labels: Sequence[str] = (), gap: int = 4
) -> Image.Image:
    """Images side by side on white, one inner list a row, with a label above each column.

    Shape:
        rows: lists of (1, 3, H, W) or (3, H, W); each image sits at the top left of its cell.
    """
    pictures = [[to_pil(image) for image in row] for row in rows]
    cell_width = gap + max(picture.width for row in pictures for picture in row)
    header = 20 if labels else 0
    height = header + gap + sum(gap + max(picture.height for picture in row) for row in pictures)
    columns = max(len(row) for row in pictures)
    sheet = Image.new("RGB", (gap + columns * cell_width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(labels):
        draw.text((gap + column * cell_width, gap), label, "black", ImageFont.load_default(size=13))
    top = header + gap
    for row in pictures:
        for column, picture in enumerate(row):
            sheet.paste(picture, (gap + column * cell_width, top))
        top += gap + max(picture.height for picture in row)
    return sheet
