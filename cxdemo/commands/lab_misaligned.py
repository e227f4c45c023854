"""python -m cxdemo lab misaligned: clean one noisy crop from shifted ones, under several losses."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.terminal import add_flag, draw_bar
from cxdemo.losses import LOSSES
from cxdemo.options import options_of
from cxdemo.pipelines.misalignment import MisalignmentConfig

ENDINGS = {".gif", ".mp4", ".png", ".json"}


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "misaligned", help="clean one noisy crop from shifted ones, under several losses"
    )
    parser.add_argument("image", help="image file that crops are cut from")
    parser.add_argument("-o", "--output", required=True, help=".gif or .mp4, .png, .json")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    for known in options_of(MisalignmentConfig).values():
        add_flag(parser, known)
    parser.set_defaults(command=run_misaligned)


def run_misaligned(args: argparse.Namespace) -> int:
    """Runs the experiment, writes its frames and prints a line for each loss."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.live_state import foresee
    from cxdemo.ui.misaligned_run import MisalignedRun
    from cxdemo.ui.pace import say_left

    output = Path(args.output)
    if output.suffix.lower() not in ENDINGS:
        raise ValueError(f"{output.name}: choose one of {', '.join(sorted(ENDINGS))}.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    chosen = {name: getattr(args, name) for name in options_of(MisalignmentConfig)}
    config = MisalignmentConfig(**{k: v for k, v in chosen.items() if v is not None})
    race = MisalignedRun(picture=images.load(args.image), config=config)
    for _ in foresee(race, default_context()):
        last = race.frames[-1]
        draw_bar("lab", last.index, last.total, say_left(race.seconds_left, ""))
    race.save(output)
    if args.json:
        print(json.dumps(race.settings(), indent=2))
        return 0
    print(f"{'loss':20} {'PSNR':>6} {'best shift':>10} {'sharpness':>9} {'distinct':>8} {'s':>6}")
    for name, s in race.frames[-1].standings.items():
        print(
            f"{LOSSES[name].label:20} {s.psnr:6.2f} {s.best_psnr:10.2f} {s.sharpness:9.2f} "
            f"{100 * s.distinct:6.0f} % {s.seconds:6.1f}"
        )
    print(output)
    return 0
