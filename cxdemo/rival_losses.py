"""Losses that the rivals of the style comparison need beside those of `cxdemo.losses`."""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Extractor = Callable[[Tensor], Mapping[str, Tensor]]


def mrf_loss(x: Tensor, y: Tensor, *, size: int = 3, stride: int = 1) -> Tensor:
    """Mean squared difference of every patch of x to the patch of y that it resembles most.

    Resemblance is the normalised cross-correlation, the cosine of two patches; the match is held
    fixed where the gradient is taken.

    Args:
        x: Features of the generated image.
        y: Features of the target.
        size: Side of a patch, positions.
        stride: Between two patches of y.

    Shape:
        x: (1, C, Hx, Wx), y: (1, C, Hy, Wy), sides of at least `size`. Returns ().

    Source:
        Li, Wand, arXiv:1601.04589, Eqs. 2 and 3.
    """
    if min(*x.shape[2:], *y.shape[2:]) < size:
        raise ValueError(
            f"Patches of {size} x {size} need maps at least as large, got {tuple(x.shape[2:])} and "
            f"{tuple(y.shape[2:])}: choose a larger size, or a picture that is less narrow."
        )
    a = F.unfold(x, size)[0].mT  # (Px, C size size)
    b = F.unfold(y, size, stride=stride)[0].mT  # (Py, C size size)
    with torch.no_grad():
        nearest = (a @ F.normalize(b, dim=1).mT).argmax(dim=1)  # (Px,)
    return F.mse_loss(a, b[nearest])


def hypercolumns(image: Tensor, features: Extractor) -> list[Tensor]:
    """Colours, and the layers of STROTSS, as maps of decreasing size."""
    names = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3")
    maps = features(image)
    return [image, *(maps[name] for name in (*names, "conv4_3", "conv5_3"))]


class Grid:
    """Positions at which hypercolumns are read: some 500, on a grid that wanders.

    Args:
        side: Long side of the pictures.
    """

    def __init__(self, side: int) -> None:
        self.step = max(1, side // 24)
        self.calls = 0

    def advance(self) -> None:
        """To be called once an evaluation."""
        self.calls += 1

    def pick(self, maps: list[Tensor]) -> Tensor:
        """Maps of any sizes -> (1, sum of C, h, w), read bilinearly at the grid."""
        height, width = maps[0].shape[2:]
        turn = (self.calls // 5) * 7  # a new place every five evaluations
        top, left = turn % self.step, (turn // self.step) % self.step
        y, x = torch.meshgrid(
            (torch.arange(top, height, self.step) + 0.5) / height * 2 - 1,
            (torch.arange(left, width, self.step) + 0.5) / width * 2 - 1,
            indexing="ij",
        )
        places = torch.stack([x, y], dim=2)[None].to(maps[0])  # (1, h, w, 2)
        read = [F.grid_sample(m, places, padding_mode="border", align_corners=False) for m in maps]
        return torch.cat(read, dim=1)


def moment_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of the means, plus that of the covariances.

    Shape:
        x: (1, C, Hx, Wx), y: (1, C, Hy, Wy). Returns ().

    Source:
        Kolkin et al., arXiv:1904.12785, Eq. 7.
    """
    (mean_x, cov_x), (mean_y, cov_y) = (_moments(maps.flatten(2)) for maps in (x, y))
    return (mean_x - mean_y).abs().mean() + (cov_x - cov_y).abs().mean()


def _moments(flat: Tensor) -> tuple[Tensor, Tensor]:
    """(1, C, P) -> (1, C, 1) and (1, C, C)."""
    mean = flat.mean(dim=2, keepdim=True)
    centred = flat - mean
    return mean, centred @ centred.mT / flat.shape[2]


def palette_loss(x: Tensor, y: Tensor) -> Tensor:
    """Relaxed EMD of the colours: cosine plus root mean squared difference.

    The authors rotate the colours first (a "YUV" whose axes are orthonormal), which changes neither
    distance.

    Shape:
        x: (1, 3, Hx, Wx), y: (1, 3, Hy, Wy) in [0, 1]. Returns ().

    Source:
        Kolkin et al., arXiv:1904.12785, section 2.3, and the authors' code.
    """
    a, b = (maps.flatten(2)[0].mT for maps in (x, y))  # (P, 3)
    cosine = 1 - F.normalize(a, dim=1) @ F.normalize(b, dim=1).mT  # (Px, Py)
    squares = (a[:, None] - b[None]).square().mean(dim=2)  # (Px, Py)
    distance = cosine + squares.clamp_min(1e-5).sqrt()  # as theirs, never quite 0
    return torch.maximum(distance.amin(dim=1).mean(), distance.amin(dim=0).mean())


def self_similarity_loss(x: Tensor, y: Tensor) -> Tensor:
    """How far the pairwise distances within x are from those within y, column by column.

    Shape:
        x, y: (1, C, H, W). Returns ().

    Source:
        Kolkin et al., arXiv:1904.12785, Eq. 8.
    """
    a, b = (_self_distances(maps) for maps in (x, y))
    return (a - b).abs().mean() * a.shape[0]


def _self_distances(maps: Tensor) -> Tensor:
    """(1, C, H, W) -> (P, P), cosine distances whose columns sum to 1."""
    unit = F.normalize(maps.flatten(2)[0].mT, dim=1)  # (P, C)
    distance = (1 - unit @ unit.mT).clamp_min(0)
    return distance / distance.sum(dim=0, keepdim=True).clamp_min(1e-6)
