"""Patch similarity: which target features each source feature matches, step by step.

Two pictures become two maps of features. One of them asks: a patch of it is compared with every
patch of the other, and each step of Eqs. 1-4 can be looked at, for one patch or for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import (
    ContextualRows,
    contextual_average,
    contextual_matches,
    contextual_rows,
    contextual_similarity,
    contextual_target,
)
from cxdemo.features import LAYERS, PatchFeatures, check_layers, load_features
from cxdemo.grids import Cell
from cxdemo.images import resize
from cxdemo.options import check_options, option

Extractor = Callable[[Tensor], Mapping[str, Tensor]]

RGB = "rgb"
PATCH_SIZE, PATCH_STRIDE = 5, 2  # pixels; the paper's experiment on misaligned crops
CELLS = 96  # of the longer side at most: all pairs of 9216 positions take a second on a CPU
MULTIPLE = 16  # pixels; sides that are multiples of it are whole cells at every layer
EPS = 1e-5  # of Eq. 2
LOCKED = 1e6  # a place weight that outweighs every distance between features


@dataclass(frozen=True, kw_only=True)
class PatchSimilarityConfig:
    """All that the comparison of patches can be told. Values are checked when it is made."""

    layer: str = option(
        "conv3_2",
        "Features to compare: rgb (patches of 5 x 5 pixels) or a layer of the network. Early "
        "layers see colour and edges, deep ones what a thing is.",
        label="Features",
        choices=(RGB, *LAYERS["vgg19"]),
        advanced=False,
    )
    bandwidth: float = option(
        0.1,
        "h: how much worse than its best match a patch may be and still be wanted. Small: one "
        "choice. Large: anything will do.",
        label="Bandwidth h",
        minimum=0.02,
        maximum=2.0,
        step=0.01,
        advanced=False,
    )
    spatial_weight: float = option(
        0.0,
        "What it costs to look elsewhere: added to the distance of two patches one picture apart. "
        "0 is the paper: anywhere is as good as here.",
        label="Place",
        minimum=0.0,
        maximum=20.0,
        step=0.1,
        advanced=False,
    )
    asks: str = option(
        "source",
        "Which picture's patches ask. The loss lets the source ask, and counts how well each "
        "target patch is wanted.",
        label="Who asks",
        choices=("source", "target"),
        advanced=False,
    )
    size: int = option(
        256,
        "Long side at which features are taken, pixels. Layers with too many positions for it use "
        "a smaller one.",
        label="Picture size",
        minimum=64,
        maximum=512,
        step=64,
    )
    backbone: str = option(
        "vgg16",
        "Network whose features are compared; the papers used vgg19.",
        label="Backbone",
        choices=tuple(LAYERS),
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.layer != RGB:
            check_layers(self.backbone, [self.layer])

    @property
    def stride(self) -> int:
        """Pixels between two positions."""
        return PATCH_STRIDE if self.layer == RGB else LAYERS[self.backbone][self.layer].stride

    @property
    def used_size(self) -> int:
        """Long side in use, pixels: `size`, or what gives `CELLS` positions."""
        return min(self.size, CELLS * self.stride)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Candidate(NamedTuple):
    """A target patch and the four numbers that a source patch sees in it."""

    cell: Cell
    distance: float
    relative: float
    weight: float
    affinity: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one patch sees in the other picture.

    Args:
        cell: The patch that asked.
        steps: Distance, relative distance, weight and affinity, each (Hy, Wy), float32.
        bandwidth: h.
    """

    cell: Cell
    steps: ContextualRows
    bandwidth: float

    @cached_property
    def nearest(self) -> float:
        """min_k d_ik."""
        return float(self.steps.distance.min())

    @property
    def temperature(self) -> float:
        """Bandwidth times the measure, h (min_k d_ik + eps): so much further, e times less."""
        return self.bandwidth * (self.nearest + EPS)

    @cached_property
    def candidates(self) -> float:
        """Number of equal candidates that would be as undecided: exp of the row's entropy."""
        return float(torch.special.entr(self.steps.affinity.double()).sum().exp())

    def at(self, cell: Cell) -> Candidate:
        """The numbers of one target patch."""
        return Candidate(cell, *(float(step[cell]) for step in self.steps))

    def best(self, count: int = 5) -> list[Candidate]:
        """The nearest target patches, best first."""
        flat = self.steps.distance.flatten()
        indices = flat.topk(min(count, len(flat)), largest=False).indices
        width = self.steps.distance.shape[1]
        return [self.at(divmod(int(index), width)) for index in indices]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What all patches see, and what the loss makes of it.

    Args:
        choice: For each source patch the target patch it likes best, (Hx, Wx), row by row.
        choice_affinity: Its CX_ij, (Hx, Wx).
        winner: For each target patch the source patch that wants it most, (Hy, Wy): the maximum of
            Eq. 1.
        won_affinity: Its CX_ij, (Hy, Wy). Their mean is CX(x, y).
    """

    choice: Tensor
    choice_affinity: Tensor
    winner: Tensor
    won_affinity: Tensor

    @cached_property
    def similarity(self) -> float:
        """CX(x, y), Eq. 1: how well the targets are wanted."""
        return float(self.won_affinity.mean())

    @property
    def loss(self) -> float:
        """-log CX(x, y), Eq. 5."""
        return 0 - math.log(self.similarity)  # a plain minus would show CX = 1 as -0.0

    @cached_property
    def satisfaction(self) -> float:
        """mean_i max_j CX_ij: how well the sources are served. Not the paper's loss."""
        return float(self.choice_affinity.mean())

    @cached_property
    def hubs(self) -> Tensor:
        """How often each target patch is chosen, (Hy, Wy), integers that sum to Hx Wx."""
        count = torch.bincount(self.choice.flatten(), minlength=self.winner.numel())
        return count.view(self.winner.shape)

    @property
    def claimed(self) -> float:
        """Share of the target patches that are the first choice of some source patch."""
        return float((self.hubs > 0).float().mean())

    @property
    def distinct(self) -> float:
        """Share of first choices that differ: 1 when no two source patches choose the same."""
        return int((self.hubs > 0).sum()) / self.choice.numel()

    def strongest(self, count: int, *, apart: int = 0) -> list[tuple[Cell, Cell, float]]:
        """Mutual first choices with the highest affinity: source cell, target cell, CX_ij.

        Affinities that differ by less than 0.001 count as equal, and come in a fixed random order:
        of a thousand sure matches the first in reading order would all lie in the top row.

        Args:
            count: How many at most.
            apart: Cells that two source patches of the list keep between them.
        """
        source = torch.arange(self.choice.numel()).view(self.choice.shape)
        mutual = self.winner.flatten()[self.choice] == source  # (Hx, Wx)
        strength = self.choice_affinity.where(mutual, -1).flatten()
        shuffled = torch.randperm(len(strength), generator=torch.Generator().manual_seed(0))
        order = (strength[shuffled] * 1000).round().argsort(descending=True, stable=True)
        found: list[tuple[Cell, Cell, float]] = []
        for index in shuffled[order].tolist():
            if strength[index] < 0 or len(found) == count:
                break
            cell = divmod(index, self.choice.shape[1])
            if all(_chessboard(cell, other) > apart for other, _, _ in found):
                target = divmod(int(self.choice[cell]), self.winner.shape[1])
                found.append((cell, target, float(strength[index])))
        return found


class PatchSimilarity:
    """Two maps of features and the questions that can be asked of them. Made once, asked often.

    Args:
        x: Features of the picture that asks, (1, C, Hx, Wx).
        y: Features of the picture that is asked, (1, C, Hy, Wy).

    Cost:
        `ask` compares one row; `survey` and `blend` compare all, in memory that grows with the
        positions of one picture only.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x = x
        self.y = y
        self._target = contextual_target(y)

    @property
    def grids(self) -> tuple[Cell, Cell]:
        """Rows and columns of x and of y."""
        return (self.x.shape[2], self.x.shape[3]), (self.y.shape[2], self.y.shape[3])

    def ask(self, cell: Cell, config: PatchSimilarityConfig) -> Answer:
        """What the patch at a row and column of x sees in y.

        Raises:
            ValueError: The cell lies outside of x.
        """
        rows, columns = self.grids[0]
        if not (0 <= cell[0] < rows and 0 <= cell[1] < columns):
            raise ValueError(
                f"Row {cell[0]}, column {cell[1]} lies outside of the map of {rows} rows and "
                f"{columns} columns. Both count from 0."
            )
        row = torch.tensor([cell[0] * columns + cell[1]], device=self.x.device)
        steps = contextual_rows(self.x, self._target, rows=row, **_options(config))
        maps = ContextualRows(*(step[0, 0].view(self.grids[1]).cpu() for step in steps))
        return Answer(cell=cell, steps=maps, bandwidth=config.bandwidth)

    def survey(
        self, config: PatchSimilarityConfig, *, spatial_weight: float | None = None
    ) -> Survey:
        """What all patches see.

        Args:
            config: Bandwidth and place.
            spatial_weight: In place of the configuration's; `LOCKED` allows the same place alone.
        """
        options = _options(config)
        if spatial_weight is not None:
            options["spatial_weight"] = spatial_weight
        matches = contextual_matches(self.x, self._target, **options)
        x_grid, y_grid = self.grids
        return Survey(
            choice=matches.target_of_source[0].view(x_grid).cpu(),
            choice_affinity=matches.source_affinity[0].view(x_grid).cpu(),
            winner=matches.source_of_target[0].view(y_grid).cpu(),
            won_affinity=matches.target_affinity[0].view(y_grid).cpu(),
        )

    def blend(self, values: Tensor, config: PatchSimilarityConfig) -> Tensor:
        """Values of y as x sees them: their mean with the weights CX_ij.

        Shape:
            values: (1, V, Hy, Wy). Returns (1, V, Hx, Wx).
        """
        values = values.to(self.x.device)
        return contextual_average(self.x, self._target, values, **_options(config)).cpu()

    def same_place(self) -> Tensor:
        """Distance of each patch of x to the patch of y at the same place, (Hx, Wx).

        Its mean is a perceptual loss in the cosine form: the same distance as the Contextual
        Loss's, but with the partner given by place instead of chosen.
        """
        (rows, columns), (y_rows, y_columns) = self.grids
        here = torch.cartesian_prod(
            _same_share(rows, y_rows), _same_share(columns, y_columns)
        )  # (Px, 2)
        y = self.y[:, :, here[:, 0], here[:, 1]].unflatten(2, (rows, columns))  # (1, C, Hx, Wx)
        mean = self.y.mean(dim=(2, 3), keepdim=True)
        cosine = F.cosine_similarity(self.x - mean, y - mean, dim=1)  # (1, Hx, Wx)
        return (1 - cosine)[0].clamp(min=0).cpu()


class LayerScore(NamedTuple):
    """The contextual similarity of one layer, beside what it can be compared with."""

    layer: str
    similarity: float  # CX(x, y)
    itself: float  # CX(y, y): what a perfect copy gets
    shuffled: float  # CX(x with its pixels shuffled, y): what colours alone get
    floor: float  # 1 / Py: what no preference at all gets
    positions: int  # Py
    size: int  # long side in use, pixels


def fit_picture(image: Tensor, config: PatchSimilarityConfig) -> Tensor:
    """The image at the size in use, with sides that are whole cells at every layer.

    Shape:
        image: (1, 3, H, W) in [0, 1]. Returns (1, 3, H', W'), multiples of 16, the longer one
        `config.used_size` rounded down to such a multiple.
    """
    height, width = image.shape[2:]
    scale = config.used_size / max(height, width)
    sides = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width)]
    return resize(image, (sides[0], sides[1]))


@torch.no_grad()
def extract_map(
    image: Tensor, config: PatchSimilarityConfig, *, features: Extractor | None = None
) -> Tensor:
    """The features of a picture that the comparison uses.

    Args:
        image: The picture.
        config: Which features, at what size.
        features: Extractor of the layer. None: the checkpoint's.

    Shape:
        image: (1, 3, H, W) in [0, 1]. Returns (1, C, H', W'), whose cells tile the picture.

    Raises:
        CheckpointError: The layer's parameters cannot be had.
    """
    fitted = fit_picture(image, config)
    if config.layer == RGB:
        return patch_map(fitted)
    extract = features or load_features(config.backbone, [config.layer], device=image.device)
    return extract(fitted)[config.layer]


def patch_map(image: Tensor) -> Tensor:
    """RGB patches around every second pixel; the border is repeated, so that cells tile the image.

    Shape:
        image: (1, 3, H, W), even sides. Returns (1, 75, H / 2, W / 2).
    """
    before, after = PATCH_SIZE // 2, PATCH_SIZE // 2 - PATCH_STRIDE + 1
    padded = F.pad(image, (before, after, before, after), mode="replicate")
    return PatchFeatures(size=PATCH_SIZE, stride=PATCH_STRIDE)(padded)[RGB]


def mean_colors(image: Tensor, grid: Cell) -> Tensor:
    """The mean colour of each cell: (1, 3, H, W) -> (1, 3, *grid)."""
    return F.adaptive_avg_pool2d(image, grid)


def redraw(
    pair: PatchSimilarity, y_image: Tensor, survey: Survey, config: PatchSimilarityConfig
) -> tuple[Tensor, Tensor]:
    """The picture of x drawn with what it matches in y: softly, and with its best patches.

    Args:
        pair: The two maps.
        y_image: The picture of y as `fit_picture` gave it.
        survey: Of the pair.
        config: Of the survey.

    Shape:
        y_image: (1, 3, H, W). Returns (1, 3, Hx, Wx), the mean of the cells' colours with the
        weights CX_ij; and (1, 3, Hx s, Wx s), the best cells with all their pixels, for cells of s
        pixels.
    """
    (rows, columns), y_grid = pair.grids
    soft = pair.blend(mean_colors(y_image, y_grid), config)
    side = y_image.shape[2] // y_grid[0]
    cells = F.unfold(y_image.cpu(), side, stride=side)  # (1, 3 s s, Py)
    hard = F.fold(
        cells[:, :, survey.choice.flatten()], (rows * side, columns * side), side, stride=side
    )  # (1, 3, Hx s, Wx s)
    return soft, hard


def compare_layers(
    source: Tensor,
    target: Tensor,
    config: PatchSimilarityConfig,
    layers: Sequence[str],
    *,
    load: Callable[[str], Extractor | None] | None = None,
    cells: int = 64,
) -> Iterator[LayerScore]:
    """CX(x, y) of each layer beside its own references; yields as they are computed.

    Values of two layers are not comparable with each other, nor are values of two sizes: features
    of natural pictures differ in how spread out they are. Compare each with its references.

    Args:
        source: A picture; it is x.
        target: A picture; it is y.
        config: Bandwidth, place and size.
        layers: Which layers, `"rgb"` among them.
        load: Gives the extractor of a layer; None: the checkpoint's.
        cells: Of the longer side at most; finer layers are taken at a smaller size.

    Shape:
        source, target: (1, 3, H, W) in [0, 1].
    """
    shuffled = shuffle_pixels(source)
    for layer in layers:
        asked = PatchSimilarityConfig(**{**config.as_dict(), "layer": layer})
        size = min(asked.size, cells * asked.stride)
        asked = PatchSimilarityConfig(**{**asked.as_dict(), "size": max(64, size)})
        extract = load(layer) if load else None
        x, y, noise = (
            extract_map(picture, asked, features=extract) for picture in (source, target, shuffled)
        )
        goal = contextual_target(y)
        similarity, itself, chance = (
            float(contextual_similarity(z, goal, **_options(asked))) for z in (x, y, noise)
        )
        positions = y.shape[2] * y.shape[3]
        yield LayerScore(
            layer, similarity, itself, chance, 1 / positions, positions, asked.used_size
        )


def shuffle_pixels(image: Tensor, *, seed: int = 0) -> Tensor:
    """The image with its pixels in a random order: all of its colours, none of its patches."""
    order = torch.randperm(
        image.shape[2] * image.shape[3], generator=torch.Generator().manual_seed(seed)
    )
    return image.flatten(2)[:, :, order.to(image.device)].view_as(image)


def _options(config: PatchSimilarityConfig) -> dict[str, Any]:
    """Of the core."""
    return {
        "bandwidth": config.bandwidth,
        "spatial_weight": config.spatial_weight,
        "eps": EPS,
    }


def _same_share(cells: int, others: int) -> Tensor:
    """For each of the cells of a side the one of the other side that its centre falls into."""
    return ((torch.arange(cells) + 0.5) * others / cells).long()


def _chessboard(a: Cell, b: Cell) -> int:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))
