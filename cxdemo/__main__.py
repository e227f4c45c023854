"""python -m cxdemo style | fetch | publish | bench: the command line.

Flags come from the configuration of each pipeline. Bad input ends with one line and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cxdemo import checkpoints, images
from cxdemo.options import Option, options_of
from cxdemo.pipelines.style_transfer import (
    PRESETS,
    StyleTransferConfig,
    load_preset,
    transfer_style,
)

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the arguments and runs the command."""
    args = _parser().parse_args(argv)
    command: Command = args.command
    try:
        return command(args)
    except (ValueError, OSError) as error:
        if args.debug:
            raise
        print(f"cxdemo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cxdemo: stopped", file=sys.stderr)
        return 130


def run_style(args: argparse.Namespace) -> int:
    """Paints a content in a style and writes a PNG that carries its settings."""
    output = Path(args.output)
    if not output.parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    chosen = {name: getattr(args, name) for name in options_of(StyleTransferConfig)}
    config = load_preset(args.preset, **{k: v for k, v in chosen.items() if v is not None})
    content = images.to_tensor(images.load(args.content))
    styles = [images.to_tensor(images.load(path)) for path in args.style]
    image = content
    for step in transfer_style(content, styles, config, style_weights=args.style_weights):
        text = f"loss {step.loss:.3f}, about {step.seconds_left:.0f} s left"
        _draw_bar("style", step.index, step.total, text)
        image = step.image
    images.save_png(image, output, metadata={"cxdemo": json.dumps(config.as_dict())})
    print(output)
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Pulls a checkpoint into the local cache."""

    def report(done: int, total: int) -> None:
        _draw_bar(args.name, done, total, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    path = checkpoints.fetch_checkpoint(args.name, whole=args.whole, progress=report)
    print(path)
    return 0


def run_publish(args: argparse.Namespace) -> int:
    """Uploads the embedded checkpoints to a Hub repository of the user's."""
    address = checkpoints.publish_checkpoints(args.repo)
    print(f"Published. Set CXDEMO_HUB_REPO={address}")
    return 0


def run_bench(args: argparse.Namespace) -> int:
    """Runs a benchmark; its own flags follow its name."""
    from cxdemo.bench import core, style

    return {"core": core.main, "style": style.main}[args.what](args.rest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo", description="The Contextual Loss.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    style = commands.add_parser("style", help="paint a content in a style")
    style.add_argument("content", help="image file: what the picture shows")
    style.add_argument("style", nargs="+", help="image files: whose style it takes")
    style.add_argument("-o", "--output", required=True, help="PNG to write")
    style.add_argument("--preset", default="fast", choices=tuple(PRESETS), help="default: fast")
    style.add_argument(
        "--style-weights", nargs="+", type=float, metavar="W", help="share of each style"
    )
    for known in options_of(StyleTransferConfig).values():
        _add_flag(style, known)
    style.set_defaults(command=run_style)

    fetch = commands.add_parser("fetch", help="pull a checkpoint from the Hugging Face Hub")
    fetch.add_argument(
        "name", nargs="?", default="vgg19", choices=tuple(checkpoints.load_manifest())
    )
    fetch.add_argument("--whole", action="store_true", help="the whole file, checked by its sha256")
    fetch.set_defaults(command=run_fetch)

    publish = commands.add_parser("publish", help="upload checkpoints/ to a Hub repository")
    publish.add_argument("--repo", required=True, help="OWNER/NAME")
    publish.set_defaults(command=run_publish)

    bench = commands.add_parser("bench", help="measure speed and memory", add_help=False)
    bench.add_argument("what", choices=("core", "style"))
    bench.add_argument("rest", nargs=argparse.REMAINDER, help="flags of the benchmark")
    bench.set_defaults(command=run_bench)
    return parser


def _add_flag(parser: argparse.ArgumentParser, known: Option) -> None:
    """One option as a flag; None unless given, so that the preset's value stays."""
    flag = "--" + known.name.replace("_", "-")
    help_text = f"{known.help} Default: {_shown(known.default)}.".replace("%", "%%")
    if isinstance(known.default, bool):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_text)
        return
    kind: dict[str, Any] = {"type": type(known.default)}
    if isinstance(known.default, tuple):
        kind = {"type": _split}
    parser.add_argument(flag, default=None, metavar="X", help=help_text, **kind)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _draw_bar(name: str, done: int, total: int, text: str) -> None:
    """One line on a terminal, redrawn; nothing when the output is not a terminal."""
    if not sys.stderr.isatty():
        return
    filled = round(30 * done / max(total, 1))
    end = "\n" if done >= total else ""
    line = f"\r{name} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}  {text}   "
    print(line, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
