"""python -m cxdemo face animate | puppet: a picture moved by a clip, a puppet steered by one."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.outputs import Output
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import draw_bar
from cxdemo.pipelines.face_animation import ANIMATION, PUPPET, AnimationConfig

ENDINGS = (".mp4", ".gif")


def add_parsers(commands: Any) -> None:
    """Adds the subcommands."""
    animate: argparse.ArgumentParser = commands.add_parser(
        "animate", help="a picture moved by a clip of a face"
    )
    animate.add_argument("target", help="the picture that is to move")
    animate.add_argument(
        "clip",
        help="film of the face that moves: its first 3 s, cut to a square that follows the face; "
        "a film without a face is refused",
    )
    _add_common(animate)
    animate.set_defaults(command=run_animate)
    puppet: argparse.ArgumentParser = commands.add_parser(
        "puppet",
        help="a puppet learnt from pairs of frames, steered by a new clip",
    )
    puppet.add_argument("driver", help="film, or folder of pictures, of the face that steers")
    puppet.add_argument("puppet", help="the puppet doing the same: film, or folder, same names")
    puppet.add_argument("new", help="film of the driver that steers the puppet")
    _add_common(puppet)
    puppet.set_defaults(command=run_puppet)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alone", action="store_true", help="the result without its driver")
    add_result_flags(parser, ENDINGS, more="film to write", kind=AnimationConfig)


def run_animate(args: argparse.Namespace) -> int:
    """Trains, and writes driver and result side by side."""
    from cxdemo.engine.context import default_context
    from cxdemo.faces import align
    from cxdemo.runs.clips import SAME_AS_DRIVER, open_driver, start_animation

    output = _choose_output(args, args.target, args.clip)
    ctx = default_context()
    target = images.to_tensor(images.load(args.target))
    faces = ctx.find_faces(target)
    if faces:  # else the middle of the picture, which is what a drawing needs
        target = align(target, faces[0], 256, SAME_AS_DRIVER).crop
    run = start_animation(
        target, open_driver(args.clip, ctx), _config(args, ANIMATION, "animation")
    )
    return _finish(run, ctx, output, args)


def run_puppet(args: argparse.Namespace) -> int:
    """Learns from pairs, and writes the new clip and the puppet side by side."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.clips import open_clip, start_puppet

    output = _choose_output(args, args.driver, args.puppet, args.new)
    if Path(args.driver).is_dir() != Path(args.puppet).is_dir():
        raise ValueError("Driver and puppet must both be films, or both be folders of pictures.")
    if Path(args.driver).is_dir():
        driver, puppet = read_pairs(Path(args.driver), Path(args.puppet))
    else:
        driver, puppet = open_clip(args.driver), open_clip(args.puppet)
    run = start_puppet(driver, puppet, open_clip(args.new), _config(args, PUPPET, "puppet"))
    return _finish(run, default_context(), output, args)


def read_pairs(driver: Path, puppet: Path) -> tuple[Any, Any]:
    """Two clips from two folders: the pictures whose names occur in both, in order of names.

    Raises:
        ValueError: No name occurs in both.
    """
    from cxdemo.runs.clips import FPS
    from cxdemo.video import Clip

    found = [
        {p.stem: p for p in sorted(folder.iterdir()) if p.is_file()} for folder in (driver, puppet)
    ]
    names = sorted(found[0].keys() & found[1].keys())
    if not names:
        raise ValueError(
            f"No picture in {driver.name} has the name of one in {puppet.name}: pairs are matched "
            "by name, such as 001.png and 001.png."
        )
    clips = [_stack([paths[name] for name in names]) for paths in found]
    return Clip(frames=clips[0], fps=FPS), Clip(frames=clips[1], fps=FPS)


def _stack(paths: list[Path]) -> Any:
    """Pictures as frames of one size, (T, 3, S, S)."""
    import torch

    squares = []
    for path in paths:
        image = images.to_tensor(images.load(path))
        squares.append(images.resize(images.crop_middle(image), (256, 256)))
    return torch.cat(squares).clamp(0, 1)


def _choose_output(args: argparse.Namespace, first: str, *others: str) -> Output:
    usual = f"{Path(first).stem}-{args.command.__name__[4:]}.mp4"
    return choose_result(args, first, *others, endings=ENDINGS, usual=usual)


def _config(args: argparse.Namespace, defaults: AnimationConfig, kind: str) -> AnimationConfig:
    return choose_config(args, AnimationConfig, pipeline=kind, base=defaults)


def _finish(run: Any, ctx: Any, output: Output, args: argparse.Namespace) -> int:
    from cxdemo.runs.live import foresee
    from cxdemo.runs.pace import say_left

    for _ in foresee(run, ctx):
        left = say_left(run.seconds_left, "")
        draw_bar(args.command.__name__[4:], run.step.index, run.step.total, left)
    file = output.write(partial(run.save, kind="result" if args.alone else ""))
    return tell_result(args, run.settings(), file)
