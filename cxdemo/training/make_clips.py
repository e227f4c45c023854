"""Draws the clips that are shipped for animation and puppet: nobody in them exists.

    python -m cxdemo.training.make_clips

A head of smooth solids is ray-marched (the driver), and a cat is drawn (the puppet), both from the
same `Pose`, so that the true puppet frame of every driver frame is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cxdemo import images
from cxdemo.video import save_mp4

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "face"
SIZE = 128
FPS = 12.0
SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Pose:
    """What a face does. Angles in radians, the rest in [0, 1] unless said otherwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    mouth: float = 0.0  # opening
    smile: float = 0.3  # -1 sad, 1 broad
    eyes: float = 1.0  # opening
    brows: float = 0.0  # raised, -1 to 1
    gaze: float = 0.0  # -1 left, 1 right


def poses_of(clip: str) -> list[Pose]:
    """The poses of `"driver"`, or of `"new"`: other movements, for a puppet that was taught."""
    count = round(SECONDS * FPS)
    move = _driver_pose if clip == "driver" else _new_pose
    return [move(index / count) for index in range(count)]


def _driver_pose(t: float) -> Pose:
    turn = 2 * math.pi * t
    return Pose(
        yaw=0.48 * math.sin(turn),
        pitch=0.2 * math.sin(2 * turn + 0.4),
        roll=0.1 * math.sin(turn + 1.1),
        mouth=_speech(t, 5),
        smile=0.3 + 0.6 * math.sin(turn + 2.2),
        eyes=_blink(t, (0.2, 0.62, 0.9)),
        brows=math.sin(3 * turn + 1),
        gaze=0.8 * math.sin(2 * turn + 2),
    )


def _new_pose(t: float) -> Pose:
    turn = 2 * math.pi * t
    return Pose(
        yaw=0.42 * math.sin(turn + 2.3),
        pitch=0.17 * math.sin(3 * turn + 1.7),
        roll=0.09 * math.sin(2 * turn),
        mouth=_speech(t + 0.07, 4),
        smile=0.3 + 0.6 * math.sin(2 * turn + 0.3),
        eyes=_blink(t, (0.1, 0.45, 0.76)),
        brows=math.sin(2 * turn + 4),
        gaze=0.7 * math.sin(turn + 5),
    )


def _speech(t: float, syllables: int) -> float:
    return max(0.0, math.sin(2 * math.pi * syllables * t)) ** 0.8


def _blink(t: float, moments: tuple[float, ...]) -> float:
    return min(1.0, *(abs(t - moment) / 0.045 for moment in moments))


# ------------------------------------------------------------------------- the driver: a solid head


def render_head(pose: Pose, *, size: int = SIZE) -> Tensor:
    """A head in clay colours under two lights, (1, 3, size, size)."""
    side = 2 * size
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    start = torch.stack([1.06 * x, 1.06 * y - 0.04, torch.full_like(x, 2.2)], dim=-1).view(-1, 3)
    rotation = _rotation(pose)
    depth = torch.zeros(len(start))
    for _ in range(56):
        points = start - torch.tensor([0.0, 0.0, 1.0]) * depth[:, None]
        depth = depth + 0.8 * _distances(points, rotation, pose).min(dim=1).values
    points = start - torch.tensor([0.0, 0.0, 1.0]) * depth[:, None]  # (P, 3)
    parts = _distances(points, rotation, pose)  # (P, 4)
    hit = (parts.min(dim=1).values < 0.02) & (depth < 4.5)
    colour = _paint(points, parts.argmin(dim=1), rotation, pose)  # (P, 3)
    shaded = _light(colour, _normals(points, rotation, pose))
    backdrop = torch.tensor([0.42, 0.50, 0.55]) * (1.0 - 0.25 * x.abs() - 0.15 * y).view(-1, 1)
    picture = torch.where(hit[:, None], shaded, backdrop).clamp(0, 1)
    return images.shrink(picture.T.reshape(1, 3, side, side), 2).clamp(0, 1)


def _rotation(pose: Pose) -> Tensor:
    """From the world to the head, (3, 3)."""
    a, b, c = pose.yaw, -pose.pitch, pose.roll
    turn = torch.tensor([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    nod = torch.tensor([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    tilt = torch.tensor([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return (turn @ nod @ tilt).T


def _distances(points: Tensor, rotation: Tensor, pose: Pose) -> Tensor:
    """To skin, hair, shirt and nothing else, (P, 3)."""
    head = _to_head(points, rotation)
    jaw = 0.10 * pose.mouth
    skull = _ellipsoid(head, (0, 0.15, -0.05), (0.66, 0.76, 0.72))
    chin = _ellipsoid(head, (0, -0.36 - jaw, 0.10), (0.44, 0.46 + jaw / 2, 0.50))
    skin = _blend(skull, chin, 0.22)
    skin = _blend(skin, _ellipsoid(head, (0, -0.05, 0.66), (0.085, 0.20, 0.13)), 0.09)
    skin = _blend(skin, _ellipsoid(head, (0, -0.17, 0.72), (0.11, 0.085, 0.11)), 0.06)
    for side in (-1, 1):
        skin = _blend(skin, _ellipsoid(head, (side * 0.67, 0.02, -0.05), (0.09, 0.19, 0.13)), 0.05)
        cheek = _ellipsoid(head, (side * 0.32, -0.20, 0.42), (0.20, 0.18, 0.18))
        skin = _blend(skin, cheek, 0.15)
        brow = _ellipsoid(head, (side * 0.26, 0.27, 0.56), (0.22, 0.06, 0.10))
        skin = _blend(skin, brow, 0.10)
        socket = _ellipsoid(head, (side * 0.26, 0.10, 0.72), (0.17, 0.12, 0.10))
        skin = -_blend(-skin, socket, 0.08)
        skin = _blend(skin, _ellipsoid(head, (side * 0.26, 0.10, 0.52), (0.15, 0.13, 0.12)), 0.02)
    neck = _ellipsoid(points, (0, -0.95, -0.10), (0.30, 0.60, 0.30))
    hair = _ellipsoid(head, (0, 0.28, -0.14), (0.72, 0.74, 0.74))
    fringe = head[:, 2] * 0.75 - head[:, 1] + 0.17 + 0.05 * torch.sin(9 * head[:, 0])
    hair = torch.maximum(hair, fringe)
    shirt = _ellipsoid(points, (0, -1.72, -0.15), (1.05, 0.60, 0.55))
    return torch.stack([_blend(skin, neck, 0.08), hair, shirt], dim=1)


def _to_head(points: Tensor, rotation: Tensor) -> Tensor:
    """Coordinates of the head, which turns about the neck's upper end."""
    pivot = torch.tensor([0.0, -0.5, -0.1])
    return (points - pivot) @ rotation.T + pivot


def _ellipsoid(points: Tensor, centre: tuple[float, ...], radii: tuple[float, ...]) -> Tensor:
    scaled = (points - torch.tensor(centre, dtype=torch.float32)) / torch.tensor(radii)
    length = scaled.norm(dim=1)
    steep = (scaled / torch.tensor(radii)).norm(dim=1).clamp_min(1e-6)
    return length * (length - 1) / steep


def _blend(a: Tensor, b: Tensor, width: float) -> Tensor:
    """The union of two solids, with a fillet."""
    share = (0.5 + 0.5 * (b - a) / width).clamp(0, 1)
    return torch.lerp(b, a, share) - width * share * (1 - share)


def _normals(points: Tensor, rotation: Tensor, pose: Pose) -> Tensor:
    steps = 0.004 * torch.eye(3)
    slopes = [
        _distances(points + step, rotation, pose).min(dim=1).values
        - _distances(points - step, rotation, pose).min(dim=1).values
        for step in steps
    ]
    return torch.nn.functional.normalize(torch.stack(slopes, dim=1), dim=1)


def _light(colour: Tensor, normals: Tensor) -> Tensor:
    lights = ((-0.5, 0.6, 0.7, 0.75), (0.8, 0.1, 0.5, 0.28))
    amount = torch.full((len(colour),), 0.30)
    for *direction, strength in lights:
        towards = torch.tensor(direction) / torch.tensor(direction).norm()
        amount = amount + strength * (normals @ towards).clamp_min(0)
    return colour * amount[:, None]


def _paint(points: Tensor, part: Tensor, rotation: Tensor, pose: Pose) -> Tensor:
    """Colours of skin with eyes, brows and mouth, of hair and of the shirt, (P, 3)."""
    base = torch.tensor([[0.93, 0.70, 0.56], [0.27, 0.16, 0.11], [0.20, 0.36, 0.52]])[part]
    head = _to_head(points, rotation)
    front = (part == 0) & (head[:, 2] > 0.2)
    for shape, colour in _features(head[:, 0], head[:, 1], pose):
        cover = (shape * front).clamp(0, 1)[:, None]
        base = torch.lerp(base, torch.tensor(colour), cover)
    return base


def _features(x: Tensor, y: Tensor, pose: Pose) -> list[tuple[Tensor, tuple[float, ...]]]:
    """Covers in [0, 1] and colours, in the order of painting."""
    found: list[tuple[Tensor, tuple[float, ...]]] = []
    opening = max(pose.eyes, 0.05)
    for side in (-1, 1):
        u, v = x - side * 0.26, y - 0.10
        cheek = torch.exp(-((x - side * 0.36) ** 2 + (y + 0.2) ** 2) / 0.02)
        found.append((0.35 * cheek, (0.90, 0.45, 0.40)))
        lid = _disc(u, v, 0.145, 0.10 * opening + 0.022)
        white = _disc(u, v, 0.13, 0.10 * opening)
        found += [(lid, (0.25, 0.13, 0.10))]
        if pose.eyes > 0.15:
            pupil_at = u - 0.045 * pose.gaze
            found += [
                (white, (0.97, 0.97, 0.95)),
                (white * _disc(pupil_at, v, 0.075, 0.075), (0.24, 0.42, 0.36)),
                (white * _disc(pupil_at, v, 0.038, 0.038), (0.05, 0.05, 0.06)),
                (white * _disc(pupil_at + 0.025, v - 0.03, 0.018, 0.018), (1.0, 1.0, 1.0)),
            ]
        arch = v - 0.19 - 0.05 * pose.brows + 1.6 * (u - side * 0.02) ** 2
        found.append((_band(arch, 0.028) * _band(u, 0.16), (0.25, 0.15, 0.10)))
    bend = -0.36 + 0.9 * pose.smile * x**2 - 0.02 * pose.smile
    width = 0.21 + 0.05 * pose.smile - 0.05 * pose.mouth
    v = y - bend + 0.07 * pose.mouth
    height = 0.115 * pose.mouth
    found += [
        (_disc(x, v, width + 0.03, height + 0.05), (0.75, 0.30, 0.30)),
        (_disc(x, v, width, height + 0.012), (0.30, 0.06, 0.08)),
        (_disc(x, v + 0.07, 0.10, 0.05) * _disc(x, v, width, height), (0.85, 0.40, 0.42)),
        (_disc(x, v, width, height) * _band(v - height, 0.045), (0.96, 0.95, 0.92)),
    ]
    return found


def _disc(u: Tensor, v: Tensor, width: float, height: float) -> Tensor:
    """1 inside an ellipse, soft over about a pixel."""
    radius = ((u / width) ** 2 + (v / max(height, 1e-3)) ** 2).sqrt()
    return ((1 - radius) * min(width, max(height, 1e-3)) / 0.012 + 0.5).clamp(0, 1)


def _band(value: Tensor, width: float) -> Tensor:
    return ((width - value.abs()) / 0.012 + 0.5).clamp(0, 1)


# -------------------------------------------------------------------------- the puppet: a drawn cat


INK = "#4a2416"
Spot = tuple[float, float]


class _Sheet:
    """A drawing of a tilted head, in units of which a side has a hundred, four times as large.

    Args:
        size: Side of the picture in the end, pixels.
        middle: Of the head.
        roll: By which the head is tilted, radians.
    """

    def __init__(self, size: int, middle: Spot, roll: float) -> None:
        self.unit = 4 * size / 100
        self.picture = Image.new("RGB", (4 * size, 4 * size), "#f3dfb3")
        self.pen = ImageDraw.Draw(self.picture)
        self.middle, self.turn = middle, (math.cos(roll), math.sin(roll))

    def at(self, x: float, y: float) -> Spot:
        """A place relative to the head's middle, in pixels."""
        (cx, cy), (c, s) = self.middle, self.turn
        return self.unit * (cx + c * x - s * y), self.unit * (cy + s * x + c * y)

    def fill(self, places: Sequence[Spot], colour: str) -> None:
        """A flat shape."""
        self.pen.polygon([self.at(*place) for place in places], fill=colour)

    def oval(self, x: float, y: float, a: float, b: float, fill: str, edge: str = "") -> None:
        """An ellipse about a place, with an edge if that has a colour."""
        angles = [2 * math.pi * i / 60 for i in range(60)]
        spots = [self.at(x + a * math.cos(w), y + b * math.sin(w)) for w in angles]
        self.pen.polygon(spots, fill=fill)
        if edge:
            width = round(1.3 * self.unit)
            self.pen.line([*spots, *spots[:2]], fill=edge, width=width, joint="curve")

    def stroke(self, places: Sequence[Spot], width: float, fill: str = INK) -> None:
        """A line through some places."""
        spots = [self.at(*place) for place in places]
        self.pen.line(spots, fill=fill, width=round(width * self.unit), joint="curve")


def draw_cat(pose: Pose, *, size: int = SIZE) -> Tensor:
    """A cat in flat colours with the same pose, (1, 3, size, size)."""
    dx, dy = 18 * math.sin(pose.yaw), -16 * math.sin(pose.pitch)
    sheet = _Sheet(size, (50 + 0.45 * dx, 54 + 0.45 * dy), pose.roll)
    _draw_body(sheet)
    for side in (-1, 1):
        _draw_ear(sheet, side, dx)
    sheet.oval(0, 0, 37, 32, "#e8893a", INK)
    for x in (-8, 0, 8):
        stripe = [(x + dx * 0.5, -30 + abs(x) * 0.2), (x * 0.8 + dx * 0.6, -21)]
        sheet.stroke(stripe, 2.4, "#b4561c")
    x0, y0 = 0.9 * dx, 0.9 * dy
    sheet.oval(x0, y0 + 13, 17, 13, "#fbeeda")
    sheet.oval(x0, y0 + 24 + 3 * pose.mouth, 9, 5 + 3 * pose.mouth, "#fbeeda")
    for side in (-1, 1):
        _draw_eye(sheet, pose, side, x0 + side * 15.5, y0 - 6)
        for low in (0, 4):
            whisker = [(x0 + side * 15, y0 + 13 + low), (x0 + side * 40, y0 + 9 + 2.2 * low)]
            sheet.stroke(whisker, 0.8)
    sheet.fill([(x0 - 4.5, y0 + 5), (x0 + 4.5, y0 + 5), (x0, y0 + 10)], "#d4526a")
    _draw_mouth(sheet, pose, x0, y0)
    return images.shrink(images.to_tensor(sheet.picture), 4).clamp(0, 1)


def _draw_body(sheet: _Sheet) -> None:
    k = sheet.unit
    box = [k * 18, k * 84, k * 82, k * 140]
    sheet.pen.ellipse(box, fill="#d9752b", outline=INK, width=round(k))


def _draw_ear(sheet: _Sheet, side: int, dx: float) -> None:
    outer = [(side * 33, -14), (side * 29 - 0.2 * dx, -44), (side * 8, -28)]
    sheet.fill(outer, "#e8893a")
    sheet.stroke([*outer[:2], outer[1], outer[2]], 1.3)
    inner = [(side * 28, -19), (side * 27 - 0.2 * dx, -37), (side * 14, -27)]
    sheet.fill(inner, "#f6b9a0")


def _draw_eye(sheet: _Sheet, pose: Pose, side: int, x: float, y: float) -> None:
    """An eye, open or closed, and its brow."""
    near, look = 1 - 0.22 * side * -math.sin(pose.yaw), x + 3 * pose.gaze
    if pose.eyes > 0.2:
        sheet.oval(x, y, 8.2 * near, 9 * pose.eyes, "#fffbe9", INK)
        sheet.oval(look, y, 4.2, min(6.8, 8 * pose.eyes), "#3f9a5a")
        sheet.oval(look, y, 2.0, min(6.0, 7 * pose.eyes), "#1a1a1a")
        sheet.oval(look - 1.5, y - 2.6, 1.3, 1.3, "#ffffff")
    else:
        sheet.stroke([(x - 8, y), (x - 4, y + 2), (x + 4, y + 2), (x + 8, y)], 2)
    lift = 2.6 * pose.brows
    sheet.stroke([(x - 6, y - 13 - lift), (x, y - 14.5 - lift), (x + 6, y - 13 - lift)], 2)


def _draw_mouth(sheet: _Sheet, pose: Pose, x: float, y: float) -> None:
    corner = y + 15 - 3.5 * pose.smile
    if pose.mouth > 0.12:
        sheet.oval(x, y + 15.5 + 4.5 * pose.mouth, 8, 7.5 * pose.mouth, "#7c1f2c", INK)
        sheet.oval(x, y + 17 + 7.5 * pose.mouth, 4.6, 3.4 * pose.mouth, "#ec8a97")
    lips = [(x - 10, corner), (x - 5, y + 16), (x, y + 13), (x + 5, y + 16), (x + 10, corner)]
    sheet.stroke(lips, 1.6)


def main() -> None:
    """Writes the four clips; the last is what the puppet should do, which nothing learns from."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    driver, new = poses_of("driver"), poses_of("new")
    clips = {
        "clip_driver": [render_head(pose) for pose in driver],
        "puppet_cat": [draw_cat(pose) for pose in driver],
        "clip_new": [render_head(pose) for pose in new],
        "puppet_truth": [draw_cat(pose) for pose in new],
    }
    for name, frames in clips.items():
        save_mp4(torch.cat(frames), FOLDER / f"{name}.mp4", fps=FPS)
        print(FOLDER / f"{name}.mp4")


if __name__ == "__main__":
    main()
