"""The colours of an image, of all of it or of a region: mean, covariance, and one moved to another.

The features of a network hardly see absolute colour; these terms do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.images import fit_long_side

RIDGE = 1e-5  # added to covariances, which a picture of one colour has not
REGION = 8  # pixels of a region's side
PALETTE_SIDE = 192  # pixels of the long side at which whole palettes are matched
PALETTE_MOVES = 48  # pixels of the long side to which the moves of the colours are smoothed
PALETTE_TURNS = 20  # directions of colour space along which they are sorted, times three


def match_colors(
    image: Tensor,
    reference: Tensor,
    *,
    mask: Tensor | None = None,
    reference_mask: Tensor | None = None,
) -> Tensor:
    """The image with the mean and covariance of the reference's colours.

    Args:
        image: What is recoloured, everywhere.
        reference: Whose colours it takes.
        mask: Where the image's own colours are measured. None: everywhere.
        reference_mask: Where the reference's are. None: everywhere.

    Shape:
        - image, reference: (1, 3, H, W) in [0, 1]; returns the shape of image, clamped to [0, 1].
        - mask, reference_mask: (1, 1, H, W) of their images, in [0, 1], not all 0.

    Source:
        Gatys et al., arXiv:1606.05897, section 5.1, with symmetric square roots.
    """
    mean, covariance = color_moments(image, mask)
    wanted_mean, wanted = color_moments(reference, reference_mask)
    ridge = RIDGE * torch.eye(3, device=image.device)
    transform = _matrix_power(wanted + ridge, 0.5) @ _matrix_power(covariance + ridge, -0.5)
    colors = transform @ (image.flatten(2) - mean) + wanted_mean  # (1, 3, H W)
    return colors.unflatten(2, image.shape[2:]).clamp(0, 1)


def match_palette(image: Tensor, reference: Tensor) -> Tensor:
    """The image with the reference's palette: not mean and covariance alone, but every tone.

    Where the reference has no flat grey, the result has none: its greys become the nearest tones
    that the reference has, as many of each. The moves of the colours are smoothed, so that ramps
    stay ramps and details stay the image's own.

    Shape:
        - image, reference: (1, 3, H, W) in [0, 1]; returns the shape of image, clamped to [0, 1].

    Source:
        Pitié, Kokaram, Dahyot, "Automated colour grading using colour distribution transfer",
        2007, with random rotations; there the gradients are kept in place of the smoothing.
    """
    matched = match_colors(image, reference)
    small = _at_most(matched, PALETTE_SIDE)
    wanted = _at_most(reference, PALETTE_SIDE).flatten(2)[0]  # (3, P')
    moved = _transport(small.flatten(2)[0], wanted).unflatten(1, small.shape[2:])[None]
    moves = fit_long_side(moved - small, min(PALETTE_MOVES, max(small.shape[2:])))
    size = (image.shape[2], image.shape[3])
    moves = F.interpolate(moves, size=size, mode="bicubic", align_corners=False)
    return (matched + moves).clamp(0, 1)


def _transport(colors: Tensor, wanted: Tensor) -> Tensor:
    """Colours (3, P) moved onto others (3, Q), sorted along one direction after the other."""
    generator = torch.Generator().manual_seed(0)
    shares = torch.linspace(0, 1, colors.shape[1], device=colors.device)
    for _ in range(PALETTE_TURNS):
        turn = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q.to(colors)
        along = turn @ colors
        ranked = torch.quantile(turn @ wanted, shares, dim=1).mT  # (3, P)
        colors = turn.mT @ torch.empty_like(along).scatter_(1, along.argsort(dim=1), ranked)
    return colors


def _at_most(image: Tensor, side: int) -> Tensor:
    return fit_long_side(image, min(side, max(image.shape[2:])))


def color_moments(image: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean (N, 3, 1) and covariance (N, 3, 3) of each image's colours, weighted by a mask.

    Shape:
        - image: (N, 3, H, W); mask: (1, 1, H, W) in [0, 1], not all 0. None: everywhere.
    """
    colors = image.flatten(2)  # (1, 3, H W)
    if mask is None:
        mean = colors.mean(dim=2, keepdim=True)
        centred = colors - mean
        return mean, centred @ centred.mT / colors.shape[2]
    weights = mask.flatten(2) / mask.sum()  # (1, 1, H W), sums to 1
    mean = (weights * colors).sum(dim=2, keepdim=True)
    centred = colors - mean
    return mean, (weights * centred) @ centred.mT


def palette_distance(x: Tensor, y: Tensor) -> Tensor:
    """How far mean and covariance of the colours are apart, image by image, ().

    3 |mean_x - mean_y|^2 + |cov_x - cov_y|, each averaged over its entries.

    Shape:
        - x, y: (N, 3, H, W) in [0, 1]; heights and widths may differ.
    """
    (mean, covariance), (wanted_mean, wanted) = color_moments(x), color_moments(y)
    return 3 * (mean - wanted_mean).square().mean() + (covariance - wanted).abs().mean()


def color_emd(x: Tensor, y: Tensor) -> Tensor:
    """Relaxed earth mover's distance of colours: every colour goes to its nearest, both ways.

    max(mean_i min_j |x_i - y_j|, mean_j min_i |x_i - y_j|), Euclidean, in RGB.

    Shape:
        - x, y: (1, 3, H, W) in [0, 1]; their sizes may differ. Returns ().

    Cost:
        Time and memory H W of x times H W of y: give it samples or small pictures.

    Source:
        Kolkin et al., arXiv:1904.12785, section 2.3, there with a cosine added.
    """
    distance = torch.cdist(x.flatten(2).mT, y.flatten(2).mT)[0]  # (Px, Py)
    return torch.maximum(distance.amin(dim=1).mean(), distance.amin(dim=0).mean())


def smooth_chroma(image: Tensor, *, radius: int = 3, eps: float = 4e-4) -> Tensor:
    """The image with its colour smoothed along its luma, whose edges stay.

    A guided filter of each channel's difference from grey: networks leave coloured speckle where
    the eye hardly sees colour change.

    Args:
        image: What is smoothed.
        radius: Of the filter's window, pixels.
        eps: Variance of the grey, in [0, 1], below which a window counts as flat.

    Shape:
        - image: (N, 3, H, W) in [0, 1], sides larger than the radius; returns the same.

    Source:
        He, Sun, Tang, "Guided Image Filtering", ECCV 2010, Eqs. 5 to 8.
    """
    grey = image.mean(dim=1, keepdim=True)  # (N, 1, H, W)
    chroma = image - grey  # (N, 3, H, W)
    mean, mean_chroma = _window_mean(grey, radius), _window_mean(chroma, radius)
    covariance = _window_mean(grey * chroma, radius) - mean * mean_chroma
    variance = _window_mean(grey * grey, radius) - mean * mean
    slope = covariance / (variance + eps)
    offset = mean_chroma - slope * mean
    smoothed = _window_mean(slope, radius) * grey + _window_mean(offset, radius)
    return (grey + smoothed).clamp(0, 1)


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    padded = F.pad(maps, [radius] * 4, mode="reflect")
    return F.avg_pool2d(padded, 2 * radius + 1, 1)


def region_hues(image: Tensor) -> Tensor:
    """Colour without its grey, averaged over 8 x 8 pixels: (1, 3, H, W) -> (1, 3, H / 8, W / 8)."""
    regions = F.avg_pool2d(image, min(REGION, *image.shape[2:]))
    return regions - regions.mean(dim=1, keepdim=True)


def _matrix_power(matrix: Tensor, power: float) -> Tensor:
    """Power of a symmetric positive matrix, (1, 3, 3)."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag_embed(values.clamp_min(0) ** power) @ vectors.mT
