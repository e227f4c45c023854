"""python -m cxdemo lab rivals: five losses paint one content in one style."""

from __future__ import annotations

import argparse
from typing import Any

from cxdemo import images
from cxdemo.commands.outputs import add_output, choose_output
from cxdemo.commands.settings import add_options, choose_config
from cxdemo.commands.terminal import draw_bar, print_json
from cxdemo.pipelines.style_rivals import RIVALS, RivalsConfig

ENDINGS = (".png", ".gif", ".mp4", ".json")


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "rivals", help="five losses paint one content in one style, side by side"
    )
    parser.add_argument("content", help="image file: what the picture shows")
    parser.add_argument("style", help="image file: how it is painted")
    add_output(parser, ENDINGS, more="sheet, film or figures to write")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_options(parser, RivalsConfig)
    parser.set_defaults(command=compare_rivals)


def compare_rivals(args: argparse.Namespace) -> int:
    """Runs all rivals, writes the sheet and prints a line for each."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.live import foresee
    from cxdemo.runs.pace import say_left
    from cxdemo.runs.rivals import RivalsRun

    output = choose_output(
        args.output,
        endings=ENDINGS,
        usual="rivals.png",
        inputs=[args.content, args.style, *filter(None, [args.settings])],
        overwrite=args.overwrite,
    )
    config = choose_config(args, RivalsConfig, pipeline="style_rivals")
    run = RivalsRun(content=images.load(args.content), style=images.load(args.style), config=config)
    for _ in foresee(run, default_context()):
        draw_bar("rivals", run.taken, run.total, say_left(run.seconds_left, ""))
    file = output.write(run.save)
    if args.json:
        print_json(run.settings(), file)
        return 0
    print(f"{'rival':18} {'family':20} {'loss, of start':>14} {'s':>6}")
    for name, stand in run.last.items():
        info = RIVALS[name]
        share = f"{100 * stand.loss:.1f} %"
        print(f"{info.label:18} {info.family:20} {share:>14} {stand.seconds:6.1f}")
    print(file)
    return 0
