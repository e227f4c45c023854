"""python -m cxdemo style | face | sr | match | lab | fetch | publish | bench | examples.

Flags come from the configuration of each pipeline. Bad input ends with one line and exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from cxdemo import __version__
from cxdemo.commands import bench, examples, face, fetch, lab, match, publish, sr, style

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the arguments and runs the command."""
    args = _parser().parse_args(argv)
    command: Command = args.command
    _show_warnings()
    try:
        return command(args)
    except KeyboardInterrupt:
        print("cxdemo: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if args.debug:
            raise
        print(f"cxdemo: {_tell(error)}", file=sys.stderr)
        return 2


def _show_warnings() -> None:
    """What the library warns of stands on the terminal, each sentence once.

    Pillow's own warnings, of small damage that it passes over, name files of the program and tell
    the user nothing.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    handler, said = logging.StreamHandler(), set[str]()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return text not in said and not said.add(text)

    handler.addFilter(is_new)
    logging.basicConfig(handlers=[handler], format="cxdemo: %(message)s")


def _tell(error: Exception) -> str:
    """What went wrong, in a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    if isinstance(error, ValueError | OSError):
        return str(error)
    found = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"something unexpected went wrong ({found}); `cxdemo --debug` shows where."


def _parser() -> argparse.ArgumentParser:
    called = "cxdemo" if Path(sys.argv[0]).stem == "cxdemo" else "python -m cxdemo"
    parser = argparse.ArgumentParser(prog=called, description="The Contextual Loss.")
    parser.add_argument("--version", action="version", version=f"cxdemo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for command in (style, sr, match, face, lab, fetch, publish, bench, examples):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
