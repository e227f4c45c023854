"""python -m cxdemo style | face | sr | match | lab | fetch | publish | bench: the command line.

Flags come from the configuration of each pipeline. Bad input ends with one line and exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cxdemo import __version__, checkpoints, images
from cxdemo.commands import face, lab, match, publish, sr, style
from cxdemo.commands.terminal import draw_bar
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig

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


def run_fetch(args: argparse.Namespace) -> int:
    """Pulls a checkpoint into the local cache."""

    def report(done: int, total: int) -> None:
        draw_bar(args.name, done, total, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    path = checkpoints.fetch_checkpoint(args.name, whole=args.whole, progress=report)
    print(path)
    return 0


def run_bench(args: argparse.Namespace) -> int:
    """Runs a benchmark; its own flags follow its name."""
    from cxdemo.bench import core, load, super_resolution
    from cxdemo.bench import lab as lab_bench
    from cxdemo.bench import match as match_bench
    from cxdemo.bench import style as style_bench

    benches = {
        "core": core.main,
        "lab": lab_bench.main,
        "load": load.main,
        "match": partial(match_bench.main, handler=_answer_clicks),
        "sr": super_resolution.main,
        "style": style_bench.main,
    }
    return benches[args.what](args.rest)


def _answer_clicks(
    source: Path, target: Path, config: PatchSimilarityConfig
) -> Callable[[], object]:
    """What the app does for a click on two pictures."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.match import Comparison
    from cxdemo.runs.match_click import answer_click

    comparison = Comparison(source=images.load(source), target=images.load(target), config=config)
    return partial(answer_click, comparison, default_context())


def _parser() -> argparse.ArgumentParser:
    called = "cxdemo" if Path(sys.argv[0]).stem == "cxdemo" else "python -m cxdemo"
    parser = argparse.ArgumentParser(prog=called, description="The Contextual Loss.")
    parser.add_argument("--version", action="version", version=f"cxdemo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for command in (style, sr, match, face, lab):
        command.add_parser(commands)

    fetch = commands.add_parser("fetch", help="pull a checkpoint from the Hugging Face Hub")
    fetch.add_argument("name", nargs="?", default="vgg19", help="which one. Default: vgg19")
    fetch.add_argument("--whole", action="store_true", help="the whole file, checked by its sha256")
    fetch.set_defaults(command=run_fetch)

    publish.add_parser(commands)

    bench = commands.add_parser("bench", help="measure speed and memory", add_help=False)
    bench.add_argument("what", choices=("core", "lab", "load", "match", "sr", "style"))
    bench.add_argument("rest", nargs=argparse.REMAINDER, help="flags of the benchmark")
    bench.set_defaults(command=run_bench)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
