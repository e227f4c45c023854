"""What a style transfer minimises at one size: on hypercolumns, or on whole maps as the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import ContextualTarget, contextual_loss, contextual_target
from cxdemo.grids import Box
from cxdemo.hypercolumns import COLORS, WHOLE, fit_hypercolumns, moved_grid, read_at
from cxdemo.images import fit_long_side
from cxdemo.optimize import total_variation
from cxdemo.palette import color_emd
from cxdemo.pipelines.style_transfer.config import StyleTransferConfig

Extractor = Callable[[Tensor], Mapping[str, Tensor]]

DIMENSIONS = 128  # of a hypercolumn, once projected
GRIDS = 8  # grids of the style and of the content that a size takes turns with
CONTENT_POSITIONS = 600
FACE_POSITIONS = 400
FULL_SIZE = 512  # pixels at which weights and numbers of positions are as configured
COARSER = 2 / 3  # power of the size by which the content weighs more at smaller sizes
SELF_SIMILARITY = 4.0  # brings the term to the scale of the Contextual Loss
WINDOW = 1 / 36  # radius of the window in which a place counts as flat, by the long side
FLAT = 0.06  # standard deviation of the colours in it at which a place counts half


class HypercolumnObjective:
    """The terms of a style transfer at one size, on hypercolumns at positions that move.

    - style: the Contextual Loss of the picture's hypercolumns to the style's, and its opposite
      direction, which gives every place a patch (Eq. 1 leaves places alone that no patch claims);
    - content: how far the picture's self-similarity is from the content's, in each content layer,
      and over each face in the middle one. Over the whole picture, cosines are of centred features
      and places count by what the content shows there: of flat grounds, raw cosines repeat the
      noise, and a style without flat tones answers with grain;
    - palette: a relaxed earth mover's distance of colours;
    - smoothness: total variation.

    Called with an image (1, 3, H, W), gives the weighted terms by name; each call samples anew.

    Args:
        content: At this size.
        styles: At any size.
        shares: Of the styles, summing to 1.
        config: See `StyleTransferConfig`.
        features: Gives the maps of `config.layers`.
        faces: Parts of the content in which faces are, with some room.
        generator: Draws the positions, on the CPU.

    Source:
        Self-similarity, hypercolumns and palette: Kolkin et al., arXiv:1904.12785, there with a
        relaxed earth mover's distance in place of the Contextual Loss.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Tensor],
        shares: Sequence[float],
        config: StyleTransferConfig,
        features: Extractor,
        *,
        faces: Sequence[Box] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        self.config = config
        self.features = features
        self.shares = shares
        self.generator = generator or torch.Generator().manual_seed(config.seed)
        size = max(content.shape[2:])
        self.count = count_positions(config, size)
        self.content_weight = config.content_weight * (FULL_SIZE / size) ** COARSER
        layers = (*config.style_layers, COLORS)
        with torch.no_grad():
            scaled = [fit_long_side(style, size) for style in styles]
            maps = [{**features(style), COLORS: style} for style in scaled]
            grids = [[self._grid(style) for _ in range(GRIDS)] for style in scaled]
            self.columns = fit_hypercolumns(
                maps, layers, [turns[0] for turns in grids], dimensions=DIMENSIONS
            )
            self.targets = [
                [self.columns.read(m, grid) for grid in turns]
                for m, turns in zip(maps, grids, strict=True)
            ]  # for each style and turn (1, K, 1, P)
            self.palettes = [
                [read_at(style, grid) for grid in turns]
                for style, turns in zip(scaled, grids, strict=True)
            ]
            self.similarities = self._similarities(content, faces)
        self.calls = 0

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(1, 3, H, W) -> the weighted terms, each ()."""
        c = self.config
        turn = self.calls % GRIDS
        self.calls += 1
        maps = {**self.features(image), COLORS: image}
        grid = self._grid(image)
        columns, colors = self.columns.read(maps, grid), read_at(image, grid)
        style = image.new_zeros(())
        palette = image.new_zeros(())
        for share, targets, palettes in zip(self.shares, self.targets, self.palettes, strict=True):
            style = style + share * self._style(columns, targets[turn])
            if c.palette_weight:
                palette = palette + share * color_emd(colors, palettes[turn])
        smoothness = total_variation(image) if c.tv_weight else image.new_zeros(())
        return {
            "style": c.style_weight * c.style_strength * style,
            "content": self.content_weight * self._content(maps, turn),
            "palette": c.palette_weight * c.style_strength * palette,
            "smoothness": c.tv_weight * smoothness,
        }

    def _style(self, columns: Tensor, target: Tensor) -> Tensor:
        h, share = self.config.style_bandwidth, self.config.symmetry
        loss = columns.new_zeros(())
        if share < 1:
            loss = loss + (1 - share) * contextual_loss(columns, target, bandwidth=h)
        if share > 0:
            loss = loss + share * contextual_loss(target, columns, bandwidth=h)
        return loss

    def _content(self, maps: Mapping[str, Tensor], turn: int) -> Tensor:
        total = torch.zeros((), device=maps[COLORS].device)
        for part in self.similarities:
            grid, pairs, wanted = part.turns[turn]
            for name in part.layers:
                found = self_similarity(read_at(maps[name], grid), centred=part.centred)
                difference = ((found - wanted[name]).abs() * pairs).mean()
                total = total + part.weight / len(part.layers) * difference
        return SELF_SIMILARITY * total

    def _similarities(self, content: Tensor, faces: Sequence[Box]) -> list[Similarities]:
        """What the content term wants, of the whole picture and of each face."""
        layers, everywhere = self.config.content_layers, torch.ones_like(content[:, :1])
        maps, shown = self.features(content), structure(content)
        whole = self._similarity(maps, shown, WHOLE, CONTENT_POSITIONS, 1.0, layers, centred=True)
        if not self.config.face_weight:
            return [whole]
        # Shallow layers would keep the brush away from faces, deep ones are too coarse.
        middle, weight = layers[len(layers) // 2 :][:1], self.config.face_weight
        return [whole] + [
            self._similarity(maps, everywhere, box, FACE_POSITIONS, weight, middle, centred=False)
            for box in faces
        ]

    def _similarity(
        self,
        maps: Mapping[str, Tensor],
        shown: Tensor,
        box: Box,
        count: int,
        weight: float,
        layers: Sequence[str],
        *,
        centred: bool,
    ) -> Similarities:
        height, width = shown.shape[2:]
        turns: list[Turn] = []
        for _ in range(GRIDS):
            grid = moved_grid(height, width, count, self.generator, box=box)
            places = read_at(shown, grid).flatten()  # (P,)
            places = places / places.mean().clamp_min(1e-6)
            wanted = {
                name: self_similarity(read_at(maps[name], grid), centred=centred) for name in layers
            }
            turns.append((grid, torch.outer(places, places), wanted))
        return Similarities(weight=weight, layers=layers, centred=centred, turns=turns)

    def _grid(self, image: Tensor) -> Tensor:
        return moved_grid(image.shape[2], image.shape[3], self.count, self.generator)


Turn = tuple[Tensor, Tensor, dict[str, Tensor]]
"""Positions, the weights of their pairs (P, P), and the self-similarity wanted of each layer."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Similarities:
    """A part of the content term: its weight and layers, and what is wanted, turn by turn."""

    weight: float
    layers: Sequence[str]
    centred: bool
    turns: list[Turn]


def count_positions(config: StyleTransferConfig, size: int) -> int:
    """How many positions are sampled from pictures of a long side, in pixels."""
    return round(config.num_positions * min(2.0, max(1 / 3, size / FULL_SIZE)))


def self_similarity(columns: Tensor, *, centred: bool = False) -> Tensor:
    """Cosines of all pairs of positions, about their mean if centred: (1, C, 1, P) -> (P, P)."""
    vectors = columns[0, :, 0]  # (C, P)
    if centred:
        vectors = vectors - vectors.mean(dim=1, keepdim=True)
    unit = F.normalize(vectors, dim=0)
    return unit.mT @ unit


def structure(image: Tensor) -> Tensor:
    """How much a picture shows at each place: 0 where it is flat or blurred, towards 1 at edges.

    v / (v + FLAT^2), v the variance of the colours in a window about the place.

    Shape:
        - image: (1, 3, H, W) in [0, 1]; returns (1, 1, H, W) in [0, 1).
    """
    radius = max(1, round(WINDOW * max(image.shape[2:])))
    mean, square = (_window_mean(values, radius) for values in (image, image.square()))
    variance = (square - mean.square()).clamp_min(0).mean(dim=1, keepdim=True)
    return variance / (variance + FLAT**2)


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    """Means of windows, of which what lies outside the picture is no part; same shape."""
    side = 2 * radius + 1
    return F.avg_pool2d(maps, side, 1, padding=radius, count_include_pad=False)


class MapObjective:
    """The terms of a style transfer at one size on whole maps, layer by layer, as in the paper.

    The style term and the content term are Contextual Losses. Called with an image (1, 3, H, W),
    gives the weighted terms by name.

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
            self.scaled = [fit_long_side(style, size) for style in styles]
            self.content = self._targets(self._content_maps(features(content)))
            self.styles = [self._targets(self._style_maps(features(s))) for s in self.scaled]

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

    def _palette(self, image: Tensor) -> Tensor | float:
        if not self.config.palette_weight:
            return 0.0
        small = fit_long_side(image, COLOR_SIDE)
        return sum(
            share * color_emd(small, fit_long_side(style, COLOR_SIDE))
            for share, style in zip(self.shares, self.scaled, strict=True)
        )


COLOR_SIDE = 48  # pixels of the long side at which whole pictures' colours are compared


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
