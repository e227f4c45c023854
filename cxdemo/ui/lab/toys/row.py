"""Toy (c) on the page: drag one point among others and watch its row of CX."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo.pipelines.loss_toys import row_of_point, vote_field
from cxdemo.ui.lab.viewer import Answer, answers, build_viewer, pack, read_number

HERE = Path(__file__).resolve().parent
MOST = 6  # targets that the page has colours for


def build() -> None:
    """Puts the toy on the page."""
    viewer = build_viewer(HERE / "row", "cx-toys-row")
    answers(viewer, _ask, "toy_row_ask")


def _ask(event: Any) -> Answer:
    targets = read_places(getattr(event, "targets", None))
    point = read_places([getattr(event, "point", None)])[0]
    bandwidth = read_number(event, "h", 0.02, 2.0)
    row = row_of_point(point, targets, bandwidth=bandwidth)
    affinity = row.affinity.flatten()
    answer: Answer = {
        "distance": row.distance.flatten().tolist(),
        "relative": row.relative.flatten().tolist(),
        "weight": row.weight.flatten().tolist(),
        "affinity": affinity.tolist(),
        "best": int(affinity.argmax()),
        "sentence": tell_row(affinity, bandwidth),
    }
    if getattr(event, "field", False):
        index, share = vote_field(targets, bandwidth=bandwidth)
        answer["field"] = {
            "width": index.shape[1],
            "height": index.shape[0],
            "index": pack(index.to(torch.uint8)),
            "share": pack((share * 255).to(torch.uint8)),
        }
    return answer


def read_places(places: Any) -> Tensor:
    """Places (Q, 2) that the page sent.

    Raises:
        ValueError: They are no list of one to six pairs of numbers.
    """
    good = isinstance(places, list) and 1 <= len(places) <= MOST
    if not good or not all(_is_place(place) for place in places):
        raise ValueError(f"Places must be 1 to {MOST} pairs of numbers in [-2, 2], got {places!r}.")
    return torch.tensor(places, dtype=torch.float32)


def _is_place(place: Any) -> bool:
    return (
        isinstance(place, list)
        and len(place) == 2
        and all(isinstance(v, int | float) and math.isfinite(v) and abs(v) <= 2 for v in place)
    )


def tell_row(affinity: Tensor, bandwidth: float) -> str:
    """Whether x has made up its mind, in a sentence."""
    best, second = (*affinity.sort(descending=True).values[:2].tolist(), 0.0)[:2]
    name = f"y<sub>{int(affinity.argmax()) + 1}</sub>"
    if best > 0.8:
        text = f"x is <b>clearly</b> for {name}: it is much nearer to it <i>than to the others</i>."
    elif best < 0.4:
        text = "x is <b>undecided</b>: several targets are about equally near, so no one is meant."
    elif best - second < 0.1:
        text = "x is <b>torn</b>: two targets are about equally near, so neither gets a full vote."
    else:
        text = f"x leans to {name}, with doubts."
    return (
        f"{text} Not the distance decides but the distance <b>relative to the nearest</b>; the "
        f"colour behind is the target that x would vote for at each place, stronger where "
        f"it is surer. A smaller h makes it surer (h = {bandwidth:g})."
    )
