"""python -m cxdemo bench: measure speed and memory; the flags follow the benchmark's name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig

BENCHES = {
    "core": "core",
    "lab": "lab",
    "load": "load",
    "match": "match",
    "sr": "super_resolution",
    "style": "style",
}
"""Module of each benchmark in `cxdemo.bench`, which is imported when it is run."""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench", help="measure speed and memory", add_help=False
    )
    parser.add_argument("what", choices=tuple(BENCHES))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="flags of the benchmark")
    parser.set_defaults(command=run_bench)


def run_bench(args: argparse.Namespace) -> int:
    """Runs a benchmark."""
    main = import_module(f"cxdemo.bench.{BENCHES[args.what]}").main
    more = {"handler": answer_clicks} if args.what == "match" else {}
    return main(args.rest, **more)


def answer_clicks(
    source: Path, target: Path, config: PatchSimilarityConfig
) -> Callable[[], object]:
    """What the app does for a click on two pictures."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.match import Comparison
    from cxdemo.runs.match_click import answer_click

    comparison = Comparison(source=images.load(source), target=images.load(target), config=config)
    return partial(answer_click, comparison, default_context())
