"""The upscalers behind the shipped checkpoints: squared error first, then the Contextual Loss.

    accelerate launch -m cxdemo.training.super_resolution --phase mse --photos PHOTOS \
        --folder RUNS/mse
    accelerate launch -m cxdemo.training.super_resolution --phase cx --photos PHOTOS \
        --folder RUNS/cx --start RUNS/mse/best.safetensors

`make train-sr` runs the three phases. `accelerate launch` uses what GPUs there are, here and on
other machines; several CPU processes are started by

    ACCELERATE_USE_CPU=true torchrun --nproc-per-node 2 -m cxdemo.training.super_resolution ...

Phases: `mse` is the squared error. `cx` and `cx-gan` follow the second paper (Mechrez, Talmi,
Shama, Zelnik-Manor, arXiv:1803.04626, section 4.1) without and with its adversarial term:

    cx_weight * CX(conv3_3) + low_frequency_weight * |blur(G) - blur(y)|^2 + gan_weight * GAN

and two terms of ours, see `PHASES`. `srgan` and `perceptual` are their rivals, on VGG's features
place by place. A run can be stopped at any moment and started again by the same command: `state.pt`
is replaced at every validation and every two minutes, whole or not at all, and a resumed run
repeats an uninterrupted one bit for bit. The parameters that do best on the held-back photos, by
PSNR in phase `mse` and by LPIPS in the others, are in `best.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cxdemo.metrics import load_perceptual_distance
from cxdemo.training.flags import add_flags, print_records, read_flags
from cxdemo.training.photos import list_photos
from cxdemo.training.upscaler_config import PHASES, TrainingConfig
from cxdemo.training.upscaler_run import Run


def main(argv: list[str] | None = None) -> int:
    """Runs a phase to its end; prints a line for each validation."""
    args = _parser().parse_args(argv)
    config = read_flags(args, PHASES[args.phase])
    distance = load_perceptual_distance()
    judges = {"lpips": lambda upscaled, truth: float(distance(upscaled.cpu(), truth.cpu()))}
    run = Run(config, args.folder, list_photos(args.photos), start=args.start, judges=judges)
    count = run.accelerator.num_processes
    print_records(run, f"{len(run.crops.photos)} photos, {count} processes", config.as_dict())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo.training.super_resolution", description=__doc__
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--folder", type=Path, required=True, help="for state and results")
    parser.add_argument("--start", type=Path, help="safetensors file to start from")
    parser.add_argument("--phase", default="mse", choices=tuple(PHASES))
    add_flags(parser, TrainingConfig, usual="as the phase has it", but={"phase"})
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
