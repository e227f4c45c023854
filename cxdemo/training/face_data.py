"""Two folders of faces, and which face of the one is shown which of the other.

The batch of a step is a function of the seed and the step alone, so that a run that is resumed
sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo import images
from cxdemo.training.photos import list_photos, split_photos

SKETCH = 8
"""Side of the small picture by which two faces are called similar, pixels."""


@dataclass(frozen=True)
class Faces:
    """Faces of one domain: (N, 3, S, S) in [0, 1], to train on and held back."""

    train: Tensor
    held: Tensor


def load_faces(folder: Path, size: int, num_validation: int, max_faces: int) -> Faces:
    """The faces of a folder, square; those held back are evenly spread over it.

    Raises:
        ValueError: No pictures, too few, or some that are not square.
    """
    train, held = split_photos(list_photos(folder)[:max_faces], num_validation)
    return Faces(*(torch.cat([_load(path, size) for path in part]) for part in (train, held)))


def _load(path: Path, size: int) -> Tensor:
    face = images.to_tensor(images.load(path))
    if face.shape[2] != face.shape[3]:
        raise ValueError(
            f"Expected square pictures of faces, {path.name} has {face.shape[3]} x "
            f"{face.shape[2]} pixels: crop them first."
        )
    return face if face.shape[2] == size else images.resize(face, (size, size)).clamp(0, 1)


class Pairs:
    """Draws sources, and for each a target: the most similar of a few random ones.

    Similar are those whose small pictures differ least: the same light, hair and skin, hence less
    to average between the targets that one source sees.

    Args:
        sources: (N, 3, S, S).
        targets: (M, 3, S, S).
        num_candidates: Random targets that one is chosen from; 1 is the paper's random pair.
        seed: Of the draws.
    """

    def __init__(self, sources: Tensor, targets: Tensor, *, num_candidates: int, seed: int) -> None:
        self.sources, self.targets = sources, targets
        self.num_candidates, self.seed = num_candidates, seed
        self.sketches = tuple(
            F.adaptive_avg_pool2d(x, SKETCH).flatten(1) for x in (sources, targets)
        )

    def draw(self, step: int, batch_size: int, process: int = 0) -> tuple[Tensor, Tensor]:
        """Indices of the sources and of their targets, (B,) each."""
        dice = torch.Generator().manual_seed(hash((self.seed, step, process)) % 2**31)
        source = torch.randint(len(self.sources), (batch_size,), generator=dice)
        shape = (batch_size, self.num_candidates)
        candidates = torch.randint(len(self.targets), shape, generator=dice)  # (B, K)
        sketches = self.sketches[1][candidates]  # (B, K, D)
        differences = (sketches - self.sketches[0][source][:, None]).square().sum(dim=2)  # (B, K)
        chosen = differences.argmin(dim=1, keepdim=True)  # (B, 1)
        return source, candidates.gather(1, chosen)[:, 0]
