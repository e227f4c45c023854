"""Films that want to do harm, made from a seed: what people upload by mistake, and on purpose."""

import random
import struct

from PIL import Image
from small_films import write_film, write_gif, write_pictures, write_sound

LIES = (0, 1, 2, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
BOXES = (b"mvhd", b"tkhd", b"mdhd", b"stts", b"stsz", b"stsc", b"stco", b"elst", b"stsd", b"avcC")
ENDINGS = ("mp4", "webm", "mov", "gif", "avi", "mkv", "webp", "png", "txt", "mp4.exe", "ogg")


def make_bases(folder, size):
    """Sound films of every kind that is read, by their endings."""
    ramp = [(i / 12, 0.5, 1 - i / 12) for i in range(12)]
    pictures = [Image.effect_noise(size, 10 * i + 9).convert("RGB") for i in range(4)]
    clear = [picture.convert("RGBA") for picture in pictures]
    for picture in clear:
        picture.putalpha(picture.getchannel("R"))
    made = {
        "mp4": write_film(folder / "a.mp4", ramp, size=size, sound=True),
        "mkv": write_film(folder / "a.mkv", ramp, size=size),
        "ts": write_film(folder / "a.ts", ramp, size=size),
        "avi": write_pictures(folder / "a.avi", pictures, codec="mjpeg", pixels="yuvj420p"),
        "webm": write_pictures(folder / "a.webm", clear, codec="libvpx-vp9", pixels="yuva420p"),
        "flv": write_pictures(folder / "a.flv", pictures, codec="flv1", pixels="yuv420p"),
        "gif": write_gif(folder / "a.gif", [(i, 9, 9) for i in range(0, 200, 20)], [50] * 10, size),
        "m4a": write_sound(folder / "a.m4a", "aac"),
    }
    for kind in ("webp", "png"):
        made[kind] = folder / f"a.{kind}"
        clear[0].save(made[kind], save_all=True, append_images=clear[1:], duration=50)
    return {kind: path.read_bytes() for kind, path in made.items()}


def cut_off(rng, data):
    """The beginning."""
    return data[: rng.randrange(len(data))]


def cut_out(rng, data):
    """Without a piece in the middle."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 2000) :]


def corrupt(rng, data):
    """Some bytes are others."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 8, 64, 512))):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    return bytes(broken)


def corrupt_head(rng, data):
    """Bytes of the first kilobyte are others."""
    return corrupt(rng, data[:1024]) + data[1024:]


def lie(rng, data):
    """A number of four bytes somewhere in a box, or in the head, is absurd."""
    known = [data.find(box) for box in BOXES if box in data]
    start = rng.choice(known) + 4 if known else 4
    at = min(start + 4 * rng.randrange(12), len(data) - 4)
    order = rng.choice("<>")
    return data[:at] + struct.pack(f"{order}I", rng.choice(LIES)) + data[at + 4 :]


def repeat(rng, data):
    """Twice, one after the other, or its head many times."""
    return data * 2 if rng.random() < 0.5 else data[:2000] * 50


def blank(rng, data):
    """A long stretch is zero."""
    start = rng.randrange(len(data))
    length = rng.randrange(len(data))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def only_head(rng, data):
    """The head, then noise."""
    return data[: rng.choice((12, 64, 400))] + rng.randbytes(20_000)


def noise(rng, data):
    """Nothing of a film."""
    return rng.randbytes(rng.choice((1, 11, 5000)))


def empty(rng, data):
    """Nothing."""
    return b""


def whole(rng, data):
    """As it is, perhaps with a wrong ending."""
    return data


HARMS = (
    cut_off, cut_out, corrupt, corrupt, corrupt_head, corrupt_head, lie, lie, lie, repeat, blank,
    only_head, noise, empty, whole,
)  # fmt: skip


def hostile_films(folder, *, seed, count, size=(64, 48)):
    """Names and contents, (name, bytes), the same for a seed."""
    rng = random.Random(seed)
    bases = make_bases(folder, size)
    for index in range(count):
        kind = rng.choice(sorted(bases))
        harm = rng.choice(HARMS)
        ending = kind if rng.random() < 0.6 else rng.choice(ENDINGS)
        yield f"{index:03d}_{kind}_{harm.__name__}.{ending}", harm(rng, bases[kind])
