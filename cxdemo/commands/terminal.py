"""Flags made of options, and a bar of progress."""

from __future__ import annotations

import argparse
import sys

from cxdemo.options import Option


def add_flag(parser: argparse.ArgumentParser, known: Option) -> None:
    """One option as a flag; None unless given, so that the preset's value stays."""
    flag = "--" + known.name.replace("_", "-")
    help_text = f"{known.help} Default: {_shown(known.default)}.".replace("%", "%%")
    if isinstance(known.default, bool):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_text)
        return
    # Text until `read_flags` reads it, so that a wrong value gets the sentence of its option.
    parser.add_argument(flag, default=None, metavar="X", help=help_text)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def draw_bar(name: str, done: int, total: int, text: str) -> None:
    """One line on a terminal, redrawn; nothing when the output is not a terminal."""
    if not sys.stderr.isatty():
        return
    filled = round(30 * done / max(total, 1))
    end = "\n" if done >= total else ""
    line = f"\r{name} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}  {text}   "
    print(line, end=end, file=sys.stderr, flush=True)
