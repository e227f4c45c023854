"""Landmarks carried from face to face: how often an eye finds an eye, by layer.

    python -m cxdemo bench match --faces

The faces are those that the finder sees in the photos and paintings of `cxdemo/examples`. Its mesh
says where the same 30 points lie in each of them, so that a match of one such point can be judged.
Errors are in eye distances of the face in which the match lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cxdemo import images
from cxdemo.bench.geometry import cell_centres
from cxdemo.faces import Face, FaceFinder, Square
from cxdemo.features import load_features
from cxdemo.grids import Cell
from cxdemo.pipelines.patch_similarity import PatchSimilarity, PatchSimilarityConfig, extract_map

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LAYERS = ("conv3_2", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3")

RIGHT = (33, 133, 159, 145, 70, 105, 107, 61, 48, 50, 205)
"""Points of the person's right side: corners and lids of the eye, brow, mouth, nostril, cheek."""
LEFT = (263, 362, 386, 374, 300, 334, 336, 291, 278, 280, 425)
MIDDLE = (10, 168, 4, 1, 0, 13, 17, 152)
"""Points of the middle from top to bottom: forehead, nose, lips, chin."""
POINTS = RIGHT + LEFT + MIDDLE
SPREAD = 5.0  # side of a crop, in eye distances
DOWN = 0.42  # of the eyes from the top of a crop, in its sides
SIZE = 256  # of a crop, pixels


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A face with what is around it, and where its points lie.

    Args:
        name: Of its picture.
        image: (1, 3, S, S) in [0, 1].
        places: (30, 2), of `POINTS` in shares of the crop; NaN where a point can't be seen.
        unit: The distance of the eyes, as a share of the crop's side.
    """

    name: str
    image: Tensor
    places: Tensor
    unit: float


class Score(NamedTuple):
    """How well one way of matching carries points."""

    close: float  # share within 0.2 eye distances
    right: float  # share within 0.4
    median: float  # error, in eye distances


class LayerScores(NamedTuple):
    """Both directions of the match at one layer."""

    layer: str
    grid: Cell
    choice: Score  # each source point asks: argmax_j CX_ij
    winner: Score  # each target point asks: argmax_i CX_ij, the maximum of Eq. 1


# -------------------------------------------------------------------------------- the faces


def find_portraits(finder: FaceFinder, folder: Path = EXAMPLES) -> list[Portrait]:
    """All faces of the photos and paintings in a folder, by name, the largest of each first."""
    found = []
    for path in sorted(folder.glob("*.jpg")):
        picture = images.to_tensor(images.load(path))
        found += [crop_portrait(path.stem, picture, face) for face in finder.find(picture)]
    return found


def crop_portrait(name: str, picture: Tensor, face: Face) -> Portrait:
    """The upright square around a face, moved into the picture where it would leave it.

    Shape:
        picture: (1, 3, H, W) in [0, 1].
    """
    height, width = picture.shape[2:]
    side = min(SPREAD * face.eye_distance, height, width)
    x, y = face.eyes.mean(dim=0).tolist()
    left = min(max(0.0, x - side / 2), width - side)
    top = min(max(0.0, y - DOWN * side), height - side)
    square = Square((left + side / 2, top + side / 2), side)
    points = face.landmarks[list(POINTS)].double()  # (30, 2)
    places = (points - torch.tensor([left, top])) / side
    seen = is_seen(face) & ((places >= 0) & (places < 1)).all(dim=1)
    return Portrait(
        name=name,
        image=square.crop(picture, SIZE).crop,
        places=places.where(seen[:, None], torch.nan),
        unit=face.eye_distance / side,
    )


def is_seen(face: Face) -> Tensor:
    """Which of `POINTS` the head does not hide: those on their own side of its middle, (30,).

    The middle is the line through `MIDDLE`; the nose of a turned head moves it.
    """
    right, left = face.eyes.double()
    across = (left - right) / (left - right).norm()
    down = torch.stack([-across[1], across[0]])
    x, y = (face.landmarks.double() @ axis for axis in (across, down))  # (468,), in the head's axes
    middle, points = list(MIDDLE), list(POINTS)
    nearest = (y[points, None] - y[None, middle]).abs().argmin(dim=1)  # of the middle's points
    beyond = x[points] - x[middle][nearest]  # (30,), towards the person's left
    side = torch.tensor([-1.0] * len(RIGHT) + [1.0] * len(LEFT) + [0.0] * len(MIDDLE))
    return (side == 0) | (side * beyond > 0)


# ------------------------------------------------------------------------------- the matches


def carry(places: Tensor, matches: Tensor, grid: Cell, other: Cell) -> Tensor:
    """Where matches of cells bring points: each keeps its offset from its own cell's centre.

    Args:
        places: (P, 2), shares; NaN stays NaN.
        matches: For each cell of `grid` a cell of `other`.
        grid: Rows and columns of the map that the points lie in.
        other: Rows and columns of the map that they are brought to.

    Shape:
        matches: of `grid`, integers. Returns (P, 2), shares.
    """
    x, y = places.nan_to_num(0.0).unbind(dim=1)
    cell = (y * grid[0]).long() * grid[1] + (x * grid[1]).long()  # (P,)
    offset = places - cell_centres(grid)[cell]
    return cell_centres(other)[matches.flatten()[cell]] + offset


def errors_of(
    source: Portrait, target: Portrait, similarity: PatchSimilarity, config: PatchSimilarityConfig
) -> tuple[Tensor, Tensor]:
    """Errors of the choice and of the winner for points that both faces show, eye distances."""
    survey = similarity.survey(config)
    here, there = similarity.grids
    chosen = carry(source.places, survey.choice, here, there)
    won = carry(target.places, survey.winner, there, here)
    return _errors(chosen, target), _errors(won, source)


def same_place_errors(source: Portrait, target: Portrait) -> Tensor:
    """What it costs to leave every point where it is, eye distances."""
    return _errors(source.places, target)


def _errors(found: Tensor, portrait: Portrait) -> Tensor:
    """(P, 2) -> (at most P,): those of points that are known."""
    errors = (found - portrait.places).norm(dim=1) / portrait.unit
    return errors[~errors.isnan()]


def score(errors: Sequence[Tensor]) -> Score:
    """The figures of all pairs together."""
    every = torch.cat(list(errors))
    close, right = (float((every <= limit).double().mean()) for limit in (0.2, 0.4))
    return Score(close, right, float(every.median()))


def score_layer(portraits: Sequence[Portrait], config: PatchSimilarityConfig) -> LayerScores:
    """All ordered pairs of faces at one layer of the network, in float32 on every machine."""
    features = load_features(config.backbone, [config.layer], dtype=torch.float32)
    maps = [extract_map(portrait.image, config, features=features) for portrait in portraits]
    errors = [
        errors_of(portraits[i], portraits[j], PatchSimilarity(maps[i], maps[j]), config)
        for i, j in permutations(range(len(portraits)), 2)
    ]
    choice, winner = zip(*errors, strict=True)
    return LayerScores(
        config.layer, (maps[0].shape[2], maps[0].shape[3]), score(choice), score(winner)
    )


# --------------------------------------------------------------------------------- the table

COLUMNS = (
    "| layer | cells | CX choice: within 0.2 | within 0.4 | median error "
    "| CX winner: within 0.2 | within 0.4 | median error |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)


def tell_landmarks(portraits: Sequence[Portrait]) -> Iterator[str]:
    """The table in Markdown, line by line: percent, and errors in eye distances."""
    pairs = list(permutations(portraits, 2))
    still = [same_place_errors(*pair) for pair in pairs]
    yield f"{len(portraits)} faces, {len(pairs)} ordered pairs, {len(torch.cat(still))} points\n"
    yield COLUMNS
    yield f"| same place | | {' | '.join(_cells(score(still)))} | | | |"
    yield from map(line, score_layers(portraits))


def as_dict(portraits: Sequence[Portrait]) -> dict[str, Any]:
    """The same for JSON: shares, and errors in eye distances."""
    still = [same_place_errors(*pair) for pair in permutations(portraits, 2)]
    layers = [
        {"layer": found.layer, "grid": found.grid, "choice": found.choice._asdict(),
         "winner": found.winner._asdict()}
        for found in score_layers(portraits)
    ]  # fmt: skip
    return {"faces": len(portraits), "same_place": score(still)._asdict(), "layers": layers}


def score_layers(portraits: Sequence[Portrait]) -> Iterator[LayerScores]:
    """`score_layer` of every layer."""
    for layer in LAYERS:
        yield score_layer(portraits, PatchSimilarityConfig(layer=layer))


def line(scores: LayerScores) -> str:
    """One row of the table."""
    cells = [scores.layer, f"{scores.grid[1]} × {scores.grid[0]}"]
    return f"| {' | '.join([*cells, *_cells(scores.choice), *_cells(scores.winner)])} |"


def _cells(of: Score) -> list[str]:
    return [f"{100 * of.close:.1f}", f"{100 * of.right:.1f}", f"{of.median:.2f}"]
