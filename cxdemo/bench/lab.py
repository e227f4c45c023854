"""The figures of the loss lab: the misalignment experiment on five pictures, the meter on three.

    python -m cxdemo bench lab

prints the tables of LAB.md, in this folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.losses import LOSSES
from cxdemo.pipelines.loss_meter import CHANGES, LossMeter, MeterConfig, Reading, mirror
from cxdemo.pipelines.misalignment import (
    MisalignmentConfig,
    Standing,
    judge,
    make_scene,
    run_misalignment,
)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIVE = (
    "photo_parrot", "portrait_monalisa", "painting_starry_night", "photo_city_night",
    "photo_cat_chelsea",
)  # fmt: skip
COMPETING = (
    "l1", "l2", "ssim", "perceptual", "gram", "sliced_wasserstein", "relaxed_emd", "cx", "cobi",
)  # fmt: skip
METERED = ("l1", "l2", "perceptual", "gram", "cx")
MIRRORED = "mirrored"
SHOWN = 4  # of the amounts, every so many


def main(argv: Sequence[str]) -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m cxdemo bench lab", description=__doc__)
    parser.add_argument("--pictures", nargs="+", default=list(FIVE), help="names of examples")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args(argv)
    if args.json:
        races = {name: race(name) for name in args.pictures}
        meters = {name: list(read_meters(name)) for name in args.pictures[-3:]}
        print(json.dumps(as_dict(races, meters), indent=2))
        return 0
    for name in args.pictures:
        print_race(name)
    for name in args.pictures[-3:]:
        print_meters(name)
    return 0


def race(name: str) -> dict[str, Standing]:
    """The misalignment experiment with the default settings, under all losses."""
    config = MisalignmentConfig(losses=COMPETING)
    image = images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))
    *_, frame = run_misalignment(image, config, frame_every=config.num_steps)
    scene = make_scene(image, config)
    return {"noisy crop": judge(scene.noisy, scene, config), **frame.standings}


def print_race(name: str) -> None:
    """`race` as a table."""
    print(f"\n### Misaligned: {name}\n")
    print("| loss | PSNR, dB | best shift, dB | sharpness | distinct matches |")
    print("|---|---|---|---|---|")
    for key, s in race(name).items():
        label = LOSSES[key].label if key in LOSSES else key
        print(
            f"| {label} | {s.psnr:.1f} | {s.best_psnr:.1f} | {s.sharpness:.2f} | "
            f"{100 * s.distinct:.0f} % |"
        )


def read_meters(name: str) -> Iterator[tuple[str, list[Reading]]]:
    """Every loss against every change, of its own range; at last the mirrored picture."""
    image = images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))
    for change in CHANGES:
        meter = LossMeter(image, MeterConfig(change=change, losses=METERED))
        yield change, list(meter.run())[::SHOWN]
    mirrored = LossMeter(image, MeterConfig(losses=METERED))
    yield MIRRORED, [mirrored.read(mirror(mirrored.picture))]


def print_meters(name: str) -> None:
    """`read_meters` as tables."""
    for change, readings in read_meters(name):
        if change == MIRRORED:
            values = readings[0].values.items()
            print("\nMirrored: " + ", ".join(f"{LOSSES[n].label} {v:.3f}" for n, v in values))
            return
        known = CHANGES[change]
        print(f"\n### Meter: {name}, {known.label.lower()}, {known.unit}\n")
        print("| loss | " + " | ".join(f"{r.amount:.3g}" for r in readings) + " |")
        print("|---|" + "---|" * len(readings))
        for loss in METERED:
            cells = " | ".join(f"{r.values[loss]:.3f}" for r in readings)
            print(f"| {LOSSES[loss].label} | {cells} |")


def as_dict(
    races: Mapping[str, Mapping[str, Standing]],
    meters: Mapping[str, Sequence[tuple[str, Sequence[Reading]]]],
) -> dict[str, Any]:
    """Everything by picture, for JSON."""
    return {
        "misaligned": {
            name: {key: _figures(standing) for key, standing in found.items()}
            for name, found in races.items()
        },
        "meter": {
            name: {change: [_figures(reading) for reading in found] for change, found in all_found}
            for name, all_found in meters.items()
        },
    }


def _figures(measured: Standing | Reading) -> dict[str, Any]:
    """What was measured, without the picture."""
    return {name: value for name, value in vars(measured).items() if name != "image"}
