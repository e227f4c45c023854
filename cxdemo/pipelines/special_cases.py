"""Two views of the Contextual Loss: with place it becomes blind, without it it follows a KL.

**The perceptual loss as a special case.** With a spatial weight w the distance in Eq. 2 is
d_ij + w |p_i - p_j|, for maps of one size. At the own position the place adds nothing, and every
other j is at least one cell away, a share delta of the image's side, so that for each row

    1 - CX_ii <= sum_{j != i} exp(-(w |p_i - p_j| + d_ij - d_ii) / (h (d_ii + eps)))

once the own position is the nearest (w delta > d_ii), and the bound falls to 0: CX_ii -> 1 for
every i. Therefore, as w grows,

    -log CX                         ->  0                 blind to what differs;
    E_w = mean_i sum_j CX_ij d_ij   ->  mean_i d_ii       the perceptual loss with the cosine.

So it is not the loss that turns into the perceptual one, but the distance to what is voted for.
With CoBi, which takes the mean of that distance at the best match, the loss itself does.

**The KL view.** Mechrez et al., arXiv:1803.04626: -log CX approximates KL(P_Y || P_X) of kernel
density estimates. Approximates: the bandwidth is each row's own, and a maximum stands for a sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import (
    contextual_affinity,
    contextual_average,
    contextual_loss,
    contextual_rows,
)

PLACE_WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
EPS = 1e-5  # of Eq. 2, the core's default
KDE_WIDTH = 0.15  # standard deviation of the kernels, in half sides of the toys' square


@dataclass(frozen=True, kw_only=True)
class PlaceStep:
    """CX at one spatial weight.

    Args:
        weight: w, units of d for two features one image side apart.
        loss: -log CX.
        own: Mean of CX_ii, the share of the vote that the own position gets.
        voted: E_w = mean_i sum_j CX_ij d_ij, d without the place.
        redrawn: x with the pixels of y that it votes for, (1, 3, H, W) in [0, 1].
    """

    weight: float
    loss: float
    own: float
    voted: float
    redrawn: Tensor


@torch.no_grad()
def weigh_place(
    x: Tensor,
    y: Tensor,
    image: Tensor,
    *,
    weights: Sequence[float] = PLACE_WEIGHTS,
    bandwidth: float = 0.5,
) -> list[PlaceStep]:
    """CX of two maps of one size as the weight of the place grows.

    Args:
        x: Features of the generated image.
        y: Features of the target.
        image: The target's pixels; each cell of y stands for a block of them.
        weights: Values of w, >= 0.
        bandwidth: h of Eq. 3.

    Shape:
        - x, y: (1, C, h, w); image: (1, 3, H, W) with H and W multiples of h and w.

    Raises:
        ValueError: Sizes differ or do not divide the image's.

    Cost:
        For each weight a few (h w, h w) matrices: 3 ms of a core for 24 x 24 cells.

    Source:
        The spatial weight follows Zhang et al. (CoBi), arXiv:1905.05169; see this file's head.
    """
    block = _block(x, y, image)
    pixels = F.pixel_unshuffle(image, block)  # (1, 3 block^2, h, w)
    d = feature_distances(x, y)  # (P, P)
    steps: list[PlaceStep] = []
    for weight in weights:
        place: dict[str, Any] = {
            "bandwidth": bandwidth,
            "spatial_weight": float(weight),
            "eps": EPS,
        }
        affinity = contextual_affinity(x, y, **place)[0]  # (P, P)
        steps.append(
            PlaceStep(
                weight=float(weight),
                loss=float(contextual_loss(x, y, **place)),
                own=float(affinity.diagonal().mean()),
                voted=float((affinity * d).sum(dim=1).mean()),
                redrawn=F.pixel_shuffle(contextual_average(x, y, pixels, **place), block),
            )
        )
    return steps


def feature_distances(x: Tensor, y: Tensor) -> Tensor:
    """d_ij of the core, without the place: (1, C, h, w) twice -> (h w, h w)."""
    every = torch.arange(x.shape[2] * x.shape[3])
    return contextual_rows(x, y, rows=every).distance[0]


def perceptual_cosine(x: Tensor, y: Tensor) -> float:
    """Mean of d_ii: the perceptual loss with the cosine of features centred by y's mean."""
    return float(feature_distances(x, y).diagonal().mean())


def shift_pair(image: Tensor, shift: int, side: int = 96) -> tuple[Tensor, Tensor]:
    """Two square crops of an image, the second `shift` pixels further right: (1, 3, side, side).

    Raises:
        ValueError: The image is too small.
    """
    height, width = image.shape[2:]
    if height < side or width < side + shift:
        raise ValueError(
            f"A shift of {shift} needs {side + shift} x {side} pixels, got {width} x {height}. "
            "Choose a smaller shift or a larger picture."
        )
    top, left = (height - side) // 2, (width - side - shift) // 2
    rows = image[:, :, top : top + side]
    return rows[..., left : left + side], rows[..., left + shift : left + shift + side]


def _block(x: Tensor, y: Tensor, image: Tensor) -> int:
    height, width = x.shape[2:]
    block = image.shape[2] // height
    if x.shape != y.shape or image.shape[2:] != (height * block, width * block):
        raise ValueError(
            f"Expected two maps of one size and a picture of whole blocks, got {tuple(x.shape)}, "
            f"{tuple(y.shape)} and {tuple(image.shape)}. Crop the picture to a multiple."
        )
    return block


# ----------------------------------------------------------------------------------- the KL view


def log_density(places: Tensor, points: Tensor, *, width: float = KDE_WIDTH) -> Tensor:
    """Log of a Gaussian kernel density estimate from points (P, C), at places (Q, C): (Q,)."""
    squares = (places[:, None] - points).square().sum(dim=2)  # (Q, P)
    scale = 0.5 * points.shape[1] * math.log(2 * math.pi * width**2) + math.log(len(points))
    return torch.logsumexp(-squares / (2 * width**2), dim=1) - scale


def kde_divergence(points: Tensor, target: Tensor, *, width: float = KDE_WIDTH) -> float:
    """KL(P_Y || P_X) estimated at Y's own points: mean_j of log P_Y(y_j) - log P_X(y_j).

    Zero for equal sets. The estimate of P_Y at y_j counts y_j itself, which raises the result for
    a narrow kernel by the same amount whatever X is.

    Args:
        points: X, (P, C).
        target: Y, (Q, C).
        width: Standard deviation of the kernels, one for all.

    Source:
        Mechrez et al., arXiv:1803.04626, section 3 (the estimate, not the bandwidth).
    """
    wide = [p.double() for p in (points, target)]
    own = log_density(wide[1], wide[1], width=width)
    return float((own - log_density(wide[1], wide[0], width=width)).mean())


@dataclass(frozen=True, kw_only=True)
class KlCurve:
    """-log CX and the KL estimate side by side, one for each moment, and how they agree."""

    losses: list[float]
    divergences: list[float]
    correlation: float  # Pearson's, in [-1, 1]
    rank_correlation: float  # Spearman's


def compare_with_kl(
    moments: Sequence[Tensor], target: Tensor, *, bandwidth: float, eps: float = 1e-4
) -> KlCurve:
    """Both numbers between a target (Q, 2) and each of several sets of points (P, 2)."""
    goal = target.mT[None, :, None]  # (1, 2, 1, Q)
    losses = [
        float(
            contextual_loss(p.mT[None, :, None], goal, bandwidth=bandwidth, distance="l2", eps=eps)
        )
        for p in moments
    ]
    divergences = [kde_divergence(p, target) for p in moments]
    return KlCurve(
        losses=losses,
        divergences=divergences,
        correlation=_correlate(torch.tensor(losses), torch.tensor(divergences)),
        rank_correlation=_correlate(_ranks(losses), _ranks(divergences)),
    )


def _ranks(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).argsort().argsort().float()


def _correlate(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def move_sample(target: Tensor, *, steps: int = 41) -> dict[str, tuple[list[float], list[Tensor]]]:
    """Another sample of the target's law, shifted and spread by growing amounts.

    Returns:
        "shift": across by 0 to 1.5 half sides; "spread": about the mean, by factors of 0.1 to 3.
        Each with its amounts and its sets (P, 2).
    """
    jitter = 0.05 * torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    sample = target + jitter
    shifts = torch.linspace(0, 1.5, steps).tolist()
    factors = torch.logspace(-1, math.log10(3), steps).tolist()
    middle = target.mean(dim=0)
    return {
        "shift": (shifts, [sample + torch.tensor([s, 0.0]) for s in shifts]),
        "spread": (factors, [middle + f * (sample - middle) for f in factors]),
    }
