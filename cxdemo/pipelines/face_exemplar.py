"""A face that takes the features of another: eyes from eyes, mouth from mouth.

The pixels of the source are optimised until the target's features are all claimed (the target term)
and the source's too (the source term). Both faces are upright crops with their eyes in the same
places, so that a little weight on places is enough to send eyes to eyes. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import (
    ContextualTarget,
    contextual_loss,
    contextual_target,
)
from cxdemo.explanation import Explanation
from cxdemo.faces import REGIONS
from cxdemo.features import load_features
from cxdemo.images import resize
from cxdemo.optimize import Clock, Step, carry_change, optimize_pixels, total_variation
from cxdemo.options import check_options, option
from cxdemo.palette import color_moments, match_colors, region_hues

Extractor = Callable[[Tensor], Mapping[str, Tensor]]
Stage = tuple[int, int]  # side in pixels, steps

BACKBONE = "vgg16"
TARGET_LAYERS = ("conv3_2", "conv4_2")  # the paper's, of its animation of a single image
SOURCE_LAYER = "conv4_2"
POOLING = "average"
HUE_WEIGHT = 20.0  # with 2, as in style transfer, a face in greys became pink and green
COUNTED = 0.5  # of a cell of a map, that a region must cover for the cell to belong to it
SHARES = {0.375: 0.4, 0.625: 0.36, 1.0: 0.24}  # side of a stage: its share of the steps


@dataclass(frozen=True, kw_only=True)
class ExemplarConfig:
    """All that an exemplar can be told. Values are checked when it is made."""

    strength: float = option(
        0.5,
        "0 leaves the source as it is, 1 puts the target's features into its pose.",
        label="Strength",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
        advanced=False,
    )
    region: str = option(
        "all",
        "What may change; it takes after the same region of the target.",
        label="Region",
        choices=REGIONS,
        advanced=False,
    )
    size: int = option(
        256, "Side of the result, pixels.", label="Size", minimum=64, maximum=512, step=32
    )
    num_steps: int = option(
        72, "Steps over all sizes.", label="Steps", minimum=3, maximum=1000, step=1
    )
    target_bandwidth: float = option(
        0.2, "h of the target term.", label="Bandwidth h, target", minimum=0.01, maximum=2.0,
        step=0.01,
    )  # fmt: skip
    source_bandwidth: float = option(
        0.1, "h of the source term.", label="Bandwidth h, source", minimum=0.01, maximum=2.0,
        step=0.01,
    )  # fmt: skip
    target_place: float = option(
        1.0,
        "Sends eyes to eyes: added to the target's distances for two features one side apart. 0 "
        "is the paper.",
        label="Target in place",
        minimum=0.0,
        maximum=10.0,
        step=0.1,
    )
    source_place: float = option(
        0.5,
        "Keeps the pose: the same for the source's distances.",
        label="Source in place",
        minimum=0.0,
        maximum=10.0,
        step=0.1,
    )
    palette_weight: float = option(
        20.0,
        "Weight of a term that the paper has not: mean, covariance and regional hue of the "
        "colours. The features hardly see absolute colour.",
        label="Palette weight",
        minimum=0.0,
        maximum=1000.0,
        step=1.0,
    )
    tv_weight: float = option(
        20.0, "Weight of the total variation.", label="Smoothness", minimum=0.0, maximum=1000.0,
        step=1.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def target_weight(self) -> float:
        """Of the target term."""
        return 2 * self.strength

    @property
    def source_weight(self) -> float:
        """Of the source term; some of it stays, so that the pose does."""
        return 2.5 - 2 * self.strength

    @property
    def color_share(self) -> float:
        """How far the colours go to the target's."""
        return min(1.0, 1.5 * self.strength)

    @property
    def stages(self) -> list[Stage]:
        """Side and steps of each stage, coarse first; the steps add up to num_steps."""
        kept = {round(self.size * s): w for s, w in SHARES.items() if self.size * s >= 48}
        total = sum(kept.values())
        steps = [max(1, round(self.num_steps * share / total)) for share in kept.values()]
        steps[0] = max(1, steps[0] + self.num_steps - sum(steps))
        return list(zip(kept, steps, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the metadata of a PNG."""
        return asdict(self)


def transform_face(
    source: Tensor,
    target: Tensor,
    config: ExemplarConfig | None = None,
    *,
    source_mask: Tensor | None = None,
    target_mask: Tensor | None = None,
    features: Extractor | None = None,
) -> Iterator[Step]:
    """The source with the target's features, one step at a time.

    Args:
        source: A face, upright.
        target: Another, its eyes in the same places.
        config: See `ExemplarConfig`; its region only chooses the masks, which the caller makes.
        source_mask: Where the source may change. None: everywhere.
        target_mask: Where the target's features are taken. None: everywhere.
        features: Gives the maps of `TARGET_LAYERS`; None loads the backbone.

    Shape:
        - source, target: (1, 3, S, S) in [0, 1]; their sizes may differ.
        - source_mask, target_mask: (1, 1, S, S) of their faces, in [0, 1].

    Yields:
        Every step, with losses "target", "source", "palette" and "smoothness" as weighted. Images
        have the size of their stage. In the last one, pixels where source_mask is 0 are the
        source's bit for bit if it came at the configured size.

    Raises:
        ValueError: A face that is no square image, or a mask that is empty or does not fit.

    Source:
        The terms of Mechrez et al., arXiv:1803.02077, section 4.2, on pixels instead of a
        generator.

    Deviates:
        Weight on places, a palette term and a smaller h; see `ExemplarConfig`.
    """
    config = config or ExemplarConfig()
    for name, face, mask in (("source", source, source_mask), ("target", target, target_mask)):
        _check_face(name, face, mask)
    if config.strength == 0:
        image = _fit(source, config.size)
        yield Step(index=1, total=1, losses={"target": 0.0, "source": 0.0}, image=image, seconds=0)
        return
    if features is None:
        features = load_features(BACKBONE, TARGET_LAYERS, pooling=POOLING, device=source.device)
    yield from _run(source, target, config, source_mask, target_mask, features)


def _run(
    source: Tensor,
    target: Tensor,
    config: ExemplarConfig,
    source_mask: Tensor | None,
    target_mask: Tensor | None,
    features: Extractor,
) -> Iterator[Step]:
    clock = Clock()
    matched = match_colors(source, target, mask=source_mask, reference_mask=target_mask)
    colored = source + config.color_share * (matched - source)
    image: Tensor | None = None
    smaller = colored
    index, total = 0, sum(steps for _, steps in config.stages)
    for side, steps in config.stages:
        at_size = _fit(colored, side)
        image = at_size if image is None else carry_change(image, smaller, at_size)
        smaller = at_size
        objective = ExemplarObjective(
            _fit(source, side), _fit(target, side), at_size, config, features,
            source_mask=_fit_mask(source_mask, side), target_mask=_fit_mask(target_mask, side),
        )  # fmt: skip
        start = image
        for losses, image in optimize_pixels(start, objective, num_steps=steps):
            index += 1
            shown = objective.compose(image).clamp(0, 1)
            yield Step(
                index=index, total=total, losses=losses, image=shown, seconds=clock.seconds()
            )


class ExemplarObjective:
    """The terms at one size, with the features of both faces computed once.

    Called with an image (1, 3, S, S), gives the weighted terms by name.

    Args:
        source: At this size.
        target: At this size.
        colored: The source in the colours that are wanted.
        config: See `ExemplarConfig`.
        features: Gives the maps of `TARGET_LAYERS`.
        source_mask: See `transform_face`, at this size.
        target_mask: Likewise.
    """

    def __init__(
        self,
        source: Tensor,
        target: Tensor,
        colored: Tensor,
        config: ExemplarConfig,
        features: Extractor,
        *,
        source_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
    ) -> None:
        self.source, self.mask = source, source_mask
        self.config, self.features = config, features
        with torch.no_grad():
            wanted = self.compose(colored)
            self.hues = region_hues(wanted)
            self.mean, self.covariance = color_moments(wanted, source_mask)
            self.kept = contextual_target(features(source)[SOURCE_LAYER])
            maps = features(target)
            self.targets = {n: _masked_target(maps[n], target_mask) for n in TARGET_LAYERS}

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(1, 3, S, S) -> the weighted terms, each ()."""
        c = self.config
        shown = self.compose(image)
        maps = self.features(shown)
        target = [self._target_loss(maps[name], y) for name, y in self.targets.items()]
        source = contextual_loss(
            maps[SOURCE_LAYER],
            self.kept,
            bandwidth=c.source_bandwidth,
            spatial_weight=c.source_place,
        )
        return {
            "target": c.target_weight * torch.stack(target).sum(),
            "source": c.source_weight * source,
            "palette": c.palette_weight * self._palette(shown),
            "smoothness": c.tv_weight * total_variation(shown),
        }

    def compose(self, image: Tensor) -> Tensor:
        """The image inside the region, the source outside of it."""
        if self.mask is None:
            return image
        return torch.where(
            self.mask > 0, self.source + self.mask * (image - self.source), self.source
        )

    def _target_loss(self, x: Tensor, y: ContextualTarget) -> Tensor:
        return contextual_loss(
            x,
            y,
            bandwidth=self.config.target_bandwidth,
            spatial_weight=self.config.target_place,
            x_mask=None if self.mask is None else _cells(self.mask, x),
        )

    def _palette(self, image: Tensor) -> Tensor:
        mean, covariance = color_moments(image, self.mask)
        moments = 3 * (mean - self.mean).square().mean() + (
            (covariance - self.covariance).abs().mean()
        )
        return moments + HUE_WEIGHT * (region_hues(image) - self.hues).square().mean()


# --------------------------------------------------------------------- which patch went where?


class FaceMatch(NamedTuple):
    """A place of the target that a place of the result prefers."""

    box: tuple[float, float, float, float]  # left, top, right, bottom as shares of its side
    affinity: float  # CX_ij in [0, 1]


class ExemplarExplanation(Explanation):
    """Which places of the target each place of a result prefers. Made once, asked many times.

    Args:
        transformed: The result, (1, 3, S, S) in [0, 1].
        target: The target, (1, 3, S', S') in [0, 1].
        config: That of the run.
        layer: Whose features are compared, one of `TARGET_LAYERS`.
        target_mask: (1, 1, S', S'), where matches may lie. None: everywhere.
        features: See `transform_face`.
    """

    def __init__(
        self,
        transformed: Tensor,
        target: Tensor,
        config: ExemplarConfig,
        *,
        layer: str = SOURCE_LAYER,
        target_mask: Tensor | None = None,
        features: Extractor | None = None,
    ) -> None:
        extract = features or load_features(
            BACKBONE, TARGET_LAYERS, pooling=POOLING, device=transformed.device
        )
        side = transformed.shape[-1]
        with torch.no_grad():
            source = extract(transformed)[layer]  # (1, C, H', W')
            asked = extract(_fit(target, side))[layer]
            masked = _masked_target(asked, _fit_mask(target_mask, side))
        super().__init__(
            source,
            [masked],
            layer=layer,
            bandwidth=config.target_bandwidth,
            spatial_weight=config.target_place,
        )

    def at(self, x: float, y: float, *, count: int = 5) -> list[FaceMatch]:
        """The strongest matches of a place, best first.

        Args:
            x: Share of the result's width, in [0, 1].
            y: Share of its height, in [0, 1].
            count: How many.
        """
        return [FaceMatch(box, affinity) for _, box, affinity in self.strongest(x, y, count)]


# ------------------------------------------------------------------------------------- parts


def _masked_target(features: Tensor, mask: Tensor | None) -> ContextualTarget:
    return contextual_target(features, mask=None if mask is None else _cells(mask, features))


def _cells(mask: Tensor, features: Tensor) -> Tensor:
    """The cells (1, 1, H, W) of a map that belong to a region; at least the most covered one."""
    covered = F.adaptive_avg_pool2d(mask, features.shape[2:])  # pyright: ignore[reportArgumentType]
    return covered >= covered.amax().clamp_max(COUNTED)


def _fit(image: Tensor, side: int) -> Tensor:
    """The image at another size; itself if it has that size."""
    return image if image.shape[-1] == side else resize(image, (side, side)).clamp(0, 1)


def _fit_mask(mask: Tensor | None, side: int) -> Tensor | None:
    if mask is None or mask.shape[-1] == side:
        return mask
    return F.interpolate(mask, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def _check_face(name: str, face: Tensor, mask: Tensor | None) -> None:
    side = face.shape[-1]
    if face.ndim != 4 or face.shape != (1, 3, side, side):
        raise ValueError(f"The {name} must be a square (1, 3, S, S), got {tuple(face.shape)}.")
    if mask is None:
        return
    if mask.shape != (1, 1, side, side):
        raise ValueError(
            f"The mask of the {name} must be (1, 1, {side}, {side}), got {tuple(mask.shape)}."
        )
    if not float(mask.amax()) > 0:
        raise ValueError(f"The region of the {name} is empty: choose another one, or its crop.")
