"""The training photos: what is sharp, what halving makes so, and how packages are read."""

import io
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cxdemo.training.gather_photos import (
    SOURCES,
    find_package,
    gather_photo,
    is_sharp,
    main,
    measure_detail,
    read_resources,
    sharp_version,
)


def noise(size=(640, 640), seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(levels)


def edges(size=640, side=40):
    """Squares of black and white: as sharp as a photo can be."""
    rows, columns = np.indices((size, size)) // side
    return Image.fromarray(((rows + columns) % 2 * 255).astype(np.uint8)).convert("RGB")


def test_a_slope_has_half_of_its_steps_at_half_the_size_and_noise_twice():
    slope = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    assert measure_detail(slope) == pytest.approx((0.5, 1.0))
    assert measure_detail(noise())[0] == pytest.approx(2.0, rel=0.05)
    # An edge on the grid keeps its height and half of its pixels: sqrt(1 / 2).
    assert measure_detail(edges(side=64))[0] == pytest.approx(0.5**0.5, rel=0.1)


def test_half_a_photo_may_be_out_of_focus():
    sharp = noise().filter(ImageFilter.GaussianBlur(0.7))
    soft = sharp.filter(ImageFilter.GaussianBlur(3))
    assert is_sharp(sharp)
    assert not is_sharp(soft)
    half = sharp.copy()
    half.paste(soft.crop((0, 0, 320, 640)), (0, 0))
    assert is_sharp(half)
    assert not is_sharp(Image.new("RGB", (640, 640), (90, 90, 90)))


def test_a_soft_photo_is_halved_until_it_is_sharp_and_left_out_if_it_never_is():
    sharp = noise((320, 320)).filter(ImageFilter.GaussianBlur(0.7))
    assert sharp_version(sharp) is sharp
    enlarged = sharp.resize((640, 640), Image.Resampling.BICUBIC)
    assert not is_sharp(enlarged)
    halved = sharp_version(enlarged)
    assert halved is not None
    assert halved.size == (320, 320)
    large = noise((720, 720)).filter(ImageFilter.GaussianBlur(0.7)).resize((1440, 1440))
    assert sharp_version(large) is large  # the training halves it
    assert sharp_version(sharp.filter(ImageFilter.GaussianBlur(6))) is None


def test_a_sharp_photo_stays_the_file_that_it_was(tmp_path):
    file = io.BytesIO()
    noise((300, 300)).save(file, format="WEBP")
    assert gather_photo(file, tmp_path, "a")
    assert (tmp_path / "a.webp").read_bytes() == file.getvalue()


def resources(files):
    """A Qt resource file, version 1: a folder `d` and in it files, [(name, bytes, flags)]."""
    names, contents = b"", b""
    tree = struct.pack(">IHII", 0, 2, 1, 1)

    def add_name(name):
        nonlocal names
        offset = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        return offset

    tree += struct.pack(">IHII", add_name("d"), 2, len(files), 2)
    for name, content, flags in files:
        tree += struct.pack(">IHHHI", add_name(name), flags, 0, 0, len(contents))
        contents += struct.pack(">I", len(content)) + content
    places = (1, 20, 20 + len(tree), 20 + len(tree) + len(contents))
    return b"qres" + struct.pack(">4I", *places) + tree + contents + names


def test_a_resource_file_gives_its_files_plain_and_compressed():
    packed = struct.pack(">I", 5) + zlib.compress(b"drawn")
    data = resources([("ä.txt", b"plain", 0), ("b", packed, 1), ("c", b"unread", 4)])
    assert dict(read_resources(data)) == {"d/ä.txt": b"plain", "d/b": b"drawn"}
    with pytest.raises(ValueError, match="begins with qres, got b'PK"):
        list(read_resources(b"PK\3\4" + bytes(20)))


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_only_the_photos_of_a_source_are_taken(tmp_path, monkeypatch, capsys):
    (source,) = (source for source in SOURCES if source.package == "tabler-ui")
    monkeypatch.setattr("cxdemo.training.gather_photos.SOURCES", (source,))
    file = io.BytesIO()
    noise((300, 300)).save(file, format="JPEG")
    folder = "package/dist/demo/photos"
    names = [f"{folder}/a-1500.jpg", f"{folder}/a-500.jpg", "package/src/demo/photos/a-1500.jpg"]
    pack(tmp_path / "tabler-ui-0.0.34.tgz", dict.fromkeys(names, file.getvalue()))
    assert main(["--packages", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tabler-ui-photos-a-1500.jpeg"]
    assert "tabler-ui: 1 of 1 photos" in capsys.readouterr().out


def test_a_package_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="the package mate-backgrounds"):
        find_package("mate-backgrounds", tmp_path)
