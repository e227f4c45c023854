"""python -m cxdemo lab meter: how much each loss minds a growing change."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from cxdemo import images
from cxdemo.commands.outputs import FIGURES
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.losses import LOSSES
from cxdemo.pipelines.loss_meter import MeterConfig

if TYPE_CHECKING:
    from cxdemo.runs.meter import MeterRun


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "meter", help="how much each loss minds a shift, a rotation, a blur"
    )
    parser.add_argument("image", help="image file; its middle is taken")
    add_result_flags(parser, FIGURES, more="figure to write", told="the readings", kind=MeterConfig)
    parser.set_defaults(command=run_meter)


def run_meter(args: argparse.Namespace) -> int:
    """Measures, writes the figure and prints a line for each loss."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.meter import MeterRun, draw_figure

    output = choose_result(args, args.image, endings=FIGURES, usual="meter.png")
    config = choose_config(args, MeterConfig, pipeline="loss_meter")
    run = MeterRun(picture=images.load(args.image), config=config)
    for _ in run.steps(default_context()):
        draw_bar("meter", len(run.readings), run.total, "")
    file = output.write(partial(draw_figure, run))
    return tell_result(args, run.settings(), file, lines=_tabulate(run))


def _tabulate(run: MeterRun) -> Iterator[str]:
    """A line for each loss, under the amounts."""
    shown = run.readings[::4]
    yield f"{run.what:20}" + "".join(f"{r.amount:8.3g}" for r in shown)
    for name in run.config.losses:
        yield f"{LOSSES[name].label:20}" + "".join(f"{r.values[name]:8.3f}" for r in shown)
