"""What a training run of a face translator can be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FaceTrainingConfig:
    """What a run does. Weights are dimensionless factors of the terms of its loss.

    Attributes:
        method: "cx", or "cyclegan", the peer.
        channels: Of the levels of the generator, the coarsest first.
        size: Side of the faces, pixels.
        num_steps: Steps of the optimiser in all.
        batch_size: Faces a step and process.
        step_size: Largest learning rate of Adam; falls to zero as a cosine.
        warmup_steps: Steps over which the learning rate rises.
        decay: Of the running average of the parameters that is kept as the result.
        max_norm: Longest gradient; longer ones are shortened.
        target_layers: Of VGG16, in which the result is compared with the target.
        source_layers: Likewise, with the source.
        target_bandwidth: h of the Contextual Loss to the target.
        source_bandwidth: Likewise, to the source.
        source_weight: Of the loss to the source; the one to the target has 1.
        palette_weight: Of the colours' mean and covariance.
        spatial_weight: Of the places in the loss to the target; 0 leaves them out, as the paper.
        symmetric: Whether the loss to the target also asks that nothing be invented.
        pairing_temperature: How freely a source is paired with targets that it resembles; 0 pairs
            at random, as the paper.
        validate_every: Steps between two sheets of pictures, and two states.
        num_validation: Faces of each folder that are held back.
        max_faces: Most faces of each folder that are used.
        seed: Of the faces that are drawn and of the first parameters.
    """

    method: str = "cx"
    channels: tuple[int, ...] = (64, 64, 64, 64, 48)
    size: int = 64
    num_steps: int = 3000
    batch_size: int = 8
    step_size: float = 1e-3
    warmup_steps: int = 50
    decay: float = 0.99
    max_norm: float = 1.0
    target_layers: tuple[str, ...] = ("conv2_2", "conv3_2", "conv4_2")
    source_layers: tuple[str, ...] = ("conv4_2",)
    target_bandwidth: float = 0.2
    source_bandwidth: float = 0.2
    source_weight: float = 0.5
    palette_weight: float = 5.0
    spatial_weight: float = 0.0
    symmetric: bool = False
    pairing_temperature: float = 0.0
    validate_every: int = 100
    num_validation: int = 500
    max_faces: int = 2000
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the state."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
