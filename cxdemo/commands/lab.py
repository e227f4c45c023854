"""python -m cxdemo lab: the experiments of the loss lab."""

from __future__ import annotations

import argparse
from typing import Any

from cxdemo.commands import lab_meter, lab_misaligned, lab_rivals, lab_toys


def add_parser(commands: Any) -> None:
    """Adds the command and its subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lab", help="the experiments of the loss lab"
    )
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    for part in (lab_misaligned, lab_meter, lab_rivals, lab_toys):
        part.add_parsers(kinds)
