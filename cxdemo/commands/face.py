"""python -m cxdemo face: transform a face."""

from __future__ import annotations

import argparse
from typing import Any

from cxdemo.commands import face_animate, face_exemplar, face_translate


def add_parser(commands: Any) -> None:
    """Adds the command and its subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser("face", help="transform a face")
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    for part in (face_exemplar, face_translate, face_animate):
        part.add_parsers(kinds)
