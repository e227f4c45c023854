"""Matches against the truth: pairs of photographs in which it is known what lies where.

    python -m cxdemo bench match --pairs FOLDER

A place is (x, y) as shares of width and height, from the top left, so that it survives every change
of size. A truth is a function from places of one picture to places of the other: NaN where the
match lies outside, is hidden, or was not measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.features import load_features
from cxdemo.pipelines.patch_similarity import (
    RGB,
    Cell,
    Extractor,
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)

Disparity = NDArray[np.float64]  # (H, W), pixels, NaN where not known
Truth = Callable[[Tensor], Tensor]  # (P, 2) places of one picture -> (P, 2) of the other

TOLERANCE = 2.0  # cells; a match is right when its centre is no further from the true place
NEAR = 1 / 32  # of the long side: 8 pixels of 256, the same at every layer
LAYERS = (
    RGB, "conv1_2", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_2", "conv4_3", "conv5_1",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two photographs, and where each place of one lies in the other.

    Args:
        name: What tables call it.
        source: (1, 3, H, W) in [0, 1].
        target: (1, 3, H, W) in [0, 1].
        to_target: Places of the source in the target.
        to_source: Places of the target in the source.
    """

    name: str
    source: Tensor
    target: Tensor
    to_target: Truth
    to_source: Truth


class Score(NamedTuple):
    """Shares of right matches of one layer, each among the positions with a known true place.

    The first three are of the source positions, which choose a target position; the others are of
    the target positions, for each of which a source position is found.
    """

    layer: str
    grid: Cell  # of the target
    chance: float  # what a blind guess gets
    same_place: float  # the target position at the same place
    cosine: float  # the nearest target position by the cosine of the features as they are
    choice: float  # argmax_j CX_ij: the nearest by the cosine of the features less mu
    same_source: float  # the source position at the same place
    asked_cosine: float  # the nearest source position by the cosine of the features as they are
    winner: float  # argmax_i CX_ij: the maximum of Eq. 1
    surest_cosine: float  # asked_cosine, of the quarter with the largest cosine
    surest_winner: float  # winner, of the quarter with the largest CX_ij
    near: float  # winner, within `NEAR` whatever the layer


# ------------------------------------------------------------------------------ what is true


def homography_truth(matrix: NDArray[np.float64], source: Cell, target: Cell) -> Truth:
    """Places in the target by a homography between pixels.

    Args:
        matrix: (3, 3); maps (x, y, 1) of the source to the target. Pixel centres are integers.
        source: Height and width of the picture whose pixels it maps, in pixels.
        target: Height and width of the picture that it maps to.
    """
    from_shares, to_shares = _pixels_of_shares(source), np.linalg.inv(_pixels_of_shares(target))
    whole = torch.from_numpy(to_shares @ matrix @ from_shares)  # (3, 3), shares to shares

    def truth(places: Tensor) -> Tensor:
        mapped = F.pad(places.double(), (0, 1), value=1.0) @ whole.mT  # (P, 3)
        shares = mapped[:, :2] / mapped[:, 2:]
        return _inside(shares.where(mapped[:, 2:] > 0, math.nan))

    return truth


def shift_truth(disparity: Disparity, *, sign: int) -> Truth:
    """Places by a map of horizontal shifts, as a rectified stereo pair has.

    Args:
        disparity: (H, W), pixels; NaN where it is not known.
        sign: -1 from the left picture to the right one, 1 from right to left.
    """
    known = torch.from_numpy(disparity.astype(np.float64))
    height, width = disparity.shape

    def truth(places: Tensor) -> Tensor:
        rows = (places[:, 1] * height).long().clamp(0, height - 1)
        columns = (places[:, 0] * width).long().clamp(0, width - 1)
        x = places[:, 0].double() + sign * known[rows, columns] / width
        return _inside(torch.stack((x, places[:, 1].double()), dim=1))

    return truth


def see_from_right(left: Disparity) -> Disparity:
    """The disparities of the right picture, from those of the left one: (H, W) -> (H, W).

    Where several left pixels fall on one right pixel the nearest surface, which has the largest
    disparity, hides the others. NaN where none falls.
    """
    rows, columns = np.nonzero(np.isfinite(left))
    shifts = left[rows, columns]
    landed = np.rint(columns - shifts).astype(int)
    there = (landed >= 0) & (landed < left.shape[1])
    right = np.full(left.shape, -np.inf)
    np.maximum.at(right, (rows[there], landed[there]), shifts[there])
    return np.where(np.isfinite(right), right, np.nan)


def drop_hidden(left: Disparity, right: Disparity) -> Disparity:
    """The left disparities without those of places that something hides in the right picture."""
    rows, columns = np.nonzero(np.isfinite(left))
    landed = np.rint(columns - left[rows, columns]).astype(int)
    landed = landed.clip(0, left.shape[1] - 1)
    hidden = right[rows, landed] > left[rows, columns] + 1
    seen = left.astype(np.float64)
    seen[rows[hidden], columns[hidden]] = np.nan
    return seen


def _pixels_of_shares(size: Cell) -> NDArray[np.float64]:
    """Shares to pixels whose centres are integers: (3, 3)."""
    height, width = size
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], dtype=np.float64)


def _inside(places: Tensor) -> Tensor:
    """Places in the picture; the others become NaN."""
    inside = ((places >= 0) & (places < 1)).all(dim=1, keepdim=True)
    return places.where(inside, math.nan)


# ------------------------------------------------------------------------------ pairs on disk


def load_pairs(folder: Path) -> list[Pair]:
    """All pairs that a folder holds.

    Raises:
        ValueError: It holds none.
    """
    held = _files(folder)
    loaded = [known.load(folder) for known in LOADERS.values() if known.needs <= held]
    if not loaded:
        wanted = "; ".join(f"{name}: {', '.join(sorted(x.needs))}" for name, x in LOADERS.items())
        raise ValueError(
            f"{folder} holds no pair with a known truth. Put all files of one into it: {wanted}."
        )
    return loaded


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


class Loader(NamedTuple):
    """How a pair is read."""

    needs: frozenset[str]
    load: Callable[[Path], Pair]


def load_homography_pair(name: str, source: Path, target: Path, matrix: Path) -> Pair:
    """Two photographs of a plane, and an OpenCV file with the homography between them."""
    x, y = (images.to_tensor(images.load(path)) for path in (source, target))
    h = read_matrix(matrix)
    x_size, y_size = (x.shape[2], x.shape[3]), (y.shape[2], y.shape[3])
    return Pair(
        name=name,
        source=x,
        target=y,
        to_target=homography_truth(h, x_size, y_size),
        to_source=homography_truth(np.linalg.inv(h).astype(np.float64), y_size, x_size),
    )


def make_stereo_pair(name: str, left: Path, right: Path, disparity: Disparity) -> Pair:
    """A rectified pair and the disparities of its left picture, NaN where not known."""
    mirrored = see_from_right(disparity)
    return Pair(
        name=name,
        source=images.to_tensor(images.load(left)),
        target=images.to_tensor(images.load(right)),
        to_target=shift_truth(drop_hidden(disparity, mirrored), sign=-1),
        to_source=shift_truth(mirrored, sign=1),
    )


def read_matrix(path: Path) -> NDArray[np.float64]:
    """The 3 x 3 matrix of an OpenCV XML file."""
    found = re.search(r"<data>([^<]*)</data>", path.read_text(encoding="utf-8"))
    numbers = [float(word) for word in found[1].split()] if found else []
    if len(numbers) != 9:
        raise ValueError(f"{path.name} must hold a 3 x 3 matrix, but has {len(numbers)} numbers.")
    return np.array(numbers).reshape(3, 3)


def _load_graffiti(folder: Path) -> Pair:
    return load_homography_pair(
        "Graffiti", folder / "graf1.png", folder / "graf3.png", folder / "H1to3p.xml"
    )


def _load_aloe(folder: Path) -> Pair:
    """Its disparities are pixels at full size; 0 says that they are not known."""
    with Image.open(folder / "aloeGT.png") as picture:
        levels = np.asarray(picture, dtype=np.float64)
    disparity = np.where(levels > 0, levels, np.nan)
    return make_stereo_pair("Aloe", folder / "aloeL.jpg", folder / "aloeR.jpg", disparity)


def _load_motorcycle(folder: Path) -> Pair:
    """Its disparities are pixels; infinite where they are not known."""
    with np.load(folder / "motorcycle_disp.npz") as data:
        values = data["arr_0"].astype(np.float64)
    disparity = np.where(np.isfinite(values), values, np.nan)
    left, right = folder / "motorcycle_left.png", folder / "motorcycle_right.png"
    return make_stereo_pair("Motorcycle", left, right, disparity)


LOADERS: Mapping[str, Loader] = {
    "Graffiti": Loader(frozenset({"graf1.png", "graf3.png", "H1to3p.xml"}), _load_graffiti),
    "Aloe": Loader(frozenset({"aloeL.jpg", "aloeR.jpg", "aloeGT.png"}), _load_aloe),
    "Motorcycle": Loader(
        frozenset({"motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz"}),
        _load_motorcycle,
    ),
}


# ---------------------------------------------------------------------------- right or wrong


def cell_centres(grid: Cell) -> Tensor:
    """Places of the cells of a map, row by row: (P, 2), float64."""
    y, x = (torch.arange(n, dtype=torch.float64).add(0.5) / n for n in grid)
    return torch.cartesian_prod(y, x).flip(1)  # (P, 2): x, y


def judge(
    found: Tensor, truth: Truth, grid: Cell, other: Cell, *, tolerance: float = TOLERANCE
) -> Tensor:
    """Of each cell of a map, whether its match is right: 1 or 0, NaN where nobody knows.

    Args:
        found: For each cell of `grid` a cell of `other`, row by row.
        truth: From the picture of `grid` to that of `other`.
        grid: Rows and columns of the map that asks.
        other: Rows and columns of the map that is asked.
        tolerance: Cells of `other` up to which a match is right.

    Shape:
        found: (P,), integers. Returns (P,), float64.
    """
    sides = torch.tensor([other[1], other[0]], dtype=torch.float64)  # x, y
    away = (cell_centres(other)[found] - truth(cell_centres(grid))) * sides  # (P, 2), cells
    distance = torch.linalg.vector_norm(away, dim=1)  # (P,), NaN where unknown
    return (distance <= tolerance).double().where(~distance.isnan(), math.nan)


def nearest_neighbours(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The y_j with the largest cosine, for each x_i, as the field does it: nothing is centred.

    Shape:
        x: (1, C, Hx, Wx), y: (1, C, Hy, Wy). Returns indices and cosines, each (Px,).
    """
    a, b = (F.normalize(z[0].flatten(1), dim=0) for z in (x, y))  # (C, Px), (C, Py)
    blocks = [(block.mT @ b).max(dim=1) for block in a.split(512, dim=1)]  # of (512, Py)
    return torch.cat([block.indices for block in blocks]), torch.cat([b.values for b in blocks])


def same_place(grid: Cell, other: Cell) -> Tensor:
    """The cell of another map that the centre of each cell falls into: (P,)."""
    x, y = cell_centres(grid).unbind(dim=1)
    return (y * other[0]).long() * other[1] + (x * other[1]).long()


def score_pair(
    pair: Pair, config: PatchSimilarityConfig, *, features: Extractor | None = None
) -> Score:
    """How often each way of matching is right, at one layer."""
    x, y = (extract_map(z, config, features=features) for z in (pair.source, pair.target))
    similarity = PatchSimilarity(x, y)
    survey = similarity.survey(config)
    here, there = similarity.grids

    def right(found: Tensor) -> float:
        return float(judge(found, pair.to_target, here, there).nanmean())

    def asked(found: Tensor) -> Tensor:
        return judge(found, pair.to_source, there, here)  # (Py,)

    cosine, cosines = nearest_neighbours(y, x)
    asked_cosine, winner = asked(cosine), asked(survey.winner.flatten())
    return Score(
        layer=config.layer,
        grid=there,
        chance=min(1.0, math.pi * TOLERANCE**2 / math.prod(there)),
        same_place=right(same_place(here, there)),
        cosine=right(nearest_neighbours(x, y)[0]),
        choice=right(survey.choice.flatten()),
        same_source=float(asked(same_place(there, here)).nanmean()),
        asked_cosine=float(asked_cosine.nanmean()),
        winner=float(winner.nanmean()),
        surest_cosine=surest(asked_cosine, cosines),
        surest_winner=surest(winner, survey.won_affinity.flatten()),
        near=float(
            judge(
                survey.winner.flatten(), pair.to_source, there, here, tolerance=NEAR * max(here)
            ).nanmean()
        ),
    )


def surest(judged: Tensor, confidence: Tensor, *, share: float = 0.25) -> float:
    """The share of right matches among those of which a matcher is surest.

    Shape:
        judged: (P,), what `judge` says; confidence: (P,).
    """
    known = ~judged.isnan()
    order = confidence[known].argsort(descending=True, stable=True)
    count = max(1, round(share * len(order)))
    return float(judged[known][order[:count]].mean())


def score_layers(
    pair: Pair, config: PatchSimilarityConfig, layers: tuple[str, ...] = LAYERS
) -> Iterator[Score]:
    """One score for each layer, in float32 on every machine."""
    for layer in layers:
        asked = PatchSimilarityConfig(**{**config.as_dict(), "layer": layer})
        features = None
        if layer != RGB:
            features = load_features(asked.backbone, [layer], dtype=torch.float32)
        yield score_pair(pair, asked, features=features)


# --------------------------------------------------------------------------------- the table

COLUMNS = (
    "| layer | cells | blind guess | source: same place | cosine | CX choice "
    "| target: same place | cosine | CX winner | surest quarter: cosine | CX winner "
    "| winner within 8 px |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def line(score: Score) -> str:
    """One row of the table, in Markdown and percent; the best of each group is bold."""
    groups = (
        (score.same_place, score.cosine, score.choice),
        (score.same_source, score.asked_cosine, score.winner),
        (score.surest_cosine, score.surest_winner),
    )
    cells = [
        score.layer,
        f"{score.grid[1]} × {score.grid[0]}",
        f"{100 * score.chance:.1f}",
        *(text for group in groups for text in _bold_best(group)),
        f"{100 * score.near:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _bold_best(shares: Sequence[float]) -> list[str]:
    texts = [f"{100 * share:.1f}" for share in shares]
    best = f"{100 * max(shares):.1f}"
    return [f"**{text}**" if text == best else text for text in texts]
