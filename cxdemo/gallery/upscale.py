"""Pictures that show what super-resolution can do, and two that show what it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cxdemo.examples import PICTURES, open_picture

SHRUNK = 2  # the pictures have 512 pixels; a visitor's small picture has about half of that


@dataclass(frozen=True, kw_only=True)
class UpscaleExample:
    """A picture and what to look at in its enlargement.

    Args:
        title: What it shows.
        file: In `cxdemo/examples`.
        note: A line for the visitor.
        focus: Where the magnifier begins, shares of width and height.
        shrunk: How many times smaller it is made first.
    """

    title: str
    file: str
    note: str
    focus: tuple[float, float]
    shrunk: int = SHRUNK

    @property
    def path(self) -> Path:
        """Of the picture."""
        return PICTURES / self.file

    def open(self, *, test: bool) -> Image.Image:
        """The small picture; the sharp one for a test, which shrinks it itself."""
        picture = open_picture(self.path)
        return picture if test else picture.reduce(self.shrunk)


EXAMPLES = (
    UpscaleExample(
        title="Cat",
        file="photo_cat_chelsea.jpg",
        note="Look at the whiskers and the fur round the eye.",
        focus=(0.42, 0.42),
    ),
    UpscaleExample(
        title="Parrot",
        file="photo_parrot.jpg",
        note="Look at the fine feathers of the face.",
        focus=(0.5, 0.35),
    ),
    UpscaleExample(
        title="Chameleon",
        file="photo_chameleon.jpg",
        note="Look at the scales: a squared error melts them together.",
        focus=(0.5, 0.45),
    ),
    UpscaleExample(
        title="Dog",
        file="photo_dog.jpg",
        note="Look at the fur, and at the rim of the eye.",
        focus=(0.5, 0.4),
    ),
    UpscaleExample(
        title="Mountain",
        file="photo_mountain.jpg",
        note="Look at the rocks, and at the smooth sky, where nothing should appear.",
        focus=(0.5, 0.5),
    ),
    UpscaleExample(
        title="Coffee",
        file="photo_coffee.jpg",
        note="Look at the rim of the cup and the grain of the wood.",
        focus=(0.5, 0.5),
    ),
    UpscaleExample(
        title="A small face: hard",
        file="portrait_curie_1927.jpg",
        note="What it cannot do: know a face. Edges get sharp, but eyes this small hold no more "
        "than they hold, and what looks like skin is a guess.",
        focus=(0.5, 0.4),
        shrunk=3,
    ),
    UpscaleExample(
        title="Small print: hard",
        file="text_page.png",
        note="What it cannot do: read. Strokes get crisp, but a letter that is lost stays lost, "
        "as texture knows nothing of spelling.",
        focus=(0.3, 0.4),
        shrunk=5,
    ),
)
