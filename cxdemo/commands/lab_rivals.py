"""python -m cxdemo lab rivals: five losses paint one content in one style."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cxdemo import images
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.pipelines.style_rivals import RIVALS, RivalsConfig

if TYPE_CHECKING:
    from cxdemo.runs.rivals import RivalsRun

ENDINGS = (".png", ".gif", ".mp4", ".json")


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "rivals", help="five losses paint one content in one style, side by side"
    )
    parser.add_argument("content", help="image file: what the picture shows")
    parser.add_argument("style", help="image file: how it is painted")
    add_result_flags(parser, ENDINGS, more="sheet, film or figures to write", kind=RivalsConfig)
    parser.set_defaults(command=compare_rivals)


def compare_rivals(args: argparse.Namespace) -> int:
    """Runs all rivals, writes the sheet and prints a line for each."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.live import foresee
    from cxdemo.runs.pace import say_left
    from cxdemo.runs.rivals import RivalsRun

    output = choose_result(args, args.content, args.style, endings=ENDINGS, usual="rivals.png")
    config = choose_config(args, RivalsConfig, pipeline="style_rivals")
    run = RivalsRun(content=images.load(args.content), style=images.load(args.style), config=config)
    for _ in foresee(run, default_context()):
        draw_bar("rivals", run.taken, run.total, say_left(run.seconds_left, ""))
    file = output.write(run.save)
    return tell_result(args, run.settings(), file, lines=_tabulate(run))


def _tabulate(run: RivalsRun) -> Iterator[str]:
    """A line for each rival."""
    yield f"{'rival':18} {'family':20} {'loss, of start':>14} {'s':>6}"
    for name, stand in run.last.items():
        info = RIVALS[name]
        share = f"{100 * stand.loss:.1f} %"
        yield f"{info.label:18} {info.family:20} {share:>14} {stand.seconds:6.1f}"
