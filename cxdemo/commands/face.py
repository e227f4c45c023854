"""python -m cxdemo face: transform a face."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Adds the command and its subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser("face", help="transform a face")
    parser.add_subparsers(required=True, metavar="WHAT")
