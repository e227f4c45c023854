"""The faces of the shipped pictures, found once: a click on one of them is answered at once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES, open_picture
from cxdemo.faces import Face
from cxdemo.faces.choice import ChosenFace, find_in
from cxdemo.gallery.made import Result

RECORD = PICTURES / "face" / "found.json"
FOUND = (
    "portrait_astronaut.jpg", "portrait_curie_1927.jpg", "portrait_einstein_1927.jpg",
    "portrait_monalisa.jpg", "painting_arcimboldo_librarian.jpg",
    "painting_renoir_girls_at_piano.jpg", "face/exemplar_drawn_woman.png",
    "face/exemplar_drawn_man.png",
)  # fmt: skip
DECIMALS = 1  # of a landmark, in pixels

FindFaces = Callable[[Tensor], list[Face]]
_LOGGER = logging.getLogger(__name__)


def open_example(path: Path, find_faces: FindFaces) -> ChosenFace:
    """A shipped picture and its largest face; looked for only if the record does not know it.

    Args:
        path: Of a picture in `cxdemo/examples`.
        find_faces: As `cxdemo.faces.FaceFinder.find`.
    """
    known = load_found().get(_digest(path))
    if known is None:
        return find_in(open_picture(path), find_faces)
    return ChosenFace(images.to_tensor(open_picture(path)), known)


def find_known(picture: Image.Image, find_faces: FindFaces) -> ChosenFace:
    """The largest face of any picture; a shipped one is recognised by its pixels, not searched.

    Args:
        picture: RGB.
        find_faces: As `cxdemo.faces.FaceFinder.find`.
    """
    known = _by_pixels().get(_digest_pixels(picture))
    if known is None:
        return find_in(picture, find_faces)
    return ChosenFace(images.to_tensor(picture), known)


@cache
def _by_pixels() -> dict[str, tuple[Face, ...]]:
    paths = [PICTURES / name for name in FOUND]
    found = load_found()
    return {
        _digest_pixels(open_picture(path)): found[_digest(path)]
        for path in paths
        if _digest(path) in found
    }


def _digest_pixels(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()


@cache
def load_found() -> dict[str, tuple[Face, ...]]:
    """The faces of each picture, by the picture's digest; none without the record."""
    if not RECORD.is_file():
        return {}
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return {each["digest"]: tuple(map(_read, each["faces"])) for each in record.values()}


def _read(stored: dict[str, Any]) -> Face:
    landmarks = torch.tensor(stored["landmarks"])  # (468, 2)
    (left, top), (right, bottom) = landmarks.amin(0).tolist(), landmarks.amax(0).tolist()
    return Face((left, top, right, bottom), stored["score"], landmarks)


def _write(face: Face) -> dict[str, Any]:
    points = [[round(value, DECIMALS) for value in point] for point in face.landmarks.tolist()]
    return {"score": round(face.score, 4), "landmarks": points}


@cache
def _digest(path: Path) -> str:
    """Changes whenever the picture does, and makes an old record stale."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def make_record(ctx: Context) -> None:
    """Finds the faces of all pictures and writes them down."""
    record: dict[str, Any] = {}
    for name in FOUND:
        faces = find_in(open_picture(PICTURES / name), ctx.find_faces).faces
        _LOGGER.info("%s: %d", name, len(faces))
        stored = [_write(face) for face in faces]
        record[name] = {"digest": _digest(PICTURES / name), "faces": stored}
    RECORD.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
    load_found.cache_clear()
    _by_pixels.cache_clear()


def results() -> list[Result]:
    """The one result of this kind."""
    return [
        Result(
            name="faces/found",
            files=(RECORD,),
            made_of=tuple(PICTURES / name for name in FOUND),
            settings={"decimals": DECIMALS},
            code=("cxdemo.faces.finder",),
            weights=("face-detector", "face-mesh"),
            make=make_record,
        )
    ]
