"""python -m cxdemo match: what a patch of a picture sees in another one."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from functools import partial
from typing import Any

from cxdemo import images
from cxdemo.commands.outputs import FIGURES, Output, OutputError, choose_output
from cxdemo.commands.settings import add_result_flags, choose_config, tell_result
from cxdemo.features import load_features
from cxdemo.grids import cell_at
from cxdemo.pipelines.patch_similarity import (
    RGB,
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)

_LOGGER = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    match: argparse.ArgumentParser = commands.add_parser(
        "match", help="what a patch of a picture sees in another one"
    )
    match.add_argument("source", help="image file A")
    match.add_argument("target", help="image file B")
    match.add_argument(
        "--at",
        required=True,
        metavar="X,Y",
        help="the patch that asks: pixels of A (of B with --asks target), or percents: 40%%,35%%",
    )
    match.add_argument("--figure", metavar="FILE", help="the same panel as .svg or .pdf")
    add_result_flags(
        match,
        FIGURES,
        more="the panel to write",
        told="the numbers",
        kind=PatchSimilarityConfig,
    )
    match.set_defaults(command=run_match)


def run_match(args: argparse.Namespace) -> int:
    """Says and draws what a patch of one picture sees in another."""
    from cxdemo.figures.match import draw_figure
    from cxdemo.figures.print_frame import save_figure
    from cxdemo.figures.report import describe_numbers, read_place, tell_numbers

    outputs = _choose_outputs(args)
    asked_for = choose_config(args, PatchSimilarityConfig, pipeline="patch_similarity")
    source, target = (images.load(path) for path in (args.source, args.target))
    config, features = _load_network(asked_for)
    asker, asked = (source, target) if config.asks == "source" else (target, source)
    place = read_place(args.at, asker.size)
    maps = (
        extract_map(images.to_tensor(picture), config, features=features)
        for picture in (asker, asked)
    )
    pair = PatchSimilarity(*maps)
    answer = pair.ask(cell_at(*place, pair.grids[0]), config)
    survey = pair.survey(config)
    names = ("Source", "Target") if config.asks == "source" else ("Target", "Source")
    figure = draw_figure(asker, asked, answer, config, pair_names=names)
    numbers = describe_numbers(answer, survey, config, place)
    files = [out.write(partial(save_figure, figure, settings=numbers)) for out in outputs]
    return tell_result(args, numbers, *files, lines=[tell_numbers(answer, survey, config)])


def _load_network(config: PatchSimilarityConfig) -> tuple[PatchSimilarityConfig, Any]:
    """The settings with the network that is really used, and that network; None for RGB."""
    if config.layer == RGB:
        return config, None
    features = load_features(config.backbone, [config.layer])
    if features.notice:
        _LOGGER.warning(features.notice)
    return replace(config, backbone=features.backbone), features


def _choose_outputs(args: argparse.Namespace) -> list[Output]:
    """Where the panel goes, each checked before any work."""
    inputs = [args.source, args.target, *filter(None, [args.settings])]
    outputs = [
        choose_output(given, endings=FIGURES, usual=usual, inputs=inputs, overwrite=args.overwrite)
        for given, usual in ((args.output, "match.png"), (args.figure, "match.svg"))
        if given is not None
    ]
    if len({output.path.absolute() for output in outputs}) < len(outputs):
        raise OutputError("--output and --figure name the same file: give each its own.")
    return outputs
