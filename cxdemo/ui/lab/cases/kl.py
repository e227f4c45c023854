"""The KL view on the page: -log CX beside a kernel density estimate of KL(P_Y || P_X)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo.pipelines.loss_toys import LOSSES, TARGETS, PointsConfig
from cxdemo.pipelines.special_cases import KDE_WIDTH, KlCurve, compare_with_kl, move_sample
from cxdemo.ui.lab.toys.points import run_points
from cxdemo.ui.lab.viewer import Answer, answers, build_viewer, pack

HERE = Path(__file__).resolve().parent
MOVES = (*LOSSES, "shift", "spread")
CLOSE, ROUGH = 0.9, 0.6  # correlations that are called so


def build() -> None:
    """Puts the panel on the page."""
    answers(build_viewer(HERE / "kl", "cx-cases-kl"), _ask, "case_kl_ask", heavy=lambda _: True)


@lru_cache(maxsize=32)
def compute_kl(target: str, move: str) -> tuple[KlCurve, list[float], list[Tensor], Tensor]:
    """The curve, the amounts under it, the moved sets and the target."""
    config = PointsConfig(target=target)
    frames = run_points(config)
    goal = frames[0].target
    if move in LOSSES:
        amounts, moments = (
            [float(frame.index) for frame in frames],
            [frame.positions[move] for frame in frames],
        )
    else:
        amounts, moments = move_sample(goal)[move]
    return compare_with_kl(moments, goal, bandwidth=config.bandwidth), amounts, moments, goal


def _ask(event: Any) -> Answer:
    target, move = getattr(event, "shape", "ring"), getattr(event, "move", "cx")
    for name, value, choices in (("shape", target, tuple(TARGETS)), ("move", move, MOVES)):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
    curve, amounts, moments, goal = compute_kl(target, move)
    return {
        "amounts": amounts,
        "target": pack(goal),
        "points": pack(torch.stack(moments)),
        "losses": curve.losses,
        "divergences": curve.divergences,
        "correlation": curve.correlation,
        "rank": curve.rank_correlation,
        "width": KDE_WIDTH,
        "sentence": tell_kl(curve, move),
    }


def tell_kl(curve: KlCurve, move: str) -> str:
    """How far the two agree, in sentences that are made of their numbers."""
    moved = LOSSES.get(move)
    what = f"While {moved} moves the points" if moved else f"As the sample's {move} grows"
    return (
        f"{what}, &minus;log CX goes from {curve.losses[0]:.2f} to {curve.losses[-1]:.2f} and KL "
        f"from {curve.divergences[0]:.2f} to {curve.divergences[-1]:.2f}. They "
        f"<b>{tell_agreement(curve.correlation)}</b>: the correlation is {curve.correlation:.2f} "
        f"(ranks: {curve.rank_correlation:.2f}). They are not equal, because CX has a bandwidth of "
        "its own for each point, and a maximum where the estimate has a sum."
    )


def tell_agreement(correlation: float) -> str:
    """A correlation in words."""
    if correlation >= CLOSE:
        return "agree closely"
    if correlation >= ROUGH:
        return "agree roughly"
    return "hardly agree" if correlation >= 0 else "disagree: one falls where the other rises"
