"""python -m cxdemo face translate: a face into another domain, in its picture."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.settings import add_result_flags, choose_result, tell_result
from cxdemo.pipelines.face_translation import TRANSLATORS


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "translate", help="translate a face into another domain"
    )
    parser.add_argument("image", help="image file with a face")
    add_result_flags(parser, images.WRITABLE, more="picture to write")
    parser.add_argument("--to", required=True, choices=list(TRANSLATORS), help="which way")
    parser.add_argument("--face", type=int, default=1, metavar="N", help="1 is the largest face")
    parser.add_argument("--crop", action="store_true", help="write the face alone, 256 pixels")
    parser.set_defaults(command=run_translate)


def run_translate(args: argparse.Namespace) -> int:
    """Writes the translated picture."""
    from cxdemo.engine.context import default_context
    from cxdemo.faces.choice import find_in
    from cxdemo.runs.translate import translate_face

    usual = f"{Path(args.image).stem}-{args.to}.png"
    output = choose_result(args, args.image, endings=images.WRITABLE, usual=usual)
    ctx = default_context()
    chosen = find_in(images.load(args.image), ctx.find_faces)
    if not chosen.faces:
        raise ValueError(
            f"No face was found in {Path(args.image).name}: take one with a larger face that looks "
            "at you, or place the crop by hand in the app."
        )
    made = translate_face(ctx, chosen.choose(args.face - 1), args.to)
    found = made.translation
    told = {
        "made_by": "cxdemo",
        "pipeline": "face_translation",
        "config": {"to": args.to, "face": args.face, "crop": args.crop},
        "faces": len(chosen.faces),
        "source_term": found.source_term,
        "moved": found.moved,
        "seconds": round(found.seconds, 3),
    }
    image = made.after if args.crop else made.whole
    file = output.write(partial(images.save_picture, image, settings=told))
    lines = (
        f"{len(chosen.faces)} found, face {args.face} translated in {found.seconds:.2f} s",
        f"CX to the source {found.source_term:.3f}, change {100 * found.moved:.1f} %",
    )
    return tell_result(args, told, file, lines=lines)
