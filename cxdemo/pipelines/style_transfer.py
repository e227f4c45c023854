"""Style transfer by the Contextual Loss.

The pixels of an image are optimised until the style's features are all claimed (the style term)
and the content's too (the content term). The picture keeps what it shows and takes the brush of
the style; because every style feature wants a place that prefers it, eyes are painted with eyes and
sky with sky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import (
    ContextualTarget,
    contextual_affinity,
    contextual_loss,
    contextual_target,
)
from cxdemo.features import LAYERS, check_layers, load_features
from cxdemo.grids import box_of, cell_at
from cxdemo.images import fit_long_side
from cxdemo.optimize import (
    Clock,
    Step,
    carry_change,
    enlarge,
    optimize_pixels,
    total_variation,
)
from cxdemo.options import check_options, option
from cxdemo.palette import color_moments, match_colors, region_hues

Extractor = Callable[[Tensor], Mapping[str, Tensor]]
Stage = tuple[int, int]  # long side in pixels, steps


@dataclass(frozen=True, kw_only=True)
class StyleTransferConfig:
    """All that a style transfer can be told. Values are checked when it is made."""

    style_strength: float = option(
        1.0,
        "How far the style is taken; multiplies the style's and the palette's terms.",
        label="Style strength",
        minimum=0.0,
        maximum=4.0,
        step=0.1,
        advanced=False,
    )
    keep_colors: bool = option(
        False,
        "Give the style the colours of the content first, so that only its brush is taken.",
        label="Keep the content's colours",
        advanced=False,
    )
    size: int = option(
        256,
        "Long side of the result, pixels.",
        label="Size",
        minimum=64,
        maximum=1024,
        step=32,
        advanced=False,
    )
    num_steps: int = option(
        100, "Steps over all sizes.", label="Steps", minimum=1, maximum=2000, step=10
    )
    coarse_to_fine: bool = option(
        True,
        "Start small and finish at full size; off: all steps at full size.",
        label="Coarse to fine",
    )
    init: str = option(
        "content", "What to start from.", label="Start from", choices=("content", "noise")
    )
    seed: int = option(
        0, "Of the noise to start from.", label="Seed", minimum=0, maximum=2**31 - 1, step=1
    )
    backbone: str = option(
        "vgg16",
        "Network whose features are compared; the papers used vgg19.",
        label="Backbone",
        choices=tuple(LAYERS),
    )
    style_layers: tuple[str, ...] = option(
        ("conv3_2", "conv4_2"),
        "Layers that take the style.",
        label="Style layers",
        choices=tuple(LAYERS["vgg19"]),
    )
    content_layers: tuple[str, ...] = option(
        ("conv4_2",),
        "Layers that keep the content.",
        label="Content layers",
        choices=tuple(LAYERS["vgg19"]),
    )
    combine: str = option(
        "sum",
        "One loss for each style layer, summed; or, as in the authors' reply, the layers resized, "
        "divided by their channels and concatenated into one.",
        label="Combine layers",
        choices=("sum", "concatenate"),
    )
    style_bandwidth: float = option(
        0.2,
        "h of the style term; smaller asks for clearer matches.",
        label="Bandwidth h, style",
        minimum=0.01,
        maximum=2.0,
        step=0.01,
    )
    content_bandwidth: float = option(
        0.1,
        "h of the content term.",
        label="Bandwidth h, content",
        minimum=0.01,
        maximum=2.0,
        step=0.01,
    )
    style_weight: float = option(
        1.0, "Weight of the style term.", label="Style weight", minimum=0.0, maximum=100.0, step=0.1
    )
    content_weight: float = option(
        2.0,
        "Weight of the content term.",
        label="Content weight",
        minimum=0.0,
        maximum=100.0,
        step=0.1,
    )
    content_place: float = option(
        0.5,
        "Keeps the content in place: added to the content's distances for two features one image "
        "side apart. 0 is the paper.",
        label="Content in place",
        minimum=0.0,
        maximum=10.0,
        step=0.1,
    )
    palette_weight: float = option(
        20.0,
        "Weight of a term that the paper has not: mean and covariance of the colours, and the hue "
        "of each region as in the content recoloured that way, which is then the start. The "
        "features hardly see absolute colour.",
        label="Palette weight",
        minimum=0.0,
        maximum=1000.0,
        step=1.0,
    )
    tv_weight: float = option(
        20.0,
        "Weight of the total variation, mean squared difference of neighbouring pixels.",
        label="Smoothness",
        minimum=0.0,
        maximum=1000.0,
        step=1.0,
    )
    max_positions: int = option(
        4225,
        "Larger maps are averaged down to this many positions; 0 never does. The authors draw 65 "
        "x 65 positions at random.",
        label="Positions of a map",
        minimum=0,
        maximum=1024 * 1024,
        step=1,
    )
    pooling: str = option(
        "average",
        "Of the network; the authors' code averages.",
        label="Pooling",
        choices=("average", "max"),
    )
    optimizer: str = option(
        "lbfgs",
        "L-BFGS leaves less noise; the papers used Adam.",
        label="Optimiser",
        choices=("lbfgs", "adam"),
    )
    levels: int = option(
        5, "Of the Laplacian pyramid; 1 is plain pixels.", label="Levels", minimum=1, maximum=8
    )
    step_size: float = option(
        0.02,
        "Of Adam, in pixel values; L-BFGS finds its own.",
        label="Step size",
        minimum=0.0001,
        maximum=1.0,
        step=0.0001,
    )

    def __post_init__(self) -> None:
        check_options(self)
        check_layers(self.backbone, self.layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are computed."""
        return tuple(dict.fromkeys((*self.style_layers, *self.content_layers)))

    @property
    def stages(self) -> list[Stage]:
        """Long side and steps of each stage, coarse first; the steps add up to num_steps."""
        if not self.coarse_to_fine:
            return [(self.size, self.num_steps)]
        shares = {0.375: 0.4, 0.625: 0.36, 1.0: 0.24}
        kept = {round(self.size * s): w for s, w in shares.items() if self.size * s >= 48}
        total = sum(kept.values())
        steps = [max(1, round(self.num_steps * share / total)) for share in kept.values()]
        steps[0] = max(1, steps[0] + self.num_steps - sum(steps))
        return list(zip(kept, steps, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the metadata of a PNG."""
        return asdict(self)


PRESETS: dict[str, StyleTransferConfig] = {
    "fast": StyleTransferConfig(),
    "paper": StyleTransferConfig(
        num_steps=300,
        style_layers=("conv2_2", "conv3_2", "conv4_2"),
        content_weight=1.0,
        content_place=0.0,
        palette_weight=0.0,
        tv_weight=0.0,
        max_positions=0,
        pooling="max",
        coarse_to_fine=False,
        optimizer="adam",
        levels=1,
        step_size=0.02,
    ),
    "authors": StyleTransferConfig(
        num_steps=300,
        style_layers=("conv2_1", "conv3_1", "conv4_1"),
        combine="concatenate",
        style_bandwidth=0.1,
        content_weight=0.5,
        content_place=0.0,
        palette_weight=0.0,
        tv_weight=6.5,
        coarse_to_fine=False,
        optimizer="adam",
        levels=1,
        step_size=0.02,
    ),
}
"""Named settings. `paper`: layers and h as far as known; `authors`: their reply in issue 2 of their
repository (step 5 and total variation 1e-4 for pixels in 0..255)."""


def transfer_style(
    content: Tensor,
    styles: Sequence[Tensor],
    config: StyleTransferConfig = PRESETS["fast"],
    *,
    style_weights: Sequence[float] | None = None,
    features: Extractor | None = None,
) -> Iterator[Step]:
    """The content painted in the style, one step at a time.

    Args:
        content: What the picture shows.
        styles: One or more pictures whose style it takes.
        config: See `StyleTransferConfig`.
        style_weights: Share of each style, >= 0, scaled to sum to 1. None: equal shares.
        features: Gives the maps of `config.layers`; None loads the configured backbone.

    Shape:
        - content, styles: (1, 3, H, W) in [0, 1]; their sizes may differ.

    Yields:
        Every step, with losses "style", "content", "palette" and "smoothness" as weighted.
        Images have the size of their stage; the last one has the configured size.

    Raises:
        ValueError: No style, or weights that do not fit.
    """
    shares = _shares(styles, style_weights)
    device = content.device
    if features is None:
        features = load_features(
            config.backbone,
            config.layers,
            pooling=config.pooling,  # pyright: ignore[reportArgumentType]
            device=device,
        )
    if config.keep_colors:
        styles = [match_colors(style, content) for style in styles]
    yield from _run(content, styles, shares, config, features)


def _run(
    content: Tensor,
    styles: Sequence[Tensor],
    shares: Sequence[float],
    config: StyleTransferConfig,
    features: Extractor,
) -> Iterator[Step]:
    clock = Clock()
    image: Tensor | None = None
    index = 0
    total = sum(steps for _, steps in config.stages)
    if config.palette_weight * config.style_strength > 0:
        content_colors = recolor(content, styles, shares)
    else:
        content_colors = content
    smaller = content_colors
    for size, steps in config.stages:
        small, colored = fit_long_side(content, size), fit_long_side(content_colors, size)
        if image is None:
            image = _start(colored, config)
        elif config.init == "content":
            image = carry_change(image, smaller, colored)
        else:
            image = enlarge(image, small).clamp(0, 1)
        smaller = colored
        objective = StyleObjective(small, styles, shares, config, features)
        start = image
        for losses, image in optimize_pixels(
            start,
            objective,
            num_steps=steps,
            optimizer=config.optimizer,  # pyright: ignore[reportArgumentType]
            step_size=config.step_size,
            levels=config.levels,
        ):
            index += 1
            yield Step(
                index=index, total=total, losses=losses, image=image, seconds=clock.seconds()
            )


class StyleObjective:
    """The terms of a style transfer at one size, with the targets' features computed once.

    Called with an image (1, 3, H, W), gives the weighted terms by name.

    Args:
        content: At this size.
        styles: At any size.
        shares: Of the styles, summing to 1.
        config: See `StyleTransferConfig`.
        features: Gives the maps of `config.layers`.
        loss: Stands in for `contextual_loss`, for comparisons.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Tensor],
        shares: Sequence[float],
        config: StyleTransferConfig,
        features: Extractor,
        *,
        loss: Callable[..., Tensor] = contextual_loss,
    ) -> None:
        self.config = config
        self.features = features
        self.shares = shares
        self.loss = loss
        size = max(content.shape[2:])
        with torch.no_grad():
            self.hues = region_hues(recolor(content, styles, shares))
            scaled = [fit_long_side(style, size) for style in styles]
            self.content = self._targets(self._content_maps(features(content)))
            self.styles = [self._targets(self._style_maps(features(s))) for s in scaled]
            moments = [color_moments(style) for style in scaled]
            self.mean = sum(w * mean for w, (mean, _) in zip(shares, moments, strict=True))
            self.covariance = sum(w * c for w, (_, c) in zip(shares, moments, strict=True))

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(1, 3, H, W) -> the weighted terms, each ()."""
        c = self.config
        maps = self.features(image)
        content = self._sum_losses(
            self._content_maps(maps), self.content, c.content_bandwidth, c.content_place
        )
        style_maps = self._style_maps(maps)
        style = sum(
            share * self._sum_losses(style_maps, targets, c.style_bandwidth, 0.0)
            for share, targets in zip(self.shares, self.styles, strict=True)
        )
        terms = {
            "style": c.style_weight * c.style_strength * style,
            "content": c.content_weight * content,
            "palette": c.palette_weight * c.style_strength * self._palette(image),
            "smoothness": c.tv_weight * total_variation(image),
        }
        return {name: torch.as_tensor(term) for name, term in terms.items()}

    def _style_maps(self, maps: Mapping[str, Tensor]) -> list[Tensor]:
        chosen = [maps[name] for name in self.config.style_layers]
        if self.config.combine == "concatenate":
            chosen = [concatenate_maps(chosen)]
        return [pool_map(m, self.config.max_positions) for m in chosen]

    def _content_maps(self, maps: Mapping[str, Tensor]) -> list[Tensor]:
        return [
            pool_map(maps[name], self.config.max_positions) for name in self.config.content_layers
        ]

    def _targets(self, maps: Sequence[Tensor]) -> list[ContextualTarget]:
        return [contextual_target(m) for m in maps]

    def _sum_losses(
        self,
        maps: Sequence[Tensor],
        targets: Sequence[ContextualTarget],
        bandwidth: float,
        place: float,
    ) -> Tensor:
        losses = [
            self.loss(x, y, bandwidth=bandwidth, spatial_weight=place)
            for x, y in zip(maps, targets, strict=True)
        ]
        return torch.stack(losses).sum()

    def _palette(self, image: Tensor) -> Tensor:
        mean, covariance = color_moments(image)
        moments = 3 * (mean - self.mean).square().mean() + (
            (covariance - self.covariance).abs().mean()
        )
        return moments + 2 * (region_hues(image) - self.hues).square().mean()


def concatenate_maps(maps: Sequence[Tensor]) -> Tensor:
    """Maps resized to the first one's size, each divided by its channels, concatenated.

    Shape:
        - maps: (N, C_l, H_l, W_l); returns (N, sum C_l, H_0, W_0).

    Source:
        The authors' reply in issue 2 of roimehrez/contextualLoss.
    """
    size = maps[0].shape[2:]
    resized = [
        F.interpolate(m, size=size, mode="bilinear", align_corners=False) / m.shape[1] for m in maps
    ]
    return torch.cat(resized, dim=1)


def pool_map(features: Tensor, max_positions: int) -> Tensor:
    """A map averaged 2 x 2 until it has at most max_positions; 0 leaves it as it is.

    Shape:
        - features: (N, C, H, W); returns (N, C, H / 2^k, W / 2^k).
    """
    while max_positions and features.shape[2] * features.shape[3] > max_positions:
        features = F.avg_pool2d(features, 2)
    return features


def recolor(content: Tensor, styles: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The content with the colours of the styles, mixed by their shares, (1, 3, H, W)."""
    recolored = [
        share * match_colors(content, style) for share, style in zip(shares, styles, strict=True)
    ]
    return torch.stack(recolored).sum(dim=0)


def _start(content: Tensor, config: StyleTransferConfig) -> Tensor:
    if config.init == "content":
        return content
    generator = torch.Generator().manual_seed(config.seed)
    return torch.rand(content.shape, generator=generator).to(content)


def _shares(styles: Sequence[Tensor], weights: Sequence[float] | None) -> list[float]:
    if not styles:
        raise ValueError("Style transfer needs at least one style image, got none.")
    weights = [1.0] * len(styles) if weights is None else list(weights)
    if len(weights) != len(styles):
        raise ValueError(
            f"There must be one weight for each style image, got {len(weights)} weights for "
            f"{len(styles)} images."
        )
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"Style weights must be >= 0 and not all 0, got {weights}.")
    return [weight / sum(weights) for weight in weights]


# ---------------------------------------------------------------- why does it look like this?


class StyleMatch(NamedTuple):
    """A patch of a style that a place of the result took after."""

    style: int  # which style image, from 0
    box: tuple[float, float, float, float]  # left, top, right, bottom as shares of its sides
    affinity: float  # CX_ij in [0, 1]


class StyleExplanation:
    """Which style patches each place of a result prefers. Made once, asked many times.

    Args:
        stylized: The result, (1, 3, H, W) in [0, 1].
        styles: The style images, (1, 3, H, W) in [0, 1].
        config: That of the transfer.
        layer: Whose features are compared. None: the deepest style layer.
        features: See `transfer_style`.
    """

    def __init__(
        self,
        stylized: Tensor,
        styles: Sequence[Tensor],
        config: StyleTransferConfig,
        *,
        layer: str | None = None,
        features: Extractor | None = None,
    ) -> None:
        self.layer = layer or check_layers(config.backbone, config.style_layers)[-1]
        self.bandwidth = config.style_bandwidth
        extract = features or load_features(
            config.backbone,
            [self.layer],
            pooling=config.pooling,  # pyright: ignore[reportArgumentType]
            device=stylized.device,
        )
        size = max(stylized.shape[2:])
        with torch.no_grad():
            self.source = extract(stylized)[self.layer]  # (1, C, H', W')
            maps = [extract(fit_long_side(style, size))[self.layer] for style in styles]
            self.targets = [contextual_target(m) for m in maps]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the result's map."""
        return (self.source.shape[2], self.source.shape[3])

    def at(self, x: float, y: float, *, count: int = 5) -> list[StyleMatch]:
        """The strongest matches of a place, best first.

        Args:
            x: Share of the result's width, in [0, 1].
            y: Share of its height, in [0, 1].
            count: How many.
        """
        row, column = self.cell(x, y)
        position = torch.tensor([row * self.grid[1] + column], device=self.source.device)
        matches: list[StyleMatch] = []
        for style, target in enumerate(self.targets):
            affinity = contextual_affinity(
                self.source, target, rows=position, bandwidth=self.bandwidth
            )[0, 0]  # (Py,)
            values, indices = affinity.topk(min(count, len(affinity)))
            matches += [
                StyleMatch(style, box_of(int(i), target.size), float(v))
                for v, i in zip(values, indices, strict=True)
            ]
        return sorted(matches, key=lambda m: -m.affinity)[:count]

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the map under a place of the result."""
        return cell_at(x, y, self.grid)


def load_preset(name: str, **changes: Any) -> StyleTransferConfig:
    """A preset, with some of its options changed.

    Raises:
        ValueError: An unknown preset, or a value that an option may not take.
    """
    if name not in PRESETS:
        raise ValueError(f"Unknown preset {name!r}. There are {', '.join(PRESETS)}.")
    return replace(PRESETS[name], **changes)
