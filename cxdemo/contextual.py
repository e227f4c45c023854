"""The Contextual Loss, exact, in memory that grows with one side only.

Equations (1)-(5) of Mechrez, Talmi, Zelnik-Manor, ECCV 2018, arXiv:1803.02077, for N images with
Px positions in x (the generated image) and Py in y (the target), C channels:

    d_ij  = 1 - cos(x_i - mu, y_j - mu)      mu = mean of y over its positions
    r_ij  = d_ij / (min_k d_ik + eps)        Eq. 2: distance relative to x_i's nearest target
    w_ij  = exp((1 - r_ij) / h)              Eq. 3: h is the bandwidth
    CX_ij = w_ij / sum_k w_ik                Eq. 4: how much x_i prefers y_j to the other targets
    CX    = mean_j max_i CX_ij               Eq. 1: every target wants one x_i that prefers it
    loss  = -log CX                          Eq. 5

Two facts make it cheap. Row i of CX is a softmax over the targets with a temperature of its own,
h (min_k d_ik + eps), so rows can be computed in blocks; and Eq. 1 is a maximum over rows, so a
running (maximum, row) per target is exact and only the rows that win some target get a gradient.
The forward pass therefore keeps one block, and the backward pass recomputes the winning rows alone.

This file imports torch and nothing else: copy it.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

Distance = Literal["cosine", "l1", "l2"]

_BLOCK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20, "mps": 64 << 20}
"""Bytes of one (N, rows, Py) block: what stays in a CPU's cache, what fills a GPU."""


class ContextualTarget(NamedTuple):
    """A target y whose centring and normalisation are done once. See `contextual_target`."""

    features: Tensor  # (N, Py, C), as given
    vectors: Tensor  # (N, Py, C), centred, and of unit length for the cosine
    mean: Tensor  # (N, 1, C)
    size: tuple[int, int]  # (Hy, Wy)
    mask: Tensor | None  # (N, Py), True where the position counts
    distance: Distance


class ContextualMatches(NamedTuple):
    """Who matches whom, both ways. See `contextual_matches`."""

    source_of_target: Tensor  # (N, Py), for each y_j the x_i that wins it: argmax_i CX_ij
    target_affinity: Tensor  # (N, Py), its CX_ij, in [0, 1]
    target_of_source: Tensor  # (N, Px), for each x_i its nearest y_j: argmax_j CX_ij
    source_affinity: Tensor  # (N, Px), its CX_ij, in [1 / Py, 1]


class ContextualRows(NamedTuple):
    """Every step from distance to affinity, for some rows. See `contextual_rows`."""

    distance: Tensor  # (N, R, Py), d_ij, >= 0, the place included; infinite where y is masked
    relative: Tensor  # (N, R, Py), Eq. 2: at the nearest target 1, or down to 0 if d < eps
    weight: Tensor  # (N, R, Py), Eq. 3: at the nearest target 1, or up to exp(1 / h) if d < eps
    affinity: Tensor  # (N, R, Py), Eq. 4: each row sums to 1


class _Kernel(NamedTuple):
    """What turns a block of distances into a block of affinities."""

    bandwidth: float
    eps: float
    distance: Distance
    spatial_weight: float
    x_places: Tensor | None  # (Px, 2), only when spatial_weight > 0
    y_places: Tensor | None  # (Py, 2)
    x_mask: Tensor | None  # (N, Px)
    y_mask: Tensor | None  # (N, Py)
    chunk_size: int


def contextual_loss(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    symmetric: bool = False,
    spatial_weight: float = 0.0,
    x_mask: Tensor | None = None,
    y_mask: Tensor | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """Contextual loss between two maps of features, -log CX(x, y).

    Small when every target feature y_j has some x_i that prefers it to all other targets. Positions
    play no part, so the images need not be aligned. Not symmetric in x and y.

    Args:
        x: Features of the generated image.
        y: Features of the target; its height and width may differ from x's. Or what
            `contextual_target` made of them, when one target is compared many times.
        bandwidth: h of Eq. 3, dimensionless, > 0. Small values ask for one clear match; large ones
            accept any. Papers: 0.1 for style and super-resolution, 0.5 for trained generators.
        distance: `"cosine"` of the features centred by the target's mean (the paper), `"l2"` for
            the squared Euclidean distance, `"l1"` for the sum of absolute differences.
        eps: Added to the nearest distance in Eq. 2, in units of the distance.
        symmetric: Mean of the losses of (x, y) and (y, x): asks also that nothing in x is invented.
        spatial_weight: Added to d_ij before Eq. 2 for two features one image side apart, in units
            of the distance; 0 ignores places. Places are cell centres, each axis in [0, 1].
        x_mask: True where a position of x may win a target. None: everywhere.
        y_mask: True where a position of y is to be won. None: everywhere.
        chunk_size: Rows of x per block. None: chosen from the sizes and the device.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy), floating point, finite; below 1e18 in float32.
        - x_mask: (N, 1, Hx, Wx), y_mask: (N, 1, Hy, Wy), bool.
        - returns: (), mean over N, in [max(0, log(Py / Px)), log Py] without masks. float32, or
          float64 for float64 features. An image with an empty mask counts as loss 0.

    Raises:
        ValueError: Dimensions, N, C, dtypes, masks or options do not fit; the message says how.

    Cost:
        Time: one (Px, C) x (C, Py) product forward; backward, for the rows that win a target, one
        more and one for each of x and y that wants a gradient. Memory: O((Px + Py) C) and a few
        blocks of chunk_size x Py, never Px x Py. Differentiable once.

    Source:
        Mechrez, Talmi, Zelnik-Manor, arXiv:1803.02077, Eqs. 1-5. The spatial weight follows the
        idea of Zhang et al. (CoBi), arXiv:1905.05169, section 4.2.

    Deviates:
        Centres per image; the authors' code pools the mean over the batch. Uses 1 - cos; theirs is
        half of it, which Eq. 2 cancels up to eps. Never samples positions; theirs keeps 65 x 65.
        CoBi adds the place to a nearest-neighbour distance; here it enters d_ij before Eq. 2.

    Example:
        >>> y = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> round(float(contextual_loss(y, y)), 4)
        0.0
        >>> one_feature = y[:, :, :1, :1]  # it can prefer one target, or none: always log Py
        >>> round(float(contextual_loss(one_feature, y).exp()), 4)
        16.0
    """
    target = _as_target(y, y_mask, distance)
    options: dict[str, Any] = {
        "bandwidth": bandwidth,
        "distance": distance,
        "eps": eps,
        "spatial_weight": spatial_weight,
        "chunk_size": chunk_size,
    }
    loss = _loss(contextual_similarity(x, target, x_mask=x_mask, **options))
    if not symmetric:
        return loss
    source = contextual_target(x, mask=x_mask, distance=distance)
    y_map = target.features.mT.unflatten(2, target.size)  # (N, C, Hy, Wy)
    mask_map = None if target.mask is None else target.mask.unflatten(1, target.size)[:, None]
    back = _loss(contextual_similarity(y_map, source, x_mask=mask_map, **options))
    return (loss + back) / 2


def contextual_similarity(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    x_mask: Tensor | None = None,
    y_mask: Tensor | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """Contextual similarity of two maps of features, CX(x, y) of Eq. 1.

    The share of the target that is claimed: 1 when every y_j has an x_i that wants only it, 1 / Py
    when no feature has a preference. Two samples of one distribution reach about 0.5, not 1.
    Arguments, errors, cost, source and deviations as in `contextual_loss`.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy).
        - returns: (N,), in [1 / Py, min(1, Px / Py)] without masks; 1 where a mask is empty.
    """
    target = _as_target(y, y_mask, distance)
    vectors, kernel = _prepare(
        x, target, bandwidth, distance, eps, spatial_weight, x_mask, chunk_size
    )
    best, _ = _best_rows(vectors, target.vectors, kernel)  # (N, Py)
    if kernel.y_mask is None:
        similarity = best.mean(dim=1)  # (N,)
    else:
        counted = best.where(kernel.y_mask, 0)  # (N, Py)
        similarity = counted.sum(dim=1) / kernel.y_mask.sum(dim=1)  # (N,)
    empty = _empty_images(x_mask, target.mask)
    return similarity if empty is None else similarity.where(~empty, 1)


def contextual_affinity(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    rows: Tensor | None = None,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    y_mask: Tensor | None = None,
) -> Tensor:
    """Rows of CX_ij of Eq. 4: how x_i spreads its preference over the targets.

    `rows` are positions of x, row by row: i = row * Wx + column; None takes all, for small maps.
    The other arguments, errors and source are those of `contextual_loss`.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy), rows: (R,), integers in [0, Px).
        - returns: (N, R, Py), each row sums to 1 (to 0 where the mask of y is empty).

    Cost:
        O(N R Py C) time and O(N R Py) memory: only the rows asked for. Differentiable.
    """
    target = _as_target(y, y_mask, distance)
    d, kernel = _row_distances(x, target, rows, bandwidth, distance, eps, spatial_weight)
    affinity = _affinity(d, kernel)[0]  # (N, R, Py)
    empty = _empty_images(None, target.mask)
    return affinity if empty is None else affinity.where(~empty[:, None, None], 0)


@torch.no_grad()
def contextual_rows(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    rows: Tensor,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    y_mask: Tensor | None = None,
) -> ContextualRows:
    """All steps of some rows, from d_ij to CX_ij: for looking at them.

    Arguments as in `contextual_affinity`, errors and source as in `contextual_loss`. The affinity
    does not go through the weight, which in float32 is infinite for a bandwidth below 0.012 where
    a nearest distance is about 0: w = exp(1 / h) there.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy), rows: (R,), integers in [0, Px).
        - returns: four of (N, R, Py). Where a mask of y is empty it counts as None.

    Cost:
        O(N R Py C) time and O(N R Py) memory: only the rows asked for. Not differentiable.

    Example:
        >>> y = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> steps = contextual_rows(y, y, rows=torch.tensor([5]))
        >>> round(float(steps.distance[0, 0, 5]), 4), round(float(steps.affinity[0, 0, 5]), 4)
        (0.0, 1.0)
    """
    target = _as_target(y, y_mask, distance)
    d, kernel = _row_distances(x, target, rows, bandwidth, distance, eps, spatial_weight)
    affinity, _, nearest = _affinity(d, kernel)  # (N, R, Py)
    relative = d / (nearest + eps)  # (N, R, Py)
    return ContextualRows(d, relative, ((1 - relative) / bandwidth).exp(), affinity)


@torch.no_grad()
def contextual_average(
    x: Tensor,
    y: Tensor | ContextualTarget,
    values: Tensor,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    y_mask: Tensor | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """Mean of the targets' values as each x_i sees it: sum_j CX_ij v_j.

    With the target's colours as values it draws x with what it matches in y; with its places, where
    x looks; with labels, it carries them over. Arguments, errors and source as in
    `contextual_loss`.

    Args:
        x: Features of the generated image.
        y: Features of the target.
        values: Anything that each target position has.
        bandwidth: h of Eq. 3.
        distance: See `contextual_loss`.
        eps: See `contextual_loss`.
        spatial_weight: See `contextual_loss`.
        y_mask: True where a position of y counts.
        chunk_size: Rows of x per block.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy), values: (N, V, Hy, Wy).
        - returns: (N, V, Hx, Wx), within the range of the values.

    Cost:
        That of the forward pass of `contextual_loss`, and O(N Px Py V).
    """
    target = _as_target(y, y_mask, distance)
    vectors, kernel = _prepare(
        x, target, bandwidth, distance, eps, spatial_weight, None, chunk_size
    )
    _check_values(values, target)
    columns = values.flatten(2).mT.to(vectors.dtype)  # (N, Py, V)
    blocks: list[Tensor] = []
    with _full_precision(vectors.device):
        for start in range(0, vectors.shape[1], kernel.chunk_size):
            rows = slice(start, start + kernel.chunk_size)
            d = _distances(vectors, target.vectors, rows, kernel)  # (N, R, Py)
            blocks.append(_affinity(d, kernel)[0] @ columns)  # (N, R, V)
    return torch.cat(blocks, dim=1).mT.unflatten(2, x.shape[2:])  # (N, V, Hx, Wx)


@torch.no_grad()
def contextual_matches(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    x_mask: Tensor | None = None,
    y_mask: Tensor | None = None,
    chunk_size: int | None = None,
) -> ContextualMatches:
    """Best source of every target, and best target of every source.

    The first is the maximum of Eq. 1, what the loss counts; the second is the nearest neighbour in
    the distance. Arguments, errors and source as in `contextual_loss`.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy).
        - returns: indices (N, Py) and (N, Px), row by row, and their CX_ij. A masked-out position
          has affinity 0, and its index means nothing; so do all of an image with an empty mask.

    Cost:
        That of the forward pass of `contextual_loss`.
    """
    target = _as_target(y, y_mask, distance)
    vectors, kernel = _prepare(
        x, target, bandwidth, distance, eps, spatial_weight, x_mask, chunk_size
    )
    nearest: list[tuple[Tensor, Tensor]] = []
    best, winner = _stream(vectors, target.vectors, kernel, nearest)
    affinity = torch.cat([value for value, _ in nearest], dim=1)  # (N, Px)
    index = torch.cat([index for _, index in nearest], dim=1)  # (N, Px)
    if target.mask is not None:
        best = best.where(target.mask, 0)
    if x_mask is not None:
        affinity = affinity.where(x_mask.flatten(1), 0)
    empty = _empty_images(x_mask, target.mask)
    if empty is not None:
        best = best.where(~empty[:, None], 0)
        affinity = affinity.where(~empty[:, None], 0)
    return ContextualMatches(winner, best, index, affinity)


def contextual_target(
    y: Tensor, *, mask: Tensor | None = None, distance: Distance = "cosine"
) -> ContextualTarget:
    """Target features with their mean, centring and normalisation computed once.

    Give it as `y` wherever one target is compared with many x.

    Args:
        y: Features of the target. Gradients flow through.
        mask: True where a position counts, also for the mean. None: everywhere.
        distance: The distance it will be used with; see `contextual_loss`.

    Shape:
        - y: (N, C, Hy, Wy), mask: (N, 1, Hy, Wy), bool.

    Raises:
        ValueError: y is not a 4-D floating-point map, the mask does not fit, an unknown distance.
    """
    _check_map("y", y)
    _check_choice(distance)
    _check_mask("y_mask", mask, y)
    features = _positions(y)  # (N, Py, C)
    weights = _usable(mask)  # (N, Py) or None
    if weights is None:
        mean = features.mean(dim=1, keepdim=True)  # (N, 1, C)
    else:
        counted = features * weights[:, :, None]
        mean = counted.sum(dim=1, keepdim=True) / weights.sum(dim=1)[:, None, None]
    flat_mask = None if mask is None else mask.flatten(1)  # (N, Py)
    size = (y.shape[2], y.shape[3])
    return ContextualTarget(
        features, _vectors(features, mean, distance), mean, size, flat_mask, distance
    )


class ContextualLoss(nn.Module):
    """See `contextual_loss`. Keyword arguments are its options."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor, y: Tensor | ContextualTarget) -> Tensor:
        """See `contextual_loss`."""
        return contextual_loss(x, y, **self.options)


# ---------------------------------------------------------------- from maps to vectors


def _positions(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W, C), at least float32: fp16 rounds min d + eps below zero."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    return features.to(dtype).flatten(2).mT  # (N, P, C)


def _vectors(features: Tensor, mean: Tensor, distance: Distance) -> Tensor:
    """(N, P, C) -> what the distance compares: centred, for the cosine also of unit length."""
    centred = features - mean  # (N, P, C)
    if distance != "cosine":
        return centred.contiguous()
    length = torch.linalg.vector_norm(centred, dim=2, keepdim=True)  # (N, P, 1)
    # A feature within rounding of the mean has no direction: it becomes the zero vector, with
    # distance 1 to all and gradient 0, where dividing by a small number would amplify noise.
    noise = torch.linalg.vector_norm(mean.detach(), dim=2, keepdim=True)  # (N, 1, 1)
    # Below the square root of the smallest number, 1 / length**2 of the gradient is infinite.
    floor = 4 * torch.finfo(length.dtype).eps * noise + torch.finfo(length.dtype).tiny ** 0.5
    inverse = torch.where(length > floor, 1 / length.clamp_min(floor), 0)  # (N, P, 1)
    return (centred * inverse).contiguous()


def _places(size: tuple[int, int], like: Tensor) -> Tensor:
    """(H, W) -> centres of the cells, (H * W, 2), each axis in (0, 1)."""
    axes = [(torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n for n in size]
    return torch.cartesian_prod(*axes)  # (H * W, 2)


def _as_target(y: Tensor | ContextualTarget, mask: Tensor | None, d: Distance) -> ContextualTarget:
    if not isinstance(y, ContextualTarget):
        return contextual_target(y, mask=mask, distance=d)
    if mask is not None:
        raise ValueError(
            "y_mask was given beside a precomputed target. Give it to contextual_target(mask=...)."
        )
    if y.distance != d:
        raise ValueError(
            f"The target was precomputed for distance={y.distance!r}, got distance={d!r}. "
            "Use one distance for both."
        )
    return y


def _prepare(
    x: Tensor,
    target: ContextualTarget,
    bandwidth: float,
    distance: Distance,
    eps: float,
    spatial_weight: float,
    x_mask: Tensor | None,
    chunk_size: int | None,
    rows: Tensor | None = None,
) -> tuple[Tensor, _Kernel]:
    """Checks everything, then x as vectors (N, Px, C) and the kernel that compares them.

    With rows, x is these positions alone: (N, R, C).
    """
    _check_map("x", x)
    _check_pair(x, target)
    _check_mask("x_mask", x_mask, x)
    _check_positive("bandwidth", bandwidth)
    _check_positive("eps", eps)
    if not 0 <= spatial_weight < float("inf"):
        raise ValueError(f"spatial_weight must be >= 0, got {spatial_weight}. Use 0 for the paper.")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1 row, got {chunk_size}. None chooses it.")
    positions = _positions(x)  # (N, Px, C)
    if rows is not None:
        _check_rows(rows, positions.shape[1])
        positions = positions[:, rows]  # (N, R, C)
    vectors = _vectors(positions, target.mean, distance)  # (N, Px or R, C)
    by_place = spatial_weight > 0
    x_places = _places((x.shape[2], x.shape[3]), vectors) if by_place else None
    if x_places is not None and rows is not None:
        x_places = x_places[rows]
    kernel = _Kernel(
        bandwidth=bandwidth,
        eps=eps,
        distance=distance,
        spatial_weight=spatial_weight,
        x_places=x_places,
        y_places=_places(target.size, vectors) if by_place else None,
        x_mask=_usable(x_mask),
        y_mask=_usable(target.mask),
        chunk_size=chunk_size or _rows_per_block(vectors, target.vectors),
    )
    return vectors, kernel


def _row_distances(
    x: Tensor,
    target: ContextualTarget,
    rows: Tensor | None,
    bandwidth: float,
    distance: Distance,
    eps: float,
    spatial_weight: float,
) -> tuple[Tensor, _Kernel]:
    """d_ij (N, R, Py) of the rows asked for, or of all, and their kernel."""
    vectors, kernel = _prepare(
        x, target, bandwidth, distance, eps, spatial_weight, None, None, rows
    )
    with _full_precision(vectors.device):
        return _distances(vectors, target.vectors, slice(None), kernel), kernel


def _rows_per_block(x: Tensor, y: Tensor) -> int:
    """Rows whose (N, rows, Py) block has the size that suits the device, at least 16."""
    row_bytes = y.shape[0] * y.shape[1] * y.element_size()
    return max(16, min(x.shape[1], _BLOCK_BYTES.get(x.device.type, 64 << 20) // row_bytes))


def _usable(mask: Tensor | None) -> Tensor | None:
    """A mask (N, ...) as (N, P), all True in an image that it empties: no 0 / 0 on the way."""
    if mask is None:
        return None
    flat = mask.flatten(1)  # (N, P)
    return flat | ~flat.any(dim=1, keepdim=True)


def _empty_images(x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor | None:
    """(N,), True where a mask leaves nothing to compare; None without masks."""
    empty = [~mask.flatten(1).any(dim=1) for mask in (x_mask, y_mask) if mask is not None]
    return torch.stack(empty).any(dim=0) if empty else None


def _loss(similarity: Tensor) -> Tensor:
    """Eq. 5, mean over the batch: (N,) -> (). A plain minus would show CX = 1 as -0.0."""
    return 0 - similarity.log().mean()


# ---------------------------------------------------------------- a block of rows


def _distances(x: Tensor, y: Tensor, rows: Tensor | slice, kernel: _Kernel) -> Tensor:
    """d_ij of some rows: (N, Px, C), (N, Py, C) -> (N, R, Py), infinite at masked-out targets."""
    d = _feature_distances(x[:, rows], y, kernel.distance)
    return _finish(d, rows, kernel)


def _feature_distances(x: Tensor, y: Tensor, distance: Distance) -> Tensor:
    """(N, R, C), (N, Py, C) -> (N, R, Py), differentiable, up to rounding below zero."""
    if distance == "l1":
        return torch.cdist(x, y, p=1)
    if distance == "l2":
        squares = x.square().sum(2)[:, :, None] + y.square().sum(2)[:, None, :]  # (N, R, Py)
        return torch.baddbmm(squares, x, y.mT, alpha=-2)
    one = x.new_ones(1)
    return torch.baddbmm(one, x, y.mT, alpha=-1)


def _finish(d: Tensor, rows: Tensor | slice, kernel: _Kernel) -> Tensor:
    """Clamps rounding errors to 0, adds the places, masks: (N, R, Py), in place if it may."""
    d = d.clamp(min=0) if d.requires_grad else d.clamp_(min=0)
    if kernel.x_places is not None and kernel.y_places is not None:
        # The default for large maps expands the square, which puts 5e-4 between equal places.
        exact = "donot_use_mm_for_euclid_dist"
        apart = torch.cdist(kernel.x_places[rows], kernel.y_places, compute_mode=exact)  # (R, Py)
        d = d + kernel.spatial_weight * apart
    if kernel.y_mask is not None:
        d = d.masked_fill(~kernel.y_mask[:, None, :], float("inf"))
    return d


def _affinity(d: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor, Tensor]:
    """Eqs. 2-4: (N, R, Py) -> CX_ij, the temperatures and the nearest distances (N, R, 1).

    The constant 1 / h of Eq. 3 cancels in Eq. 4, which leaves a softmax: no overflow at any h.
    """
    nearest = d.amin(dim=2, keepdim=True)  # (N, R, 1)
    temperature = kernel.bandwidth * (nearest + kernel.eps)  # (N, R, 1)
    logits = (nearest - d).div_(temperature)  # (N, R, Py)
    if kernel.y_mask is not None and d.requires_grad:  # where -inf stands, autograd gets 0 * inf
        hidden = ~kernel.y_mask[:, None, :]
        finite = (nearest - d).masked_fill(hidden, 0) / temperature
        logits = finite.masked_fill(hidden, -float("inf"))
    return logits.softmax(dim=2), temperature, nearest


def _first(hits: Tensor, dim: int) -> Tensor:
    """Index of the first True along dim. Three times as fast as an argmax on a CPU."""
    places = torch.arange(hits.shape[dim], dtype=torch.int32, device=hits.device)
    shape = [1] * hits.dim()
    shape[dim] = -1
    return torch.where(hits, places.view(shape), hits.shape[dim] - 1).amin(dim).long()


@contextmanager
def _full_precision(device: torch.device) -> Generator[None, None, None]:
    """Plain fp32 products: autocast or TF32 would round min d + eps, at 1e-5, below zero."""
    set_precision, before, full = _product_precision(device)
    if before != full:
        set_precision(full)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if before != full:
            set_precision(before)


def _product_precision(device: torch.device) -> tuple[Callable[[str], None], str, str]:
    """How to set the precision of fp32 products, what it is now, and what it is called in full."""
    try:
        return torch.set_float32_matmul_precision, torch.get_float32_matmul_precision(), "highest"
    except RuntimeError:  # since 2.9, once someone has set fp32_precision of torch.backends
        backend: Any = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
        set_backend = partial(setattr, backend.matmul, "fp32_precision")
        return set_backend, backend.matmul.fp32_precision, "ieee"


# ---------------------------------------------------------------- all rows


def _best_rows(x: Tensor, y: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor]:
    """max_i CX_ij and its row i: (N, Px, C), (N, Py, C) -> (N, Py), (N, Py)."""
    return _BestRows.apply(x, y, kernel)  # pyright: ignore[reportReturnType]


def _stream(
    x: Tensor, y: Tensor, kernel: _Kernel, nearest: list[tuple[Tensor, Tensor]] | None = None
) -> tuple[Tensor, Tensor]:
    """Running maximum over blocks of rows; collects each row's own best target in `nearest`."""
    best = x.new_full(y.shape[:2], -1)  # (N, Py)
    winner = torch.zeros_like(best, dtype=torch.long)  # (N, Py)
    with _full_precision(x.device):
        for start in range(0, x.shape[1], kernel.chunk_size):
            rows = slice(start, start + kernel.chunk_size)
            d = _distances(x, y, rows, kernel)  # (N, R, Py)
            affinity, _, closest = _affinity(d, kernel)  # (N, R, Py)
            if nearest is not None:
                nearest.append((affinity.amax(dim=2), _first(d == closest, 2)))
            if kernel.x_mask is not None:
                affinity = affinity.masked_fill(~kernel.x_mask[:, rows, None], -1)
            value = affinity.amax(dim=1)  # (N, Py)
            row = _first(affinity == value[:, None], 1)  # (N, Py)
            winner = torch.where(value > best, row + start, winner)
            best = torch.maximum(best, value)
    return best, winner


class _BestRows(torch.autograd.Function):
    """max_i CX_ij with a backward pass through the winning rows alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor]:
        best, winner = _stream(x, y, kernel)
        ctx.save_for_backward(x, y, winner)
        ctx.kernel = kernel
        ctx.mark_non_differentiable(winner)
        return best, winner

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_best: Tensor, _grad_winner: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        x, y, winner = ctx.saved_tensors
        need_x, need_y = ctx.needs_input_grad[:2]
        grad_x = torch.zeros_like(x) if need_x else None
        grad_y = torch.zeros_like(y) if need_y else None
        with _full_precision(x.device):
            for n in range(x.shape[0]):
                _backward_image(x, y, winner, grad_best, grad_x, grad_y, ctx.kernel, n)
        return grad_x, grad_y, None


def _backward_image(
    x: Tensor,
    y: Tensor,
    winner: Tensor,
    grad_best: Tensor,
    grad_x: Tensor | None,
    grad_y: Tensor | None,
    kernel: _Kernel,
    n: int,
) -> None:
    """Adds image n's gradients of the distances to grad_x (N, Px, C) and grad_y (N, Py, C)."""
    columns = winner[n].argsort()  # (Py,): targets, those of one row together
    rows, won = winner[n][columns].unique_consecutive(return_counts=True)  # (W,), (W,)
    ends = [0, *won.cumsum(0).tolist()]  # the one host synchronisation, outside the loop
    for start in range(0, len(rows), kernel.chunk_size):
        stop = min(start + kernel.chunk_size, len(rows))
        chosen = columns[ends[start] : ends[stop]]  # (K,): the targets that this block wins
        row = torch.repeat_interleave(
            torch.arange(stop - start, device=x.device),
            won[start:stop],
            output_size=len(chosen),
        )  # (K,): the row of the block that wins each of them
        block = rows[start:stop]
        grad_d = _backward_block(x, y, grad_best[n, chosen], block, row, chosen, kernel, n)
        _backward_distance(x, y, grad_d, block, grad_x, grad_y, kernel.distance, n)


def _backward_block(
    x: Tensor,
    y: Tensor,
    grad: Tensor,
    rows: Tensor,
    row: Tensor,
    column: Tensor,
    kernel: _Kernel,
    n: int,
) -> Tensor:
    """Gradient of the won affinities, (K,) at (row, column), by the distances: (R, Py).

    With p a row of CX, g its gradient, a = -d / (h D) its logits and D = min d + eps:
    da = p (g - <g, p>), dd = -da / (h D), and the nearest distance also gets <da, d> / (h D^2).
    """
    image = _one_image(kernel, n)
    d = _distances(x[n : n + 1], y[n : n + 1], rows, image)  # (1, R, Py)
    affinity, temperature, nearest = (t[0] for t in _affinity(d, image))
    d = d[0]
    index = _first(d == nearest, 1)[:, None]  # (R, 1): the nearest target
    won = grad * affinity[row, column]  # (K,): g p
    total = torch.zeros_like(temperature[:, 0]).index_add_(0, row, won)  # (R,): <g, p>
    grad_logits = affinity.mul_(-total[:, None])  # (R, Py)
    grad_logits[row, column] += won
    spread = d.sub_(nearest)  # (R, Py); <da, d> = <da, d - min d>, since da sums to 0
    if image.y_mask is not None:
        spread.masked_fill_(~image.y_mask, 0)  # infinite there, and 0 * inf is not a number
    moment = spread.mul_(grad_logits).sum(dim=1, keepdim=True)  # (R, 1)
    grad_d = grad_logits.div_(-temperature)  # (R, Py)
    return grad_d.scatter_add_(1, index, moment * kernel.bandwidth / temperature.square())


def _backward_distance(
    x: Tensor,
    y: Tensor,
    grad_d: Tensor,
    rows: Tensor,
    grad_x: Tensor | None,
    grad_y: Tensor | None,
    distance: Distance,
    n: int,
) -> None:
    """Chain rule through the feature distance of a block of rows, added to grad_x and grad_y."""
    if distance == "cosine":
        if grad_x is not None:
            grad_x[n, rows] = -(grad_d @ y[n])  # (R, C)
        if grad_y is not None:
            grad_y[n].addmm_(grad_d.mT, x[n, rows], alpha=-1)  # (Py, C)
        return
    with torch.enable_grad():
        x_rows = x[n : n + 1, rows].detach().requires_grad_()  # (1, R, C)
        y_rows = y[n : n + 1].detach().requires_grad_()  # (1, Py, C)
        d = _feature_distances(x_rows, y_rows, distance)  # (1, R, Py)
    by_x, by_y = torch.autograd.grad(d, (x_rows, y_rows), grad_d[None])
    if grad_x is not None:
        grad_x[n, rows] = by_x[0]
    if grad_y is not None:
        grad_y[n] += by_y[0]


def _one_image(kernel: _Kernel, n: int) -> _Kernel:
    """The kernel of image n alone."""
    x_mask = None if kernel.x_mask is None else kernel.x_mask[n : n + 1]
    y_mask = None if kernel.y_mask is None else kernel.y_mask[n : n + 1]
    return kernel._replace(x_mask=x_mask, y_mask=y_mask)


# ---------------------------------------------------------------- checks


def _check_map(name: str, features: Tensor) -> None:
    if features.dim() != 4 or 0 in features.shape:
        raise ValueError(
            f"{name} must be a non-empty map (N, C, H, W), got shape {tuple(features.shape)}. "
            "Add or remove dimensions with unsqueeze, flatten or unflatten."
        )
    if not features.is_floating_point():
        raise ValueError(
            f"{name} must be floating point, got {features.dtype}. Convert it with .float()."
        )


def _check_pair(x: Tensor, target: ContextualTarget) -> None:
    images, _, channels = target.features.shape
    if x.shape[0] != images:
        raise ValueError(
            f"x and y need the same number of images, got {x.shape[0]} and {images}. "
            "Repeat the smaller one with expand."
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"x and y need the same number of channels, got {x.shape[1]} and {channels}. "
            "Take both from the same layer."
        )
    if x.device != target.features.device:
        raise ValueError(
            f"x and y must be on one device, got {x.device} and {target.features.device}. "
            "Move one with .to(device)."
        )
    if torch.promote_types(x.dtype, torch.float32) != target.features.dtype:
        raise ValueError(
            f"x and y must both be float64 or neither, got {x.dtype} against a target kept in "
            f"{target.features.dtype}. Convert one with .to(dtype)."
        )


def _check_mask(name: str, mask: Tensor | None, features: Tensor) -> None:
    if mask is None:
        return
    expected = (features.shape[0], 1, *features.shape[2:])
    if tuple(mask.shape) != expected or mask.dtype != torch.bool:
        raise ValueError(
            f"{name} must be bool of shape {expected}, got {mask.dtype} of shape "
            f"{tuple(mask.shape)}. Resize it to the map of features and compare with 0.5."
        )


def _check_choice(distance: str) -> None:
    if distance not in get_args(Distance):
        choices = ", ".join(repr(choice) for choice in get_args(Distance))
        raise ValueError(f"distance must be one of {choices}, got {distance!r}.")


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, got {value}.")


def _check_values(values: Tensor, target: ContextualTarget) -> None:
    images, _, _ = target.features.shape
    if values.dim() != 4 or values.shape[0] != images or tuple(values.shape[2:]) != target.size:
        raise ValueError(
            f"values must be (N, V, Hy, Wy) = ({images}, V, {target.size[0]}, {target.size[1]}), "
            f"one for each position of y, got {tuple(values.shape)}. Resize them to y's map."
        )


def _check_rows(rows: Tensor, positions: int) -> None:
    if rows.dim() != 1 or rows.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"rows must be a 1-D tensor of integers, got {rows.dtype} of shape {tuple(rows.shape)}."
        )
    if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < positions:
        raise ValueError(
            f"rows must lie in [0, {positions}), got {int(rows.min())} to {int(rows.max())}. "
            "A position is row * width + column."
        )
