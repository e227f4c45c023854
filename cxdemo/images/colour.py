"""Any mode of a picture as opaque sRGB of 8 bits."""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

STRIP = 4_000_000  # values of a deep grey picture that are converted at once


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode as opaque 8-bit sRGB over white, without metadata: what `load` makes of pixels."""
    return to_rgb(picture)


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation asks; a broken EXIF block asks nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the parser of this block raises nearly every type there is
        return picture


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as opaque 8-bit sRGB over white, without metadata."""
    colour, alpha = split_alpha(to_eight_bits(picture))
    rgb = to_srgb(colour, picture.info.get("icc_profile"))
    if alpha is not None:  # the colours of transparent pixels never show, not even at their edges
        white = Image.new("RGB", rgb.size, "white")
        white.paste(rgb, mask=alpha)
        rgb = white
    rgb.info = {}
    return rgb


def to_eight_bits(picture: Image.Image) -> Image.Image:
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


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour without alpha in a mode that a profile can describe, and alpha if there is any."""
    alpha = None
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA").getchannel("A")
    if picture.mode in {"1", "L", "LA"}:
        return picture.convert("L"), alpha
    if picture.mode in {"CMYK", "LAB"}:
        return picture, alpha
    return (picture.convert("RGBA") if alpha else picture).convert("RGB"), alpha


def to_srgb(colour: Image.Image, icc_profile: bytes | None) -> Image.Image:
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
