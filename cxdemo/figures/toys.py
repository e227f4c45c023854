"""Files of the toys: figures for slides, frames of the race, numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image, ImageDraw, ImageFont

from cxdemo import images
from cxdemo.figures.print_frame import save_figure
from cxdemo.pipelines.loss_toys import (
    LOSSES,
    MUS,
    SIGMAS,
    GaussiansConfig,
    PointsConfig,
    PointsFrame,
    map_gaussians,
)
from cxdemo.video import save_gif

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL, HEADER = 260, 40  # pixels of a frame's panel and of the text above
FPS = 15
PAUSE = 2 * FPS  # frames that the end stays
TONES = {"nearest": "#d55e00", "chamfer": "#e69f00", "cx": "#0072b2"}
INK, SOFT = "#16191f", "#8a8f98"


def save_gaussians(bandwidths: Sequence[float], path: Path) -> None:
    """Maps of E[CX] at each h, and of E[L2], with the best place of each; png, svg or pdf."""
    from matplotlib.figure import Figure

    count = len(bandwidths) + 1
    figure = Figure(figsize=(4.1 * count, 4.3))
    figure.subplots_adjust(left=0.2 / count, right=0.985, bottom=0.13, top=0.92, wspace=0.22)
    axes: list[Axes] = list(figure.subplots(1, count))
    for axis, bandwidth in zip(axes, bandwidths, strict=False):
        maps = map_gaussians(GaussiansConfig(bandwidth=bandwidth))
        _draw_map(axis, maps.similarity.numpy(), f"E[CX], h = {bandwidth:g}", (0.0, 1.0))
    squared = 1 + torch.tensor(MUS).square() + torch.tensor(SIGMAS).square()[:, None]  # (S, M)
    _draw_map(axes[-1], -squared.log().numpy(), "E[L2] = 1 + μ² + σ² (bright: low)", (0.0, 0.05))
    save_figure(figure, path)


def _draw_map(axis: Axes, values: Any, title: str, best: tuple[float, float]) -> None:
    extent = (MUS[0], MUS[-1], SIGMAS[0], SIGMAS[-1])
    axis.imshow(values, origin="lower", extent=extent, cmap="cividis", interpolation="bilinear")
    axis.plot(*best, "o", color="white", markeredgecolor=INK, clip_on=False)
    axis.annotate(
        f"best: σ = {best[1]:.0f}", best, (8, 8), textcoords="offset points", color="white"
    )
    axis.set_title(title, fontsize=11)
    axis.set_xlabel("μ, the shift")
    axis.set_ylabel("σ, the spread")


def save_points(frames: Sequence[PointsFrame], config: PointsConfig, path: Path) -> None:
    """The race of points: all frames (.gif), the last (.png), or settings and numbers (.json).

    Raises:
        ValueError: Another ending.
    """
    kind = path.suffix.lower()
    if kind == ".gif":
        clip = torch.cat([images.to_tensor(draw_points(frame)) for frame in frames])
        clip = torch.cat([clip, clip[-1:].expand(PAUSE, -1, -1, -1)])
        save_gif(clip, path, fps=FPS, settings=frame_points(config))
    elif kind == ".png":
        images.save_picture(draw_points(frames[-1], scale=2), path, settings=frame_points(config))
    elif kind == ".json":
        path.write_text(json.dumps(describe_points(frames, config)), encoding="utf-8")
    else:
        raise ValueError(f"{path.name}: choose .gif, .png or .json.")


def frame_points(config: PointsConfig) -> dict[str, Any]:
    """Settings as they go into a file."""
    return {"made_by": "cxdemo", "pipeline": "loss_points", "config": asdict(config)}


def describe_points(frames: Sequence[PointsFrame], config: PointsConfig) -> dict[str, Any]:
    """Settings and standings as they go into a file."""
    return {
        **frame_points(config),
        "target": frames[0].target.tolist(),
        "frames": [
            {
                "step": frame.index,
                **{
                    name: {
                        **asdict(frame.standings[name]),
                        "positions": frame.positions[name].tolist(),
                    }
                    for name in LOSSES
                },
            }
            for frame in frames
        ],
    }


def draw_points(frame: PointsFrame, *, scale: int = 1) -> Image.Image:
    """The three panels of one moment."""
    fine = 2 * scale  # drawn larger and shrunk: smooth edges
    panel, header = PANEL * fine, HEADER * fine
    sheet = Image.new("RGB", (panel * len(LOSSES), panel + header), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (name, label) in enumerate(LOSSES.items()):
        centre = (panel * (column + 0.5), header + panel / 2)
        said = f"{frame.standings[name].distinct:.0%} of the targets, step {frame.index}"
        for text, size, top, tone in ((label, 14, 5, INK), (said, 11, 23, SOFT)):
            font = ImageFont.load_default(size=size * fine)
            draw.text((panel * column + 12 * fine, top * fine), text, tone, font)
        for points, radius, fill in ((frame.target, 3.6, None), (frame.positions[name], 2.8, name)):
            for x, y in points.tolist():
                at = (centre[0] + x * panel / 2.3, centre[1] - y * panel / 2.3)
                if max(abs(at[0] - centre[0]), abs(at[1] - centre[1])) < panel / 2:
                    box = [v + sign * radius * fine for sign in (-1, 1) for v in at]
                    draw.ellipse(box, TONES[fill] if fill else None, None if fill else SOFT, fine)
    return sheet.resize((sheet.width // 2, sheet.height // 2), Image.Resampling.LANCZOS)
