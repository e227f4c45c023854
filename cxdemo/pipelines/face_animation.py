"""A picture moved by a clip, and a puppet steered by one: a small network trained on the spot.

Animation: the network learns to turn each frame of the driver into a picture that has the features
of one target. Puppet: it learns from pairs of frames, roughly aligned, and then turns new frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxdemo.contextual import ContextualTarget, contextual_loss, contextual_target
from cxdemo.features import load_features
from cxdemo.images import crop_middle, resize
from cxdemo.networks import CascadedRefinement
from cxdemo.optimize import Clock
from cxdemo.options import check_options, option
from cxdemo.palette import palette_distance

SOURCE_LAYERS = ("conv4_2",)
MAX_POSITIONS = 1024


class Extractor(Protocol):
    """Gives maps of features by layer, as `cxdemo.features.VGGFeatures` does."""

    def __call__(self, image: Tensor) -> Mapping[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> {layer: (N, C, H', W')}."""
        ...


@dataclass(frozen=True, kw_only=True)
class AnimationConfig:
    """Settings of an animation.

    Source:
        arXiv:1803.02077, section 4 (single-image animation): CX of conv3_2 + conv4_2 to the
        target and of conv4_2 to the source frame, both with weight 1 and h 0.5, Adam 1e-4.

    Deviates:
        The frames are the target's own, bent as the driver moves, so that the shape of its face
        stays (`start="driver"` is the paper's). A smaller weight of the source, smaller h of the
        target and a larger step: from the identity, where the source's term is at its minimum,
        equal weights change nothing. conv2_2 and a term of mean and covariance of the colours,
        which centred features do not see. Some preference for features at the same place. The
        network is 60 times smaller.
    """

    num_steps: int = option(
        240, "Steps of training; more follow the target closer and take longer.", label="Steps",
        minimum=20, maximum=2000, step=20, advanced=False,
    )  # fmt: skip
    start: str = option(
        "target",
        "What an animation starts from: the target, bent as the driver's face moves, or the "
        "driver's frames, as in the paper.",
        label="Start from", choices=("target", "driver"), advanced=False,
    )  # fmt: skip
    size: int = option(
        128, "Side in pixels at which the network works.", label="Size", minimum=64, maximum=256,
        step=32, advanced=False,
    )  # fmt: skip
    source_weight: float = option(
        0.2, "Pull towards the driver's frame: pose and expression.", label="Pull of the driver",
        minimum=0.0, maximum=2.0, step=0.05, advanced=False,
    )  # fmt: skip
    target_weight: float = option(
        1.0, "Pull towards the target's features.", label="Pull of the target",
        minimum=0.1, maximum=4.0, step=0.1,
    )  # fmt: skip
    palette_weight: float = option(
        5.0, "Pull towards the target's colours; 0 is the pure loss.", label="Palette",
        minimum=0.0, maximum=20.0, step=0.5,
    )  # fmt: skip
    target_bandwidth: float = option(
        0.2, "h of the Contextual Loss to the target.", label="h of the target",
        minimum=0.05, maximum=1.0, step=0.05,
    )  # fmt: skip
    source_bandwidth: float = option(
        0.2, "h of the Contextual Loss to the source.", label="h of the source",
        minimum=0.05, maximum=1.0, step=0.05,
    )  # fmt: skip
    spatial_weight: float = option(
        0.3, "Preference for features of the target at the same place.", label="Same place",
        minimum=0.0, maximum=2.0, step=0.05,
    )  # fmt: skip
    target_layers: tuple[str, ...] = option(
        ("conv2_2", "conv3_2", "conv4_2"), "Layers compared with the target.", label="Layers",
        choices=("conv1_2", "conv2_2", "conv3_2", "conv4_2"),
    )  # fmt: skip
    step_size: float = option(
        1.5e-3, "Of Adam.", label="Step size", minimum=1e-5, maximum=1e-2, step=1e-4
    )
    batch_size: int = option(
        1, "Frames a step.", label="Frames a step", minimum=1, maximum=8, step=1
    )
    coarse_share: float = option(
        0.8, "Share of the steps that compare at half the size, which is faster.",
        label="Share of coarse steps", minimum=0.0, maximum=1.0, step=0.05,
    )  # fmt: skip
    seed: int = option(
        0, "Of the order of frames and the network.", label="Seed", minimum=0, maximum=9999, step=1
    )

    def __post_init__(self) -> None:
        """Raises for a value that an option may not take."""
        check_options(self)
        if not self.target_layers:
            raise ValueError("Choose at least one layer.")
        if self.size % 32:
            raise ValueError(f"size must be a multiple of 32, got {self.size}.")

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that features are needed of, in order."""
        return tuple(sorted({*self.target_layers, *SOURCE_LAYERS}))


ANIMATION = AnimationConfig()
"""Settings that a target is animated with."""

PUPPET = AnimationConfig(
    start="driver", num_steps=1000, source_weight=0.0, spatial_weight=0.5, step_size=3e-3,
    batch_size=4, coarse_share=1.0, palette_weight=10.0,
)  # fmt: skip
"""Settings for pairs: there is no term of the source, the pairs say what follows what.

Unlike in the paper, the mean colours of small parts count as well. 680 s of one core for a clip
of 3 s.
"""
PUPPET_CHANNELS = (64, 64, 48, 32, 16)
"""Of the puppet's network; narrow at the full size, where the time goes."""
PARTS = (8, 32)
"""Grids whose cells have the colours of a pair's puppet."""


@dataclass(frozen=True, kw_only=True)
class AnimationStep:
    """One step of training.

    Args:
        index: Of this step, from 1.
        total: Of the whole run.
        losses: "target", "source" and "palette", weighted, before this step.
        network: The network so far; `render` turns frames with it.
        size: Side at which this step compares.
        seconds: Since the run began.
    """

    index: int
    total: int
    losses: dict[str, float]
    network: nn.Module
    size: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Estimate from the pace so far; the later steps are the dear ones."""
        return self.seconds * (self.total - self.index) / self.index

    @property
    def finished(self) -> bool:
        """Whether this was the last."""
        return self.index == self.total


def animate(
    target: Tensor,
    driver: Tensor,
    config: AnimationConfig = ANIMATION,
    *,
    features: Extractor | None = None,
) -> Iterator[AnimationStep]:
    """Trains a network that gives the driver's frames the features of one picture.

    Args:
        target: The picture that is to move; a square crop of a face works best.
        driver: Frames of the face that moves.
        config: See `AnimationConfig`.
        features: Gives the maps of `config.layers`; None loads VGG16 with average pooling.

    Shape:
        - target: (1, 3, H, W) in [0, 1]. driver: (T, 3, h, w) in [0, 1], T >= 1.

    Yields:
        Every step. `render(step.network, driver, size)` is the result so far.

    Raises:
        ValueError: Shapes that do not fit.
    """
    _check_frames("target", target, count=1)
    _check_frames("driver", driver)
    yield from _train(driver, target, config, features)


def learn_puppet(
    driver: Tensor,
    puppet: Tensor,
    config: AnimationConfig = PUPPET,
    *,
    features: Extractor | None = None,
) -> Iterator[AnimationStep]:
    """Trains a network that turns a frame of the driver into the puppet's, from pairs.

    The pairs need not be aligned pixel by pixel: the loss asks what is there, and only roughly
    where.

    Args:
        driver: Frames of the face that steers.
        puppet: For each of them, the puppet in the same pose.
        config: See `AnimationConfig`.
        features: See `animate`.

    Shape:
        - driver, puppet: (T, 3, h, w) in [0, 1]; T is the same, sizes may differ.

    Yields:
        Every step.

    Raises:
        ValueError: Not as many frames of one as of the other.
    """
    _check_frames("driver", driver)
    _check_frames("puppet", puppet)
    if len(driver) != len(puppet):
        raise ValueError(
            f"The driver has {len(driver)} frames and the puppet {len(puppet)}: a puppet is learnt "
            "from pairs, so both must have the same number."
        )
    yield from _train(driver, puppet, config, features)


class PuppetNetwork(nn.Module):
    """A puppet's frame for a driver's: what a `CascadedRefinement` changes in the mean puppet.

    As the identity, with which an animation starts, the driver's face would shine through.

    Args:
        mean: Of the puppet's frames, (1, 3, S, S) in [0, 1].
    """

    mean: Tensor

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", torch.logit(mean, eps=1e-3))
        self.refinement = CascadedRefinement(PUPPET_CHANNELS)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 3, S, S)."""
        return torch.sigmoid(self.mean + self.refinement.change(2 * image - 1))


def build_network(targets: Tensor) -> nn.Module:
    """The identity for one target, (1, 3, S, S); their mean for the frames of a puppet."""
    if len(targets) == 1:
        return CascadedRefinement()
    return PuppetNetwork(targets.mean(dim=0, keepdim=True))


@torch.no_grad()
def render(network: nn.Module, frames: Tensor, size: int) -> Tensor:
    """Frames turned by a network, (T, 3, h, w) -> (T, 3, size, size) in [0, 1]."""
    small = _square(frames, size).to(next(network.parameters()).device)
    return torch.cat([network(part) for part in small.split(4)]).clamp(0, 1).cpu()


# ------------------------------------------------------------------------------------- training


def _train(
    sources: Tensor, targets: Tensor, config: AnimationConfig, features: Extractor | None
) -> Iterator[AnimationStep]:
    clock = Clock()
    device = sources.device
    if features is None:
        features = load_features("vgg16", config.layers, pooling="average", device=device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build_network(_square(targets, config.size)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.step_size, betas=(0.5, 0.99))
    order = _endless_order(len(sources), config)
    index = 0
    frames = _square(sources, config.size)
    for size, steps in stages_of(config):
        data = _Stage(_square(sources, size), _square(targets, size), config, features)
        for _ in range(steps):
            chosen = next(order)
            for group in optimizer.param_groups:
                group["lr"] = config.step_size * _pace(index / config.num_steps)
            terms = data.losses(_square(network(frames[chosen]), size), chosen)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()
            index += 1
            yield AnimationStep(
                index=index,
                total=config.num_steps,
                losses={name: float(term.detach()) for name, term in terms.items()},
                network=network,
                size=size,
                seconds=clock.seconds(),
            )


class _Stage:
    """Frames of one size; features of targets and sources are computed once, when first asked."""

    def __init__(
        self, sources: Tensor, targets: Tensor, config: AnimationConfig, features: Extractor
    ) -> None:
        self.sources = sources
        self.targets = targets
        self.config = config
        self.features = features
        self._of_source: dict[int, dict[str, ContextualTarget]] = {}
        self._of_target: dict[int, dict[str, ContextualTarget]] = {}

    def losses(self, transformed: Tensor, chosen: Sequence[int]) -> dict[str, Tensor]:
        """The weighted terms of a batch, () each."""
        c = self.config
        maps = {name: _thin(m) for name, m in self.features(transformed).items()}
        found: dict[str, list[Tensor]] = {"target": [], "source": [], "palette": []}
        for row, frame in enumerate(chosen):
            image = transformed[row : row + 1]
            mine = {name: m[row : row + 1] for name, m in maps.items()}
            aim = frame if len(self.targets) > 1 else 0
            wanted = self._target(aim)
            found["target"] += [
                contextual_loss(
                    mine[name], wanted[name], bandwidth=c.target_bandwidth,
                    spatial_weight=c.spatial_weight,
                )
                for name in c.target_layers
            ]  # fmt: skip
            if c.source_weight:
                kept = self._source(frame)
                found["source"] += [
                    contextual_loss(
                        mine[name], kept[name], bandwidth=c.source_bandwidth,
                        spatial_weight=c.spatial_weight,
                    )
                    for name in SOURCE_LAYERS
                ]  # fmt: skip
            found["palette"].append(self._palette(image, self.targets[aim : aim + 1]))
        weights = {
            "target": c.target_weight, "source": c.source_weight, "palette": c.palette_weight
        }  # fmt: skip
        return {
            name: weights[name] * torch.stack(terms).sum() / len(chosen)
            for name, terms in found.items()
            if terms and weights[name]
        }

    def _palette(self, image: Tensor, target: Tensor) -> Tensor:
        """Colours of the whole; of a pair, which is roughly aligned, of its parts as well."""
        whole = palette_distance(image, target)
        if len(self.targets) == 1:
            return whole
        return whole + torch.stack([_parts(image, target, grid) for grid in PARTS]).sum()

    def _target(self, frame: int) -> dict[str, ContextualTarget]:
        if frame not in self._of_target:
            image = self.targets[frame : frame + 1]
            self._of_target[frame] = self._prepare(image, self.config.target_layers)
        return self._of_target[frame]

    def _source(self, frame: int) -> dict[str, ContextualTarget]:
        if frame not in self._of_source:
            image = self.sources[frame : frame + 1]
            self._of_source[frame] = self._prepare(image, SOURCE_LAYERS)
        return self._of_source[frame]

    @torch.no_grad()
    def _prepare(self, image: Tensor, layers: Sequence[str]) -> dict[str, ContextualTarget]:
        maps = self.features(image)
        return {name: contextual_target(_thin(maps[name])) for name in layers}


def _thin(features: Tensor) -> Tensor:
    """A map averaged 2 x 2 until it has at most MAX_POSITIONS: all pairs are compared."""
    while features.shape[2] * features.shape[3] > MAX_POSITIONS:
        features = F.avg_pool2d(features, 2)
    return features


def _parts(image: Tensor, target: Tensor, grid: int) -> Tensor:
    """Distance of the mean colours of the cells of a grid, ()."""
    one, other = (F.adaptive_avg_pool2d(picture, grid) for picture in (image, target))
    return (one - other).abs().mean()


def stages_of(config: AnimationConfig) -> list[tuple[int, int]]:
    """Sizes and how many steps of each."""
    coarse = round(config.coarse_share * config.num_steps)
    stages = [(config.size // 2, coarse), (config.size, config.num_steps - coarse)]
    return [(size, steps) for size, steps in stages if steps]


def _pace(share: float) -> float:
    """The step size falls in the last third, so that the result settles."""
    return min(1.0, max(0.1, 3 * (1 - share)))


def _endless_order(count: int, config: AnimationConfig) -> Iterator[list[int]]:
    """Batches of frames: all of them in a new order, again and again."""
    generator = torch.Generator().manual_seed(config.seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < config.batch_size:
            waiting += torch.randperm(count, generator=generator).tolist()
        yield waiting[: config.batch_size]
        waiting = waiting[config.batch_size :]


def _square(frames: Tensor, size: int) -> Tensor:
    """The middle square of frames at a size, (T, 3, size, size)."""
    middle = crop_middle(frames)
    if middle.shape[2] == size:
        return middle
    return resize(middle, (size, size)).clamp(0, 1)


def _check_frames(name: str, frames: Tensor, *, count: int | None = None) -> None:
    if (
        frames.ndim != 4
        or frames.shape[1] != 3
        or not len(frames)
        or count not in {None, len(frames)}
    ):
        wanted = f"({count or 'T'}, 3, H, W)"
        raise ValueError(f"Expected {name} {wanted} in [0, 1], got {tuple(frames.shape)}.")
