"""python -m cxdemo lab gaussians | points: the toys, as figures, frames and numbers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from cxdemo.commands.outputs import FIGURES
from cxdemo.commands.settings import add_result_flags, choose_config, choose_result, tell_result
from cxdemo.commands.terminal import add_flag
from cxdemo.options import options_of, parse_value, read_config
from cxdemo.pipelines.loss_toys import LOSSES, GaussiansConfig, PointsConfig, PointsFrame

MUS = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0)
SIGMAS = (0.25, 1.0, 2.0, 4.0, 10.0)
BANDWIDTHS = (0.1, 0.5, 1.0)  # of the figure's maps
DRAWS = 40  # of the table
RACE = (".gif", ".png", ".json")


def add_parsers(commands: Any) -> None:
    """Adds the subcommands."""
    gaussians: argparse.ArgumentParser = commands.add_parser(
        "gaussians", help="expected CX and L2 between two Gaussians (paper 1, Fig. 5)"
    )
    add_result_flags(gaussians, FIGURES, more="maps to write", told="the table")
    add_flag(gaussians, options_of(GaussiansConfig)["bandwidth"])
    gaussians.set_defaults(command=run_gaussians)
    points: argparse.ArgumentParser = commands.add_parser(
        "points", help="points moved under the nearest neighbour's L2, Chamfer and CX"
    )
    add_result_flags(
        points, RACE, more="film, figure or figures to write", told="the result", kind=PointsConfig
    )
    points.set_defaults(command=run_points)


def run_gaussians(args: argparse.Namespace) -> int:
    """Writes the maps and prints E[CX], E[L2] and DIS over (mu, sigma)."""
    import torch

    from cxdemo.figures.toys import save_gaussians
    from cxdemo.pipelines.loss_toys import expect_gaussians

    output = choose_result(args, endings=FIGURES, usual="gaussians.png")
    given = {} if args.bandwidth is None else {"bandwidth": _parse_bandwidth(args.bandwidth)}
    config = read_config(GaussiansConfig, given, base=GaussiansConfig(draws=DRAWS))
    bandwidth = config.bandwidth
    grid = torch.cartesian_prod(torch.tensor(SIGMAS), torch.tensor(MUS))
    means = expect_gaussians(grid[:, 1], grid[:, 0], config)
    size = (len(SIGMAS), len(MUS))
    table = {
        "similarity": means.similarity.view(size).tolist(),
        "squared": means.squared.view(size).tolist(),
        "distinct": means.distinct.view(size).tolist(),
    }
    shown = (bandwidth,) if given else BANDWIDTHS
    file = output.write(lambda path: save_gaussians(shown, path))
    told = {"h": bandwidth, "draws": DRAWS, "mus": MUS, "sigmas": SIGMAS, **table}
    return tell_result(args, told, file, lines=_tabulate_gaussians(table, bandwidth))


def _tabulate_gaussians(table: Mapping[str, list[list[float]]], bandwidth: float) -> Iterator[str]:
    """E[CX] and DIS, a line for each sigma."""
    for name, title in (("similarity", f"E[CX], h = {bandwidth:g}"), ("distinct", "DIS")):
        yield title
        yield f"{'sigma | mu':>10}" + "".join(f"{mu:8g}" for mu in MUS)
        for sigma, row in zip(SIGMAS, table[name], strict=True):
            yield f"{sigma:10g}" + "".join(f"{value:8.3f}" for value in row)
    yield "E[L2] = 1 + mu^2 + sigma^2. CX of two samples of one law is not 1: see mu 0, sigma 1."


def run_points(args: argparse.Namespace) -> int:
    """Moves the points, writes the frames and prints a line for each loss."""
    from dataclasses import asdict

    from cxdemo.figures.toys import frame_points, save_points
    from cxdemo.pipelines.loss_toys import move_points

    output = choose_result(args, endings=RACE, usual="points.gif")
    config = choose_config(args, PointsConfig, pipeline="loss_points")
    frames = list(move_points(config))
    file = output.write(lambda path: save_points(frames, config, path))
    standings = {name: asdict(frames[-1].standings[name]) for name in LOSSES}
    told = {**frame_points(config), "standings": standings}
    return tell_result(args, told, file, lines=_tabulate_points(frames[-1]))


def _tabulate_points(last: PointsFrame) -> Iterator[str]:
    """A line for each loss."""
    yield f"{'moved by':20} {'distinct':>8} {'to target':>9} {'from target':>11} {'-log CX':>8}"
    for name, label in LOSSES.items():
        s = last.standings[name]
        yield (
            f"{label:20} {s.distinct:7.0%} {s.to_target:10.4f} {s.from_target:11.4f} {s.loss:8.3f}"
        )


def _parse_bandwidth(text: str) -> object:
    return parse_value(options_of(GaussiansConfig)["bandwidth"], text)
