"""python -m cxdemo style | face | sr | match | lab | fetch | publish | bench: the command line.

Flags come from the configuration of each pipeline. Bad input ends with one line and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from cxdemo import checkpoints, images
from cxdemo.commands import face, lab, publish
from cxdemo.commands.terminal import add_flag, draw_bar
from cxdemo.grids import cell_at
from cxdemo.networks import Upscaler
from cxdemo.options import options_of
from cxdemo.pipelines.patch_similarity import (
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)
from cxdemo.pipelines.style_transfer import (
    PRESETS,
    StyleTransferConfig,
    load_preset,
    transfer_style,
)
from cxdemo.pipelines.super_resolution import (
    SuperResolutionConfig,
    load_upscaler,
    prepare_layers,
    upscale,
)

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".avif", ".heic"}
"""Endings of the files that `sr` takes from a folder."""

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
        draw_bar("style", step.index, step.total, text)
        image = step.image
    images.save_png(image, output, metadata={"cxdemo": json.dumps(config.as_dict())})
    print(output)
    return 0


def run_sr(args: argparse.Namespace) -> int:
    """Enlarges a picture, or all pictures of a folder, four times."""
    source, output = Path(args.input), Path(args.output)
    if not output.absolute().parent.is_dir():
        raise ValueError(f"The folder of {args.output} does not exist. Create it first.")
    known = {name: getattr(args, name) for name in options_of(SuperResolutionConfig)}
    config = SuperResolutionConfig(**{k: v for k, v in known.items() if v is not None})
    if not source.is_dir():
        _enlarge(source, output, config)
        return 0
    if output.is_file():
        raise ValueError(f"{args.output} is a file, but a folder goes into a folder: name another.")
    output.mkdir(exist_ok=True)
    return _enlarge_folder(source, output, config)


def _enlarge_folder(source: Path, output: Path, config: SuperResolutionConfig) -> int:
    """Names what is no picture and what fails, and goes on. 1 if any failed, else 0."""
    files = sorted(path for path in source.iterdir() if path.is_file())
    pictures = [path for path in files if path.suffix.lower() in PICTURES]
    if not pictures:
        raise ValueError(f"{source} holds no picture ({', '.join(sorted(PICTURES))}).")
    for path in files:
        if path not in pictures:
            print(f"cxdemo: skipped {path.name}: no picture by its name", file=sys.stderr)
    stems = [path.stem for path in pictures]
    failed = 0
    for path in pictures:
        name = path.stem if stems.count(path.stem) == 1 else path.name
        try:
            _enlarge(path, output / f"{name}.png", config)
        except checkpoints.CheckpointError:
            raise  # no other picture would fare better
        except (ValueError, OSError) as error:
            failed += 1
            print(f"cxdemo: {path.name}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _enlarge(source: Path, output: Path, config: SuperResolutionConfig) -> None:
    """One picture to a PNG that carries its settings."""
    picture, alpha = images.load_with_alpha(source)
    low_res, alpha = prepare_layers(picture, alpha)
    network = _load_upscaler(config.checkpoint)
    last = None
    for last in upscale(low_res, network, config):
        text = f"{source.name}, about {last.seconds_left:.0f} s left"
        draw_bar("sr", last.index, last.total, text)
    if last is None:
        return
    settings = {"cxdemo": json.dumps(config.as_dict())}
    images.save_png(last.canvas.to_pil(alpha), output, metadata=settings, keep_alpha=True)
    print(output)


@cache
def _load_upscaler(name: str) -> Upscaler:
    return load_upscaler(name)


def run_match(args: argparse.Namespace) -> int:
    """Says and draws what a patch of one picture sees in another."""
    from cxdemo.ui.match_figure import draw_figure, save_figure
    from cxdemo.ui.match_report import describe_numbers, read_place, tell_numbers

    files = _figure_files(args)
    chosen = {name: getattr(args, name) for name in options_of(PatchSimilarityConfig)}
    config = PatchSimilarityConfig(**{k: v for k, v in chosen.items() if v is not None})
    source, target = (images.load(path) for path in (args.source, args.target))
    asker, asked = (source, target) if config.asks == "source" else (target, source)
    place = read_place(args.at, asker.size)
    maps = (extract_map(images.to_tensor(picture), config) for picture in (asker, asked))
    pair = PatchSimilarity(*maps)
    answer = pair.ask(cell_at(*place, pair.grids[0]), config)
    survey = pair.survey(config)
    names = ("Source", "Target") if config.asks == "source" else ("Target", "Source")
    figure = draw_figure(asker, asked, answer, config, pair_names=names)
    for file in files:
        save_figure(figure, file)
    if args.json:
        print(json.dumps(describe_numbers(answer, survey, config, place), indent=2))
    else:
        print(tell_numbers(answer, survey, config), *files, sep="\n")
    return 0


def _figure_files(args: argparse.Namespace) -> list[Path]:
    """Where the panel goes, each checked before any work."""
    from cxdemo.ui.match_figure import check_ending

    files = [Path(path) for path in (args.output, args.figure) if path is not None]
    for file in files:
        check_ending(file)
        if not file.parent.is_dir():
            raise ValueError(f"The folder of {file} does not exist. Create it first.")
    return files


def run_fetch(args: argparse.Namespace) -> int:
    """Pulls a checkpoint into the local cache."""

    def report(done: int, total: int) -> None:
        draw_bar(args.name, done, total, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    path = checkpoints.fetch_checkpoint(args.name, whole=args.whole, progress=report)
    print(path)
    return 0


def run_bench(args: argparse.Namespace) -> int:
    """Runs a benchmark; its own flags follow its name."""
    from cxdemo.bench import core, match, style, super_resolution
    from cxdemo.bench import lab as lab_bench

    benches = {
        "core": core.main,
        "lab": lab_bench.main,
        "match": partial(match.main, handler=_answer_clicks),
        "sr": super_resolution.main,
        "style": style.main,
    }
    return benches[args.what](args.rest)


def _answer_clicks(
    source: Path, target: Path, config: PatchSimilarityConfig
) -> Callable[[], object]:
    """What the app does for a click on two pictures."""
    from cxdemo.ui.context import default_context
    from cxdemo.ui.match_session import Comparison
    from cxdemo.ui.match_view import answer_click

    comparison = Comparison(source=images.load(source), target=images.load(target), config=config)
    return partial(answer_click, comparison, default_context())


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
        add_flag(style, known)
    style.set_defaults(command=run_style)

    sr = commands.add_parser("sr", help="enlarge a picture, or a folder of them, four times")
    sr.add_argument("input", help="image file, or folder")
    sr.add_argument("-o", "--output", required=True, help="PNG to write, or folder")
    for known in options_of(SuperResolutionConfig).values():
        add_flag(sr, known)
    sr.set_defaults(command=run_sr)

    match = commands.add_parser("match", help="what a patch of a picture sees in another one")
    match.add_argument("source", help="image file A")
    match.add_argument("target", help="image file B")
    match.add_argument(
        "--at",
        required=True,
        metavar="X,Y",
        help="the patch that asks: pixels of A (of B with --asks target), or percents: 40%%,35%%",
    )
    match.add_argument("-o", "--output", required=True, help="the panel to write, .png")
    match.add_argument("--figure", metavar="FILE", help="the same panel as .svg or .pdf")
    match.add_argument("--json", action="store_true", help="print the numbers as JSON")
    for known in options_of(PatchSimilarityConfig).values():
        add_flag(match, known)
    match.set_defaults(command=run_match)

    face.add_parser(commands)
    lab.add_parser(commands)

    fetch = commands.add_parser("fetch", help="pull a checkpoint from the Hugging Face Hub")
    fetch.add_argument(
        "name", nargs="?", default="vgg19", choices=tuple(checkpoints.load_manifest())
    )
    fetch.add_argument("--whole", action="store_true", help="the whole file, checked by its sha256")
    fetch.set_defaults(command=run_fetch)

    publish.add_parser(commands)

    bench = commands.add_parser("bench", help="measure speed and memory", add_help=False)
    bench.add_argument("what", choices=("core", "lab", "match", "sr", "style"))
    bench.add_argument("rest", nargs=argparse.REMAINDER, help="flags of the benchmark")
    bench.set_defaults(command=run_bench)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
