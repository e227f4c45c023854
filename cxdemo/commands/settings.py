"""What the commands share: their flags, the settings behind these, and what they print at the end.

Settings come from the flags, over those of an earlier result, over the defaults.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cxdemo.commands.outputs import Output, add_output, choose_output
from cxdemo.commands.terminal import add_flag
from cxdemo.options import StoredSettings, options_of, parse_value, read_config, read_settings

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser, kind: type, *, settings: bool = True) -> None:
    """A flag for each option of a configuration, and --settings.

    Args:
        parser: Of the command.
        kind: The configuration.
        settings: Whether an earlier result can say what the flags do not.
    """
    if settings:
        parser.add_argument(
            "--settings", metavar="RESULT",
            help="take the settings of an earlier result (the file, or its JSON); flags go first",
        )  # fmt: skip
    for known in options_of(kind).values():
        add_flag(parser, known)


def add_result_flags(
    parser: argparse.ArgumentParser,
    endings: Iterable[str],
    *,
    more: str,
    told: str = "the figures",
    kind: type | None = None,
) -> None:
    """The flags of a command that writes a result: -o, --overwrite, --json, and its settings.

    Args:
        parser: Of the command.
        endings: That the file may have.
        more: What the file is.
        told: What is printed as JSON.
        kind: The configuration. None: the command has no settings.
    """
    add_output(parser, endings, more=more)
    parser.add_argument("--json", action="store_true", help=f"print {told} as JSON")
    if kind is not None:
        add_options(parser, kind)


def choose_result(
    args: argparse.Namespace, *inputs: str, endings: Collection[str], usual: str
) -> Output:
    """The file that -o names. Neither an input nor the result behind --settings is overwritten.

    Args:
        args: The parsed arguments.
        inputs: Files that are read, and folders whose files are.
        endings: That the file may have.
        usual: Name of the file in a folder.

    Raises:
        OutputError: See `choose_output`.
    """
    earlier = getattr(args, "settings", None)
    return choose_output(
        args.output,
        endings=endings,
        usual=usual,
        inputs=[*inputs, *filter(None, [earlier])],
        overwrite=args.overwrite,
    )


def tell_result(
    args: argparse.Namespace, told: Mapping[str, Any], *files: Path, lines: Iterable[str] = ()
) -> int:
    """Prints figures as JSON where that was asked for, else lines; the exit code.

    Args:
        args: The parsed arguments.
        told: The figures.
        files: That were written; they come last.
        lines: What people read.
    """
    if args.json:
        print(json.dumps({**told, "files": [str(file) for file in files]}, indent=2))
    else:
        print(*lines, *files, sep="\n")
    return 0


def read_flags(args: argparse.Namespace, kind: type[T], *, base: T | None = None) -> T:
    """The configuration that the flags say.

    Args:
        args: The parsed arguments.
        kind: The configuration.
        base: What holds where no flag is given. None: the defaults.

    Raises:
        ValueError: A value that an option may not take.
    """
    known = options_of(kind)
    given = {name: getattr(args, name) for name in known if getattr(args, name) is not None}
    values = {n: parse_value(known[n], v) if isinstance(v, str) else v for n, v in given.items()}
    return read_config(kind, values, base=base)


def choose_config(
    args: argparse.Namespace, kind: type[T], *, pipeline: str, base: T | None = None
) -> T:
    """The configuration that flags and --settings say together.

    Args:
        args: The parsed arguments.
        kind: The configuration.
        pipeline: Whose results carry such settings.
        base: What holds where neither says anything. None: the defaults.

    Raises:
        ValueError: The result holds no such settings, or a value is wrong.
    """
    if args.settings is not None:
        base = read_result(args.settings, kind, pipeline=pipeline).config
    return read_flags(args, kind, base=base)


def read_result(path: str, kind: type[T], *, pipeline: str) -> StoredSettings[T]:
    """The settings of a result; what had to be left out is said on the terminal."""
    from cxdemo.video import read_settings_text  # FFmpeg, which few commands need

    text = read_settings_text(path)
    return tell_notice(read_settings(kind, text, pipeline=pipeline), path)


def tell_notice(read: StoredSettings[T], path: str) -> StoredSettings[T]:
    """The same settings, after what had to be left out was said on the terminal."""
    if read.notice:
        print(f"cxdemo: {Path(path).name}: {read.notice}", file=sys.stderr)
    return read
