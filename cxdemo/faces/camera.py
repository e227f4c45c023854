"""The square of a clip that shows its face: steady while the face stays, with it where it goes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cxdemo.faces.align import PORTRAIT, Framing, Square, square_of
from cxdemo.faces.finder import Face

ACROSS, DOWN = 0.07, 0.05  # of the square's side, by which a face moves before the square does
FRAMED = 0.18  # the same, within which a clip is left as it was framed
ROUNDS = 100  # of smoothing; more make its way rounder


def crop_along(
    frames: Tensor, faces: Sequence[Face | None], size: int, framing: Framing = PORTRAIT
) -> Tensor:
    """The frames cut to an upright square that follows a face, as a camera operator would.

    Small movements stay in the picture: they are part of what the face does. A clip whose middle
    square always has the face in its place keeps that square. The square stays within the frame;
    where no face was seen it goes on between its neighbours.

    Args:
        frames: (T, 3, H, W) in [0, 1].
        faces: The face of each frame, as `cxdemo.faces.FaceFinder.follow` gives it; at least one.
        size: Pixels of the result's side.
        framing: Where the eyes come to lie.

    Shape:
        Returns (T, 3, size, size) in [0, 1].
    """
    height, width = frames.shape[2:]
    wanted = _measure(faces, framing)  # (T, 3)
    middle = torch.tensor([width / 2, height / 2, min(height, width)])
    if bool(((wanted - middle).abs() <= FRAMED * middle[2]).all()):
        squares = middle.expand_as(wanted).tolist()
    else:
        squares = _follow(wanted, height, width).tolist()
    return torch.cat(
        [
            Square((x, y), side).crop(frame, size).crop
            for frame, (x, y, side) in zip(frames.split(1), squares, strict=True)
        ]
    )


def _follow(wanted: Tensor, height: int, width: int) -> Tensor:
    """Squares, (T, 3), that are where they are wanted, give or take, and within the frame."""
    x, y, side = wanted.unbind(1)  # (T,) each
    side = _steady(side, DOWN * side).clamp(max=float(min(height, width)))
    x = _within(_steady(x, ACROSS * side), side, width)
    y = _within(_steady(y, DOWN * side), side, height)
    return torch.stack([x, y, side], dim=1)


def _measure(faces: Sequence[Face | None], framing: Framing) -> Tensor:
    """Centre and side of the square around the face of each frame, (T, 3)."""
    seen = [index for index, face in enumerate(faces) if face is not None]
    squares = [square_of(face).reframe(PORTRAIT, framing) for face in faces if face is not None]
    known = torch.tensor([(*square.centre, square.side) for square in squares])  # (K, 3)
    return torch.stack([_between(seen, known, index) for index in range(len(faces))])


def _between(seen: list[int], known: Tensor, index: int) -> Tensor:
    """What is known at the frames before and after, in proportion, (3,)."""
    after = next((k for k, at in enumerate(seen) if at >= index), len(seen) - 1)
    before = max(0, after - 1) if seen[after] != index else after
    if seen[after] < index:
        before = after
    span = seen[after] - seen[before]
    share = min(1.0, max(0.0, (index - seen[before]) / span)) if span else 0.0
    return torch.lerp(known[before], known[after], share)


def _steady(path: Tensor, slack: Tensor) -> Tensor:
    """The calmest way, (T,), that is nowhere further than the slack from a path: a taut string."""
    low, high = path - slack, path + slack
    way = path.median().expand_as(path)
    for _ in range(ROUNDS):
        way = way.clamp(low, high)
        padded = torch.cat([way[:1], way, way[-1:]])
        way = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return way.clamp(low, high)


def _within(centre: Tensor, side: Tensor, length: int) -> Tensor:
    """Centres, (T,), of squares that do not reach over the edges."""
    return torch.minimum(torch.maximum(centre, side / 2), length - side / 2)
