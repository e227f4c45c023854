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
    """Draws sources, and for each a target that resembles it.

    A generator that is shown any target for any source learns their average. Here each source
    mostly sees the few targets that it resembles, and the pairs are a transport plan: every target
    is drawn as often as every other, so that no average face is a good answer to all.

    Args:
        sources: (N, 3, S, S).
        targets: (M, 3, S, S).
        plan: Weights of the targets for each source, (N, M), see `transport_plan`; None draws any
            target, as the paper does.
        seed: Of the draws.
    """

    def __init__(
        self, sources: Tensor, targets: Tensor, *, plan: Tensor | None = None, seed: int
    ) -> None:
        self.sources, self.targets = sources, targets
        self.plan, self.seed = plan, seed

    def draw(self, step: int, batch_size: int, process: int = 0) -> tuple[Tensor, Tensor]:
        """Indices of the sources and of their targets, (B,) each."""
        dice = torch.Generator().manual_seed(hash((self.seed, step, process)) % 2**31)
        source = torch.randint(len(self.sources), (batch_size,), generator=dice)
        if self.plan is None:
            return source, torch.randint(len(self.targets), (batch_size,), generator=dice)
        return source, torch.multinomial(self.plan[source], 1, generator=dice)[:, 0]


def describe(faces: Tensor, maps: Tensor) -> Tensor:
    """What tells faces of one domain apart, as vectors of length 1, (N, D).

    Half of it are the faces at 8 x 8 pixels, half a deep layer, each less the domain's mean: what
    all faces of the domain share does not count, so that two domains can be compared.

    Args:
        faces: (N, 3, S, S).
        maps: A layer's features of them, (N, C, H, W).
    """
    halves = [F.adaptive_avg_pool2d(faces, SKETCH).flatten(1), maps.float().flatten(1)]
    centred = [half - half.mean(dim=0) for half in halves]
    return torch.cat([F.normalize(half, dim=1) for half in centred], dim=1) / len(halves) ** 0.5


def transport_plan(
    sources: Tensor, targets: Tensor, temperature: float, *, num_rounds: int = 50
) -> Tensor:
    """How much each target belongs to each source, (N, M); its rows and its columns are uniform.

    Args:
        sources: Vectors of length 1, (N, D).
        targets: Likewise, (M, D).
        temperature: Of the similarity; the smaller, the fewer targets a source sees.
        num_rounds: Of making the rows and the columns even.

    Source:
        Sinkhorn's algorithm for entropic optimal transport, Cuturi, arXiv:1306.0895, algorithm 1,
        in logarithms.
    """
    plan = sources @ targets.T / temperature  # (N, M)
    for _ in range(num_rounds):
        plan = plan - plan.logsumexp(dim=0, keepdim=True)
        plan = plan - plan.logsumexp(dim=1, keepdim=True)
    return plan.exp()
