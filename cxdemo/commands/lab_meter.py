"""python -m cxdemo lab meter: how much each loss minds a growing change."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from cxdemo import images
from cxdemo.commands.outputs import FIGURES, add_output, choose_output
from cxdemo.commands.settings import add_options, choose_config
from cxdemo.commands.terminal import draw_bar, print_json
from cxdemo.losses import LOSSES
from cxdemo.pipelines.loss_meter import MeterConfig


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "meter", help="how much each loss minds a shift, a rotation, a blur"
    )
    parser.add_argument("image", help="image file; its middle is taken")
    add_output(parser, FIGURES, more="figure to write")
    parser.add_argument("--json", action="store_true", help="print the readings as JSON")
    add_options(parser, MeterConfig)
    parser.set_defaults(command=run_meter)


def run_meter(args: argparse.Namespace) -> int:
    """Measures, writes the figure and prints a line for each loss."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.meter import MeterRun, draw_figure

    output = choose_output(
        args.output,
        endings=FIGURES,
        usual="meter.png",
        inputs=[args.image, *filter(None, [args.settings])],
        overwrite=args.overwrite,
    )
    config = choose_config(args, MeterConfig, pipeline="loss_meter")
    run = MeterRun(picture=images.load(args.image), config=config)
    for _ in run.steps(default_context()):
        draw_bar("meter", len(run.readings), run.total, "")
    file = output.write(partial(draw_figure, run))
    if args.json:
        print_json(run.settings(), file)
        return 0
    shown = run.readings[::4]
    print(f"{run.what:20}" + "".join(f"{r.amount:8.3g}" for r in shown))
    for name in config.losses:
        print(f"{LOSSES[name].label:20}" + "".join(f"{r.values[name]:8.3f}" for r in shown))
    print(file)
    return 0
