"""Toy (a) on the page: expected CX and expected L2 between two Gaussians."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from cxdemo.figures import toys as toys_figure
from cxdemo.figures.heat_map import PALETTE
from cxdemo.pipelines.loss_toys import (
    MUS,
    SIGMAS,
    GaussianMeans,
    GaussiansConfig,
    draw_normals,
    expect_gaussians,
    map_gaussians,
)
from cxdemo.ui.lab.viewer import (
    Answer,
    answers,
    build_viewer,
    pack,
    pack_file,
    read_number,
    sends,
)

HERE = Path(__file__).resolve().parent
AT_MARKER = 40  # draws that the numbers beside the marker average


def build() -> None:
    """Puts the toy on the page."""
    viewer = build_viewer(HERE / "gaussians", "cx-toys-gaussians", palette=PALETTE)
    answers(viewer, _ask, "toy_gaussians_ask", heavy=_wants_maps)
    sends(viewer, _save, "toy_gaussians_save")


@lru_cache(maxsize=16)
def maps_at(bandwidth: float) -> GaussianMeans:
    """The maps at one h, computed once."""
    return map_gaussians(GaussiansConfig(bandwidth=bandwidth))


def _ask(event: Any) -> Answer:
    bandwidth = _bandwidth(event)
    mu, sigma = read_number(event, "mu", 0, 6), read_number(event, "sigma", 0.05, 6)
    answer: Answer = {"reading": read_marker(mu, sigma, bandwidth)}
    if _wants_maps(event):
        maps = maps_at(bandwidth)
        answer["maps"] = {
            "similarity": pack(maps.similarity),
            "squared": pack(maps.squared),
            "mus": MUS,
            "sigmas": SIGMAS,
            "settings": {"h": bandwidth, "draws": GaussiansConfig().draws, "samples": 100},
        }
    return answer


def _wants_maps(event: Any) -> bool:
    return bool(getattr(event, "whole", False))


def read_marker(mu: float, sigma: float, bandwidth: float) -> Answer:
    """All that is known of one (mu, sigma), and a sentence about it."""
    config = GaussiansConfig(bandwidth=bandwidth, draws=AT_MARKER)
    means = expect_gaussians(torch.tensor([mu]), torch.tensor([sigma]), config)
    x, z = draw_normals(config)
    similarity, squared = float(means.similarity), float(means.squared)
    return {
        "mu": mu,
        "sigma": sigma,
        "similarity": similarity,
        "squared": squared,
        "distinct": float(means.distinct),
        "x": x[0, :, 0].tolist(),
        "y": (mu + sigma * z[0, :, 0]).tolist(),
        "sentence": tell_marker(mu, sigma, similarity, bandwidth),
    }


def tell_marker(mu: float, sigma: float, similarity: float, bandwidth: float) -> str:
    """What the marker shows, in a sentence or two."""
    if mu == 0 and sigma == 1:
        text = (
            f"The same law on both sides, and CX is {similarity:.2f}, <b>not 1</b>: two finite "
            "samples never agree point by point. It is still the highest value of the map."
        )
    elif sigma <= 0.1:
        text = (
            "Next to no spread: <b>L2 likes this best of all</b>, for one average value is near "
            f"to everything: a blur. CX falls to {similarity:.2f}."
        )
    elif sigma >= 2 * max(1.0, mu / 2):
        text = (
            "Y spreads too far: much of it has no x nearby. CX falls, but slowly, for the middle "
            "still finds its matches."
        )
    elif mu >= 1.5:
        text = (
            "Shifted apart: most x share the few nearest y, so that <b>most of Y is claimed by "
            "no one</b> and CX falls towards 1/100."
        )
    else:
        text = (
            "Drag the marker along &sigma;: L2 falls all the way down to a spread of 0, CX has its "
            "best place near the right spread, &sigma; = 1."
        )
    return f"{text} <span class='cx-hint'>(h = {bandwidth:g})</span>"


def _save(event: Any) -> Answer:
    bandwidth = _bandwidth(event)
    return pack_file(
        f"cxdemo-gaussians-h{bandwidth:g}.png",
        lambda path: toys_figure.save_gaussians([bandwidth], path),
    )


def _bandwidth(event: Any) -> float:
    return round(read_number(event, "h", 0.02, 2.0), 2)
