"""A face as an upright square crop, and the way back into its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cxdemo.faces.finder import Face, eyes_of
from cxdemo.faces.warp import invert, move, sample, scale_of, similarity

LEAST_HEIGHT = 0.9  # of eyes to mouth, that the eyes are taken to be apart: faces seen from a side
MOUTH = (61, 291)  # its corners
FEATHER = 0.06  # of the crop's side, over which an edge fades
OVAL = (0.36, 0.46)  # half width and half height of what is pasted back, in sides of the crop


@dataclass(frozen=True)
class Framing:
    """Where an upright crop has the eyes, in shares of its side.

    Args:
        apart: Distance of the eyes; their middle is at half the width.
        down: Of the eyes from the top.
    """

    apart: float = 0.28
    down: float = 0.42


PORTRAIT = Framing()


@dataclass(frozen=True)
class Square:
    """A turned square in a picture.

    Args:
        centre: x and y in pixels.
        side: In pixels.
        angle: Degrees by which it is turned clockwise.
    """

    centre: tuple[float, float]
    side: float
    angle: float = 0.0

    def moved_down(self, distance: float, right: float = 0.0) -> Square:
        """The square moved along its own sides by pixels of the picture."""
        turn = math.radians(self.angle)
        x = self.centre[0] + right * math.cos(turn) - distance * math.sin(turn)
        y = self.centre[1] + right * math.sin(turn) + distance * math.cos(turn)
        return replace(self, centre=(x, y))

    def reframe(self, old: Framing, new: Framing) -> Square:
        """The square that has the same eyes in another framing."""
        side = self.side * old.apart / new.apart
        down = (old.down - 0.5) * self.side + (0.5 - new.down) * side
        return replace(self.moved_down(down), side=side)

    def crop(self, image: Tensor, size: int, face: Face | None = None) -> AlignedFace:
        """What it shows of a picture (1, 3, H, W), at `size` pixels."""
        matrix = similarity(self.centre, self.side, self.angle, size)
        return AlignedFace(sample(image, matrix, (size, size)), matrix, face)


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A crop of a picture in which the eyes are level.

    Attributes:
        crop: (1, 3, S, S) in [0, 1].
        matrix: (2, 3), float64, from points of the picture to points of the crop.
        face: The face in the picture. None: the crop was placed by hand.
    """

    crop: Tensor
    matrix: Tensor
    face: Face | None = None

    @property
    def size(self) -> int:
        """Pixels of the crop's side."""
        return self.crop.shape[-1]

    @property
    def landmarks(self) -> Tensor | None:
        """(468, 2) in pixels of the crop, or None for a crop by hand."""
        return None if self.face is None else move(self.face.landmarks, self.matrix)

    @property
    def eye_distance(self) -> float:
        """Pixels of the crop between the eyes; for a crop by hand, where they ought to be."""
        if self.face is None:
            return self.size * PORTRAIT.apart
        return self.face.eye_distance * scale_of(self.matrix)

    @property
    def corners(self) -> Tensor:
        """Corners (4, 2) of the crop in the picture, clockwise from the top left."""
        size = float(self.size)
        corners = torch.tensor([[0, 0], [size, 0], [size, size], [0, size]], dtype=torch.float64)
        return move(corners, invert(self.matrix))

    def paste_back(self, image: Tensor, transformed: Tensor, mask: Tensor | None = None) -> Tensor:
        """The picture with another face in the place of this one.

        Args:
            image: (1, 3, H, W) in [0, 1], the picture.
            transformed: (1, 3, S', S') in [0, 1], what the crop became, of any size.
            mask: (1, 1, S', S') in [0, 1], where it became so. None: a feathered oval.

        Shape:
            - returns: (1, 3, H, W). Nothing changes outside the mask, which fades at the edges
              of the crop in any case.
        """
        size = transformed.shape[-1]
        zoom = size / self.size
        matrix = self.matrix * zoom
        mask = (oval(size) if mask is None else mask * frame(size)).to(transformed)
        low, high = self.corners.amin(0).floor().int(), self.corners.amax(0).ceil().int()
        left, top = (max(0, int(v)) for v in low)
        right, bottom = (min(n, int(v)) for n, v in zip(image.shape[:-3:-1], high, strict=True))
        if right <= left or bottom <= top:
            return image.clone()
        back = invert(matrix)
        back = torch.cat([back[:, :2], back[:, 2:] - back.new_tensor([[left], [top]])], 1)
        shape = (bottom - top, right - left)
        layers = sample(torch.cat([transformed, mask], 1), back, shape).to(image)
        share = layers[:, 3:] * _inside(back, size, shape).to(image)
        result = image.clone()
        place = result[..., top:bottom, left:right]
        result[..., top:bottom, left:right] = place + share * (layers[:, :3] - place)
        return result


def align(image: Tensor, face: Face, size: int = 256, framing: Framing = PORTRAIT) -> AlignedFace:
    """The upright crop of a face, its eyes level.

    The eyes of a frontal face come to lie where the framing says. A face seen from the side gets a
    square as high as that of a frontal one, the middle between its eyes where it should be.

    Args:
        image: (1, 3, H, W) in [0, 1].
        face: One of its faces.
        size: Pixels of the crop's side.
        framing: Where the eyes come to lie.
    """
    square = square_of(face).reframe(PORTRAIT, framing)
    return square.crop(image, size, face)


def align_box(
    image: Tensor,
    box: tuple[float, float, float, float],
    size: int = 256,
    *,
    angle: float = 0.0,
    face: Face | None = None,
) -> AlignedFace:
    """A crop by hand: the square around the middle of a box, as long as its longer side.

    Args:
        image: (1, 3, H, W) in [0, 1].
        box: Left, top, right, bottom in pixels of the picture; it may reach outside.
        size: Pixels of the crop's side.
        angle: Degrees by which the square is turned clockwise.
        face: The face in it, if one was found.

    Raises:
        ValueError: The box has no size.
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    if not (math.isfinite(side) and min(right - left, bottom - top) > 0):
        raise ValueError(f"expected a box (left, top, right, bottom) with a size, got {box}.")
    return Square(((left + right) / 2, (top + bottom) / 2), side, angle).crop(image, size, face)


def square_of(face: Face) -> Square:
    """The square around a face, with the framing of a portrait."""
    right, left = eyes_of(face.landmarks.double())
    across = left - right
    angle = math.degrees(math.atan2(float(across[1]), float(across[0])))
    mouth = face.landmarks[list(MOUTH)].double().mean(0)
    height = float((mouth - (left + right) / 2).norm())
    side = max(float(across.norm()), LEAST_HEIGHT * height) / PORTRAIT.apart
    x, y = ((left + right) / 2).tolist()
    return Square((x, y), side, angle).moved_down((0.5 - PORTRAIT.down) * side)


def oval(size: int) -> Tensor:
    """A soft mask (1, 1, size, size): 1 inside an upright oval around the face, 0 at the edges."""
    x, y = _grid(size)
    radius = torch.hypot((x - 0.5) / OVAL[0], (y - 0.5) / OVAL[1])
    return ((1 - radius) * min(OVAL) / FEATHER).clamp(0, 1)[None, None]


def frame(size: int) -> Tensor:
    """A soft mask (1, 1, size, size): 0 at the edges of the crop, 1 further in."""
    x, y = _grid(size)
    edge = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y))
    return (edge / FEATHER).clamp(0, 1)[None, None]


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """X and y of every pixel's middle, (size, size) each, in [0, 1]."""
    places = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(places, places, indexing="ij")
    return x, y


def _inside(back: Tensor, size: int, shape: tuple[int, int]) -> Tensor:
    """1 where a pixel of the picture's part lies in the crop, else 0; (1, 1, *shape)."""
    y, x = torch.meshgrid(*(torch.arange(n) + 0.5 for n in shape), indexing="ij")
    points = move(torch.stack([x, y], -1).double(), invert(back))
    return ((points >= 0) & (points <= size)).all(-1)[None, None]
