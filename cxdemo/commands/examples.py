"""python -m cxdemo examples: make the stored results of the app anew, or say which are stale."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cxdemo.gallery.made import Result


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "examples",
        help="make the stored results of the app, or say which are older than what made them",
        description="Makes the stored results that are missing, or older than the settings, "
        "pictures, weights or code that make them, and writes down of what it made them.",
    )
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help="only these: style, or a part of a name: style/cat"
    )
    parser.add_argument(
        "--check", action="store_true", help="only say which are stale; exit code 1 if any is"
    )
    parser.add_argument("--all", action="store_true", help="also those that are up to date")
    parser.add_argument(
        "--peers", type=Path, metavar="FOLDER",
        help="of upscale: packages of others to show, as `bench sr` takes them",
    )  # fmt: skip
    parser.set_defaults(command=run_examples)


def run_examples(args: argparse.Namespace) -> int:
    """Makes the results that are asked for, or lists the stale ones."""
    from cxdemo.gallery.kinds import list_results
    from cxdemo.gallery.made import load_record

    results, record = list_results(args.kinds), load_record()
    faults = {result.name: result.find_fault(record) for result in results}
    if args.check:
        return tell_stale(faults)
    wanted = [result for result in results if args.all or faults[result.name]]
    _make(list(_with_peers(wanted, args.peers)))
    return 0


def tell_stale(faults: dict[str, str]) -> int:
    """Prints what is wrong with each result; the exit code."""
    stale = {name: fault for name, fault in faults.items() if fault}
    for name, fault in stale.items():
        print(f"{name} {fault}")
    print(f"{len(faults) - len(stale)} of {len(faults)} are up to date.")
    return 1 if stale else 0


def _with_peers(results: Sequence[Result], folder: Path | None) -> Iterator[Result]:
    """The same results; that of upscale shows others beside ours where their folder is named."""
    from cxdemo.bench.upscaler_peers import load_peers
    from cxdemo.gallery.overview import make_upscale

    for result in results:
        if folder is not None and result.name.startswith("upscale/"):
            yield replace(result, make=partial(make_upscale, peers=load_peers(folder)))
        else:
            yield result


def _make(results: Sequence[Result]) -> None:
    from cxdemo.engine.context import default_context

    logging.getLogger("cxdemo.gallery").setLevel(logging.INFO)
    ctx = default_context()
    for result in results:
        began = time.monotonic()
        result.remake(ctx)
        print(f"{result.name}: {time.monotonic() - began:.0f} s", flush=True)
