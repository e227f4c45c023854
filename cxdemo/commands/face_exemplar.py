"""python -m cxdemo face exemplar: a face with the features of another."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.pipelines.face_exemplar import ExemplarConfig


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "exemplar", help="give a face the features of another"
    )
    parser.add_argument("source", help="image file with the face that changes")
    parser.add_argument("target", help="image file with the face whose features it takes")
    parser.add_argument("--crop-only", action="store_true", help="write the face alone")
    for side in ("source", "target"):
        parser.add_argument(
            f"--{side}-face", type=int, default=1, metavar="N",
            help="which face; 1 is the largest. Without any, the middle of the picture is taken",
        )  # fmt: skip
    add_result_flags(
        parser,
        images.WRITABLE,
        more="picture to write",
        told="settings and figures",
        kind=ExemplarConfig,
    )
    parser.set_defaults(command=run_exemplar)


def run_exemplar(args: argparse.Namespace) -> int:
    """Writes the picture with its face transformed."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.exemplar import ExemplarRun
    from cxdemo.runs.live import foresee
    from cxdemo.runs.pace import say_left

    usual = f"{Path(args.source).stem}-transformed.png"
    output = choose_result(args, args.source, args.target, endings=images.WRITABLE, usual=usual)
    config = choose_config(args, ExemplarConfig, pipeline="face_exemplar")
    ctx = default_context()
    source = _open(args.source, args.source_face, "source", ctx)
    target = _open(args.target, args.target_face, "target", ctx)
    run = ExemplarRun(
        picture=source.picture, source=source.aligned, target=target.aligned, config=config
    )
    for _ in foresee(run, ctx):
        draw_bar("exemplar", run.index, run.total, say_left(run.seconds_left, ""))
    image = run.result() if args.crop_only else run.whole()
    file = output.write(partial(images.save_picture, image, settings=run.settings()))
    losses = dict(run.history[-1][1])
    terms = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
    said = f"{run.index} steps in {run.seconds:.1f} s; {terms}"
    return tell_result(args, run.settings() | {"losses": losses}, file, lines=[said])


def _open(file: str, number: int, what: str, ctx: Any) -> Any:
    from cxdemo.faces.choice import find_in

    chosen = find_in(images.load(file), ctx.find_faces)
    if chosen.faces:
        return chosen.choose(number - 1)
    text = f"cxdemo: no face was found in the {what}: the middle of the picture is taken."
    print(text, file=sys.stderr)
    return chosen
