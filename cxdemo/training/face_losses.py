"""The terms of a face translator's loss, and those of CycleGAN, its peer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxdemo.contextual import contextual_loss
from cxdemo.features import VGGFeatures
from cxdemo.palette import palette_distance
from cxdemo.training.face_config import FaceTrainingConfig

CYCLE_WEIGHT, IDENTITY_WEIGHT = 10.0, 5.0
"""Of CycleGAN's terms beside the adversarial one, as its authors have them."""


def contextual_terms(
    transformed: Tensor,
    target: Tensor,
    features: VGGFeatures,
    source_maps: Mapping[str, Tensor],
    target_maps: Mapping[str, Tensor],
    config: FaceTrainingConfig,
) -> dict[str, Tensor]:
    """CX to the target, CX to the source, and the palette, each weighted, () each.

    Args:
        transformed: What the generator made of the source, (N, 3, S, S) in [0, 1].
        target: A face of the other domain for each, (N, 3, S, S).
        features: VGG with all layers of both terms.
        source_maps: Features of the source, by layer.
        target_maps: Features of the target, by layer.
        config: Weights, layers and bandwidths.

    Source:
        arXiv:1803.02077, section 4 (unpaired domain transfer); both terms with weight 1, h 0.5,
        conv3_2 + conv4_2 to the target and conv4_2 to the source.

    Deviates:
        A smaller weight of the source and smaller h: from the identity, where the source's term
        has its minimum, the papers' weights never leave. The palette's term: the cosine of centred
        features does not see absolute colour.
    """
    maps = features(transformed)
    to_target = [
        contextual_loss(
            maps[layer],
            target_maps[layer],
            bandwidth=config.target_bandwidth,
            spatial_weight=config.spatial_weight,
            symmetric=config.symmetric,
        )
        for layer in config.target_layers
    ]
    to_source = [
        contextual_loss(maps[layer], source_maps[layer], bandwidth=config.source_bandwidth)
        for layer in config.source_layers
    ]
    return {
        "target": torch.stack(to_target).sum(),
        "source": config.source_weight * torch.stack(to_source).sum(),
        "palette": config.palette_weight * palette_distance(transformed, target),
    }


def cycle_terms(
    source: Tensor,
    target: Tensor,
    generators: tuple[nn.Module, nn.Module],
    discriminators: tuple[nn.Module, nn.Module],
) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """CycleGAN's terms for the generators, () each, and what they made: (to target, to source).

    Source:
        Zhu et al., arXiv:1703.10593, sections 3 and 4: least squares, cycle 10, identity 5.
    """
    forth, back = generators
    faked, returned = forth(source), back(target)
    scores = [
        F.mse_loss(score, torch.ones_like(score))
        for score in (discriminators[0](faked), discriminators[1](returned))
    ]
    cycle = F.l1_loss(back(faked), source) + F.l1_loss(forth(returned), target)
    identity = F.l1_loss(forth(target), target) + F.l1_loss(back(source), source)
    terms = {
        "adversarial": scores[0] + scores[1],
        "cycle": CYCLE_WEIGHT * cycle,
        "identity": IDENTITY_WEIGHT * identity,
    }
    return terms, (faked.detach(), returned.detach())
