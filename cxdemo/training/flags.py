"""The command line of a training: a flag for each field of its configuration, a line a record."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import fields, replace
from functools import partial
from typing import Any, TypeVar, cast

T = TypeVar("T")


def add_flags(
    parser: argparse.ArgumentParser, kind: type, *, usual: str = "", but: Collection[str] = ()
) -> None:
    """A flag for each field of a configuration; None unless given.

    Args:
        parser: Of the command.
        kind: The configuration, a dataclass whose fields have defaults.
        usual: Where a default comes from. "": the help names the field's own.
        but: Fields that have no flag.
    """
    for field in fields(kind):
        if field.name in but:
            continue
        flag = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
            continue
        said = f"default: {usual or field.default}"
        parser.add_argument(flag, metavar="X", help=said, type=_reader_of(field.default))


def read_flags(args: argparse.Namespace, base: T) -> T:
    """A configuration with the values of the flags that were given."""
    known = cast("Any", base)  # a dataclass
    given = {field.name: getattr(args, field.name, None) for field in fields(known)}
    return replace(known, **{name: value for name, value in given.items() if value is not None})


def print_records(run: Any, *said: object) -> None:
    """Runs a training to its end; its first process prints a line for each record.

    Args:
        run: With an `accelerator`, and `run()` that yields figures by name.
        said: What is printed first.
    """
    is_first = run.accelerator.is_main_process
    if is_first:
        print(*said, flush=True)
    for record in run.run():
        if is_first:
            print("  ".join(f"{name} {value:.5g}" for name, value in record.items()), flush=True)
    run.accelerator.end_training()


def _reader_of(default: Any) -> Any:
    """What makes the value of a flag from its text."""
    return partial(_split, type(default[0])) if isinstance(default, tuple) else type(default)


def _split(kind: type, text: str) -> tuple[Any, ...]:
    return tuple(kind(part.strip()) for part in text.split(","))
