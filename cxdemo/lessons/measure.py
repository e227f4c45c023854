"""The numbers that the lesson shows, measured once with the project's own core and networks.

    python -m cxdemo.lessons.measure

writes `numbers.json` and `distances.safetensors` beside this file. The page computes everything
else from them in the browser: votes, winners, CX and the loss at any h and any weight of the place.
The lesson therefore answers at once, and works where no weights are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor

from cxdemo import examples, images
from cxdemo.contextual import contextual_loss, contextual_matches
from cxdemo.features import VGGFeatures, load_features
from cxdemo.pipelines.loss_meter import CHANGES, CROP, MARGIN, LossMeter, MeterConfig
from cxdemo.pipelines.loss_toys import EPS, STARTS, TARGETS, to_map
from cxdemo.pipelines.special_cases import feature_distances, shift_pair

HERE = Path(__file__).resolve().parent
NUMBERS = HERE / "numbers.json"
DISTANCES = HERE / "distances.safetensors"

GRID = 14  # cells along a side of the two faces and of the sky
SIDE = 224  # pixels of a picture that is cut into cells
LAYERS = ("conv1_2", "conv3_2", "conv4_2", "conv5_1")
FACES = {
    "einstein": ("portrait_einstein_1927", (32, 27, 162, 157)),
    "monalisa": ("portrait_monalisa", (38, 28, 168, 158)),
}
CAT = "photo_cat_chelsea"
SHIFTS = range(-16, 17)  # pixels
BANDWIDTH = 0.1  # h of the meters
SKY, SKY_LAYER, SKY_NOISE = "photo_mont_st_michel", "conv3_2", 0.06
PLACE_LAYER, PLACE_SIDE, PLACE_SHIFT = "conv4_2", 96, 16
POINTS, POINT_STEPS, POINT_BANDWIDTH = 60, 150, 0.3
CHANNELS = "recolour"  # the change that exchanges red, green and blue


def measure() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """All numbers of the lesson: what fits into JSON, and matrices of distances d_ij.

    Cost:
        About 20 s of a core.
    """
    vgg = load_features("vgg16", ("conv1_1", *LAYERS), pooling="max")
    with torch.no_grad():
        matrices = {f"faces_{name}": d for name, d in measure_faces(vgg).items()}
        matrices["sky"] = measure_sky(vgg)
        matrices["place"] = measure_place(vgg)
    numbers = {"shift": measure_shifts(vgg), "colour": measure_colour(vgg), "points": move_both()}
    return numbers, {name: d.half().contiguous() for name, d in matrices.items()}


# ------------------------------------------------------------------------------------- pictures


def open_face(name: str) -> Image.Image:
    """One of the two faces, as the lesson cuts it: SIDE x SIDE pixels."""
    stem, box = FACES[name]
    picture = examples.open_picture(examples.PICTURES / f"{stem}.jpg")
    return picture.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def open_sky() -> Image.Image:
    """A picture that is half sky, SIDE x SIDE pixels."""
    picture = examples.open_picture(examples.PICTURES / f"{SKY}.jpg")
    return ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)


def add_noise(picture: Image.Image) -> Image.Image:
    """The copy of the sky: Gaussian noise on every pixel, always the same."""
    clean = images.to_tensor(picture)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return images.to_pil((clean + SKY_NOISE * noise).clamp(0, 1))


def open_cat() -> Tensor:
    """The meter's picture, (1, 3, H, W) in [0, 1]."""
    return images.to_tensor(examples.open_picture(examples.PICTURES / f"{CAT}.jpg"))


def show_cat() -> Image.Image:
    """What the meter sees, with its margin, at the picture's own resolution: a square."""
    picture = examples.open_picture(examples.PICTURES / f"{CAT}.jpg")
    reduced = math.ceil(1.2 * (CROP + 2 * MARGIN) * max(picture.size) / min(picture.size))
    side = round((CROP + 2 * MARGIN) * max(picture.size) / reduced)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def exchange_channels(picture: Image.Image) -> Image.Image:
    """Red becomes green, green blue, blue red: as the meter's `recolour` does in full."""
    return images.to_pil(images.to_tensor(picture).roll(-1, dims=1))


def place_pair() -> tuple[Tensor, Tensor]:
    """The cat and its copy, PLACE_SHIFT pixels further right, (1, 3, PLACE_SIDE, likewise)."""
    image = open_cat()
    height, width = image.shape[2:]
    scale = max(PLACE_SIDE / height, (PLACE_SIDE + PLACE_SHIFT) / width)
    small = images.fit_long_side(image, math.ceil(scale * max(height, width)) + 1)
    return shift_pair(small, PLACE_SHIFT, PLACE_SIDE)


# -------------------------------------------------------------------------------------- numbers


def measure_faces(vgg: VGGFeatures) -> dict[str, Tensor]:
    """d_ij between the faces' cells at each layer: {layer: (GRID^2, GRID^2)}."""
    einstein, monalisa = (vgg(images.to_tensor(open_face(name))) for name in FACES)
    return {
        name: feature_distances(pick_cells(einstein[name]), pick_cells(monalisa[name]))
        for name in LAYERS
    }


def measure_sky(vgg: VGGFeatures) -> Tensor:
    """d_ij between the sky and its noisy copy: (GRID^2, GRID^2)."""
    picture = open_sky()
    clean, noisy = (vgg(images.to_tensor(p))[SKY_LAYER] for p in (picture, add_noise(picture)))
    return feature_distances(pick_cells(clean), pick_cells(noisy))


def measure_place(vgg: VGGFeatures) -> Tensor:
    """d_ij between the cat and its shifted copy: 12 x 12 cells."""
    x, y = (vgg(part)[PLACE_LAYER] for part in place_pair())
    return feature_distances(x, y)


def pick_cells(features: Tensor) -> Tensor:
    """Every layer at the same GRID x GRID places: the middles of the cells."""
    step = features.shape[3] // GRID
    return features[..., step // 2 :: step, step // 2 :: step]


def measure_shifts(vgg: VGGFeatures) -> dict[str, list[float]]:
    """What L1 and CX read of the cat at each of `SHIFTS`."""
    meter = _meter(vgg, ("l1", "cx"), "vgg16")
    apply = CHANGES["shift"].apply
    readings = [meter.read(apply(meter.around, amount)).values for amount in SHIFTS]
    return {name: [_short(reading[name]) for reading in readings] for name in ("l1", "cx")}


def measure_colour(vgg: VGGFeatures) -> dict[str, float]:
    """What the meters read when the channels are exchanged; `rgb` is CX of RGB patches."""
    deep, plain = _meter(vgg, ("l1", "cx"), "vgg16"), _meter(vgg, ("cx",), "rgb")
    copy = CHANGES[CHANNELS].apply(deep.around, 1.0)
    read = deep.read(copy).values
    return {
        "l1": _short(read["l1"]),
        "cx": _short(read["cx"]),
        "rgb": _short(plain.read(copy).values["cx"]),
    }


def _meter(vgg: VGGFeatures, losses: tuple[str, ...], features: str) -> LossMeter:
    config = MeterConfig(change="shift", losses=losses, features=features, bandwidth=BANDWIDTH)
    return LossMeter(open_cat(), config, vgg=_only(vgg, "conv3_2"))


def _only(vgg: VGGFeatures, layer: str) -> Any:
    """The network, answering with one layer."""
    ask: Callable[[Tensor], Mapping[str, Tensor]] = lambda image: {layer: vgg(image)[layer]}  # noqa: E731
    return ask


def move_both() -> dict[str, Any]:
    """A blob moved towards a grid by CX one way and both ways: places, and who wins nothing."""
    dice = torch.Generator().manual_seed(0)
    goal, start = TARGETS["grid"](POINTS, dice), STARTS["blob"](POINTS, dice)
    made: dict[str, Any] = {"target": _places(goal), "start": _places(start)}
    for name, symmetric in (("cx", False), ("symmetric", True)):
        moved = _move(start, goal, symmetric=symmetric)
        winners = contextual_matches(
            to_map(moved), to_map(goal), bandwidth=POINT_BANDWIDTH, distance="l2", eps=EPS
        ).source_of_target[0]
        made[name] = {
            "points": _places(moved),
            "idle": sorted(set(range(POINTS)) - set(winners.tolist())),
            "taken": len(torch.cdist(moved, goal).argmin(dim=1).unique()),
        }
    return made


def _move(start: Tensor, goal: Tensor, *, symmetric: bool) -> Tensor:
    points = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.06)
    for index in range(POINT_STEPS + 1):
        share = 0.5 * (1 + math.cos(math.pi * index / POINT_STEPS))
        optimizer.param_groups[0]["lr"] = 0.06 * share
        optimizer.zero_grad()
        contextual_loss(
            to_map(points), to_map(goal), bandwidth=POINT_BANDWIDTH, distance="l2", eps=EPS,
            symmetric=symmetric,
        ).backward()  # fmt: skip
        optimizer.step()
    return points.detach()


def _places(points: Tensor) -> list[list[float]]:
    return [[_short(value) for value in point] for point in points.tolist()]


def _short(value: float) -> float:
    return round(value, 4)


# ------------------------------------------------------------------------------------ the files


def read_numbers() -> dict[str, Any]:
    """What `measure` wrote, the part for JSON."""
    return json.loads(NUMBERS.read_text(encoding="utf-8"))


def read_distances() -> dict[str, Tensor]:
    """What `measure` wrote, the matrices, float16."""
    from safetensors.torch import load_file

    return load_file(DISTANCES)


def main() -> None:
    """Measures, and writes both files."""
    from safetensors.torch import save_file

    numbers, matrices = measure()
    NUMBERS.write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    save_file(matrices, DISTANCES)


if __name__ == "__main__":
    main()
