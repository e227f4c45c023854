"""python -m cxdemo face exemplar: a face with the features of another."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.terminal import add_flag, draw_bar
from cxdemo.options import options_of
from cxdemo.pipelines.face_exemplar import ExemplarConfig


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "exemplar", help="give a face the features of another"
    )
    parser.add_argument("source", help="image file with the face that changes")
    parser.add_argument("target", help="image file with the face whose features it takes")
    parser.add_argument("-o", "--output", required=True, help="PNG file to write")
    parser.add_argument("--crop-only", action="store_true", help="write the face alone")
    for side in ("source", "target"):
        parser.add_argument(
            f"--{side}-face", type=int, default=1, metavar="N",
            help="which face; 1 is the largest. Without any, the middle of the picture is taken",
        )  # fmt: skip
    for known in options_of(ExemplarConfig).values():
        add_flag(parser, known)
    parser.set_defaults(command=run_exemplar)


def run_exemplar(args: argparse.Namespace) -> int:
    """Writes the picture with its face transformed."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.exemplar_run import SETTINGS_KEY, ExemplarRun
    from cxdemo.ui.live_state import foresee
    from cxdemo.ui.pace import say_left

    output = Path(args.output)
    if output.suffix.lower() != ".png":
        raise ValueError(f"{output.name}: the result is a PNG file, call it so.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    values = {name: getattr(args, name) for name in options_of(ExemplarConfig)}
    config = ExemplarConfig(**{k: v for k, v in values.items() if v is not None})
    ctx = default_context()
    source = _open(args.source, args.source_face, "source", ctx)
    target = _open(args.target, args.target_face, "target", ctx)
    run = ExemplarRun(
        picture=source.picture, source=source.aligned, target=target.aligned, config=config
    )
    for _ in foresee(run, ctx):
        draw_bar("exemplar", run.index, run.total, say_left(run.seconds_left, ""))
    image = run.result() if args.crop_only else run.whole()
    images.save_png(image, output, metadata={SETTINGS_KEY: json.dumps(run.settings())})
    terms = ", ".join(f"{name} {value:.3f}" for name, value in run.history[-1][1].items())
    print(f"{run.index} steps in {run.seconds:.1f} s; {terms}")
    print(output)
    return 0


def _open(file: str, number: int, what: str, ctx: Any) -> Any:
    from cxdemo.ui.face_choice import find_in

    chosen = find_in(images.load(file), ctx.find_faces)
    if chosen.faces:
        return chosen.choose(number - 1)
    print(f"No face was found in the {what}: the middle of the picture is taken.")
    return chosen
