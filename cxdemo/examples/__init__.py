"""The project's own pictures: their files, their titles, and how one is opened."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from cxdemo import images

PICTURES = Path(__file__).resolve().parent


@lru_cache(maxsize=64)
def _load_picture(path: Path) -> Image.Image:
    return images.load(path)


def open_picture(path: Path) -> Image.Image:
    """A picture of the project's own; a copy, so that no visitor can change another's."""
    return _load_picture(path).copy()


def picture_files(*kinds: str) -> list[Path]:
    """The example pictures whose names begin with one of these kinds, such as "painting"."""
    return [path for kind in kinds for path in sorted(PICTURES.glob(f"{kind}_*.jpg"))]


def title_of(path: Path) -> str:
    """What a picture shows, from its file name: photo_city_night.jpg is "City night"."""
    return path.stem.partition("_")[2].replace("_", " ").capitalize()
