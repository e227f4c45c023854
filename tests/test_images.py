"""Every odd picture is built in memory, and every expected value is known beforehand."""

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import (
    EpsImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    PngImagePlugin,
)

from cxdemo import images
from cxdemo.images import ImageError, ImageLimits, colour, decode

EXAMPLES = Path(images.__file__).parent.parent / "examples"
ANY_SIZE = ImageLimits(min_side=1, max_aspect=1e6)
SIDE = 24


@pytest.fixture(autouse=True)
def _heif_known():
    decode._formats()  # so that tests can write HEIC


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(mode: str, colour, size=(SIDE, SIDE)) -> Image.Image:
    return Image.new(mode, size, colour)


def colour_of(picture: Image.Image) -> tuple[int, ...]:
    """The one colour of a flat RGB picture."""
    assert picture.mode == "RGB"
    (found,) = picture.getcolors(maxcolors=1)  # None, and so a failure, if there are more
    return found[1]


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


def upright() -> np.ndarray:
    """An image (16, 24, 3) that equals none of its own rotations and reflections."""
    rows, columns = np.mgrid[0:16, 0:24]
    return np.stack([rows * 16, columns * 10, (rows > columns) * 255], -1).astype(np.uint8)


def error_of(source, limits: ImageLimits = images.DEFAULT_LIMITS) -> str:
    with pytest.raises(ImageError) as caught:
        images.load(source, limits=limits)
    text = str(caught.value)
    assert "/" not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert "PIL" not in text
    return text


# ---------------------------------------------------------------------------- orientation

# How a camera stores an upright image for each EXIF orientation: where the specification says
# that row 0 and column 0 of the file lie in the scene.
STORED = {
    1: lambda u: u,  # top, left
    2: lambda u: u[:, ::-1],  # top, right
    3: lambda u: u[::-1, ::-1],  # bottom, right
    4: lambda u: u[::-1],  # bottom, left
    5: lambda u: u.swapaxes(0, 1),  # left, top
    6: lambda u: u.swapaxes(0, 1)[::-1],  # right, top
    7: lambda u: u.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda u: u.swapaxes(0, 1)[:, ::-1],  # left, bottom
}


def stored(orientation: int) -> tuple[Image.Image, Image.Exif]:
    exif = Image.Exif()
    exif[274] = orientation
    return Image.fromarray(np.ascontiguousarray(STORED[orientation](upright()))), exif


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(kind, orientation):
    picture, exif = stored(orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    loaded = images.load(encoded(picture, kind, exif=exif, **options))
    assert np.array_equal(pixels(loaded), upright())


@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied_once_in_lossy_formats(kind, orientation):
    rows, columns = np.mgrid[0:64, 0:96]
    smooth = np.stack([rows * 4, columns * 2.5, rows + columns], -1).astype(np.uint8)
    _, exif = stored(orientation)
    picture = Image.fromarray(np.ascontiguousarray(STORED[orientation](smooth)))
    loaded = images.load(encoded(picture, kind, exif=exif.tobytes(), quality=95))
    assert loaded.size == (96, 64)
    assert np.abs(pixels(loaded) - smooth).mean() < 3


def test_broken_exif_turns_nothing():
    picture = Image.fromarray(upright())
    loaded = images.load(encoded(picture, "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"))
    assert np.array_equal(pixels(loaded), upright())


# ---------------------------------------------------------------------------- modes


def test_alpha_is_composited_over_white_exactly():
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, 255 - colour, colour * 0, alpha], -1).astype(np.uint8)
    loaded = pixels(images.load(encoded(Image.fromarray(rgba), "PNG")))
    exact = (rgba[..., :3] * alpha[..., None] + 255.0 * (255 - alpha[..., None])) / 255
    assert np.array_equal(loaded, np.floor(exact + 0.5))


def test_hidden_colours_of_transparent_pixels_never_show():
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)  # black, fully transparent
    rgba[:, : SIDE // 2] = (200, 0, 0, 255)
    picture = images.load(encoded(Image.fromarray(rgba), "PNG"))
    half = images.resize(images.to_tensor(picture), (SIDE // 3, SIDE // 3), mode="area")
    assert colour_of(images.to_pil(half[..., SIDE // 6 :])) == (255, 255, 255)


def test_premultiplied_tiff_is_unpremultiplied():
    # TIFF says with ExtraSamples = 1 that colours are already multiplied by alpha: half-covered
    # pure red is stored as (128, 0, 0, 128), and over white that is (255, 127, 127).
    extra_samples = struct.pack("<HHI", 338, 3, 1)
    straight = encoded(flat("RGBA", (128, 0, 0, 128)), "TIFF")
    assert straight.count(extra_samples + b"\2") == 1
    premultiplied = straight.replace(extra_samples + b"\2", extra_samples + b"\1")
    assert colour_of(images.load(premultiplied)) == (255, 127, 127)
    assert colour_of(images.load(straight)) == (191, 127, 127)


def test_grey_and_grey_with_alpha():
    assert colour_of(images.load(encoded(flat("L", 77), "PNG"))) == (77, 77, 77)
    assert colour_of(images.load(encoded(flat("LA", (0, 51)), "PNG"))) == (204, 204, 204)


def test_one_bit():
    picture = flat("1", 0)
    picture.paste(1, (0, 0, SIDE // 2, SIDE))
    loaded = pixels(images.load(encoded(picture, "PNG")))
    assert (loaded[:, : SIDE // 2] == 255).all()
    assert (loaded[:, SIDE // 2 :] == 0).all()


def palette_picture() -> Image.Image:
    picture = flat("P", 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(1, (0, 0, SIDE // 2, SIDE))
    return picture


def test_palette():
    loaded = pixels(images.load(encoded(palette_picture(), "PNG")))
    assert (loaded[:, : SIDE // 2] == (200, 100, 50)).all()
    assert (loaded[:, SIDE // 2 :] == (10, 20, 30)).all()


def test_palette_with_one_transparent_index():
    loaded = pixels(images.load(encoded(palette_picture(), "GIF", transparency=0)))
    assert (loaded[:, : SIDE // 2] == (200, 100, 50)).all()
    assert (loaded[:, SIDE // 2 :] == 255).all()


def test_palette_with_an_alpha_for_each_index():
    data = encoded(palette_picture(), "PNG", transparency=bytes([51, 255]))
    loaded = pixels(images.load(data))
    assert (loaded[:, : SIDE // 2] == (200, 100, 50)).all()
    assert (loaded[:, SIDE // 2 :] == (206, 208, 210)).all()  # 0.2 c + 0.8 * 255


@pytest.mark.parametrize(("mode", "clear"), [("L", 7), ("RGB", (7, 8, 9))])
def test_one_transparent_colour(mode, clear):
    assert colour_of(images.load(encoded(flat(mode, clear), "PNG", transparency=clear))) == (
        255,
        255,
        255,
    )


def test_one_transparent_16_bit_grey():
    values = np.full((SIDE, SIDE), 1000, np.uint16)
    values[: SIDE // 2] = 1001
    data = encoded(Image.fromarray(values), "PNG", transparency=1001)
    loaded = pixels(images.load(data))
    assert (loaded[: SIDE // 2] == 255).all()
    assert (loaded[SIDE // 2 :] == 4).all()  # 1000 / 257 = 3.89


def test_cmyk_jpeg_is_not_inverted():
    data = encoded(flat("CMYK", (255, 0, 0, 0)), "JPEG", quality=100)  # cyan ink
    red, green, blue = colour_of(images.load(data))
    assert red <= 2
    assert green >= 253
    assert blue >= 253


def test_adobe_cmyk_jpeg_stores_inverted_ink():
    # Photoshop marks its CMYK files with an APP14 segment and stores 255 - ink.
    data = encoded(flat("CMYK", (0, 0, 0, 255)), "JPEG", quality=100)  # black ink alone
    assert b"Adobe" in data[:200]
    assert max(colour_of(images.load(data))) <= 2


def test_cmyk_tiff():
    data = encoded(flat("CMYK", (51, 102, 0, 0)), "TIFF")
    assert colour_of(images.load(data)) == (204, 153, 255)


def test_ycbcr_tiff():
    data = encoded(flat("YCbCr", (128, 128, 128)), "TIFF", compression="jpeg")
    assert colour_of(images.load(data)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("lab", "expected", "tolerance"),
    [
        ((50, 0, 0), (119, 119, 119), 1),  # the grey #777777
        ((54.3, 80.8, 69.9), (255, 0, 0), 6),  # red at D50; 8 bits of Lab are coarse there
    ],
)
def test_lab_tiff(lab, expected, tolerance):
    stored = (round(lab[0] * 2.55), 128 + round(lab[1]), 128 + round(lab[2]))
    data = encoded(flat("LAB", stored), "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "LAB"
    assert np.abs(np.subtract(colour_of(images.load(data)), expected)).max() <= tolerance


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey_is_divided_by_257(order):
    values = np.arange(0, 65536, 113, dtype=np.uint16)[: 24 * 24].reshape(24, 24)
    picture = Image.frombytes(
        "I;16" if order == "<" else "I;16B", (24, 24), values.astype(f"{order}u2").tobytes()
    )
    loaded = pixels(images.load(encoded(picture, "TIFF")))
    assert np.array_equal(loaded[..., 0], np.floor(values / 257 + 0.5))


def test_16_bit_grey_png_keeps_every_8_bit_level():
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    loaded = pixels(images.load(encoded(Image.fromarray(levels * 257), "PNG")))
    assert np.array_equal(loaded[..., 2], levels)


def test_16_bit_pgm():
    pgm = b"P5 16 16 65535\n" + struct.pack(">H", 25700) * 256
    assert colour_of(images.load(pgm)) == (100, 100, 100)


def test_16_bit_rgb_png():
    row = b"\0" + struct.pack(">3H", 257 * 9, 257 * 99, 257 * 199) * SIDE
    data = png(SIDE, SIDE, zlib.compress(row * SIDE), depth=16)
    assert colour_of(images.load(data)) == (9, 99, 199)


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [(0.0, 1.0, 128), (0.0, 0.5, 64), (-3.0, 5.0, 128), (-1.0, 1.0, 128), (0.0, 4000.0, 128)],
)
def test_float_is_scaled_by_its_range(low, high, middle):
    values = np.full((SIDE, SIDE), (low + high) / 2, np.float32)
    values[0], values[1] = low, high
    loaded = pixels(images.load(encoded(Image.fromarray(values), "TIFF")))
    top = 128 if high == 0.5 else 255  # within [0, 1] nothing is stretched
    assert (loaded[0] == 0).all()
    assert (loaded[1] == top).all()
    assert (loaded[2:] == middle).all()


def test_float_without_a_value_is_black_and_infinity_is_white():
    values = np.full((SIDE, SIDE), 0.2, np.float32)
    values[0], values[1], values[2] = np.nan, np.inf, -np.inf
    loaded = pixels(images.load(encoded(Image.fromarray(values), "TIFF")))
    assert loaded[:4, 0, 0].tolist() == [0, 255, 0, 51]


def test_32_bit_integers_beyond_16_bits_are_stretched():
    values = np.full((SIDE, SIDE), 150_000, np.int32)
    values[0], values[1] = 100_000, 200_000
    loaded = pixels(images.load(encoded(Image.fromarray(values), "TIFF")))
    assert loaded[:3, 0, 0].tolist() == [0, 255, 128]


@pytest.mark.parametrize("value", [-5, 70_000])
def test_constant_values_out_of_range_are_black(value):
    data = encoded(Image.fromarray(np.full((SIDE, SIDE), value, np.int32)), "TIFF")
    assert colour_of(images.load(data)) == (0, 0, 0)


# ---------------------------------------------------------------------------- containers


@pytest.mark.parametrize(
    ("kind", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})],
)
def test_the_first_of_many_frames_is_taken(kind, options):
    frames = [flat("RGB", colour) for colour in ("#c83214", "#00ff00", "#0000ff")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert colour_of(images.load(data)) == (200, 50, 20)


def test_multi_picture_jpeg():
    data = encoded(
        flat("RGB", (200, 50, 20)), "MPO", save_all=True, append_images=[flat("RGB", "blue")]
    )
    assert np.abs(np.subtract(colour_of(images.load(data)), (200, 50, 20))).max() <= 3


@pytest.mark.parametrize(("kind", "brand"), [("HEIF", b"ftyphei"), ("AVIF", b"ftypavif")])
def test_phone_formats(kind, brand):
    data = encoded(flat("RGB", (200, 120, 40), (64, 64)), kind, quality=95)
    assert brand in data[:16]
    loaded = pixels(images.load(data))
    assert np.abs(loaded - (200, 120, 40)).max() <= 4


def test_heic_with_alpha():
    data = encoded(flat("RGBA", (0, 0, 0, 51), (64, 64)), "HEIF", quality=100)
    assert np.abs(pixels(images.load(data)) - 204).max() <= 3


@pytest.mark.parametrize("kind", ["BMP", "PPM"])
def test_simple_formats(kind):
    assert colour_of(images.load(encoded(flat("RGB", (1, 2, 3)), kind))) == (1, 2, 3)


def test_every_kind_of_source_gives_the_same_picture(tmp_path):
    data = encoded(Image.fromarray(upright()), "PNG")
    path = tmp_path / "a picture.jpg"  # the name may lie
    path.write_bytes(data)
    with path.open("rb") as file:
        for source in (data, path, str(path), io.BytesIO(data), file):
            assert np.array_equal(pixels(images.load(source)), upright())


def test_metadata_is_dropped():
    exif = Image.Exif()
    exif[0x010E] = "at home"
    loaded = images.load(encoded(flat("RGB", "red"), "JPEG", exif=exif, comment=b"secret"))
    assert loaded.info == {}
    assert not loaded.getexif()
    assert type(loaded) is Image.Image


def test_importing_registers_nothing():
    code = (
        "import sys, cxdemo.images; from PIL import Image; "
        "assert 'pillow_heif' not in sys.modules; assert 'HEIF' not in Image.OPEN"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


# ---------------------------------------------------------------------------- colour profiles

# Primaries of Display P3 and of sRGB, adapted to D50 (columns: R, G, B; rows: X, Y, Z).
P3 = np.array(
    [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]]
)


def response(curve: float | np.ndarray) -> bytes:
    """A gamma or a table of values in [0, 1]."""
    points = [round(curve * 256)] if isinstance(curve, float) else np.rint(curve * 65535)
    return b"curv" + struct.pack(">II", 0, len(points)) + np.array(points, ">u2").tobytes()


def display_profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A minimal ICC version 2 profile."""
    name = b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(78)
    white = xyz(0.9642, 1, 0.8249)
    tags = {b"desc": name, b"cprt": b"text\0\0\0\0none\0", b"wtpt": white, **tags}
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">II", start + len(body), 0) + b"\x02\x10\0\0mntr" + space + b"XYZ "
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + white[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def matrix_profile(primaries: np.ndarray, curve: float | np.ndarray) -> bytes:
    """An RGB display: three primaries, and one response."""
    tags = {}
    for channel, primary in zip((b"r", b"g", b"b"), primaries.T, strict=True):
        tags[channel + b"XYZ"] = xyz(*primary)
        tags[channel + b"TRC"] = response(curve)
    return display_profile(b"RGB ", tags)


def xyz(*values: float) -> bytes:
    fixed = [round(value * 65536) for value in values]
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *fixed)


def from_profile(colour, primaries: np.ndarray, gamma: float) -> np.ndarray:
    """What a profile says a colour is in sRGB, from the definitions."""
    linear = np.linalg.inv(SRGB) @ primaries @ (np.array(colour) / 255) ** gamma
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255)


@pytest.mark.parametrize("colour", [(200, 100, 50), (90, 140, 110), (128, 128, 128), (0, 255, 0)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_wide_gamut_is_converted_to_srgb(kind, colour):
    options = {"lossless": True} if kind == "WEBP" else {}
    profile = matrix_profile(P3, 2.2)
    data = encoded(flat("RGB", colour), kind, icc_profile=profile, **options)
    loaded = colour_of(images.load(data))
    assert np.abs(loaded - from_profile(colour, P3, 2.2)).max() <= 1
    as_pillow = ImageCms.profileToProfile(
        flat("RGB", colour), io.BytesIO(profile), ImageCms.createProfile("sRGB")
    )
    assert loaded == colour_of(as_pillow)


def test_wide_gamut_changes_what_is_seen():
    assert np.abs(from_profile((200, 100, 50), P3, 2.2) - (200, 100, 50)).max() > 8


def test_wide_gamut_with_alpha_and_palette():
    profile = matrix_profile(P3, 2.2)
    clear = encoded(flat("RGBA", (200, 100, 50, 51)), "PNG", icc_profile=profile)
    expected = 0.2 * from_profile((200, 100, 50), P3, 2.2) + 0.8 * 255
    assert np.abs(colour_of(images.load(clear)) - expected).max() <= 1
    loaded = pixels(images.load(encoded(palette_picture(), "PNG", icc_profile=profile)))
    assert np.abs(loaded[0, 0] - from_profile((200, 100, 50), P3, 2.2)).max() <= 1


def test_wide_gamut_heic():
    data = encoded(
        flat("RGB", (200, 100, 50), (64, 64)),
        "HEIF",
        quality=100,
        icc_profile=matrix_profile(P3, 2.2),
    )
    expected = from_profile((200, 100, 50), P3, 2.2)
    assert np.abs(pixels(images.load(data)) - expected).max() <= 3


def srgb_curve() -> np.ndarray:
    steps = np.linspace(0, 1, 1024)
    return np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        matrix_profile(SRGB, srgb_curve()),  # as in most cameras: converting would move 0.1 %
    ],
)
def test_an_srgb_profile_keeps_every_value(profile):
    values = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    loaded = images.load(encoded(Image.fromarray(values), "PNG", icc_profile=profile))
    assert np.array_equal(pixels(loaded), values)


def test_a_linear_profile_with_srgb_primaries_differs():
    data = encoded(flat("RGB", (64, 64, 64)), "PNG", icc_profile=matrix_profile(SRGB, 1.0))
    assert np.abs(np.array(colour_of(images.load(data))) - 137).max() <= 1  # sRGB(64 / 255)


@pytest.mark.parametrize(("mode", "colour"), [("L", 64), ("LA", (64, 255))])
def test_a_linear_grey_profile_is_applied(mode, colour):
    profile = display_profile(b"GRAY", {b"kTRC": response(1.0)})
    loaded = colour_of(images.load(encoded(flat(mode, colour), "PNG", icc_profile=profile)))
    assert np.abs(np.subtract(loaded, 137)).max() <= 1


@pytest.mark.parametrize(
    "profile",
    [
        b"not a profile",
        matrix_profile(P3, 2.2)[:200],
        matrix_profile(P3, 2.2).replace(b"RGB ", b"CMYK"),
        bytes(500),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_broken_or_unfit_profile_is_ignored(mode, profile):
    colour = (90, 120, 30) if mode == "RGB" else 90
    data = encoded(flat(mode, colour), "PNG", icc_profile=profile)
    assert colour_of(images.load(data)) == ((90, 120, 30) if mode == "RGB" else (90, 90, 90))


# ---------------------------------------------------------------------------- refusals


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width: int, height: int, compressed: bytes, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", compressed)
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def _no_decoding(monkeypatch):
    def refuse(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)


@pytest.mark.usefixtures("_no_decoding")
@pytest.mark.parametrize(
    ("width", "height", "megapixels"),
    [(60000, 60000, "3600"), (8000, 6000, "48"), (12000, 9000, "108")],
)
def test_too_many_pixels_are_refused_from_the_header(width, height, megapixels):
    text = error_of(png(width, height, b"tiny"))
    assert f"has {megapixels} megapixels" in text
    assert "at most 40" in text


@pytest.mark.usefixtures("_no_decoding")
def test_limits_are_exact():
    limits = ImageLimits(min_side=10, max_pixels=2000, max_aspect=2.0)
    text = error_of(png(9, 18, b""), limits)
    assert "9 × 18 pixels" in text
    assert "at least 10" in text
    assert "0.00205 megapixels" in error_of(png(50, 41, b""), limits)
    assert "at most 2 times" in error_of(png(21, 10, b""), limits)
    for size in ((10, 10), (50, 40), (20, 10)):
        with pytest.raises(AssertionError, match="pixels were decoded"):
            decode.open_picture(png(*size, b""), "x", limits).load()


def test_one_pixel_is_too_small():
    assert "1 × 1 pixels" in error_of(encoded(flat("RGB", "red", (1, 1)), "PNG"))


def test_zero_pixels_are_refused():
    gif = encoded(flat("RGB", "red"), "GIF")
    no_width = gif.replace(struct.pack("<2H", SIDE, SIDE), struct.pack("<2H", 0, SIDE))
    assert "damaged" in error_of(no_width)
    assert "damaged" in error_of(png(0, 50, b""))


def test_extreme_aspect():
    text = error_of(encoded(flat("RGB", "red", (400, 19)), "PNG"))
    assert "400 × 19 pixels" in text
    assert "20 times" in text
    assert images.load(encoded(flat("RGB", "red", (400, 20)), "PNG")).size == (400, 20)


def test_too_many_bytes(tmp_path):
    data = encoded(flat("RGB", "red"), "PNG")
    exact = ImageLimits(max_bytes=len(data))
    tight = ImageLimits(max_bytes=len(data) - 1)
    path = tmp_path / "big.png"
    path.write_bytes(data)
    for source in (lambda: data, lambda: path, lambda: io.BytesIO(data)):
        assert images.load(source(), limits=exact).size == (SIDE, SIDE)
        assert "has more than the" in error_of(source(), tight)


def test_an_endless_stream_is_not_read_to_its_end():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert 0 < size <= 1001
            return bytes(size)

    assert "more than the 0.001 MB" in error_of(Endless(), ImageLimits(max_bytes=1000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
@pytest.mark.parametrize("part", [0.2, 0.7])
def test_truncated_files_are_named(kind, part):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    text = error_of(data[: int(len(data) * part)])
    assert {"WEBP": "WebP", "HEIF": "HEIC"}.get(kind, kind) in text
    assert "damaged, incomplete" in text


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"hello, this is a letter\n", "a text file"),
        ("größer".encode() * 500, "a text file"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"<svg xmlns='http:'></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg width='9'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html><svg></svg>", "a web page"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"\0\0\0\x14ftypqt  ", "a video"),
        (b"\x1a\x45\xdf\xa3\x01\0", "a video"),
        (b"RIFF\x10\0\0\0AVI LIST", "a video"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a sound file"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"8BPS\0\x01\0\0", "a Photoshop file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\x01\0\x01\0\x10\x10", "a Windows icon"),
        (b"MZ\x90\0\x03", "a program"),
        (b"\x93\xfe\x01\x02" * 20, "no known image"),
    ],
)
def test_what_is_no_image_is_named(data, kind):
    text = error_of(data)
    assert f" is {kind}" in text
    assert "PNG, JPEG" in text


def test_naming_a_hostile_file_is_quick():
    start = time.perf_counter()
    assert "a text file" in error_of(b"<!---->" * 150 + b"<sv")
    assert time.perf_counter() - start < 1


def test_postscript_never_starts_a_program(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", refuse)
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", refuse)
    assert "a PostScript (EPS) file" in error_of(encoded(flat("RGB", "red"), "EPS"))


@pytest.mark.parametrize("kind", ["ICO", "PCX", "TGA", "SGI", "DDS", "JPEG2000"])
def test_other_formats_of_pillow_are_refused(kind):
    data = encoded(flat("RGB", "red", (32, 32)), kind)
    assert Image.open(io.BytesIO(data)).size == (32, 32)
    assert "an image was expected" in error_of(data)


def test_empty_file(tmp_path):
    path = tmp_path / "nothing.png"
    path.write_bytes(b"")
    assert "“nothing.png” is an empty file" in error_of(path)
    assert "empty file" in error_of(b"")
    assert "empty file" in error_of(io.BytesIO())


def test_missing_files_and_folders_show_no_path(tmp_path):
    text = error_of(tmp_path / "secret" / "cat.png")
    assert text.startswith("“cat.png” does not exist")
    assert tmp_path.name not in text
    assert "is a folder" in error_of(tmp_path)
    assert "is a folder" in error_of("")
    assert "does not exist" in error_of("null\0character.png")
    assert "does not exist" in error_of(r"C:\Users\me\cat.png")
    assert "Users" not in error_of(r"C:\Users\me\cat.png")
    assert len(error_of("x" * 5000 + ".png")) < 200


def test_devices_are_refused():
    assert "does not exist as a file" in error_of("/dev/zero")


def test_limits_are_validated():
    with pytest.raises(ValueError, match="min_side must be at least 1, got 0"):
        ImageLimits(min_side=0)
    with pytest.raises(ValueError, match="max_aspect must be at least 1, got nan"):
        ImageLimits(max_aspect=float("nan"))
    with pytest.raises(ValueError, match="max_pixels must be at most"):
        ImageLimits(max_pixels=10**9)


SEEDS = [
    encoded(Image.fromarray(upright()), kind)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM")
]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=5),
)
def test_damaged_files_give_a_picture_or_an_image_error(seed, changes):
    data = bytearray(seed)
    for place, new in changes:
        start = int(place * (len(data) - 1))
        data[start : start + len(new)] = new
    try:
        loaded = images.load(bytes(data), limits=ImageLimits(max_pixels=10**6))
    except ImageError:
        return  # either outcome is right, and no third one
    assert loaded.mode == "RGB"


# ---------------------------------------------------------------------------- tensors


@given(st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_uint8_round_trip_is_exact(values):
    tensor = images.to_tensor(Image.fromarray(values))
    assert tensor.shape == (1, 3, *values.shape[:2])
    assert tensor.dtype == torch.float32
    assert np.array_equal(np.asarray(images.to_pil(tensor)), values)


def test_to_tensor_divides_by_255_in_the_order_of_channels():
    tensor = images.to_tensor(flat("RGB", (0, 51, 255), (3, 2)))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.is_contiguous()
    assert torch.equal(tensor[0, :, 1, 2], torch.tensor([0.0, 0.2, 1.0]))


def test_to_tensor_treats_other_modes_as_load_does():
    assert torch.equal(
        images.to_tensor(flat("RGBA", (0, 0, 0, 51)))[0, :, 0, 0], torch.full((3,), 0.8)
    )
    assert torch.equal(
        images.to_tensor(flat("RGBa", (0, 0, 0, 51)))[0, :, 0, 0], torch.full((3,), 0.8)
    )
    assert torch.equal(images.to_tensor(flat("L", 51))[0, :, 0, 0], torch.full((3,), 0.2))


def test_to_tensor_does_not_share_memory():
    picture = flat("RGB", (10, 10, 10))
    images.to_tensor(picture).zero_()
    assert colour_of(picture) == (10, 10, 10)


@pytest.mark.parametrize("long_side", [5, 37, 200, 300, 350])
def test_to_tensor_at_a_size_agrees_with_resizing_the_tensor(long_side):
    rows, columns = np.mgrid[0:201, 0:300]
    waves = np.stack([np.sin(rows / 30), np.sin(columns / 40), np.cos((rows + columns) / 50)], -1)
    picture = Image.fromarray((waves * 120 + 127).astype(np.uint8))
    small = images.to_tensor(picture, long_side=long_side)
    expected = images.fit_long_side(images.to_tensor(picture), long_side)
    torch.testing.assert_close(small, expected, atol=1.6 / 255, rtol=0)


def test_to_pil_clamps_and_rounds_to_nearest():
    values = torch.tensor([-0.5, 0.4999 / 255, 0.5001 / 255, 1.4999 / 255, 254.51 / 255, 7.0])
    picture = images.to_pil(values.expand(3, 1, 6))
    assert pixels(picture)[0, :, 0].tolist() == [0, 0, 1, 1, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_to_pil_takes_other_floats_and_gradients(dtype):
    image = torch.full((1, 3, 2, 2), 0.5, dtype=dtype, requires_grad=True)
    assert colour_of(images.to_pil(image)) == (128, 128, 128)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_to_pil_refuses_what_is_not_finite(value):
    image = torch.zeros(3, 4, 4)
    image[1, 2, 3] = value
    with pytest.raises(ValueError, match="diverged"):
        images.to_pil(image)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 4, 4), (4, 4), (1, 1, 3, 4, 4), (3, 0, 4)])
def test_to_pil_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"Expected one RGB image"):
        images.to_pil(torch.zeros(shape))


# ---------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("mode", ["bicubic", "bilinear", "area", "nearest"])
def test_resizing_a_flat_image_keeps_its_colour(mode):
    image = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand(2, 3, 20, 30)
    for size in ((7, 50), (40, 11), (1, 1)):
        resized = images.resize(image, size, mode=mode)
        assert resized.shape == (2, 3, *size)
        torch.testing.assert_close(resized, image[..., :1, :1].expand_as(resized))


@pytest.mark.parametrize("mode", ["bicubic", "bilinear", "area"])
def test_shrinking_does_not_alias(mode):
    board = (torch.arange(64)[:, None] + torch.arange(64)[None]) % 2  # a checkerboard of pixels
    image = board.float().expand(1, 3, 64, 64)
    inner = images.resize(image, (16, 16), mode=mode)[..., 3:-3, 3:-3]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5), atol=0.01, rtol=0)


def test_area_is_the_mean_of_blocks():
    image = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    expected = image.view(1, 3, 3, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(images.resize(image, (3, 4), mode="area"), expected)


def test_bicubic_agrees_with_pillow():
    values = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    ours = pixels(images.to_pil(images.resize(images.to_tensor(picture), (13, 17))))
    theirs = pixels(picture.resize((17, 13), Image.Resampling.BICUBIC))
    assert np.abs(ours - theirs).max() <= 1


def test_overshoot_is_clamped():
    step = torch.zeros(1, 3, 8, 8)
    step[..., 4:] = 1
    unclamped = torch.nn.functional.interpolate(step, (32, 32), mode="bicubic", antialias=True)
    assert unclamped.max() > 1.01
    resized = images.resize(step, (32, 32))
    assert resized.min() == 0
    assert resized.max() == 1


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((300, 400), 256, (192, 256)),
        ((400, 300), 256, (256, 192)),
        ((100, 100), 64, (64, 64)),
        ((3, 1000), 100, (1, 100)),  # 0.3 is raised to 1
        ((5, 10), 5, (3, 5)),  # 2.5 is rounded up
        ((30, 40), 80, (60, 80)),
        ((7, 9), 9, (7, 9)),
    ],
)
def test_fit_long_side(size, long_side, expected):
    assert images.fit_long_side(torch.zeros(1, 3, *size), long_side).shape[-2:] == expected


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_fit_long_side_keeps_the_aspect(height, width, long_side):
    fitted = images.fit_long_side(torch.zeros(1, 3, height, width), long_side, mode="nearest")
    rows, columns = fitted.shape[-2:]
    assert max(rows, columns) == long_side
    exact = min(height, width) * long_side / max(height, width)
    assert abs(min(rows, columns) - max(exact, 1)) <= 0.5


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        images.fit_long_side(torch.zeros(1, 3, 4, 4), 0)
    with pytest.raises(ValueError, match="at least 1 pixel, got -1"):
        images.to_tensor(flat("RGB", "red"), long_side=-1)
    with pytest.raises(ValueError, match=r"got \(0, 5\)"):
        images.resize(torch.zeros(1, 3, 4, 4), (0, 5))


# ---------------------------------------------------------------------------- colour


def pixel(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def test_luma_has_the_weights_of_bt_601():
    bars = torch.eye(3).view(1, 3, 1, 3)  # one red, one green, one blue pixel
    torch.testing.assert_close(images.luma(bars).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(images.luma(torch.ones(2, 3, 4, 5)), torch.ones(2, 1, 4, 5))


def test_keep_luminance_in_gamut():
    # luma(0.3, 0.5, 0.4) = 0.4288 and luma(0.5, 0.6, 0.7) = 0.5815: add 0.1527 to each channel.
    mixed = images.keep_luminance(pixel(0.5, 0.6, 0.7), pixel(0.3, 0.5, 0.4))
    torch.testing.assert_close(mixed, pixel(0.4527, 0.6527, 0.5527))


def test_keep_luminance_is_luma_and_chroma_in_yiq():
    # The NTSC matrix: the sum keeps I and Q of the content and Y of the stylized image.
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    stylized, content = pixel(0.45, 0.5, 0.42), pixel(0.5, 0.35, 0.3)
    mixed = yiq @ images.keep_luminance(stylized, content).flatten()
    torch.testing.assert_close(mixed[:1], (yiq @ stylized.flatten())[:1])
    torch.testing.assert_close(mixed[1:], (yiq @ content.flatten())[1:], atol=1e-6, rtol=0)


def test_keep_luminance_out_of_gamut_scales_chroma():
    # Pure red has chroma (0.701, -0.299, -0.299); at luma 0.7 only 0.3 / 0.701 of it fits.
    mixed = images.keep_luminance(pixel(0.7, 0.7, 0.7), pixel(1.0, 0.0, 0.0))
    low = 0.7 - 0.299 * 0.3 / 0.701
    torch.testing.assert_close(mixed, pixel(1.0, low, low))


@given(
    st_numpy.arrays(np.float32, (2, 1, 3, 2, 2), elements=st.floats(0, 1, width=32)),
)
def test_keep_luminance_keeps_luma_always(values):
    stylized, content = torch.from_numpy(values)
    mixed = images.keep_luminance(stylized, content)
    assert mixed.min() >= 0
    assert mixed.max() <= 1
    torch.testing.assert_close(images.luma(mixed), images.luma(stylized), atol=1e-5, rtol=0)


def test_keep_luminance_of_an_image_with_itself_and_with_grey():
    image = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(images.keep_luminance(image, image), image)
    grey = images.keep_luminance(image, torch.full_like(image, 0.3))
    torch.testing.assert_close(grey, images.luma(image).expand_as(image), atol=1e-6, rtol=1e-5)


def test_keep_luminance_refuses_other_sizes():
    with pytest.raises(ValueError, match="resize one of them"):
        images.keep_luminance(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


# ---------------------------------------------------------------------------- files

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79)


@given(st.dictionaries(keys, texts, max_size=4))
def test_png_metadata_round_trip(metadata):
    buffer = io.BytesIO()
    images.save_png(torch.zeros(1, 3, 1, 40), buffer, metadata=metadata)
    assert images.read_png_metadata(buffer.getvalue()) == metadata


def test_png_keeps_pixels_and_metadata_on_disk(tmp_path):
    path = tmp_path / "out.png"
    picture = Image.fromarray(upright())
    images.save_png(images.to_tensor(picture), path, metadata={"cxdemo": '{"h": 0.5, "ü": "→"}'})
    assert np.array_equal(pixels(images.load(path)), upright())
    assert images.read_png_metadata(path) == {"cxdemo": '{"h": 0.5, "ü": "→"}'}


def test_png_of_a_picture_strips_exif_and_profile():
    exif = Image.Exif()
    exif[0x010E] = "at home"
    picture = flat("RGB", (1, 2, 3))
    picture.info = {"exif": exif.tobytes(), "icc_profile": b"raw", "comment": "x", "dpi": (72, 72)}
    buffer = io.BytesIO()
    images.save_png(picture, buffer)
    kinds = [
        kind for kind in (b"eXIf", b"iCCP", b"tEXt", b"iTXt", b"pHYs") if kind in buffer.getvalue()
    ]
    assert kinds == []
    assert picture.info["dpi"] == (72, 72)  # the caller's picture is as it was
    assert colour_of(images.load(buffer.getvalue())) == (1, 2, 3)


@pytest.mark.parametrize("key", ["", "x" * 80, "naïve\n", "→", " space"])
def test_png_keys_are_checked(key):
    with pytest.raises(ValueError, match="PNG key"):
        images.save_png(torch.zeros(3, 4, 4), io.BytesIO(), metadata={key: "value"})


def test_metadata_of_what_is_no_png():
    with pytest.raises(ImageError, match="is a JPEG file, but a PNG was expected"):
        images.read_png_metadata(encoded(flat("RGB", "red"), "JPEG"))
    with pytest.raises(ImageError, match="a text file"):
        images.read_png_metadata(b"hello")


def test_metadata_of_other_programs_is_read():
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "plain")
    info.add_text("Comment", "packed", zip=True)
    data = encoded(flat("RGB", "red"), "PNG", pnginfo=info)
    assert images.read_png_metadata(data) == {"Title": "plain", "Comment": "packed"}


def test_text_that_unpacks_to_a_bomb_is_refused():
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * 5_000_000, zip=True)
    data = encoded(flat("RGB", "red"), "PNG", pnginfo=info)
    assert len(data) < 10_000
    with pytest.raises(ImageError, match="damaged"):
        images.read_png_metadata(data)


def test_contact_sheet_places_every_image():
    red, blue = torch.zeros(1, 3, 8, 6), torch.zeros(3, 5, 6)
    red[:, 0], blue[2] = 1, 1
    sheet = images.contact_sheet([[red, blue], [blue]], gap=2)
    assert sheet.size == (2 + 2 * (2 + 6), 2 + (8 + 2) + (5 + 2))
    assert sheet.getpixel((2, 2)) == (255, 0, 0)
    assert sheet.getpixel((10, 2)) == (0, 0, 255)
    assert sheet.getpixel((10, 8)) == (255, 255, 255)  # below the smaller image
    assert sheet.getpixel((2, 12)) == (0, 0, 255)
    assert images.contact_sheet([[red]], labels=["a"], gap=2).height == 20 + 2 + 8 + 2


# ---------------------------------------------------------------------------- examples


def test_every_example_has_its_licence_and_a_small_size():
    files = sorted(EXAMPLES.glob("*.jpg"))
    licences = (EXAMPLES / "LICENSES.md").read_text(encoding="utf-8")
    assert len(files) == 26
    listed = [line.split(" | ")[0][2:] for line in licences.splitlines() if ".jpg |" in line]
    assert sorted(name for name in listed if "/" not in name) == [file.name for file in files]
    assert sum(file.stat().st_size for file in files) < 1_300_000


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.jpg")), ids=lambda file: file.stem)
def test_examples_load(file):
    picture = images.load(file)
    assert 200 <= min(picture.size) <= max(picture.size) <= 512
    assert images.to_tensor(picture).std() > 0.1


# ------------------------------------------------------------------------- results with settings


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".webp", ".tif", ".tiff"])
def test_a_result_is_what_its_ending_says_and_its_settings_come_back(tmp_path, ending):
    settings = {"config": {"name": "\u6c49 é", "size": 64}, "losses": list(range(3000))}
    file, alpha = tmp_path / f"a{ending}", ending in {".png", ".webp", ".tif"}
    gradient = Image.merge("RGBA", [Image.linear_gradient("L").resize((40, 30))] * 4)
    images.save_picture(gradient, file, settings=settings, keep_alpha=alpha)
    assert json.loads(images.read_settings_text(file)) == settings
    with Image.open(file) as picture:
        assert picture.format == images.WRITABLE[ending.lower()]
        assert picture.mode == ("RGBA" if alpha else "RGB")
        if alpha:
            assert picture.tobytes() == gradient.tobytes()
        else:  # on white
            expected = np.asarray(images.flatten(gradient), dtype=int)
            assert np.abs(np.asarray(picture, dtype=int) - expected).max() <= 3


def test_settings_are_read_from_json_and_missing_from_other_pictures(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert images.read_settings_text(tmp_path / "a.json") == '{"a": 1}'
    for ending in ("png", "jpg", "gif", "bmp"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"a.{ending}")
        assert images.read_settings_text(tmp_path / f"a.{ending}") == ""
    with pytest.raises(ValueError, match="endings"):
        images.save_picture(Image.new("RGB", (2, 2)), tmp_path / "a.bmp")


# ------------------------------------------------------------------------------ costly pictures


def test_a_png_of_many_notes_is_refused_before_they_are_read():
    data = b"".join(hostile_png(notes=400_000))
    began = time.process_time()
    with pytest.raises(images.ImageError, match="PNG of too many parts"):
        images.load(data)
    assert time.process_time() - began < 1
    assert images.load(b"".join(hostile_png(notes=900))).size == (32, 32)


def hostile_png(*, notes):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG")
    data, note = buffer.getvalue(), b"tEXta\0b"
    return data[:33], (b"\0\0\0\3" + note + zlib.crc32(note).to_bytes(4, "big")) * notes, data[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_is_shrunk_to_what_is_needed(kind):
    ramp = Image.linear_gradient("L").resize((3000, 1200)).convert("RGB")
    buffer = io.BytesIO()
    ramp.save(buffer, kind, quality=95)
    small = images.load(buffer.getvalue(), long_side=300)
    assert small.size == (300, 120)
    expected = np.asarray(ramp.resize((300, 120), Image.Resampling.LANCZOS), float)
    assert np.abs(np.asarray(small, float) - expected).mean() < 1.0
    assert images.load(buffer.getvalue(), long_side=4000).size == (3000, 1200)


def test_deep_grey_is_the_same_in_strips(monkeypatch):
    values = np.random.default_rng(0).normal(0, 1000, (40, 30)).astype(np.float32)
    values[3, 5], values[17, 2] = np.nan, np.inf
    picture = Image.fromarray(values)
    whole = np.asarray(images.to_tensor(picture))
    monkeypatch.setattr(colour, "STRIP", 100)
    assert np.array_equal(np.asarray(images.to_tensor(picture)), whole)
    low, high = np.nanmin(values), values[np.isfinite(values)].max()
    assert whole[0, 0, 0, 0] == pytest.approx((values[0, 0] - low) / (high - low), abs=1 / 255)


# ------------------------------------------------------------------------- folders, crops, blurs


def test_pictures_are_listed_by_their_endings_folder_by_folder(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "inner/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.name for path in images.list_pictures(tmp_path)]
    assert names == ["a.jpg", "b.PNG"]
    deep = images.list_pictures(tmp_path, tmp_path / "inner", endings=[".webp"], deep=True)
    assert [path.name for path in deep] == ["c.webp", "c.webp"]
    with pytest.raises(ValueError, match=r"Expected pictures \(\.gif\) in .*, found none"):
        images.list_pictures(tmp_path, endings=[".gif"])
    with pytest.raises(ValueError, match=r"Expected a folder of pictures, and .*gone is none"):
        images.list_pictures(tmp_path / "gone")


def test_the_middle_has_its_size_and_its_place():
    image = torch.arange(7.0 * 10).view(1, 1, 7, 10)
    assert torch.equal(images.crop_middle(image), image[..., :, 1:8])
    assert torch.equal(images.crop_middle(image, (2, 5)), image[..., 2:4, 2:7])
    with pytest.raises(ValueError, match="at least 11 x 7 pixels, got 10 x 7"):
        images.crop_middle(image, (7, 11))


def test_a_blur_has_the_variance_of_its_gaussian_and_mirrors_the_border():
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    spread = images.blur(point, 2.0)[0, 0]
    places = torch.arange(-20.0, 21.0)
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    assert float((spread.sum(0) * places**2).sum()) == pytest.approx(4, rel=0.03)
    inside = images.blur_inside(point, 2.0, 6)
    assert inside.shape == (1, 1, 29, 29)
    assert torch.allclose(inside[0, 0], spread[6:-6, 6:-6], atol=1e-7)
    edge = torch.zeros(1, 1, 1, 9)
    assert torch.equal(images.blur(edge + 0.5, 1.0), edge + 0.5)
