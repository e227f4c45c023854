"""The test: a sharp picture is shrunk, restored by each method, and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from cxdemo.contextual import contextual_similarity
from cxdemo.features import load_features
from cxdemo.images import Canvas, crop_middle, shrink
from cxdemo.metrics import PerceptualDistance, load_perceptual_distance, psnr_y, ssim
from cxdemo.networks import Upscaler
from cxdemo.pipelines.super_resolution.config import SCALE, TEST_LIMITS, Box, SuperResolutionConfig
from cxdemo.pipelines.super_resolution.enlarge import upscale

TEST_SIDE = 1024
"""Pixels of a side that are shrunk and restored at most: enough to see and to measure."""


WINDOW, MOST_WINDOWS = 128, 2
"""Side in pixels of the windows in which CX is measured, about that of a training crop, and how
many there are at most along each axis."""


CX_LAYER, CX_BANDWIDTH = "conv3_3", 0.1


class Scores(NamedTuple):
    """How near a restored picture is to the truth."""

    psnr: float  # dB, of the luma; higher is nearer
    ssim: float  # of the luma; higher is nearer
    lpips: float  # lower is nearer
    cx: float  # contextual similarity in [0, 1]; higher is nearer


HIGHER_IS_BETTER = Scores(psnr=True, ssim=True, lpips=False, cx=True)


class Judges(NamedTuple):
    """The networks that `measure` looks through."""

    distance: PerceptualDistance
    features: Callable[[Tensor], Mapping[str, Tensor]]


def load_judges(
    *,
    device: torch.device | str = "cpu",
    features: Callable[[Tensor], Mapping[str, Tensor]] | None = None,
) -> Judges:
    """LPIPS, and the features in which CX is measured: conv3_3 of VGG16.

    Args:
        device: Where to compute.
        features: Of `CX_LAYER`, already loaded. None: they are loaded.

    Raises:
        CheckpointError: Their weights cannot be had.
    """
    judge = features or load_features("vgg16", [CX_LAYER], device=device)
    return Judges(load_perceptual_distance(device=device), judge)


def prepare_test(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The truth of a test, and the small picture to restore it from.

    The truth is the middle of the picture: sides are multiples of 4 and at most `TEST_SIDE`.

    Shape:
        picture: (1, 3, H, W) in [0, 1]. Returns (1, 3, H', W') and (1, 3, H' / 4, W' / 4), the
        latter rounded to 256 levels, as a file would have it.

    Raises:
        ValueError: The picture is too small to be shrunk.
    """
    height, width = picture.shape[2:]
    if min(height, width) < TEST_LIMITS.min_side:
        raise ValueError(
            f"The picture is {width} × {height} pixels, but a test needs at least "
            f"{TEST_LIMITS.min_side} on each side, as it is shrunk to a quarter first: choose a "
            "larger one."
        )
    rows, columns = (min(side, TEST_SIDE) // SCALE * SCALE for side in (height, width))
    truth = crop_middle(picture, (rows, columns))
    low_res = shrink(truth, SCALE)
    return truth, (low_res * 255).round() / 255


@torch.no_grad()
def measure(upscaled: Tensor, truth: Tensor, judges: Judges) -> Scores:
    """How near a picture is to the truth, in four ways.

    CX is the contextual similarity (bandwidth 0.1, conv3_3 of VGG16) of the picture to the truth,
    averaged over up to four windows of 128 pixels: in a window a patch may come from anywhere.

    Shape:
        upscaled, truth: (1, 3, H, W) in [0, 1].
    """
    return Scores(
        psnr=float(psnr_y(upscaled, truth)),
        ssim=float(ssim(upscaled, truth)),
        lpips=float(judges.distance(upscaled, truth)),
        cx=float(contextual_score(upscaled, truth, judges.features)),
    )


def compare(
    picture: Tensor,
    networks: Mapping[str, Upscaler | None],
    judges: Judges,
    config: SuperResolutionConfig | None = None,
) -> Iterator[tuple[str, Canvas, Scores]]:
    """A sharp picture is shrunk, restored by each method, and measured against itself.

    Args:
        picture: The sharp picture.
        networks: By the name of the method; None is bicubic interpolation.
        judges: See `measure`.
        config: See `SuperResolutionConfig`.

    Shape:
        picture: (1, 3, H, W) in [0, 1], sides of at least `TEST_LIMITS.min_side`.

    Yields:
        For each method its name, its result and its scores.
    """
    truth, low_res = prepare_test(picture)
    for name, network in networks.items():
        *_, last = upscale(low_res, network, config)
        yield name, last.canvas, measure(last.canvas.to_tensor().to(truth), truth, judges)


def contextual_score(
    upscaled: Tensor, truth: Tensor, features: Callable[[Tensor], Mapping[str, Tensor]]
) -> Tensor:
    """Mean contextual similarity over windows that are spread evenly: () in [0, 1].

    Shape:
        upscaled, truth: (1, 3, H, W) in [0, 1].
    """
    boxes = _windows(*truth.shape[2:])
    x, y = (
        features(torch.cat([image[:, :, b.top : b.bottom, b.left : b.right] for b in boxes]))
        for image in (upscaled, truth)
    )  # (windows, 256, 32, 32)
    return contextual_similarity(x[CX_LAYER], y[CX_LAYER], bandwidth=CX_BANDWIDTH).mean()


def _windows(height: int, width: int) -> list[Box]:
    """Up to 2 x 2 windows, each in the middle of its part of the picture."""
    return [
        Box(top, left, top + min(WINDOW, height), left + min(WINDOW, width))
        for top in _spread(height)
        for left in _spread(width)
    ]


def _spread(length: int) -> list[int]:
    """Where windows begin along an axis."""
    count = max(1, min(MOST_WINDOWS, length // WINDOW))
    return [max(0, round(length * (i + 0.5) / count - WINDOW / 2)) for i in range(count)]
