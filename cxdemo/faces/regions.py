"""Soft masks of the eyes, the mouth, the skin and the hair of an aligned face."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from cxdemo.faces.align import AlignedFace

Region = Literal["all", "eyes", "mouth", "skin", "hair"]
REGIONS: tuple[Region, ...] = get_args(Region)

# Outlines of MediaPipe's landmarks, in order around the shape.
FACE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_EYE = (70, 63, 105, 66, 107, 133, 155, 154, 153, 145, 144, 163, 7, 33)  # with its brow
LEFT_EYE = (300, 293, 334, 296, 336, 362, 382, 381, 380, 374, 373, 390, 249, 263)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)

EYE_ROOM = 0.12  # in distances of the eyes, by which the outline grows
LIP_ROOM = 0.10
FEATHER = 0.12  # width of the soft edge, in distances of the eyes
HAIR = (1.45, 1.55)  # half width and half height of hair and face together, in those of the face
HAIR_UP = 0.22  # by which that oval is moved up, in heights of the face
# Without landmarks, in the framing of a portrait: middles and radii in sides of the crop.
BY_HAND = {
    "face": [((0.5, 0.52), (0.29, 0.37))],
    "eyes": [((0.36, 0.40), (0.11, 0.08)), ((0.64, 0.40), (0.11, 0.08))],
    "mouth": [((0.5, 0.70), (0.13, 0.06))],
}


def region_mask(aligned: AlignedFace, region: str) -> Tensor:
    """How much each pixel of the crop belongs to a region.

    Eyes (with their brows), mouth and skin are parts of the face and add up to it; hair is what
    surrounds its upper part. The edges are soft.

    Args:
        aligned: The face. For a crop by hand the regions are ovals where they usually are.
        region: One of `REGIONS`.

    Shape:
        - returns: (1, 1, S, S) in [0, 1].

    Raises:
        ValueError: There is no such region.
    """
    if region not in REGIONS:
        raise ValueError(f"expected a region out of {list(REGIONS)}, got {region!r}.")
    size = aligned.size
    if region == "all":
        return torch.ones(1, 1, size, size)
    face, eyes, mouth = _parts(aligned)
    eyes = eyes * face
    mouth = mouth * (face - eyes)
    masks = {"eyes": eyes, "mouth": mouth, "skin": face - eyes - mouth}
    if region == "hair":
        masks["hair"] = _around(aligned) * (1 - face)
    return masks[region].clamp(0, 1)[None, None]


def _parts(aligned: AlignedFace) -> tuple[Tensor, Tensor, Tensor]:
    """Soft masks (S, S) of the whole face, the eyes and the mouth, one over the other."""
    unit, size = aligned.eye_distance, aligned.size
    outlines = _outlines(aligned)
    room = {"face": 0.0, "eyes": EYE_ROOM, "mouth": LIP_ROOM}
    if aligned.landmarks is None:
        room = dict.fromkeys(room, 0.0)
    masks = {
        name: torch.stack([_fill(each, size, room[name] * unit, FEATHER * unit) for each in shapes])
        for name, shapes in outlines.items()
    }
    return masks["face"].amax(0), masks["eyes"].amax(0), masks["mouth"].amax(0)


def _outlines(aligned: AlignedFace) -> dict[str, list[Tensor]]:
    """Polygons (K, 2) in pixels of the crop."""
    points = aligned.landmarks
    if points is not None:
        found = {"face": [FACE], "eyes": [RIGHT_EYE, LEFT_EYE], "mouth": [LIPS]}
        return {name: [points[list(each)] for each in many] for name, many in found.items()}
    return {
        name: [_ellipse(centre, radii) * aligned.size for centre, radii in many]
        for name, many in BY_HAND.items()
    }


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], corners: int = 48) -> Tensor:
    """A polygon (corners, 2) like an ellipse."""
    turn = torch.arange(corners) * (2 * math.pi / corners)
    return torch.stack([turn.cos() * radii[0], turn.sin() * radii[1]], 1) + torch.tensor(centre)


def _around(aligned: AlignedFace) -> Tensor:
    """Soft mask (S, S) of hair and face: an oval larger than the face, cut off at its chin."""
    outline = _outlines(aligned)["face"][0]
    low, high = outline.amin(0), outline.amax(0)
    half = (high - low) / 2
    shift = torch.tensor([0.0, HAIR_UP]) * (high - low)
    centre = (low + high) / 2 - shift
    radii = (float(half[0]) * HAIR[0], float(half[1]) * HAIR[1])
    oval = _ellipse((float(centre[0]), float(centre[1])), radii)
    feather = FEATHER * aligned.eye_distance
    y = torch.arange(aligned.size) + 0.5
    above_chin = (0.5 + (high[1] - half[1] * 0.5 - y) / feather).clamp(0, 1)
    return _fill(oval, aligned.size, 0.0, feather) * above_chin[:, None]


def _fill(outline: Tensor, size: int, room: float, feather: float) -> Tensor:
    """1 inside a polygon that is grown by `room`, 0 outside, linear over `feather` pixels.

    Shape:
        - outline: (K, 2).
        - returns: (size, size).
    """
    places = torch.arange(size) + 0.5
    y, x = torch.meshgrid(places, places, indexing="ij")
    points = torch.stack([x, y], -1).view(-1, 1, 2)  # (S², 1, 2)
    start, end = outline, outline.roll(-1, 0)  # (K, 2)
    along = end - start
    share = ((points - start) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
    nearest = start + share.clamp(0, 1)[..., None] * along  # (S², K, 2)
    distance = (points - nearest).norm(dim=-1).amin(1)  # (S²,)
    depth = torch.where(_contains(start, end, points), distance, -distance)
    return (0.5 + (depth + room) / feather).clamp(0, 1).view(size, size)


def _contains(start: Tensor, end: Tensor, points: Tensor) -> Tensor:
    """Whether points (P, 1, 2) are inside, by how many edges a ray to the right crosses; (P,)."""
    x, y = points.unbind(-1)
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    rise = (end[:, 1] - start[:, 1]).abs().clamp_min(1e-12) * (end[:, 1] - start[:, 1]).sign()
    rise = torch.where(rise == 0, torch.ones_like(rise), rise)
    at = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    return (crosses & (x < at)).sum(1) % 2 == 1
