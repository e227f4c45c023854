"""One face moved as another one moves: its mesh carried along, and its picture bent after it.

Points are pixels, x to the right and y down, in MediaPipe's order of 468 landmarks. The picture is
bent by a smooth field, a thin-plate spline through the mesh and a ring of points that stay, so that
hair and surroundings give way softly and the borders stand still.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

TURNS = (0.65, 0.55, 0.45, 0.35, 0.25)  # shares of the driver's turning that are tried in turn
STILL = 0.01  # in sides of the face: what the nose moves by no more says nothing
FOLDED = 3e-3  # share of a picture that may be folded over
STIFFNESS = 4e-3  # of the spline: landmarks that crowd at a turned cheek are averaged
ROOM = (1.75, 1.9)  # half axes of the ring that stays, in half sizes of the face
RING, EDGE = 24, 8  # points on the ring, and on each edge of the picture
GRID = 64  # cells a side, in which the field is computed; it is smooth

INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
NOSE = 1  # its tip
UPPER, LOWER, RIGHT, LEFT = 13, 14, 78, 308  # of the inner lips
CLOSED = 0.06  # openness up to which a mouth counts as closed
PAINTED = 0.12  # openness from which a picture shows the inside of the mouth by itself
SHADE = 0.45  # of the darkest colours of the lips: what is behind them
SAMPLES = 20  # pixels of which that colour is the mean


def carry_motion(driver: Tensor, target: Tensor, *, turn: float = TURNS[0]) -> Tensor:
    """The target's mesh, moved as the driver's mesh has moved since its first frame.

    Turning, nodding and coming nearer are what an affine map explains, and what goes along with the
    tip of the nose, which stands out: near parts move farther than far ones. The rest is the
    expression, which is carried over whole.

    Args:
        driver: Meshes of a clip.
        target: The mesh of the picture that is to move.
        turn: Share of the turning that is carried over, in [0, 1].

    Shape:
        - driver: (T, K, 2); target: (K, 2); returns (T, K, 2).
    """
    moved = (driver - driver[:1]) @ _similarity(driver[0], target).T  # (T, K, 2), in its own size
    plane = torch.cat([target, torch.ones_like(target[:, :1])], dim=1)  # (K, 3)
    whole = plane @ (torch.linalg.pinv(plane) @ moved)  # (T, K, 2)
    rest = moved - whole
    nose = rest[:, NOSE]  # (T, 2)
    still = len(nose) * (STILL * (target.amax(dim=0) - target.amin(dim=0)).max()).square()
    normal = nose.T @ nose + still * torch.eye(2).to(nose)
    depth = torch.linalg.solve(normal, nose.T @ rest.flatten(1))  # (2, 2 K)
    whole = whole + (nose @ depth).view_as(rest)
    return target + moved - (1 - turn) * whole


def carry_unfolded(driver: Tensor, target: Tensor, size: int) -> Tensor:
    """The target's mesh moved by as much of the driver's turning as does not fold its picture.

    A head that turns far hides a cheek, and a picture bent that far would lie on itself there.

    Args:
        driver: Meshes of a clip, (T, K, 2).
        target: The mesh of the picture that is to move, (K, 2).
        size: Side of that picture, pixels.

    Shape:
        - returns: (T, K, 2), with one share for the whole clip.

    Cost:
        0.02 s a frame and share on one core.
    """
    moved = target[None]
    for turn in TURNS:
        moved = carry_motion(driver, target, turn=turn)
        if max(fold(target, points, size) for points in moved) <= FOLDED:
            break
    return moved


def fold(mesh: Tensor, moved: Tensor, size: int) -> float:
    """The share of a picture of a side in pixels that `bend` would fold over."""
    field = _field(mesh, moved, size, GRID)[0]  # (2, G, G)
    right, down = field.diff(dim=2)[:, :-1] * GRID, field.diff(dim=1)[:, :, :-1] * GRID
    area = (1 + right[0]) * (1 + down[1]) - right[1] * down[0]
    return float((area < 0).float().mean())


def bend(picture: Tensor, mesh: Tensor, moved: Tensor) -> Tensor:
    """A square picture, bent so that the points of its mesh lie where they have moved to.

    Shape:
        - picture: (1, 3, S, S) in [0, 1]; mesh, moved: (K, 2); returns the shape of picture.

    Source:
        Bookstein, "Principal Warps: Thin-Plate Splines", PAMI 1989, with smoothing.
    """
    size = picture.shape[3]
    field = F.interpolate(
        _field(mesh, moved, size, GRID), size=(size, size), mode="bicubic", align_corners=False
    )
    y, x = _centres(size)
    places = torch.stack([x, y], dim=2)[None] + field.permute(0, 2, 3, 1)
    return F.grid_sample(
        picture, (2 * places - 1).to(picture), mode="bicubic", padding_mode="border",
        align_corners=False,
    ).clamp(0, 1)  # fmt: skip


def openness(mesh: Tensor) -> Tensor:
    """How far mouths are open: height by width between the lips, (..., K, 2) -> (...)."""
    height = (mesh[..., LOWER, :] - mesh[..., UPPER, :]).norm(dim=-1)
    return height / (mesh[..., LEFT, :] - mesh[..., RIGHT, :]).norm(dim=-1).clamp_min(1e-6)


def fill_mouth(bent: Tensor, picture: Tensor, mesh: Tensor, moved: Tensor) -> Tensor:
    """A bent picture with a dark inside of the mouth, where the picture itself shows none.

    A closed mouth that opens has nothing behind its lips but their own colour, drawn out.

    Shape:
        - bent, picture: (1, 3, S, S) in [0, 1]; mesh, moved: (K, 2); returns the shape of bent.
    """
    before = float(openness(mesh))
    gap = float(openness(moved)) - max(before, CLOSED)
    if gap <= 0 or before >= PAINTED:
        return bent
    outline = moved[list(INNER_LIPS)]
    mask = min(1.0, gap / PAINTED) * _inside(outline, bent.shape[3]).to(bent)
    dark = SHADE * _darkest(picture, mesh)  # (1, 3, 1, 1)
    return bent + mask * (dark - bent)


def move_face(picture: Tensor, mesh: Tensor, moved: Tensor) -> Tensor:
    """A picture for each of some positions of its mesh: bent, with an inside of the mouth.

    Args:
        picture: A square picture of a face.
        mesh: Its landmarks.
        moved: Where they are to be, frame by frame.

    Shape:
        - picture: (1, 3, S, S) in [0, 1]; mesh: (K, 2); moved: (T, K, 2); returns (T, 3, S, S).

    Cost:
        0.04 s a frame of 256 pixels on one core.
    """
    return torch.cat([fill_mouth(bend(picture, mesh, m), picture, mesh, m) for m in moved])


def _similarity(points: Tensor, wanted: Tensor) -> Tensor:
    """The turn and scale (2, 2) that brings points nearest to others, both about their means."""
    x, y = points - points.mean(dim=0), wanted - wanted.mean(dim=0)
    u, s, vt = torch.linalg.svd(x.T @ y)
    flip = torch.diag(torch.stack([torch.ones_like(s[0]), torch.det(u @ vt).sign()]))
    scale = (s * flip.diagonal()).sum() / x.square().sum()
    return scale * vt.T @ flip @ u.T


def _fixed_points(mesh: Tensor, size: int) -> Tensor:
    """A ring around a face, and points on the picture's edges, (F, 2)."""
    low, high = mesh.amin(dim=0), mesh.amax(dim=0)
    angles = torch.arange(RING) * (2 * math.pi / RING)
    around = torch.stack([angles.cos(), angles.sin()], dim=1).to(mesh)
    ring = (low + high) / 2 + (high - low).max() / 2 * around * mesh.new_tensor(ROOM)
    along = torch.linspace(0, size, EDGE).to(mesh)
    near, far = torch.zeros_like(along), torch.full_like(along, size)
    edges = [(along, near), (along, far), (near, along), (far, along)]
    return torch.cat([ring, *(torch.stack(pair, dim=1) for pair in edges)])


def _field(mesh: Tensor, moved: Tensor, size: int, cells: int) -> Tensor:
    """From where each place of a bent picture comes, less itself: (1, 2, cells, cells), sides."""
    fixed = _fixed_points(mesh, size)
    where = torch.cat([moved, fixed]) / size  # (K + F, 2)
    shift = torch.cat([mesh - moved, torch.zeros_like(fixed)]) / size
    return _spline(where, shift, cells)


def _spline(where: Tensor, values: Tensor, size: int) -> Tensor:
    """A smoothing thin-plate spline through values at points, (1, 2, size, size).

    Shape:
        - where: (K, 2) in shares of the side; values: (K, 2).
    """
    points, count = where.double(), len(where)
    plane = torch.cat([torch.ones_like(points[:, :1]), points], dim=1)  # (K, 3)
    system = points.new_zeros(count + 3, count + 3)
    system[:count, :count] = _bending(points, points)
    system[:count, :count] += STIFFNESS * torch.eye(count, dtype=torch.float64)
    system[:count, count:], system[count:, :count] = plane, plane.T
    wanted = torch.cat([values.double(), points.new_zeros(3, 2)])
    weights = torch.linalg.solve(system, wanted)  # (K + 3, 2)
    y, x = _centres(size)
    cells = torch.stack([x, y], dim=2).view(-1, 2).double()
    terms = torch.cat([_bending(cells, points), torch.ones_like(cells[:, :1]), cells], dim=1)
    return (terms @ weights).T.view(1, 2, size, size).to(where)


def _bending(a: Tensor, b: Tensor) -> Tensor:
    """r^2 log r between points, 0 where they coincide: (A, 2), (B, 2) -> (A, B)."""
    squares = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.special.xlogy(squares, squares) / 2


@lru_cache(maxsize=4)
def _centres(size: int) -> tuple[Tensor, Tensor]:
    """Y and x of the centres of cells, in shares of the side, each (size, size)."""
    along = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(along, along, indexing="ij")
    return y, x


def _inside(outline: Tensor, size: int) -> Tensor:
    """A polygon's inside with an edge that is soft over about two pixels, (1, 1, size, size)."""
    y, x = _centres(size)
    points = size * torch.stack([x, y], dim=2).view(-1, 1, 2).to(outline)  # (P, 1, 2)
    sides = outline.roll(-1, 0) - outline  # (K, 2)
    along = ((points - outline) * sides).sum(dim=2) / sides.square().sum(dim=1).clamp_min(1e-6)
    nearest = outline + along.clamp(0, 1)[..., None] * sides  # (P, K, 2)
    distance = (points - nearest).norm(dim=2).amin(dim=1)
    down = points[..., 1] - outline[:, 1]
    spans = (down < 0) != (down < sides[:, 1])  # a side is met by the row of the point
    left_of = points[..., 0] - outline[:, 0] < sides[:, 0] * down / sides[:, 1].where(
        sides[:, 1] != 0, torch.ones_like(sides[:, 1])
    )
    odd = (spans & left_of).sum(dim=1) % 2 == 1
    return torch.sigmoid(torch.where(odd, distance, -distance)).view(1, 1, size, size)


def _darkest(picture: Tensor, mesh: Tensor) -> Tensor:
    """The mean of the darkest colours between the lips, (1, 3, 1, 1)."""
    size = picture.shape[3]
    right, left = mesh[RIGHT], mesh[LEFT]
    middle, across = (right + left) / 2, float((left - right).norm())
    x0, x1 = (int(v) for v in (middle[0] - across / 2, middle[0] + across / 2))
    y0, y1 = (int(v) for v in (middle[1] - across / 8, middle[1] + across / 8))
    x0, y0 = max(0, min(x0, size - 2)), max(0, min(y0, size - 2))
    colors = picture[0, :, y0 : max(y1, y0 + 1) + 1, x0 : max(x1, x0 + 1) + 1].flatten(1)  # (3, P)
    order = colors.mean(dim=0).argsort()[:SAMPLES]
    return colors[:, order].mean(dim=1).view(1, 3, 1, 1)
