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
Both are operators of their own, which torch.compile, torch.export and torch.func take as they are.

This file imports torch and nothing else: copy it.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

Distance = Literal["cosine", "l1", "l2"]
Reduction = Literal["mean", "sum", "none"]

_BLOCK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20, "mps": 64 << 20}
"""Bytes of one (N, Py, rows) block: what stays in a CPU's cache, what fills a GPU."""

_BLOCK_ROWS = 128
"""The fewest rows of a block: a thinner product waits for memory."""


class ContextualTarget(NamedTuple):
    """A target y whose centring and normalisation are done once. See `contextual_target`."""

    features: Tensor  # (N, Py, C), as given
    vectors: Tensor  # (N, Py, C), centred, and of unit length for the cosine
    mean: Tensor  # (N, 1, C)
    size: tuple[int, int] | None  # (Hy, Wy) of one map
    mask: Tensor | None  # (N, Py), True where the position counts
    distance: Distance
    places: Tensor | None = None  # (Py, 2) or (N, Py, 2), of tokens and of several maps


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
    """What turns features into affinities, in the order of the operators' arguments."""

    x_mask: Tensor | None  # (N, Px)
    y_mask: Tensor | None  # (N, Py)
    x_places: Tensor | None  # (N, Px, 2), in units of the distance
    y_places: Tensor | None  # (N, Py, 2)
    bandwidth: float
    eps: float
    distance: Distance
    claims: int
    power: float
    chunk_size: int  # 0: chosen from the sizes and the device


def contextual_loss(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    symmetric: bool = False,
    spatial_weight: float = 0.0,
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
    x_mask: Tensor | None = None,
    y_mask: Tensor | None = None,
    claims: int = 1,
    power: float = float("inf"),
    reduction: Reduction = "mean",
    chunk_size: int | None = None,
) -> Tensor:
    """Contextual loss between two sets of features, -log CX(x, y).

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
            of the distance; 0 ignores places.
        x_places: Where the positions of x are, for tokens. None: the centres of a map's cells, each
            axis in [0, 1].
        y_places: Where the positions of y are.
        x_mask: True where a position of x may win a target. None: everywhere.
        y_mask: True where a position of y is to be won. None: everywhere.
        claims: How many x_i each target counts: Eq. 1 takes the mean of its largest CX_ij.
        power: p of (sum_i CX_ij^p)^(1/p) in place of the maximum of Eq. 1, >= 1. Every x_i then
            gets a gradient, and the backward pass goes through all rows.
        reduction: What is made of the batch: its mean, its sum, or the N losses.
        chunk_size: Rows of x per block. None: chosen from the sizes and the device.

    Shape:
        - x: (N, C, Hx, Wx) or tokens (N, Px, C), y likewise; floating point, finite outside their
          masks. In float32 below 1e33, for l2 below 1e17.
        - x_mask: (N, Hx, Wx), (N, 1, Hx, Wx), or (N, Px) for tokens, bool; y_mask likewise.
        - x_places: (Px, 2) or (N, Px, 2), y_places: (Py, 2) or (N, Py, 2).
        - returns: (), or (N,) without reduction, each in [max(0, log(Py / Px)), log Py] for one
          claim, the maximum and no masks. float32, or float64 for float64 features. An image with
          an empty mask counts as loss 0.

    Raises:
        ValueError: Dimensions, N, C, dtypes, masks or options do not fit, or a feature is NaN or
            infinite; the message says which and what to do.
        NotImplementedError: Forward-mode derivatives.

    Cost:
        Time: one (Px, C) x (C, Py) product forward; backward, for the rows that win a target, one
        more and one for each of x and y that wants a gradient. Memory: O((Px + Py) C) and a few
        blocks of chunk_size x Py, never Px x Py. Second derivatives are exact too, and keep
        several (Py claims) x Py matrices.

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
    target = _as_target(y, y_mask, distance, y_places)
    _check_choice("reduction", reduction, Reduction)
    options: dict[str, Any] = {
        "bandwidth": bandwidth,
        "distance": distance,
        "eps": eps,
        "spatial_weight": spatial_weight,
        "claims": claims,
        "power": power,
        "chunk_size": chunk_size,
    }
    similarity = contextual_similarity(x, target, x_mask=x_mask, x_places=x_places, **options)
    losses = 0 - similarity.log()  # (N,), Eq. 5; a plain minus would show CX = 1 as -0.0
    if symmetric:
        source = contextual_target(x, mask=x_mask, places=x_places, distance=distance)
        places = _places(target.places, target.size, target.features) if spatial_weight else None
        similarity = contextual_similarity(
            target.features, source, x_mask=target.mask, x_places=places, **options
        )
        losses = (losses - similarity.log()) / 2
    return losses if reduction == "none" else getattr(losses, reduction)()


def contextual_similarity(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
    x_mask: Tensor | None = None,
    y_mask: Tensor | None = None,
    claims: int = 1,
    power: float = float("inf"),
    chunk_size: int | None = None,
) -> Tensor:
    """Contextual similarity of two sets of features, CX(x, y) of Eq. 1.

    The share of the target that is claimed: 1 when every y_j has an x_i that wants only it, 1 / Py
    when no feature has a preference. Two samples of one distribution reach about 0.5, not 1.
    Arguments, errors, cost, source and deviations as in `contextual_loss`.

    Shape:
        - x: (N, C, Hx, Wx) or (N, Px, C), y: (N, C, Hy, Wy) or (N, Py, C).
        - returns: (N,), in [1 / Py, min(1, Px / Py)] for one claim, the maximum and no masks; 1
          where a mask is empty.
    """
    target = _as_target(y, y_mask, distance, y_places)
    common = (bandwidth, distance, eps, spatial_weight, x_places)
    vectors, kernel = _prepare(x, target, common, x_mask, chunk_size, claims, power)
    best = _claim(vectors, target.vectors, kernel)[0]  # (N, Py, claims)
    value = best[:, :, 0] if claims == 1 else best.clamp_min(0).mean(dim=2)  # (N, Py)
    if kernel.y_mask is None:
        return _unless_empty(value.mean(dim=1), 1, x_mask, target.mask)
    counted = value.where(kernel.y_mask, 0)  # (N, Py)
    similarity = counted.sum(dim=1) / kernel.y_mask.sum(dim=1)  # (N,)
    return _unless_empty(similarity, 1, x_mask, target.mask)


def contextual_affinity(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    rows: Tensor | None = None,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
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
    target = _as_target(y, y_mask, distance, y_places)
    common = (bandwidth, distance, eps, spatial_weight, x_places)
    s, kernel = _rows_closeness(x, target, rows, common)
    affinity = _logits(s, kernel)[0].softmax(dim=1).mT  # (N, R, Py)
    return _unless_empty(affinity, 0, target.mask)


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
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
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
    target = _as_target(y, y_mask, distance, y_places)
    common = (bandwidth, distance, eps, spatial_weight, x_places)
    s, kernel = _rows_closeness(x, target, rows, common)
    d = (_SAME[distance] - s.mT).clamp_min(0)  # (N, R, Py)
    if kernel.y_mask is not None:
        d = d.masked_fill(~kernel.y_mask[:, None, :], float("inf"))
    logits, _, nearest = _logits(s, kernel)  # (N, Py, R), (N, 1, R)
    relative = d / (nearest.mT + eps)  # (N, R, Py)
    weight = ((1 - relative) / bandwidth).exp()  # (N, R, Py)
    return ContextualRows(d, relative, weight, logits.softmax(dim=1).mT)


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
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
    y_mask: Tensor | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """Mean of the targets' values as each x_i sees it: sum_j CX_ij v_j.

    With the target's colours as values it draws x with what it matches in y; with its places, where
    x looks; with labels, it carries them over. Arguments, errors and source as in
    `contextual_loss`.

    Shape:
        - x: (N, C, Hx, Wx), y: (N, C, Hy, Wy), values: (N, V, Hy, Wy), or (N, Py, V) for tokens
          and for several targets.
        - returns: (N, V, Hx, Wx), or (N, Px, V) for tokens; within the range of the values.

    Cost:
        That of the forward pass of `contextual_loss`, and O(N Px Py V).
    """
    target = _as_target(y, y_mask, distance, y_places)
    common = (bandwidth, distance, eps, spatial_weight, x_places)
    vectors, kernel = _prepare(x, target, common, None, chunk_size)
    _check_values(values, target)
    columns = _positions(values).to(vectors.dtype)  # (N, Py, V)
    with _full_precision(vectors.device):
        blocks = [
            affinity.mT @ columns for _, affinity in _affinities(vectors, target.vectors, kernel)
        ]
    average = torch.cat(blocks, dim=1)  # (N, Px, V)
    return average if x.dim() == 3 else average.mT.unflatten(2, x.shape[2:])


@torch.no_grad()
def contextual_matches(
    x: Tensor,
    y: Tensor | ContextualTarget,
    *,
    bandwidth: float = 0.5,
    distance: Distance = "cosine",
    eps: float = 1e-5,
    spatial_weight: float = 0.0,
    x_places: Tensor | None = None,
    y_places: Tensor | None = None,
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
    target = _as_target(y, y_mask, distance, y_places)
    common = (bandwidth, distance, eps, spatial_weight, x_places)
    vectors, kernel = _prepare(x, target, common, x_mask, chunk_size)
    sources: list[tuple[Tensor, Tensor]] = []
    best, winner = _best_rows(vectors, target.vectors, kernel, sources)  # (N, Py, 1)
    affinity, index = (torch.cat(parts, dim=1) for parts in zip(*sources, strict=True))  # (N, Px)
    best = best[:, :, 0]  # (N, Py)
    if target.mask is not None:
        best = best.where(target.mask, 0)
    if x_mask is not None:
        affinity = affinity.where(x_mask.flatten(1), 0)
    best, affinity = (_unless_empty(t, 0, x_mask, target.mask) for t in (best, affinity))
    return ContextualMatches(winner[:, :, 0], best, index, affinity)


def contextual_target(
    y: Tensor | Sequence[Tensor],
    *,
    mask: Tensor | Sequence[Tensor] | None = None,
    places: Tensor | None = None,
    distance: Distance = "cosine",
) -> ContextualTarget:
    """Target features with their mean, centring and normalisation computed once.

    Give it as `y` wherever one target is compared with many x. Several maps, such as the frames of
    a video, become one target: the positions of all of them, one after the other.

    Args:
        y: Features of the target, or a sequence of them. Gradients flow through.
        mask: True where a position counts, also for the mean. None: everywhere.
        places: Where the positions are, for a spatial weight; see `contextual_loss`.
        distance: The distance it will be used with; see `contextual_loss`.

    Shape:
        - y: (N, C, Hy, Wy) or (N, Py, C), each of a sequence of its own size.
        - mask: (N, Hy, Wy), (N, 1, Hy, Wy) or (N, Py), bool; for a sequence, one for each.
        - places: (Py, 2) or (N, Py, 2), for all positions.

    Raises:
        ValueError: y, the mask or the places do not fit, an unknown distance.
    """
    _check_choice("distance", distance, Distance)
    maps = [y] if isinstance(y, Tensor) else list(y)
    _check_set(maps)
    flat_mask = None
    if mask is not None:
        pairs = zip([mask] if isinstance(mask, Tensor) else mask, maps, strict=True)
        flat_mask = torch.cat([_flat_mask("y_mask", m, t) for m, t in pairs], dim=1)  # (N, Py)
    features = torch.cat([_positions(m) for m in maps], dim=1)  # (N, Py, C)
    size = (y.shape[2], y.shape[3]) if isinstance(y, Tensor) and y.dim() == 4 else None
    if places is None and len(maps) > 1 and all(m.dim() == 4 for m in maps):
        places = torch.cat([_cells((m.shape[2], m.shape[3]), features) for m in maps])  # (Py, 2)
    counted = _hide(features, flat_mask)  # (N, Py, C)
    usable = _usable(flat_mask)
    count = features.shape[1] if usable is None else usable.sum(dim=1)[:, None, None]
    mean = counted.sum(dim=1, keepdim=True) / count  # (N, 1, C)
    vectors = _vectors(counted, mean, distance)
    return ContextualTarget(features, vectors, mean, size, flat_mask, distance, places)


class ContextualLoss(nn.Module):
    """See `contextual_loss`. Keyword arguments are its options; a call may override them."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        _check_names(options)
        self.options = options

    def extra_repr(self) -> str:
        """The options that are not the defaults'."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())

    def forward(self, x: Tensor, y: Tensor | ContextualTarget, **options: Any) -> Tensor:
        """See `contextual_loss`."""
        return contextual_loss(x, y, **{**self.options, **options})


# ---------------------------------------------------------------- from maps to vectors

_SAME: dict[str, float] = {"cosine": 1.0, "l1": 0.0, "l2": 0.0}
"""The closeness of two equal features: `_closeness` is this minus the distance."""

_Common = tuple[float, Distance, float, float, "Tensor | None"]
"""bandwidth, distance, eps, spatial_weight, x_places: the options that every function has."""


def _positions(features: Tensor) -> Tensor:
    """A map (N, C, H, W) or tokens (N, P, C) -> (N, P, C), at least float32.

    Half precision would round min d + eps below zero.
    """
    tokens = features if features.dim() == 3 else features.flatten(2).mT  # (N, P, C)
    return tokens.to(torch.promote_types(features.dtype, torch.float32))


def _hide(features: Tensor, mask: Tensor | None) -> Tensor:
    """(N, P, C) with zeros where the mask (N, P) is False: whatever stands there has no effect."""
    return features if mask is None else features.masked_fill(~mask[:, :, None], 0)


def _vectors(features: Tensor, mean: Tensor, distance: Distance) -> Tensor:
    """(N, P, C) -> what the distance compares: centred, for the cosine also of unit length."""
    centred = features - mean  # (N, P, C)
    if distance != "cosine":
        return centred
    # Squares of 1e20 or 1e-25 leave the range of float32; a direction has no scale.
    limits = torch.finfo(centred.dtype)
    high, low = (f(centred.detach(), (1, 2), keepdim=True) for f in (torch.amax, torch.amin))
    peak = torch.maximum(high, -low).nan_to_num(1).clamp_min(limits.tiny)  # (N, 1, 1)
    scaled = centred.div_(peak)  # (N, P, C), in [-1, 1]; a NaN stays where it is
    # A feature within rounding of the mean has no direction: it becomes the zero vector, with
    # distance 1 to all and gradient 0, where dividing by a small number would amplify noise.
    noise = (mean.detach() / peak).square().sum(dim=2, keepdim=True)  # (N, 1, 1)
    floor = (4 * limits.eps) ** 2 * noise + limits.tiny
    square = scaled.square().sum(dim=2, keepdim=True)  # (N, P, 1)
    return scaled * square.clamp_min(floor).rsqrt().where(square > floor, 0)


def _cells(size: tuple[int, int], like: Tensor) -> Tensor:
    """(H, W) -> centres of the cells, (H * W, 2), each axis in (0, 1)."""
    axes = [(torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n for n in size]
    return torch.cartesian_prod(*axes)  # (H * W, 2)


def _places(places: Tensor | None, size: tuple[int, int] | None, like: Tensor) -> Tensor:
    """The places given, or those of a map's cells, for features (N, P, C): (N, P, 2)."""
    if places is None:
        if size is None:
            raise ValueError(
                "A spatial weight needs places, and tokens have none of their own. Give x_places "
                "and y_places of shape (P, 2), or maps (N, C, H, W)."
            )
        places = _cells(size, like)
    images, positions, _ = like.shape
    if tuple(places.shape) not in ((positions, 2), (images, positions, 2)):
        raise ValueError(
            f"places must be ({positions}, 2) or ({images}, {positions}, 2), one for each "
            f"position, got {tuple(places.shape)}."
        )
    return places.to(like).expand(images, -1, -1)  # (N, P, 2)


def _as_target(
    y: Tensor | ContextualTarget, mask: Tensor | None, distance: Distance, places: Tensor | None
) -> ContextualTarget:
    if not isinstance(y, ContextualTarget):
        return contextual_target(y, mask=mask, distance=distance, places=places)
    for name, given in (("mask", mask), ("places", places)):
        if given is not None:
            raise ValueError(
                f"y_{name} was given beside a precomputed target. "
                f"Give it to contextual_target({name}=...)."
            )
    if y.distance != distance:
        raise ValueError(
            f"The target was precomputed for distance={y.distance!r}, got distance={distance!r}. "
            "Use one distance for both."
        )
    return y


def _prepare(
    x: Tensor,
    target: ContextualTarget,
    common: _Common,
    x_mask: Tensor | None = None,
    chunk_size: int | None = None,
    claims: int = 1,
    power: float = float("inf"),
) -> tuple[Tensor, _Kernel]:
    """Checks everything, then x as vectors (N, Px, C) and the kernel that compares them."""
    bandwidth, distance, eps, spatial_weight, x_places = common
    _check_map("x", x)
    _check_pair(x, target)
    _check_options(bandwidth, eps, spatial_weight, chunk_size, claims, power)
    mask = None if x_mask is None else _flat_mask("x_mask", x_mask, x)  # (N, Px)
    features = _hide(_positions(x), mask)  # (N, Px, C)
    if claims > features.shape[1]:
        raise ValueError(f"claims must be at most x's {features.shape[1]} positions, got {claims}.")
    places = (None, None)
    if spatial_weight > 0:
        size = (x.shape[2], x.shape[3]) if x.dim() == 4 else None
        x_places = _places(x_places, size, features)
        y_places = _places(target.places, target.size, target.features)
        places = (spatial_weight * x_places, spatial_weight * y_places)
    masks = (_usable(mask), _usable(target.mask))
    kernel = _Kernel(*masks, *places, bandwidth, eps, distance, claims, power, chunk_size or 0)
    return _vectors(features, target.mean, distance), kernel


def _rows_closeness(
    x: Tensor, target: ContextualTarget, rows: Tensor | None, common: _Common
) -> tuple[Tensor, _Kernel]:
    """`_closeness` (N, Py, R) of the rows asked for, or of all, and their kernel."""
    vectors, kernel = _prepare(x, target, common)
    if rows is not None:
        _check_rows(rows, vectors.shape[1])
    chosen = (slice(None), slice(None) if rows is None else rows)
    with _full_precision(vectors.device):
        return _closeness(vectors, target.vectors, kernel, chosen), kernel


def _usable(mask: Tensor | None) -> Tensor | None:
    """A mask (N, P), all True in an image that it empties: no 0 / 0 on the way."""
    return None if mask is None else mask | ~mask.any(dim=1, keepdim=True)


def _unless_empty(values: Tensor, instead: float, *masks: Tensor | None) -> Tensor:
    """Values (N, ...), replaced in the images of which a mask leaves nothing to compare."""
    for mask in masks:
        if mask is not None:
            some = mask.flatten(1).any(dim=1)  # (N,)
            values = values.where(some.view(-1, *[1] * (values.dim() - 1)), instead)
    return values


# ---------------------------------------------------------------- a block of rows


def _closeness(
    x: Tensor, y: Tensor, kernel: _Kernel, rows: Any, out: Tensor | None = None
) -> Tensor:
    """`_SAME` minus d_ij of some rows: (N, Px, C), (N, Py, C) -> (N, Py, R), into `out`.

    The targets stand first because the product of this shape is the faster one.
    """
    x = x[rows]  # (N, R, C)
    if kernel.distance == "l1":
        s = torch.cdist(y, x, p=1).neg_()
    elif kernel.distance == "l2":
        squares = x.square().sum(2)[:, None, :] + y.square().sum(2)[:, :, None]  # (N, Py, R)
        s = torch.baddbmm(squares, y, x.mT, beta=-1, alpha=2)
    else:
        s = torch.bmm(y, x.mT) if out is None else torch.bmm(y, x.mT, out=out)
    if kernel.x_places is not None and kernel.y_places is not None:
        # The default for large maps expands the square, which puts 5e-4 between equal places.
        exact = "donot_use_mm_for_euclid_dist"
        s = s - torch.cdist(kernel.y_places, kernel.x_places[rows], compute_mode=exact)
    return s


def _logits(s: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor, Tensor]:
    """Eqs. 2-3: (N, Py, R) -> log w_ij up to a constant, its temperature, the nearest distance.

    The constant, which a softmax over the targets ignores, makes the largest 0: no overflow at any
    bandwidth. Overwrites s where no gradient wants it.
    """
    hidden = None if kernel.y_mask is None else ~kernel.y_mask[:, :, None]  # (N, Py, 1)
    if hidden is not None:
        s = s.masked_fill(hidden, -float("inf"))
    top = s.amax(dim=1, keepdim=True)  # (N, 1, R)
    nearest = (_SAME[kernel.distance] - top).clamp_min(0)  # (N, 1, R), up to rounding >= 0
    temperature = kernel.bandwidth * (nearest + kernel.eps)  # (N, 1, R)
    below = s - top if s.requires_grad else s.sub_(top)  # (N, Py, R)
    if hidden is None:
        return below.mul_(1 / temperature), temperature, nearest
    logits = below.masked_fill(hidden, 0).mul_(1 / temperature)
    return logits.masked_fill(hidden, -1e4), temperature, nearest  # exp(-1e4) is 0, 0 * -1e4 too


def _first(hits: Tensor, dim: int) -> Tensor:
    """Index of the first True along dim. Three times as fast as an argmax on a CPU."""
    short = torch.int16 if hits.shape[dim] < 1 << 15 else torch.int32
    places = torch.arange(hits.shape[dim], dtype=short, device=hits.device)
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


# ---------------------------------------------------------------- all rows, forward


def _rows_per_block(x: Tensor, y: Tensor, kernel: _Kernel) -> int:
    """Rows whose (N, Py, rows) block has the size that suits the device."""
    row_bytes = y.shape[0] * y.shape[1] * y.element_size()
    fitting = _BLOCK_BYTES.get(x.device.type, 64 << 20) // row_bytes
    return min(x.shape[1], kernel.chunk_size or max(_BLOCK_ROWS, fitting))


def _part(buffer: Tensor, rows: int) -> Tensor:
    """The first elements of (N, Py, R) as (N, Py, rows)."""
    images, targets, _ = buffer.shape
    return buffer.view(-1)[: images * targets * rows].view(images, targets, rows)


def _affinities(
    x: Tensor, y: Tensor, kernel: _Kernel, nearest: list[Tensor] | None = None
) -> Generator[tuple[int, Tensor], None, None]:
    """Blocks of rows of CX, all in one buffer: the first row and (N, Py, R) for each.

    Collects each row's nearest target (N, R) in `nearest`. Memory asked for anew would cost half
    as much as the product.
    """
    size = _rows_per_block(x, y, kernel)
    buffer = x.new_empty(len(x), y.shape[1], size)
    zero = x.new_zeros(())
    for start in range(0, x.shape[1], size):
        rows = slice(start, min(start + size, x.shape[1]))
        part = _part(buffer, rows.stop - start)
        logits, _, apart = _logits(_closeness(x, y, kernel, (slice(None), rows), part), kernel)
        if nearest is not None:
            nearest.append(_first(logits == 0, 1))
        zero += (0 * apart).sum()
        yield start, torch.softmax(logits, dim=1, out=logits)
    if zero != 0:  # NaN
        _refuse_non_finite(x, y)


def _best_rows(
    x: Tensor, y: Tensor, kernel: _Kernel, sources: list[tuple[Tensor, Tensor]] | None = None
) -> tuple[Tensor, Tensor]:
    """The largest CX_ij of each target and their rows: (N, Px, C), (N, Py, C) -> (N, Py, claims).

    Collects each row's largest CX_ij and nearest target, both (N, R), in `sources`.
    """
    best = x.new_full((*y.shape[:2], kernel.claims), -1)
    winner = torch.zeros_like(best, dtype=torch.long)
    with _full_precision(x.device):
        nearest: list[Tensor] | None = None if sources is None else []
        for start, affinity in _affinities(x, y, kernel, nearest):
            if sources is not None and nearest is not None:
                sources.append((affinity.amax(dim=1), nearest.pop()))
            if kernel.x_mask is not None:
                masked = ~kernel.x_mask[:, None, start : start + affinity.shape[2]]
                affinity.masked_fill_(masked, -1)
            # Only the targets that this block improves are looked at twice.
            better = (affinity.amax(dim=2) > best[:, :, -1]).nonzero(as_tuple=True)
            best[better], winner[better] = _largest(
                affinity[better], start, best[better], winner[better]
            )
    return best, winner


def _largest(fresh: Tensor, start: int, best: Tensor, winner: Tensor) -> tuple[Tensor, Tensor]:
    """The claims largest of (K, R), whose rows begin at start, and of the (K, claims) so far."""
    claims = best.shape[1]
    if claims == 1:
        value, index = fresh.max(dim=1, keepdim=True)
        return value, index + start
    value, index = torch.cat([best, fresh], dim=1).topk(claims, dim=1)
    before = winner.gather(1, index.clamp_max(claims - 1))
    return value, torch.where(index < claims, before, index - claims + start)


def _power_sum(x: Tensor, y: Tensor, kernel: _Kernel) -> Tensor:
    """(sum_i CX_ij^p)^(1/p), of the masked-in rows: (N, Px, C), (N, Py, C) -> (N, Py, 1)."""
    total = x.new_full((*y.shape[:2], 1), -float("inf"))  # log of the sum
    with _full_precision(x.device):
        for start, affinity in _affinities(x, y, kernel):
            if kernel.x_mask is not None:
                masked = ~kernel.x_mask[:, None, start : start + affinity.shape[2]]
                affinity.masked_fill_(masked, 0)
            logs = affinity.log_().mul_(kernel.power)
            total = torch.logaddexp(total, logs.logsumexp(dim=2, keepdim=True))
    return (total / kernel.power).exp()


# ---------------------------------------------------------------- the rows that won, backward


def _pull_back(
    x: Tensor, y: Tensor, grad: Tensor, best: Tensor, winner: Tensor, kernel: _Kernel, by: Any
) -> tuple[Tensor, Tensor]:
    """Gradients by x and y, where `by` asks for them, of what `_best_rows` or `_power_sum` found.

    With p a row of CX, a = log w its logits, D = h (min d + eps) their temperature, s = -d and g
    the gradient by log p: da = g - p <g, 1>, ds = da / D, and the nearest also gets h <da, a> / D.
    """
    grad_x = torch.zeros_like(x) if by[0] else x.new_zeros(len(x), 0, 0)
    grad_y = torch.zeros_like(y) if by[1] else y.new_zeros(len(y), 0, 0)
    order, slot = _winning_rows(x, winner, kernel)  # (N, W), (N, Py, claims)
    size = min(_rows_per_block(x, y, kernel), order.shape[1])
    buffers = [x.new_empty(len(x), y.shape[1], size) for _ in range(2)]
    image = torch.arange(len(x), device=x.device)[:, None]  # (N, 1)
    with _full_precision(x.device):
        for start in range(0, order.shape[1], size):
            rows = (image, order[:, start : start + size])
            logit_part, part = (_part(buffer, rows[1].shape[1]) for buffer in buffers)
            s = _closeness(x, y, kernel, rows, logit_part)  # (N, Py, R)
            logits, temperature, _ = _logits(s, kernel)
            affinity = torch.softmax(logits, dim=1, out=part)  # (N, Py, R)
            if kernel.power == float("inf"):
                by_logits = _through_largest(affinity, grad, slot - start)
            else:
                by_logits = _through_power_sum(affinity, grad, best, rows, kernel)
            nearest = _first(logits == 0, 1)[:, None]  # (N, 1, R)
            moment = logits.mul_(by_logits).sum(dim=1, keepdim=True)  # (N, 1, R)
            by_s = by_logits.mul_(1 / temperature)
            by_s.scatter_add_(1, nearest, kernel.bandwidth * moment / temperature)
            _through_closeness(x, y, by_s, rows, grad_x, grad_y, kernel)
    return grad_x, grad_y


def _winning_rows(x: Tensor, winner: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor]:
    """The rows that get a gradient (N, W), and the place of each winner (N, Py, claims) in them.

    W is that of the image where most rows win; the others are filled up with rows that win nothing.
    """
    if kernel.power != float("inf"):
        return torch.arange(x.shape[1], device=x.device).expand(len(x), -1), winner
    flat = winner.flatten(1)  # (N, Py * claims)
    won = torch.zeros(x.shape[:2], dtype=torch.uint8, device=x.device).scatter_(1, flat, 1)
    most = int(won.sum(dim=1).max())  # the one host synchronisation
    order = won.sort(dim=1, descending=True, stable=True).indices[:, :most]  # (N, W)
    return order, (won.cumsum(dim=1) - 1).gather(1, flat).view_as(winner)


def _through_largest(affinity: Tensor, grad: Tensor, column: Tensor) -> Tensor:
    """Gradient by the logits of a block (N, Py, R), in place, of its entries at `column`.

    Columns (N, Py, claims) outside the block belong to other blocks.
    """
    rows = affinity.shape[2]
    inside = (column >= 0) & (column < rows)
    column = column.clamp(0, rows - 1)  # (N, Py, claims)
    by_log = (grad * affinity.gather(2, column)).where(inside, 0)  # (N, Py, claims)
    total = affinity.new_zeros(len(affinity), rows)
    total.scatter_add_(1, column.flatten(1), by_log.flatten(1))
    return affinity.mul_(-total[:, None]).scatter_add_(2, column, by_log)


def _through_power_sum(
    affinity: Tensor, grad: Tensor, best: Tensor, rows: Any, kernel: _Kernel
) -> Tensor:
    """Gradient by the logits of a block (N, Py, R), in place, of the power sum (N, Py, 1)."""
    logs = best.clamp_min(torch.finfo(best.dtype).tiny).log()  # (N, Py, 1)
    by_log = ((affinity.log() - logs) * kernel.power).exp_() * (grad * best)  # (N, Py, R)
    if kernel.x_mask is not None:
        by_log.masked_fill_(~kernel.x_mask[rows][:, None], 0)
    return by_log - affinity.mul_(by_log.sum(dim=1, keepdim=True))


def _through_closeness(
    x: Tensor, y: Tensor, by_s: Tensor, rows: Any, grad_x: Tensor, grad_y: Tensor, kernel: _Kernel
) -> None:
    """Chain rule from a block's closeness (N, Py, R) to its features, added to the gradients."""
    x_rows = x[rows]  # (N, R, C)
    if kernel.distance == "l1":
        pull = partial(torch.ops.aten._cdist_backward, p=1, cdist=by_s)
        if grad_x.numel():
            grad_x[rows] = -pull(by_s.mT.contiguous(), x_rows, y.contiguous())
        if grad_y.numel():
            grad_y -= pull(by_s, y.contiguous(), x_rows)
        return
    is_square = kernel.distance == "l2"  # s = 2 x y - x^2 - y^2, or x y for the cosine
    if grad_x.numel():
        by_x = torch.bmm(by_s.mT, y)  # (N, R, C)
        grad_x[rows] = 2 * (by_x - x_rows * by_s.sum(1)[:, :, None]) if is_square else by_x
    if grad_y.numel():
        grad_y.baddbmm_(by_s, x_rows, alpha=1 + is_square)  # (N, Py, C)
        if is_square:
            grad_y -= 2 * y * by_s.sum(dim=2)[:, :, None]


# ---------------------------------------------------------------- as operators of PyTorch

_NAME = __name__.replace(".", "_")
_OPTIONS = (
    "Tensor? x_mask, Tensor? y_mask, Tensor? x_places, Tensor? y_places, float bandwidth, "
    "float eps, str distance, int claims, float power, int chunk_size"
)


@torch.library.custom_op(
    f"{_NAME}::claim",
    mutates_args=(),
    schema=f"(Tensor x, Tensor y, {_OPTIONS}) -> (Tensor, Tensor)",
)
def _claim_op(x: Tensor, y: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    kernel = _Kernel(*options)
    if kernel.power == float("inf"):
        return _best_rows(x, y, kernel)
    best = _power_sum(x, y, kernel)
    return best, torch.zeros_like(best, dtype=torch.long)


@_claim_op.register_fake
def _(x: Tensor, y: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    best = x.new_empty(*y.shape[:2], _Kernel(*options).claims)
    return best, torch.empty_like(best, dtype=torch.long)


@torch.library.custom_op(
    f"{_NAME}::pull_back",
    mutates_args=(),
    schema="(Tensor x, Tensor y, Tensor grad, Tensor best, Tensor winner, bool by_x, bool by_y, "
    f"{_OPTIONS}) -> (Tensor, Tensor)",
)
def _pull_back_op(
    x: Tensor, y: Tensor, grad: Tensor, best: Tensor, winner: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    return _pull_back(x, y, grad, best, winner, _Kernel(*options[2:]), options[:2])


@_pull_back_op.register_fake
def _(
    x: Tensor, y: Tensor, _grad: Tensor, _best: Tensor, _winner: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    empty = x.new_empty(len(x), 0, 0)
    return (
        torch.empty_like(x) if options[0] else empty,
        torch.empty_like(y) if options[1] else empty.clone(),
    )


def _fold(op: Any, info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
    """Rule of `torch.vmap`: its dimension becomes part of N, the first of every tensor."""
    size = info.batch_size
    folded = [
        arg
        if not isinstance(arg, Tensor)
        else (arg.expand(size, *arg.shape) if dim is None else arg.movedim(dim, 0)).flatten(0, 1)
        for arg, dim in zip(args, in_dims, strict=True)
    ]
    outputs = op(*folded)
    return tuple(out.unflatten(0, (size, len(out) // size)) for out in outputs), (0, 0)


for _op in (_claim_op, _pull_back_op):
    _op.register_vmap(partial(_fold, _op))


class _Claim(torch.autograd.Function):
    """`_claim_op` with a gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        return _claim_op(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2], *output, *inputs[2:6])
        ctx.numbers = inputs[6:]
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor, _: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, y, best, winner, *tensors = ctx.saved_tensors
        by_x, by_y = ctx.needs_input_grad[:2]
        options = (*tensors, *ctx.numbers)
        # Dynamo traces no Function inside the backward pass of another.
        pull_back: Any = _pull_back_op if torch.compiler.is_compiling() else _PullBack.apply
        grad_x, grad_y = pull_back(x, y, grad, best, winner, by_x, by_y, *options)
        return grad_x if by_x else None, grad_y if by_y else None, *[None] * len(options)


class _PullBack(torch.autograd.Function):
    """`_pull_back_op` with a gradient, which goes through the winning rows as plain tensors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        return _pull_back_op(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:3], inputs[4], *inputs[7:11])
        ctx.by, ctx.numbers = inputs[5:7], inputs[11:]

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, y, grad, winner, *tensors = ctx.saved_tensors
        claimed = partial(_claimed, winner=winner, kernel=_Kernel(*tensors, *ctx.numbers))

        def pull_back(x: Tensor, y: Tensor, grad: Tensor) -> list[Tensor]:
            pulled = torch.func.vjp(claimed, x, y)[1](grad)
            return [pulled[k] for k in range(2) if ctx.by[k]]

        wanted = [grads[k] for k in range(2) if ctx.by[k]]
        by_x, by_y, by_grad = torch.func.vjp(pull_back, x, y, grad)[1](wanted)
        return by_x, by_y, by_grad, *[None] * (4 + len(tensors) + len(ctx.numbers))


def _claimed(x: Tensor, y: Tensor, winner: Tensor, kernel: _Kernel) -> Tensor:
    """What the winners (N, Py, claims) claim, by plain operations on all their rows at once."""
    everywhere = slice(None)
    if kernel.power != float("inf"):
        affinity = _logits(_closeness(x, y, kernel, everywhere), kernel)[0].softmax(dim=1)
        if kernel.x_mask is not None:
            affinity = affinity.where(kernel.x_mask[:, None], 0)
        total = affinity.pow(kernel.power).sum(dim=2, keepdim=True)  # (N, Py, 1)
        return total.clamp_min(torch.finfo(total.dtype).tiny).pow(1 / kernel.power)
    rows = (torch.arange(len(x), device=x.device)[:, None], winner.flatten(1))
    s = _closeness(x, y, kernel, rows)  # (N, Py, Py * claims)
    affinity = _logits(s, kernel)[0].softmax(dim=1).unflatten(2, winner.shape[1:])
    return affinity.diagonal(dim1=1, dim2=2).mT  # (N, Py, claims)


def _claim(x: Tensor, y: Tensor, kernel: _Kernel) -> tuple[Tensor, Tensor]:
    """What each target gets of Eq. 1's maximum, and from whom: (N, Py, claims), differentiable."""
    try:
        return _Claim.apply(x, y, *kernel)  # pyright: ignore[reportReturnType]
    except (RuntimeError, NotImplementedError) as error:
        if "jvp" in str(error) or "forward AD" in str(error):
            raise NotImplementedError(
                "The contextual loss has no forward-mode derivative. Use reverse mode: torch.func "
                "grad, vjp or jacrev; and jacrev(jacrev(f)) or a second grad for hessian and hvp."
            ) from error
        raise


# ---------------------------------------------------------------- checks


def _check_map(name: str, features: Tensor) -> None:
    if features.dim() not in (3, 4) or 0 in features.shape:
        raise ValueError(
            f"{name} must be a non-empty map (N, C, H, W) or tokens (N, P, C), got shape "
            f"{tuple(features.shape)}. Add or remove dimensions with unsqueeze, flatten or "
            "unflatten."
        )
    if not features.is_floating_point():
        raise ValueError(
            f"{name} must be floating point, got {features.dtype}. Convert it with .float()."
        )


def _check_set(maps: list[Tensor]) -> None:
    for y in maps:
        _check_map("y", y)
    kinds = {(len(y), _channels(y), y.dtype, y.device) for y in maps}
    if len(kinds) != 1:
        raise ValueError(
            "y must be one target, or several with the same N, C, dtype and device, got "
            f"{len(maps)} of {sorted(map(str, kinds))}."
        )


def _channels(features: Tensor) -> int:
    return features.shape[1] if features.dim() == 4 else features.shape[2]


def _check_pair(x: Tensor, target: ContextualTarget) -> None:
    images, _, channels = target.features.shape
    if x.shape[0] != images:
        raise ValueError(
            f"x and y need the same number of images, got {x.shape[0]} and {images}. "
            "Repeat the smaller one with expand."
        )
    if _channels(x) != channels:
        raise ValueError(
            f"x and y need the same number of channels, got {_channels(x)} and {channels}. "
            "Take both from the same layer; tokens are (N, P, C), maps (N, C, H, W)."
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


def _flat_mask(name: str, mask: Tensor, features: Tensor) -> Tensor:
    """A mask of features, checked: (N, H, W), (N, 1, H, W) or (N, P) -> (N, P)."""
    images = features.shape[0]
    is_map = features.dim() == 4
    expected = (images, *(features.shape[2:] if is_map else features.shape[1:2]))
    fitting = (expected, (images, 1, *expected[1:])) if is_map else (expected,)
    if tuple(mask.shape) not in fitting:
        raise ValueError(
            f"{name} must be of shape {expected}, one for each position, got {tuple(mask.shape)}. "
            "Resize it to the map of features."
        )
    if mask.dtype != torch.bool:
        raise ValueError(
            f"{name} must be bool, got {mask.dtype}. Compare it with a threshold: mask > 0.5."
        )
    return mask.flatten(1)


def _check_choice(name: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        listed = ", ".join(repr(choice) for choice in get_args(choices))
        raise ValueError(f"{name} must be one of {listed}, got {value!r}.")


def _check_names(options: dict[str, Any]) -> None:
    """Names and values of a module's options, before it is used."""
    known: dict[str, Any] = contextual_loss.__kwdefaults__ or {}
    for name in options:
        if name not in known:
            near = ", ".join(get_close_matches(name, known)) or ", ".join(known)
            raise ValueError(f"There is no option {name!r}. Did you mean: {near}?")
    chosen = {**known, **options}
    _check_choice("distance", chosen["distance"], Distance)
    _check_choice("reduction", chosen["reduction"], Reduction)
    names = ("bandwidth", "eps", "spatial_weight", "chunk_size", "claims", "power")
    _check_options(*(chosen[name] for name in names))


def _check_options(
    bandwidth: float,
    eps: float,
    spatial_weight: float,
    chunk_size: int | None,
    claims: int,
    power: float,
) -> None:
    for name, value in (("bandwidth", bandwidth), ("eps", eps)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number above 0, got {value}.")
    if not 0 <= spatial_weight < float("inf"):
        raise ValueError(f"spatial_weight must be >= 0, got {spatial_weight}. Use 0 for the paper.")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1 row, got {chunk_size}. None chooses it.")
    if not (claims >= 1 and power >= 1):
        raise ValueError(f"claims and power must be at least 1, got {claims} and {power}.")
    if claims > 1 and power != float("inf"):
        raise ValueError(f"claims={claims} and power={power} exclude each other. Choose one.")


def _refuse_non_finite(x: Tensor, y: Tensor) -> None:
    """Says which of two sets of vectors (N, P, C) is to blame for a distance that is no number."""
    for name, vectors in (("y", y), ("x", x)):  # x is centred by y's mean
        bad = ~vectors.isfinite().all(dim=2).all(dim=1)  # (N,)
        if bad.any():
            raise ValueError(
                f"{name} holds NaN or infinity in image {int(bad.nonzero()[0])} of the batch. Look "
                "where it comes from, or mask it out."
            )
    raise ValueError(
        "The distances between x and y are beyond the range of their dtype. Make the features "
        "smaller, convert them with .double(), or take the cosine."
    )


def _check_values(values: Tensor, target: ContextualTarget) -> None:
    images, positions, _ = target.features.shape
    is_map = values.dim() == 4
    fitting = (images, *(target.size or ())) if is_map else (images, positions)
    if (values.shape[0], *(values.shape[2:] if is_map else values.shape[1:2])) != fitting:
        raise ValueError(
            f"values must be (N, V, Hy, Wy) or (N, {positions}, V), one for each position of y, "
            f"got {tuple(values.shape)}. Resize them to y's map."
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
