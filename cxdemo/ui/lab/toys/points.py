"""Toy (b) on the page: points moved by gradient descent under three losses."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from cxdemo.figures import toys as toys_figure
from cxdemo.options import options_of
from cxdemo.pipelines.loss_toys import LOSSES, PointsConfig, PointsFrame, move_points
from cxdemo.ui.lab.viewer import Answer, answers, build_viewer, pack, pack_file, sends

HERE = Path(__file__).resolve().parent
SENT_AS = {"target": "shape"}  # an event's own `target` is the component
CHOSEN = ("target", "start", "bandwidth", "seed")


def build() -> None:
    """Puts the toy on the page."""
    viewer = build_viewer(HERE / "points", "cx-toys-points")
    answers(viewer, _ask, "toy_points_ask", heavy=lambda _: True)
    sends(viewer, _save, "toy_points_save")


@lru_cache(maxsize=32)
def run_points(config: PointsConfig) -> list[PointsFrame]:
    """The whole race, computed once; about 150 kB."""
    return list(move_points(config))


def read_points(event: Any) -> PointsConfig:
    """The settings that the page sent.

    Raises:
        ValueError: One of them cannot be.
    """
    sent = {name: SENT_AS.get(name, name) for name in CHOSEN}
    chosen = {name: getattr(event, key) for name, key in sent.items() if hasattr(event, key)}
    whole = [n for n in chosen if isinstance(options_of(PointsConfig)[n].default, int)]
    for name in whole:
        try:
            chosen[name] = int(chosen[name])
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a whole number, got {chosen[name]!r}.") from None
    return PointsConfig(**chosen)


def _ask(event: Any) -> Answer:
    frames = run_points(read_points(event))
    return {
        "target": pack(frames[0].target),
        "steps": [frame.index for frame in frames],
        "positions": {
            name: pack(torch.stack([frame.positions[name] for frame in frames])) for name in LOSSES
        },
        "distinct": {name: [frame.standings[name].distinct for frame in frames] for name in LOSSES},
        "sentence": tell_points(frames[-1]),
    }


def tell_points(last: PointsFrame) -> str:
    """How it ended, in sentences that are made of its numbers."""
    near, both, cx = (last.standings[name] for name in LOSSES)
    if cx.distinct > both.distinct:
        covers = "CX covers more of the target than Chamfer does"
    elif cx.distinct < both.distinct:
        covers = "here Chamfer covers more of the target than CX does"
    else:
        covers = "CX and Chamfer cover equally much of the target"
    if cx.to_target > both.to_target:
        apart = "its points end farther from their nearest targets"
    else:
        apart = "its points end no farther from their nearest targets"
    return (
        f"Points that run to their nearest target take <b>{near.distinct:.0%}</b> of the targets; "
        f"under Chamfer, which asks also that each target has a point nearby, they take "
        f"<b>{both.distinct:.0%}</b>, and under CX <b>{cx.distinct:.0%}</b>: {covers}. Under CX "
        f"{apart}: on average {cx.to_target:.3f}, under Chamfer {both.to_target:.3f}. "
        "A point that wins no target gets no gradient from CX."
    )


def _save(event: Any) -> Answer:
    config = read_points(event)
    kind = getattr(event, "kind", "")
    if kind not in ("gif", "png", "json"):
        raise ValueError(f"A file is a gif, png or json, got {kind!r}.")
    write = partial(toys_figure.save_points, run_points(config), config)
    return pack_file(f"cxdemo-points-{config.target}.{kind}", write)
