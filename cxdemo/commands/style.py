"""python -m cxdemo style: paint a content in a style."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

from cxdemo import images
from cxdemo.commands.settings import (
    add_result_flags,
    choose_result,
    read_flags,
    tell_notice,
    tell_result,
)
from cxdemo.commands.terminal import draw_bar
from cxdemo.options import parse_value
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig, load_preset

_LOGGER = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    style: argparse.ArgumentParser = commands.add_parser("style", help="paint a content in a style")
    style.add_argument("content", help="image file: what the picture shows")
    style.add_argument("style", nargs="+", help="image files: whose style it takes")
    style.add_argument("--preset", choices=tuple(PRESETS), help="default: fast")
    style.add_argument(
        "--style-weights", nargs="+", metavar="W", help="share of each style. Default: equal"
    )
    add_result_flags(
        style,
        images.WRITABLE,
        more="picture to write",
        told="settings and figures",
        kind=StyleTransferConfig,
    )
    style.set_defaults(command=run_style)


def run_style(args: argparse.Namespace) -> int:
    """Paints, and writes a picture that carries its settings."""
    from cxdemo.engine.context import default_context
    from cxdemo.runs.live import foresee
    from cxdemo.runs.pace import say_left
    from cxdemo.runs.style import StyleRun

    usual = f"{Path(args.content).stem}-stylized.png"
    output = choose_result(args, args.content, *args.style, endings=images.WRITABLE, usual=usual)
    config, weights = read_asked(args)
    run = StyleRun(
        content=images.load(args.content),
        styles=[images.load(path) for path in args.style],
        shares=weights,
        config=config,
    )
    for _ in foresee(run, default_context()):
        text = f"loss {run.loss:.3f}{say_left(run.seconds_left)}"
        draw_bar("style", run.index, run.total, text)
    if run.image is None:
        raise ValueError("No step was taken, so there is no picture: ask for a step at least.")
    if run.notice:
        _LOGGER.warning(run.notice)
    file = output.write(partial(images.save_picture, run.image, settings=run.settings()))
    figures = {"loss": run.loss, "losses": dict(run.history[-1][1])}
    return tell_result(args, run.settings() | figures, file)


def read_asked(args: argparse.Namespace) -> tuple[StyleTransferConfig, list[float]]:
    """Settings and weights of the styles: flags before --settings before the preset.

    Raises:
        ValueError: A wrong value, as many weights as there are no styles, or two starting points.
    """
    from cxdemo.runs.style import STYLE_WEIGHTS, read_settings_file, read_weights

    count, equal = len(args.style), [1.0] * len(args.style)
    given = parse_value(STYLE_WEIGHTS, ",".join(args.style_weights or ()))
    weights = read_weights(list(given)) if args.style_weights else equal
    if len(weights) != count:
        raise ValueError(f"Expected a weight for each style, got {len(weights)} for {count}.")
    if args.settings is None:
        return read_flags(
            args, StyleTransferConfig, base=load_preset(args.preset or "fast")
        ), weights
    if args.preset is not None:
        raise ValueError("--settings and --preset are two starting points: give one of them.")
    stored = tell_notice(read_settings_file(Path(args.settings)), args.settings)
    if args.style_weights is None:
        weights = _stored_weights(stored.rest["style_weights"], equal)
    return read_flags(args, StyleTransferConfig, base=stored.config), weights


def _stored_weights(stored: list[float], equal: list[float]) -> list[float]:
    """Weights of an earlier result, if they are for as many styles."""
    if len(stored) == len(equal):
        return stored
    if len(set(stored)) > 1:
        print(
            f"cxdemo: the result had {len(stored)} styles and this one has {len(equal)}: its "
            "weights are left out.",
            file=sys.stderr,
        )
    return equal
