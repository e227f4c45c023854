"""The face that a visitor chose in a picture, and how its crop was corrected by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.faces import PORTRAIT, AlignedFace, Face, Framing, Square, square_of

LONG_SIDE = 1600  # pixels; larger pictures are scaled down to it
HAND_SHARE = 0.6  # of the short side that a crop by hand has at first


@dataclass(frozen=True)
class Nudge:
    """A correction of the crop.

    Args:
        right: By which the crop moves to the right, in percent of its own side.
        down: By which it moves down, likewise.
        size: Its side in percent of what was found.
        turn: Degrees by which it turns clockwise.
    """

    right: float = 0.0
    down: float = 0.0
    size: float = 100.0
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class ChosenFace:
    """A picture and the square in it that is taken for the face.

    Attributes:
        picture: (1, 3, H, W) in [0, 1].
        faces: The faces that were found, the largest first.
        index: Which of them is chosen. It means nothing if none was found: then the crop is placed
            by hand.
        nudge: The visitor's correction.
    """

    picture: Tensor
    faces: tuple[Face, ...] = ()
    index: int = 0
    nudge: Nudge = field(default_factory=Nudge)

    @property
    def face(self) -> Face | None:
        """The chosen one, or None if there is none."""
        return self.faces[self.index] if self.faces else None

    @property
    def placed(self) -> bool:
        """Whether somebody said where the face is: the finder, or a hand."""
        return bool(self.faces) or self.nudge != Nudge()

    @cached_property
    def aligned(self) -> AlignedFace:
        """The crop at 256 pixels."""
        return self.align(256)

    def align(self, size: int, framing: Framing = PORTRAIT) -> AlignedFace:
        """The crop at a size in pixels; another framing shows more or less around the same eyes."""
        square, nudge = self._square(), self.nudge
        moved = square.moved_down(nudge.down / 100 * square.side, nudge.right / 100 * square.side)
        side, angle = square.side * nudge.size / 100, square.angle + nudge.turn
        square = replace(moved, side=side, angle=angle).reframe(PORTRAIT, framing)
        return square.crop(self.picture, size, self.face)

    def choose(self, index: int) -> ChosenFace:
        """Another face, without a correction.

        Raises:
            ValueError: There is no such face.
        """
        if not 0 <= index < len(self.faces):
            raise ValueError(f"This picture has {len(self.faces)} faces: choose one of them.")
        return replace(self, index=index, nudge=Nudge())

    def correct(self, nudge: Nudge) -> ChosenFace:
        """The same face with another correction."""
        return replace(self, nudge=nudge)

    def _square(self) -> Square:
        """The crop before the correction."""
        if self.face is not None:
            return square_of(self.face)
        height, width = self.picture.shape[-2:]
        return Square((width / 2, height / 2), HAND_SHARE * min(height, width))


def find_in(picture: Image.Image, find_faces: Callable[[Tensor], list[Face]]) -> ChosenFace:
    """The largest face of a picture, or a crop to be placed by hand.

    Args:
        picture: RGB; it is scaled down to 1600 pixels.
        find_faces: As `cxdemo.faces.FaceFinder.find`.
    """
    image = _read(picture)
    return ChosenFace(image, tuple(find_faces(image)))


def find_largest(
    picture: Image.Image, find_face: Callable[[Tensor], Face | None], *, what: str = "picture"
) -> ChosenFace:
    """The largest face of a picture, for those who can't place a crop by hand.

    Args:
        picture: RGB; it is scaled down to 1600 pixels.
        find_face: As `cxdemo.faces.FaceFinder.find_largest`.
        what: How an error calls the picture.

    Raises:
        ValueError: There is none.
    """
    image = _read(picture)
    face = find_face(image)
    if face is None:
        raise ValueError(
            f"No face was found in the {what}: take one with a larger face that looks at you, or "
            "place the crop by hand in the app."
        )
    return ChosenFace(image, (face,))


def read_face(
    chosen: ChosenFace | None, size: int = 256, *, what: str = "face", framing: Framing = PORTRAIT
) -> tuple[Tensor, AlignedFace]:
    """The picture (1, 3, H, W) in [0, 1] and the aligned face of a choice.

    Args:
        chosen: What `FaceInput.state` holds.
        size: Pixels of the crop's side.
        what: How an error calls it.
        framing: Where the crop has the eyes.

    Raises:
        ValueError: There is none yet.
    """
    if chosen is None:
        raise ValueError(f"Choose a picture for the {what} first: drop one, or click an example.")
    return chosen.picture, chosen.align(size, framing)


def _read(picture: Image.Image) -> Tensor:
    """(1, 3, H, W) in [0, 1], at most `LONG_SIDE` pixels long."""
    picture = picture.copy()
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return images.to_tensor(picture)
