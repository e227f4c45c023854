"""python -m cxdemo face translate: a face into another domain, in its picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.pipelines.face_translation import TRANSLATORS


def add_parsers(commands: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "translate", help="translate a face into another domain"
    )
    parser.add_argument("image", help="image file with a face")
    parser.add_argument("-o", "--output", required=True, help="PNG file to write")
    parser.add_argument("--to", required=True, choices=list(TRANSLATORS), help="which way")
    parser.add_argument("--face", type=int, default=1, metavar="N", help="1 is the largest face")
    parser.add_argument("--crop", action="store_true", help="write the face alone, 256 pixels")
    parser.set_defaults(command=run_translate)


def run_translate(args: argparse.Namespace) -> int:
    """Writes the translated picture."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.face_choice import find_in
    from cxdemo.ui.face_translate import translate_face

    output = Path(args.output)
    if output.suffix.lower() != ".png":
        raise ValueError(f"{output.name}: the result is a PNG file, call it so.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    ctx = default_context()
    chosen = find_in(images.load(args.image), ctx.find_faces)
    if not chosen.faces:
        raise ValueError(
            f"No face was found in {Path(args.image).name}: take one with a larger face that looks "
            "at you, or place the crop by hand in the app."
        )
    made = translate_face(ctx, chosen.choose(args.face - 1), args.to)
    images.save_png(images.to_pil(made.after if args.crop else made.whole), output)
    found = made.translation
    print(f"{len(chosen.faces)} found, face {args.face} translated in {found.seconds:.2f} s")
    print(f"CX to the source {found.source_term:.3f}, change {100 * found.moved:.1f} %")
    print(output)
    return 0
