"""What a training run of an upscaler can be told, and the settings of the three phases."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What a run does. Weights are dimensionless factors of the terms of its loss.

    Attributes:
        phase: A name of `PHASES`.
        network: "compact" or "srresnet".
        num_steps: Steps of the optimiser in all.
        batch_size: Crops a step and process.
        crop_size: Side of a crop at the large size, pixels.
        step_size: Largest learning rate of the upscaler's Adam; falls to zero as a cosine.
        discriminator_step_size: Likewise, of the discriminator.
        warmup_steps: Steps over which the learning rate rises.
        decay: Of the running average of the parameters that is kept as the result.
        max_norm: Longest gradient; longer ones are shortened.
        layers: Of VGG16, compared by the Contextual Loss and by the perceptual loss.
        bandwidth: h of the Contextual Loss.
        spatial_weight: Of the places in the Contextual Loss; 0 leaves them out, as the paper does.
        phase_weight: Of the repetition in the grid of the small image, see `phase_loss`.
        perceptual_weight: Of the squared difference of features, see `feature_distance`.
        degraded_share: Share of the crops with blur, noise and JPEG.
        validate_every: Steps between two validations, and two states.
        num_validation: Photos that are held back.
        seed: Of the crops and of the first parameters.
    """

    phase: str = "mse"
    network: str = "compact"
    num_steps: int = 12_000
    batch_size: int = 8
    crop_size: int = 128
    step_size: float = 7e-4
    discriminator_step_size: float = 2e-4
    warmup_steps: int = 200
    decay: float = 0.999
    max_norm: float = 1.0
    layers: tuple[str, ...] = ("conv3_3",)
    bandwidth: float = 0.1
    spatial_weight: float = 0.0
    mse_weight: float = 0.0
    l1_weight: float = 0.0
    perceptual_weight: float = 0.0
    cx_weight: float = 0.1
    low_frequency_weight: float = 10.0
    phase_weight: float = 0.0
    gan_weight: float = 0.0
    degraded_share: float = 0.1
    validate_every: int = 500
    num_validation: int = 8
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the state."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


_PERCEPTUAL = TrainingConfig(
    phase="cx",
    num_steps=2600,
    batch_size=4,
    crop_size=96,
    step_size=2e-4,
    warmup_steps=50,
    spatial_weight=0.5,
    mse_weight=2.0,
    low_frequency_weight=1000.0,
    phase_weight=300.0,
    degraded_share=0.05,
    validate_every=100,
)

_WITHOUT_CONTEXT = replace(
    _PERCEPTUAL, mse_weight=0.0, cx_weight=0.0, low_frequency_weight=0.0, phase_weight=0.0
)

PHASES: dict[str, TrainingConfig] = {
    "mse": TrainingConfig(
        num_steps=40_000,
        batch_size=4,
        crop_size=192,
        mse_weight=1.0,
        cx_weight=0.0,
        low_frequency_weight=0.0,
        degraded_share=0.05,
    ),
    "cx": _PERCEPTUAL,
    "cx-gan": replace(
        _PERCEPTUAL,
        phase="cx-gan",
        num_steps=1100,
        gan_weight=0.1,
        discriminator_step_size=1e-3,
    ),
    "srgan": replace(
        _WITHOUT_CONTEXT,
        phase="srgan",
        layers=("conv5_3",),
        perceptual_weight=0.1,
        gan_weight=0.1,
        discriminator_step_size=1e-3,
    ),
    "perceptual": replace(
        _WITHOUT_CONTEXT, phase="perceptual", l1_weight=1.0, perceptual_weight=0.5
    ),
}
"""The settings; those of the shipped checkpoints, and what was changed on the way, are in their
cards.

The paper's weights are 0.1 for the Contextual Loss, 10 for the low frequencies (of images in
[-1, 1], so 40 here) and 0.001 for the discriminator. A small network learns a pattern in the grid
of the small image from them. Against it: more of the low frequencies, `phase_weight`, a little
squared error, and places in the Contextual Loss, as in arXiv:1905.05169.

`srgan` (arXiv:1609.04802) and `perceptual` are rivals on the same data. Their feature terms were
weighted by the gradients that they send into the picture at the start: 0.09 and 0.05 in norm, where
the Contextual Loss sends 0.08. Neither has been trained yet.
"""
