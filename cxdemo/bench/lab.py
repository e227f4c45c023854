"""The figures of the loss lab: the misalignment experiment on five pictures, the meter on three.

    python -m cxdemo bench lab

prints the tables of LAB.md, in this folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cxdemo import images
from cxdemo.losses import LOSSES
from cxdemo.pipelines.loss_meter import CHANGES, LossMeter, MeterConfig, mirror
from cxdemo.pipelines.misalignment import MisalignmentConfig, judge, make_scene, run_misalignment

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIVE = (
    "photo_parrot", "portrait_monalisa", "painting_starry_night", "photo_city_night",
    "photo_cat_chelsea",
)  # fmt: skip
COMPETING = (
    "l1", "l2", "ssim", "perceptual", "gram", "sliced_wasserstein", "relaxed_emd", "cx", "cobi",
)  # fmt: skip
METERED = ("l1", "l2", "perceptual", "gram", "cx")
SHOWN = 4  # of the amounts, every so many


def main(argv: Sequence[str]) -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m cxdemo bench lab", description=__doc__)
    parser.add_argument("--pictures", nargs="+", default=list(FIVE), help="names of examples")
    args = parser.parse_args(argv)
    for name in args.pictures:
        print_race(name)
    for name in args.pictures[-3:]:
        print_meter(name)
    return 0


def print_race(name: str) -> None:
    """The misalignment experiment with the default settings, under all losses."""
    config = MisalignmentConfig(losses=COMPETING)
    image = images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))
    *_, frame = run_misalignment(image, config, frame_every=config.num_steps)
    scene = make_scene(image, config)
    noisy = judge(scene.noisy, scene, config)
    print(f"\n### Misaligned: {name}\n")
    print("| loss | PSNR, dB | best shift, dB | sharpness | distinct matches |")
    print("|---|---|---|---|---|")
    rows = {"noisy crop": noisy}
    rows |= {LOSSES[key].label: standing for key, standing in frame.standings.items()}
    for label, s in rows.items():
        print(
            f"| {label} | {s.psnr:.1f} | {s.best_psnr:.1f} | {s.sharpness:.2f} | "
            f"{100 * s.distinct:.0f} % |"
        )


def print_meter(name: str) -> None:
    """Every loss against every change, of its own range."""
    image = images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))
    for change, known in CHANGES.items():
        meter = LossMeter(image, MeterConfig(change=change, losses=METERED))
        readings = list(meter.run())[::SHOWN]
        print(f"\n### Meter: {name}, {known.label.lower()}, {known.unit}\n")
        print("| loss | " + " | ".join(f"{r.amount:.3g}" for r in readings) + " |")
        print("|---|" + "---|" * len(readings))
        for loss in METERED:
            cells = " | ".join(f"{r.values[loss]:.3f}" for r in readings)
            print(f"| {LOSSES[loss].label} | {cells} |")
    mirrored = LossMeter(image, MeterConfig(losses=METERED))
    values = mirrored.read(mirror(mirrored.picture)).values
    print("\nMirrored: " + ", ".join(f"{LOSSES[n].label} {v:.3f}" for n, v in values.items()))
