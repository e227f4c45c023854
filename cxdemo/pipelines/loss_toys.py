"""Toys that show in a second what the Contextual Loss does: two Gaussians, points, one row.

Points and numbers stand for features: a set of P points with C coordinates is the map (1, C, 1, P)
of the core, so that every number here is the core's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cxdemo.contextual import (
    ContextualRows,
    contextual_affinity,
    contextual_loss,
    contextual_matches,
    contextual_rows,
    contextual_target,
)
from cxdemo.options import check_options, option

MUS = tuple(k / 4 for k in range(25))  # 0 to 6; the paper's go to 10, where little happens
SIGMAS = tuple(max(k / 4, 0.05) for k in range(25))  # of 0 itself no sample has two values
SAMPLES = 100  # of each law, as in the paper
EPS = 1e-4  # of Eq. 2 for moved points: with 1e-5 a point that has arrived trembles


def to_map(points: Tensor) -> Tensor:
    """Points (..., P, C) as maps of features (N, C, 1, P)."""
    return points.reshape(-1, *points.shape[-2:]).mT[:, :, None]


# ------------------------------------------------------------------------------ two Gaussians


@dataclass(frozen=True, kw_only=True)
class GaussiansConfig:
    """The 1-D simulation of paper 1, Fig. 5. Fields are options, see `cxdemo.options`."""

    bandwidth: float = option(
        0.1,
        "h of Eq. 3, dimensionless.",
        label="h (bandwidth)",
        minimum=0.02,
        maximum=2.0,
        step=0.01,
        advanced=False,
    )
    draws: int = option(
        6, "Pairs of samples that are averaged.", label="Draws", minimum=1, maximum=200, step=1
    )
    seed: int = option(0, "Of the samples.", label="Seed", minimum=0, maximum=9999, step=1)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class GaussianMeans:
    """Means over draws, one for each pair (mu, sigma) asked for.

    Shape:
        - similarity: E[CX(X, Y)], distinct: share of Y's points that are the nearest to some x,
          squared: E[(x - y)^2] in closed form. All (K,).
    """

    similarity: Tensor
    distinct: Tensor
    squared: Tensor


def expect_gaussians(
    mus: Tensor, sigmas: Tensor, config: GaussiansConfig | None = None
) -> GaussianMeans:
    """What CX, L2 and DIS are on average between N(0, 1) and N(mu, sigma).

    The same standard normal numbers serve every (mu, sigma), so that a map of them is smooth.

    Args:
        mus: Means of Y, (K,).
        sigmas: Standard deviations of Y, (K,), > 0.
        config: Bandwidth, draws, seed.

    Raises:
        ValueError: mus and sigmas differ in length, or a sigma is not above 0.

    Cost:
        O(K draws SAMPLES^2): about 0.1 s of a core for 40 pairs and 6 draws.

    Source:
        Mechrez et al., arXiv:1803.02077, section 3.3 and Fig. 5: N = M = 100, |x - y|.
    """
    config = config or GaussiansConfig()
    if mus.shape != sigmas.shape or mus.dim() != 1 or not bool((sigmas > 0).all()):
        raise ValueError(
            f"mus and sigmas must be two lists of one length, sigmas above 0, got {mus.tolist()} "
            f"and {sigmas.tolist()}. Take 0.05 for a spread of next to nothing."
        )
    x, z = draw_normals(config)
    y = mus[:, None, None, None] + sigmas[:, None, None, None] * z  # (K, draws, P, 1)
    similarity, distinct = [], []
    for target in y:  # one (mu, sigma) at a time stays in the cache
        matches = contextual_matches(
            to_map(x), to_map(target), bandwidth=config.bandwidth, distance="l1"
        )
        similarity.append(matches.target_affinity.mean())
        distinct.append(_distinct(matches.target_of_source).mean())
    return GaussianMeans(
        similarity=torch.stack(similarity),
        distinct=torch.stack(distinct),
        squared=1 + mus.square() + sigmas.square(),
    )


def draw_normals(config: GaussiansConfig) -> tuple[Tensor, Tensor]:
    """Samples of N(0, 1) for X and, before mu and sigma, for Y: two of (draws, P, 1)."""
    generator = torch.Generator().manual_seed(config.seed)
    both = torch.randn(2, config.draws, SAMPLES, 1, generator=generator)
    return both[0], both[1]


def map_gaussians(
    config: GaussiansConfig | None = None,
    *,
    mus: Sequence[float] = MUS,
    sigmas: Sequence[float] = SIGMAS,
) -> GaussianMeans:
    """The maps over (mu, sigma): fields of shape (sigmas, mus)."""
    grid = torch.cartesian_prod(torch.tensor(sigmas), torch.tensor(mus))  # (S * M, 2)
    means = expect_gaussians(grid[:, 1], grid[:, 0], config)
    size = (len(sigmas), len(mus))
    return GaussianMeans(
        similarity=means.similarity.view(size),
        distinct=means.distinct.view(size),
        squared=means.squared.view(size),
    )


def _distinct(index: Tensor) -> Tensor:
    """Share of the P targets that occur in (N, P) indices: (N,)."""
    return torch.zeros(index.shape).scatter_(1, index, 1.0).mean(dim=1)


# ------------------------------------------------------------------------- points in the plane

Shape = Callable[[int, torch.Generator], Tensor]


def _arc(centre: tuple[float, float], radius: float, start: float, stop: float, n: int) -> Tensor:
    turn = torch.linspace(start, stop, n + 1)[:-1] * 2 * math.pi
    return torch.tensor(centre) + radius * torch.stack([turn.cos(), turn.sin()], dim=1)  # (n, 2)


def _ring(n: int, _: torch.Generator) -> Tensor:
    return _arc((0, 0), 0.8, 0, 1, n)


def _moons(n: int, _: torch.Generator) -> Tensor:
    upper = _arc((-0.3, -0.15), 0.6, 0, 0.5, n // 2)
    return torch.cat([upper, _arc((0.3, 0.15), 0.6, 0.5, 1, n - n // 2)])


def _grid(n: int, _: torch.Generator) -> Tensor:
    side = math.ceil(math.sqrt(n))
    axis = torch.linspace(-0.8, 0.8, side)
    return torch.cartesian_prod(axis, axis)[:n]


def _smiley(n: int, _: torch.Generator) -> Tensor:
    eye, mouth = n // 10, n // 4
    return torch.cat(
        [
            _arc((0, 0), 0.88, 0, 1, n - 2 * eye - mouth),
            _arc((-0.32, 0.28), 0.1, 0, 1, eye),
            _arc((0.32, 0.28), 0.1, 0, 1, eye),
            _arc((0, 0), 0.5, 0.56, 0.94, mouth),
        ]
    )


def _clusters(n: int, generator: torch.Generator) -> Tensor:
    centres = _arc((0, 0), 0.65, 0.05, 1.05, 5)
    spread = 0.07 * torch.randn(n, 2, generator=generator)
    return centres[torch.arange(n) % 5] + spread


def _blob(n: int, generator: torch.Generator) -> Tensor:
    return 0.12 * torch.randn(n, 2, generator=generator)


def _line(n: int, generator: torch.Generator) -> Tensor:
    across = torch.linspace(-0.9, 0.9, n)
    return torch.stack([across, 0.02 * torch.randn(n, generator=generator)], dim=1)


def _scattered(n: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(n, 2, generator=generator) - 1


TARGETS: dict[str, Shape] = {
    "ring": _ring,
    "smiley": _smiley,
    "moons": _moons,
    "grid": _grid,
    "clusters": _clusters,
}
STARTS: dict[str, Shape] = {"blob": _blob, "line": _line, "scattered": _scattered}
LOSSES = {
    "nearest": "L2 to the nearest",
    "chamfer": "Chamfer, both ways",
    "cx": "Contextual Loss",
}


@dataclass(frozen=True, kw_only=True)
class PointsConfig:
    """Points moved towards a target set. Fields are options, see `cxdemo.options`."""

    target: str = option(
        "ring",
        "Where the target points lie.",
        label="Target",
        choices=tuple(TARGETS),
        advanced=False,
    )
    start: str = option(
        "blob", "Where the points begin.", label="Start", choices=tuple(STARTS), advanced=False
    )
    bandwidth: float = option(
        0.3,
        "h of Eq. 3, dimensionless.",
        label="h (bandwidth)",
        minimum=0.05,
        maximum=2.0,
        step=0.05,
        advanced=False,
    )
    points: int = option(
        100, "Points of each set.", label="Points", minimum=10, maximum=225, step=5
    )
    steps: int = option(300, "Steps of Adam.", label="Steps", minimum=10, maximum=2000, step=10)
    step_size: float = option(
        0.06,
        "Adam's first step, in half sides of the square; falls to 0 as a cosine.",
        label="Step size",
        minimum=0.001,
        maximum=0.5,
        step=0.001,
    )
    seed: int = option(
        0, "Of the start.", label="Seed", minimum=0, maximum=9999, step=1, advanced=False
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a set of points compares with its target.

    Args:
        distinct: Share of the targets that are the nearest of some point: 1 where each has its own.
        to_target: Mean distance from a point to its nearest target (half sides of the square).
        from_target: Mean distance from a target to its nearest point.
        loss: -log CX between them, whatever loss moved the points.
    """

    distinct: float
    to_target: float
    from_target: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class PointsFrame:
    """A moment of the race: positions (P, 2) and standing under each loss."""

    index: int
    total: int
    target: Tensor
    positions: dict[str, Tensor]
    standings: dict[str, Standing]


def move_points(config: PointsConfig | None = None, *, frames: int = 60) -> Iterator[PointsFrame]:
    """The same start moved by gradient descent under three losses.

    Under the distance to the nearest, points pile up on the few targets that are near. CX lets a
    target count one time, so that points spread over all of them.

    Args:
        config: Shapes and step sizes.
        frames: Moments to yield after the start, at most one a step.

    Returns:
        Frames as they are computed, the start first.

    Cost:
        About 3 ms a step of a core for 100 points and all three losses.

    Source:
        The 2-D toy of Mechrez et al., arXiv:1803.04626.

    Deviates:
        Adam with a falling step in place of plain gradient descent, under all losses: plain steps
        move those points alone that win a target by much. Squared distance, eps of 1e-4.
    """
    config = config or PointsConfig()
    generator = torch.Generator().manual_seed(config.seed)
    target = TARGETS[config.target](config.points, generator)
    start = STARTS[config.start](config.points, generator)
    moved = {name: start.clone().requires_grad_() for name in LOSSES}
    optimizers = [torch.optim.Adam([points], lr=config.step_size) for points in moved.values()]
    shown = {round(k * config.steps / frames) for k in range(frames + 1)}
    for index in range(config.steps + 1):
        if index in shown:
            positions = {name: points.detach().clone() for name, points in moved.items()}
            yield PointsFrame(
                index=index,
                total=config.steps,
                target=target,
                positions=positions,
                standings={n: compare(p, target, config.bandwidth) for n, p in positions.items()},
            )
        share = 0.5 * (1 + math.cos(math.pi * index / config.steps))
        for name, optimizer in zip(moved, optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = share * config.step_size
            optimizer.zero_grad()
            points_loss(name, moved[name], target, config.bandwidth).backward()
            optimizer.step()


def points_loss(name: str, points: Tensor, target: Tensor, bandwidth: float) -> Tensor:
    """One of `LOSSES` between points (P, 2) and a target (Q, 2)."""
    if name == "cx":
        goal = contextual_target(to_map(target), distance="l2")
        return contextual_loss(to_map(points), goal, bandwidth=bandwidth, distance="l2", eps=EPS)
    squares = (points[:, None] - target).square().sum(dim=2)  # (P, Q)
    nearest = squares.amin(dim=1).mean()
    return nearest if name == "nearest" else nearest + squares.amin(dim=0).mean()


@torch.no_grad()
def compare(points: Tensor, target: Tensor, bandwidth: float) -> Standing:
    """Points (P, 2) measured against a target (Q, 2)."""
    apart = torch.cdist(points, target)  # (P, Q)
    return Standing(
        distinct=len(apart.argmin(dim=1).unique()) / len(target),
        to_target=float(apart.amin(dim=1).mean()),
        from_target=float(apart.amin(dim=0).mean()),
        loss=float(points_loss("cx", points, target, bandwidth)),
    )


# ------------------------------------------------------------------------------------- one row


def row_of_point(point: Tensor, targets: Tensor, *, bandwidth: float) -> ContextualRows:
    """All steps from d to CX for one point (2,) among targets (Q, 2): four of (1, 1, Q).

    Source:
        Mechrez et al., arXiv:1803.02077, Fig. 4; here with the squared distance in the plane.
    """
    return contextual_rows(
        to_map(point[None]),
        to_map(targets),
        rows=torch.tensor([0]),
        bandwidth=bandwidth,
        distance="l2",
    )


def vote_field(
    targets: Tensor, *, bandwidth: float, width: int = 72, height: int = 48
) -> tuple[Tensor, Tensor]:
    """For each place of [0, 1.5] x [0, 1]: which target it votes for, and with which share.

    Shape:
        - targets: (Q, 2).
        - returns: (height, width) indices and (height, width) CX in [1 / Q, 1], top row first.
    """
    down, across = torch.meshgrid(
        (torch.arange(height) + 0.5) / height,
        (torch.arange(width) + 0.5) * 1.5 / width,
        indexing="ij",
    )
    places = torch.stack([across, down])[None]  # (1, 2, height, width)
    affinity = contextual_affinity(
        places, to_map(targets), bandwidth=bandwidth, distance="l2"
    )  # (1, height * width, Q)
    share, index = affinity[0].max(dim=1)
    return index.view(height, width), share.view(height, width)
