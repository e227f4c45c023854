"""python -m cxdemo lab misaligned: clean one noisy crop from shifted ones, under several losses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cxdemo import images
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.losses import LOSSES
from cxdemo.pipelines.misalignment import Frame, MisalignmentConfig

ENDINGS = (".gif", ".mp4", ".png", ".json")


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "misaligned", help="clean one noisy crop from shifted ones, under several losses"
    )
    parser.add_argument("image", help="image file that crops are cut from")
    add_result_flags(
        parser, ENDINGS, more="film, figure or figures to write", kind=MisalignmentConfig
    )
    parser.set_defaults(command=run_misaligned)


def run_misaligned(args: argparse.Namespace) -> int:
    """Runs the experiment, writes its frames and prints a line for each loss."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.live import foresee
    from cxdemo.runs.misaligned import MisalignedRun
    from cxdemo.runs.pace import say_left

    output = choose_result(args, args.image, endings=ENDINGS, usual="misaligned.gif")
    config = choose_config(args, MisalignmentConfig, pipeline="misalignment")
    race = MisalignedRun(picture=images.load(args.image), config=config)
    for _ in foresee(race, default_context()):
        last = race.frames[-1]
        draw_bar("lab", last.index, last.total, say_left(race.seconds_left, ""))
    file = output.write(race.save)
    return tell_result(args, race.settings(), file, lines=_tabulate(race.frames[-1]))


def _tabulate(last: Frame) -> Iterator[str]:
    """A line for each loss."""
    yield f"{'loss':20} {'PSNR':>6} {'best shift':>10} {'sharpness':>9} {'distinct':>8} {'s':>6}"
    for name, s in last.standings.items():
        yield (
            f"{LOSSES[name].label:20} {s.psnr:6.2f} {s.best_psnr:10.2f} {s.sharpness:9.2f} "
            f"{100 * s.distinct:6.0f} % {s.seconds:6.1f}"
        )
