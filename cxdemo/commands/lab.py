"""python -m cxdemo lab: the experiments of the loss lab."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Adds the command and its subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lab", help="the experiments of the loss lab"
    )
    parser.add_subparsers(required=True, metavar="WHAT")
