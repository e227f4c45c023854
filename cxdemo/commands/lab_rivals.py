"""python -m cxdemo lab rivals: five losses paint one content in one style."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.terminal import add_flag, draw_bar
from cxdemo.options import options_of
from cxdemo.pipelines.style_rivals import RIVALS, RivalsConfig

ENDINGS = {".gif", ".mp4", ".png", ".json"}


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "rivals", help="five losses paint one content in one style, side by side"
    )
    parser.add_argument("content", help="image file: what the picture shows")
    parser.add_argument("style", help="image file: how it is painted")
    parser.add_argument("-o", "--output", required=True, help=".png, .gif, .mp4 or .json")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    for known in options_of(RivalsConfig).values():
        add_flag(parser, known)
    parser.set_defaults(command=compare_rivals)


def compare_rivals(args: argparse.Namespace) -> int:
    """Runs all rivals, writes the sheet and prints a line for each."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.live_state import foresee
    from cxdemo.ui.pace import say_left
    from cxdemo.ui.rivals_run import RivalsRun

    output = Path(args.output)
    if output.suffix.lower() not in ENDINGS:
        raise ValueError(f"{output.name}: choose one of {', '.join(sorted(ENDINGS))}.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    chosen = {name: getattr(args, name) for name in options_of(RivalsConfig)}
    config = RivalsConfig(**{k: v for k, v in chosen.items() if v is not None})
    run = RivalsRun(content=images.load(args.content), style=images.load(args.style), config=config)
    for _ in foresee(run, default_context()):
        draw_bar("rivals", run.taken, run.total, say_left(run.seconds_left, ""))
    run.save(output)
    if args.json:
        print(json.dumps(run.settings(), indent=2))
        return 0
    print(f"{'rival':18} {'family':20} {'loss, of start':>14} {'s':>6}")
    for name, stand in run.last.items():
        info = RIVALS[name]
        share = f"{100 * stand.loss:.1f} %"
        print(f"{info.label:18} {info.family:20} {share:>14} {stand.seconds:6.1f}")
    print(output)
    return 0
