"""python -m cxdemo lab meter: how much each loss minds a growing change."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.terminal import add_flag, draw_bar
from cxdemo.losses import LOSSES
from cxdemo.options import options_of
from cxdemo.pipelines.loss_meter import MeterConfig


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "meter", help="how much each loss minds a shift, a rotation, a blur"
    )
    parser.add_argument("image", help="image file; its middle is taken")
    parser.add_argument("-o", "--output", required=True, help="figure: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print the readings as JSON")
    for known in options_of(MeterConfig).values():
        add_flag(parser, known)
    parser.set_defaults(command=run_meter)


def run_meter(args: argparse.Namespace) -> int:
    """Measures, writes the figure and prints a line for each loss."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.meter_run import MeterRun, draw_figure

    output = Path(args.output)
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    chosen = {name: getattr(args, name) for name in options_of(MeterConfig)}
    config = MeterConfig(**{k: v for k, v in chosen.items() if v is not None})
    run = MeterRun(picture=images.load(args.image), config=config)
    for _ in run.steps(default_context()):
        draw_bar("meter", len(run.readings), run.total, "")
    draw_figure(run, output)
    if args.json:
        print(json.dumps(run.settings(), indent=2))
        return 0
    shown = run.readings[::4]
    print(f"{run.what:20}" + "".join(f"{r.amount:8.3g}" for r in shown))
    for name in config.losses:
        print(f"{LOSSES[name].label:20}" + "".join(f"{r.values[name]:8.3f}" for r in shown))
    print(output)
    return 0
