"""The losses of the upscalers: squared error, low frequencies, Contextual Loss, discriminator."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxdemo.contextual import contextual_loss
from cxdemo.images import blur
from cxdemo.losses import generator_loss
from cxdemo.training.upscaler_config import TrainingConfig

Features = Callable[[Tensor], dict[str, Tensor]]
OFFSETS = 8
"""Pixels by which the grid of the features is moved at random: its period and more."""


def low_frequency_loss(x: Tensor, y: Tensor, *, sigma: float = 3.0) -> Tensor:
    """Mean squared difference of two images after a Gaussian blur.

    It ties colours and shading to the truth and leaves texture free.

    Shape:
        x, y: (N, 3, H, W) in [0, 1]. Returns ().

    Source:
        arXiv:1803.04626, section 4.1, kernel of 21 pixels and sigma 3.

    Deviates:
        The kernel's side is 6 sigma + 1 = 19 pixels.
    """
    return F.mse_loss(blur(x, sigma), blur(y, sigma))


def phase_loss(x: Tensor, y: Tensor, *, scale: int = 4, sigma: float = 1.5) -> Tensor:
    """Mean squared difference of the low frequencies of each phase: no texture of the grid.

    A network without noise that sees a smooth small image can invent only one texture: the same
    block of `scale` x `scale` pixels again and again, which features take for grain. The pixels at
    one place of their blocks make up a small image, a phase, and its low frequencies hold just
    that repetition; irregular texture averages out of them.

    Shape:
        x, y: (N, 3, H, W) in [0, 1], multiples of the scale; sigma in pixels of a phase.
        Returns ().

    Deviates:
        Not in the paper, whose discriminator may have done this.
    """
    phases_x, phases_y = (F.pixel_unshuffle(image, scale) for image in (x, y))  # (N, 48, H/4, W/4)
    return low_frequency_loss(phases_x, phases_y, sigma=sigma)


def upscaler_losses(
    upscaled: Tensor,
    high_res: Tensor,
    config: TrainingConfig,
    features: Features | None,
    discriminator: nn.Module | None,
    offset: tuple[int, int] = (0, 0),
) -> dict[str, Tensor]:
    """The weighted terms of the loss that are in use; each ().

    `offset` moves the grid of the features, see `perceptual_distance`.
    """
    losses: dict[str, Tensor] = {}
    if config.mse_weight:
        losses["mse"] = config.mse_weight * F.mse_loss(upscaled, high_res)
    if config.l1_weight:
        losses["l1"] = config.l1_weight * F.l1_loss(upscaled, high_res)
    if config.low_frequency_weight:
        losses["low_frequency"] = config.low_frequency_weight * low_frequency_loss(
            upscaled, high_res
        )
    if config.phase_weight:
        losses["phase"] = config.phase_weight * phase_loss(upscaled, high_res)
    if config.cx_weight and features is not None:
        losses["cx"] = config.cx_weight * perceptual_distance(
            upscaled, high_res, features, config, offset
        )
    if config.perceptual_weight and features is not None:
        losses["perceptual"] = config.perceptual_weight * feature_distance(
            upscaled, high_res, features, offset
        )
    if config.gan_weight and discriminator is not None:
        losses["gan"] = config.gan_weight * generator_loss(discriminator(upscaled))
    return losses


def perceptual_distance(
    upscaled: Tensor,
    high_res: Tensor,
    features: Features,
    config: TrainingConfig,
    offset: tuple[int, int] = (0, 0),
) -> Tensor:
    """Contextual Loss of the features of two images, mean over the layers: () in [0, log Py].

    The features' grid of 4 pixels would lie on that of the small image, and a pattern of that
    period would cost nothing. A random offset of rows and columns, new at each step, prevents it.
    """
    top, left = offset
    x = features(upscaled[..., top:, left:])
    with torch.no_grad():
        y = features(high_res[..., top:, left:])
    each = [
        contextual_loss(
            x[layer], y[layer], bandwidth=config.bandwidth, spatial_weight=config.spatial_weight
        )
        for layer in x
    ]
    return torch.stack(each).mean()


def feature_distance(
    upscaled: Tensor, high_res: Tensor, features: Features, offset: tuple[int, int] = (0, 0)
) -> Tensor:
    """Squared difference of features, place by place, as a share of the target's mean square: ().

    0 for equal images, and mean over the layers. The share does not depend on the scale of a
    network's features, which is arbitrary. The offset is that of `perceptual_distance`.

    Source:
        Johnson, Alahi, Fei-Fei, arXiv:1603.08155, Eq. 2; in SRGAN, arXiv:1609.04802, Eq. 5.

    Deviates:
        The share; SRGAN divides its features by 12.75 instead.
    """
    top, left = offset
    x = features(upscaled[..., top:, left:])
    with torch.no_grad():
        y = features(high_res[..., top:, left:])
    each = [F.mse_loss(x[layer], y[layer]) / y[layer].square().mean() for layer in x]
    return torch.stack(each).mean()
