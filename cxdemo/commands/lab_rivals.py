"""python -m cxdemo lab rivals."""

from __future__ import annotations

from typing import Any


def add_parsers(commands: Any) -> None:
    """Adds the subcommands."""
