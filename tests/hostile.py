"""Pictures made to break a server: damaged, absurd, or not pictures at all. Seeded."""

import io
import random
import struct
import zlib

from PIL import Image, PngImagePlugin

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
LARGE_SIDES = (6400, 6200)  # just below 40 megapixels
NAMES = (
    "../../etc/passwd", "<img src=x onerror=alert(1)>.png", "a" * 500 + ".png", "\u202egnp.exe",
    "nul\0byte.png", "CON", ".png", "%2e%2e%2f.png", "two\nlines.jpg", "-rf.gif",
)  # fmt: skip


def hostile_pictures(count, *, seed=0, large=True):
    """Yields names and contents; about one in twelve is large once it is decoded."""
    rng = random.Random(seed)
    kinds = [*SMALL, *(LARGE if large else ())]
    for index in range(count):
        content = kinds[index % len(kinds)](rng)
        name = NAMES[index % len(NAMES)] if index % 3 == 0 else f"{index}.{rng.choice(FORMATS)}"
        yield name.replace("\0", "").replace("\n", " "), content


def _plain(rng, kind=None, mode="RGB", size=None, **options):
    size = size or (rng.randint(16, 90), rng.randint(16, 90))
    picture = Image.effect_noise(size, rng.randint(1, 120)).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind or rng.choice(FORMATS), **options)
    return buffer.getvalue()


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, depth=8, color=2, *, pixels=b"", before=b"", after=b""):
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = _chunk(b"IDAT", pixels or zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + head + before + body + after + _chunk(b"IEND", b"")


def _flat_png(depth, color, channels):
    """A large picture of noughts in a small file."""
    width, height = LARGE_SIDES
    packer = zlib.compressobj(1)
    row = b"\0" * (1 + width * channels * depth // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    palette = _chunk(b"PLTE", bytes(range(48))) if color == 3 else b""
    clear = _chunk(b"tRNS", b"\0\x80") if color in {0, 3} else b""
    return _png(width, height, depth, color, pixels=pixels, before=palette + clear)


def truncated(rng):
    data = _plain(rng)
    return data[: rng.randrange(1, len(data))]


def flipped(rng):
    data = bytearray(_plain(rng))
    for _ in range(rng.randint(1, 30)):
        data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
    return bytes(data)


def scrambled_tail(rng):
    data = _plain(rng)
    return data[: len(data) // 2] + rng.randbytes(len(data) // 2)


def claims_to_be_huge(rng):
    return _png(rng.choice((0, 1, 39_999, 2**31 - 1)), rng.choice((0, 1, 60_000, 2**31 - 1)))


def claims_more_than_it_has(rng):
    return _png(*LARGE_SIDES, rng.choice((8, 16)), rng.choice((0, 2, 4, 6)))


def many_notes(rng):
    note = _chunk(b"tEXt", b"a\0b")
    return _png(32, 32, before=note * rng.choice((900, 30_000, 400_000)))


def many_pixels_chunks(rng):
    return _png(32, 32, after=_chunk(b"IDAT", b"") * rng.choice((1000, 100_000)))


def packed_note(rng):
    bomb = zlib.compress(b"\0" * 60_000_000, 9)
    kind = rng.choice((b"zTXt", b"iTXt", b"iCCP"))
    head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    return _png(32, 32, before=_chunk(kind, head + bomb))


def broken_profile(rng):
    return _plain(rng, rng.choice(("PNG", "JPEG", "WEBP", "TIFF")), icc_profile=rng.randbytes(500))


def broken_exif(rng):
    exif = b"Exif\0\0MM\0*" + rng.randbytes(rng.randint(0, 900))
    return _plain(rng, rng.choice(("JPEG", "WEBP", "PNG")), exif=exif)


def many_frames(rng):
    head = b"GIF89a" + struct.pack("<HH", 32, 32) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    frame = b",\0\0\0\0" + struct.pack("<HH", 1, 1) + b"\0\x02\x02D\x01\0"
    return head + frame * rng.choice((500, 200_000)) + b";"


def moving(rng):
    frames = [Image.new("RGB", (32, 32), (i, 0, 0)) for i in range(rng.randint(2, 40))]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, rng.choice(("GIF", "WEBP", "PNG", "TIFF")), save_all=True, append_images=frames[1:]
    )
    return buffer.getvalue()


def looping_tiff(rng):
    data = bytearray(_plain(rng, "TIFF"))
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * entries, rng.choice((at, 8, 2**31)))
    return bytes(data)


def absurd_ppm(rng):
    heads = (
        b"P6 6000 6000 255\n", b"P5 99999999 1 65535\n", b"P3 20 20 99999999\n",
        b"P6 -5 20 255\n", b"P7\nWIDTH 32\n", b"P6 32 32 0\n", b"Pf 32 32 1e99\n",
    )  # fmt: skip
    return rng.choice(heads) + rng.randbytes(500)


def absurd_bmp(rng):
    data = bytearray(_plain(rng, "BMP"))
    struct.pack_into(
        "<i", data, rng.choice((10, 14, 18, 22, 30, 46)), rng.choice((-1, 2**31 - 1, 7))
    )
    return bytes(data)


def rare_mode(rng):
    modes = (
        ("PNG", "1"), ("PNG", "I;16"), ("PNG", "LA"), ("TIFF", "CMYK"), ("TIFF", "F"),
        ("TIFF", "LAB"), ("JPEG", "CMYK"), ("GIF", "P"),
    )  # fmt: skip
    kind, mode = rng.choice(modes)
    picture = Image.effect_noise((40, 30), 80)
    picture = picture.convert("RGB") if mode in {"CMYK", "LAB"} else picture
    if mode == "LAB":
        picture = Image.merge("LAB", picture.split())
    picture = picture.convert("I").convert(mode) if mode == "I;16" else picture
    buffer = io.BytesIO()
    (picture if picture.mode == mode else picture.convert(mode)).save(buffer, kind)
    return buffer.getvalue()


def extreme_shape(rng):
    return _plain(rng, "PNG", size=rng.choice(((1, 1), (1, 5000), (5000, 16), (15, 15), (16, 321))))


def something_else(rng):
    files = (
        b"", b"\0", b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        b"<!doctype html><script>alert(1)</script>", b"PK\x03\x04" + bytes(50), b"\x7fELF",
        b"%!PS-Adobe-3.0 EPSF\n(%stdin) (r) file", b"8BPS\0\1", b"GIF89a", b"BM",
        b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x20ftypheic", bytes(5000),
        b"push graphic-context\n", rng.randbytes(5000), "日本語".encode("utf-16"), b"{" * 5000,
    )  # fmt: skip
    return rng.choice(files)


def many_notes_in_text(rng):
    notes = PngImagePlugin.PngInfo()
    for index in range(100):
        notes.add_text(f"k{index}", "<b>" * rng.randint(1, 2000))
    return _plain(rng, "PNG", pnginfo=notes)


def large_deep_grey(_rng):
    return _flat_png(16, 0, 1)


def large_clear(_rng):
    return _flat_png(8, 6, 4)


def large_palette(_rng):
    return _flat_png(8, 3, 1)


def large_deep_colour(_rng):
    return _flat_png(16, 6, 4)


def large_jpeg(_rng):
    buffer = io.BytesIO()
    Image.new("CMYK", LARGE_SIDES).save(buffer, "JPEG", quality=5)
    return buffer.getvalue()


SMALL = (
    truncated, flipped, scrambled_tail, claims_to_be_huge, claims_more_than_it_has, many_notes,
    many_pixels_chunks, packed_note, broken_profile, broken_exif, many_frames, moving, looping_tiff,
    absurd_ppm, absurd_bmp, rare_mode, extreme_shape, something_else, many_notes_in_text, flipped,
    truncated, scrambled_tail, broken_exif, flipped,
)  # fmt: skip
LARGE = (large_deep_grey, large_clear, large_palette, large_deep_colour, large_jpeg)
