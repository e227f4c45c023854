"""python -m cxdemo fetch: pull a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

import argparse
from typing import Any

from cxdemo import checkpoints
from cxdemo.commands.terminal import draw_bar


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fetch", help="pull a checkpoint from the Hugging Face Hub"
    )
    parser.add_argument("name", nargs="?", default="vgg19", help="which one. Default: vgg19")
    parser.add_argument(
        "--whole", action="store_true", help="the whole file, checked by its sha256"
    )
    parser.set_defaults(command=run_fetch)


def run_fetch(args: argparse.Namespace) -> int:
    """Pulls a checkpoint into the local cache."""

    def report(done: int, total: int) -> None:
        draw_bar(args.name, done, total, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    path = checkpoints.fetch_checkpoint(args.name, whole=args.whole, progress=report)
    print(path)
    return 0
