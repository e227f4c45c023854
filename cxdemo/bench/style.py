"""Where the time of a style transfer goes, and whether portraits keep their faces.

    python -m cxdemo bench style [--preset fine] [--size 512]
    python -m cxdemo bench style --estimates [--preset fast] [--size 256]
    python -m cxdemo bench style --faces
    python -m cxdemo bench style --grain
    python -m cxdemo bench style --peers FOLDER

The first runs a preset on a pair and prints, for each size, the seconds of a step and what the
network, the style term and the content term take of it, each timed alone with its gradient; then
the seconds of the whole run and of its first step. --estimates runs it as the app does, and
compares what was foretold with what came, stage by stage. --faces measures the stored examples: how
far the landmarks of each portrait's result lie from those of its content; --grain, how much speckle
lies on flat grounds. With --peers, ours stands beside other people's methods: see `style_peers`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo import images
from cxdemo.bench import style_peers
from cxdemo.contextual import contextual_loss
from cxdemo.engine.context import default_context
from cxdemo.faces import Face, FaceFinder, load_face_finder
from cxdemo.features import load_features
from cxdemo.hypercolumns import COLORS, moved_grid, read_at
from cxdemo.pipelines.style_transfer import (
    HypercolumnObjective,
    StyleTransferConfig,
    load_preset,
    self_similarity,
    structure,
    transfer_style,
)
from cxdemo.runs.pace import TYPICAL_CPU, Forecast, Paces, Stage
from cxdemo.runs.style import StyleRun

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
REPEATS = 3
GRAIN_SIDE = 256  # pixels of the long side at which grain is measured
OFF = 1 / 3  # by which a forecast may be off after the first stage


class Moved(NamedTuple):
    """How far the face of a content has moved in a stored result, in distances of its eyes."""

    content: str
    style: str
    moved: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of one step at one size, and of its parts with their gradients."""

    size: int
    step: float
    network: float
    style: float
    content: float

    @property
    def rest(self) -> float:
        """Pyramid, optimiser, palette, reading at positions."""
        return max(0.0, self.step - self.network - self.style - self.content)


def seconds_of(work: Callable[[], Tensor]) -> float:
    """Seconds of a computation and its gradient, the best of a few."""
    times: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work().backward()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_costs(content: Tensor, style: Tensor, config: StyleTransferConfig, size: int) -> Costs:
    """What a step on hypercolumns costs at a size, (1, 3, H, W) in [0, 1] both."""
    features = load_features(config.backbone, config.layers)
    small = images.fit_long_side(content, size)
    objective = HypercolumnObjective(small, [style], [1.0], config, features)
    image = small.clone().requires_grad_()
    with torch.no_grad():
        maps = {**features(image), COLORS: image}
    draw = torch.Generator().manual_seed(0)
    grid = moved_grid(small.shape[2], small.shape[3], objective.count, draw)
    columns = objective.columns.read(maps, grid).detach().requires_grad_()
    few = moved_grid(small.shape[2], small.shape[3], 600, draw)
    read = [read_at(maps[name], few).requires_grad_() for name in config.content_layers]

    def network() -> Tensor:
        return torch.stack([m.mean() for m in features(image).values()]).sum()

    def style_term() -> Tensor:
        target, h = objective.targets[0][0], config.style_bandwidth
        return contextual_loss(columns, target, bandwidth=h) + contextual_loss(
            target, columns, bandwidth=h
        )

    def content_term() -> Tensor:
        return torch.stack([self_similarity(m).abs().mean() for m in read]).sum()

    return Costs(
        size=size,
        step=seconds_of(lambda: torch.stack(list(objective(image).values())).sum()),
        network=seconds_of(network),
        style=seconds_of(style_term),
        content=seconds_of(content_term),
    )


def measure_faces(content: Tensor, stylized: Tensor, finder: FaceFinder) -> float | None:
    """How far a face has moved: median distance of its landmarks, in distances of its eyes.

    Args:
        content: (1, 3, H, W) in [0, 1].
        stylized: Its result, of any size.
        finder: Finds the faces in both.

    Returns:
        None: the content has no face. Infinity: it has one, and the result has none there.
    """
    faces = finder.find(content)
    if not faces:
        return None
    wanted = _as_shares(faces[0], content)
    scale = torch.tensor([content.shape[3], content.shape[2]], dtype=torch.float32)
    found = [_as_shares(face, stylized) for face in finder.find(stylized)]
    distances = [
        float(((landmarks - wanted) * scale).norm(dim=1).median()) / faces[0].eye_distance
        for landmarks in found
    ]
    return min(distances, default=float("inf"))


def measure_grain(content: Tensor, stylized: Tensor, style: Tensor) -> float:
    """How much speckle lies on the content's flat grounds, in what the style itself has: 1 as calm.

    Speckle is what curves the grey alike in all directions, as dots do and strokes do not. Of the
    grounds the calmest quarter counts: grain is everywhere, where a painter's marks leave calm
    places between them. At 256 pixels, at which dots of a few pixels are seen best.

    Args:
        content: (1, 3, H, W) in [0, 1]; its flat grounds are the 40 % with the least `structure`.
        stylized: Its result, of any size.
        style: The style that it took.
    """
    content, style = (images.fit_long_side(image, GRAIN_SIDE) for image in (content, style))
    stylized = images.resize(stylized, (content.shape[2], content.shape[3]))
    shown = structure(content).flatten()
    ground = shown <= shown.quantile(0.4)
    found = _speckle(stylized).flatten()[ground].quantile(0.25)
    return float(found / _speckle(style).flatten().quantile(0.25).clamp_min(1e-6))


def _speckle(image: Tensor) -> Tensor:
    """Root of the determinant of the Hessian of the grey, where it is a dot's, about each place."""
    grey = image.mean(dim=1, keepdim=True)
    for _ in range(3):
        grey = F.avg_pool2d(grey, 3, 1, padding=1, count_include_pad=False)
    g = F.pad(grey, [1] * 4, mode="replicate")
    middle = g[..., 1:-1, 1:-1]
    across = g[..., 1:-1, 2:] - 2 * middle + g[..., 1:-1, :-2]
    down = g[..., 2:, 1:-1] - 2 * middle + g[..., :-2, 1:-1]
    both = (g[..., 2:, 2:] - g[..., 2:, :-2] - g[..., :-2, 2:] + g[..., :-2, :-2]) / 4
    dots = (across * down - both.square()).clamp_min(0)
    return F.avg_pool2d(dots, 15, 1, padding=7, count_include_pad=False).sqrt()


def _as_shares(face: Face, image: Tensor) -> Tensor:
    return face.landmarks.cpu() / torch.tensor([image.shape[3], image.shape[2]])


def main(argv: list[str] | None = None) -> int:
    """Prints the table that was asked for."""
    argv = sys.argv[1:] if argv is None else argv
    if any(word.startswith("--peers") for word in argv):
        return style_peers.main(argv)
    args = _parser().parse_args(argv)
    if args.faces:
        return print_faces(Path(args.results), as_json=args.json)
    if args.grain:
        return print_grain(Path(args.results), as_json=args.json)
    return print_estimates(args) if args.estimates else print_costs(args)


def print_faces(results: Path, *, as_json: bool = False) -> int:
    """How far the faces of the stored examples have moved."""
    if as_json:
        print(json.dumps([moved._asdict() for moved in move_faces(results)], indent=2))
        return 0
    print("| content | style | landmarks moved, % of the eye distance |\n|---|---|--:|")
    for content, style, moved in move_faces(results):
        print(f"| {content} | {style} | {100 * moved:.1f} |", flush=True)
    return 0


def move_faces(results: Path) -> Iterator[Moved]:
    """`measure_faces` of the stored results in which there is a face."""
    finder = load_face_finder()
    for path in sorted(results.glob("*__*.png")):
        content, _, style = path.stem.partition("__")
        source = images.to_tensor(images.load(EXAMPLES / f"{content}.jpg"))
        moved = measure_faces(source, images.to_tensor(images.load(path)), finder)
        if moved is not None:
            yield Moved(content, style, moved)


def print_grain(results: Path, *, as_json: bool = False) -> int:
    """How much grain the stored examples have."""
    told: list[dict[str, str | float]] = []
    for path in sorted(results.glob("*__*.png")):
        content, _, style = path.stem.partition("__")
        pictures = (EXAMPLES / f"{content}.jpg", path, EXAMPLES / f"{style}.jpg")
        grain = measure_grain(*(images.to_tensor(images.load(picture)) for picture in pictures))
        told.append({"content": content, "style": style, "grain": round(grain, 2)})
    if as_json:
        print(json.dumps(told, indent=2))
        return 0
    print("| content | style | grain on flat grounds, 1 as calm as the style |\n|---|---|--:|")
    for row in told:
        print(f"| {row['content']} | {row['style']} | {row['grain']:.2f} |")
    return 0


def print_costs(args: argparse.Namespace) -> int:
    """Seconds of a step by size, and of the whole run."""
    config = load_preset(args.preset, **_changes(args))
    content = images.to_tensor(images.load(args.content))
    style = images.to_tensor(images.load(args.style))
    sizes = [size for size, _ in config.stages if config.compare == "hypercolumns"]
    costs = [measure_costs(content, style, config, size) for size in sizes]
    if costs and not args.json:
        print(format_costs(costs))
    first = last = None
    for last in transfer_style(content, [style], config):
        first = first or last
    if first is None or last is None:
        return 1
    answer = {
        "preset": args.preset,
        "size": config.size,
        "steps": last.total,
        "threads": torch.get_num_threads(),
        "first_step_seconds": round(first.seconds, 2),
        "seconds": round(last.seconds, 1),
    }
    print(json.dumps(answer | {"stages": [asdict(c) for c in costs]} if args.json else answer))
    return 0


def format_costs(costs: Sequence[Costs]) -> str:
    """A row for each size, Markdown; the parts are shares of a step."""
    lines = ["| size | seconds a step | network | style | content | rest |",
             "|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for c in costs:
        parts = [f"{part / c.step:.0%}" for part in (c.network, c.style, c.content, c.rest)]
        lines.append(f"| {c.size} | {c.step:.2f} | {' | '.join(parts)} |")
    return "\n".join(lines)


class Foretold(NamedTuple):
    """What a forecast said when a stage was over, or before the first one."""

    size: int  # of the stage, pixels; 0: before the first one
    told: float  # seconds until the end
    real: float

    @property
    def off(self) -> float:
        """Share of the real time by which it was off; negative: too short."""
        return (self.told - self.real) / self.real


def judge_estimates(
    stages: Sequence[Stage], times: Sequence[float], paces: Paces
) -> list[Foretold]:
    """What the app would have said of the time left: at the start, and after each stage.

    Args:
        stages: Of the run.
        times: When each of its steps was done, seconds from the start.
        paces: What was known of the machine before.
    """
    now = [0.0]
    forecast = Forecast(stages, paces, clock=lambda: now[0])
    ends = list(accumulate(int(stage.steps) for stage in stages))
    found = [Foretold(0, forecast.left() or 0.0, times[-1])]
    for taken, now[0] in enumerate(times, start=1):
        forecast.step(taken)
        if taken in ends[:-1]:
            size = stages[ends.index(taken)].size
            found.append(Foretold(size, forecast.left() or 0.0, times[-1] - now[0]))
    forecast.close()
    return found


def print_estimates(args: argparse.Namespace) -> int:
    """The forecasts of a first and a second run beside what they took."""
    config = load_preset(args.preset, **_changes(args))
    content, style = (images.load(name) for name in (args.content, args.style))
    ctx, rows = default_context(), []
    paces = Paces(TYPICAL_CPU if ctx.device == "cpu" else None)
    for number in (1, 2):
        run = StyleRun(content=content, styles=[style], shares=[1.0], config=config)
        began = time.perf_counter()
        times = [time.perf_counter() - began for _ in run.steps(ctx)]
        rows += [(number, said) for said in judge_estimates(run.stages, times, paces)]
    worst = max((abs(said.off) for _, said in rows if said.size), default=0.0)
    if args.json:
        told = [{"run": number} | said._asdict() | {"off": said.off} for number, said in rows]
        print(json.dumps({"worst_after_a_stage": worst, "forecasts": told}, indent=2))
        return int(worst > OFF)
    print("| run | after | told, s | real, s | off |\n|--:|--:|--:|--:|--:|")
    for number, said in rows:
        after = said.size or "the start"
        print(f"| {number} | {after} | {said.told:.1f} | {said.real:.1f} | {said.off:+.0%} |")
    print(f"Worst after a first stage: {worst:.0%}; {OFF:.0%} or less is asked.")
    return int(worst > OFF)


def _changes(args: argparse.Namespace) -> dict[str, int]:
    asked = {"size": args.size, "num_steps": args.steps}
    return {name: value for name, value in asked.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo bench style",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--content", default=str(EXAMPLES / "portrait_monalisa.jpg"))
    parser.add_argument("--style", default=str(EXAMPLES / "painting_starry_night.jpg"))
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--size", type=int, help="long side, pixels; the preset's own if not given")
    parser.add_argument("--steps", type=int, help="of the whole run; the preset's own if not given")
    parser.add_argument("--estimates", action="store_true", help="compare forecasts with the time")
    parser.add_argument("--faces", action="store_true", help="measure the stored examples' faces")
    parser.add_argument("--grain", action="store_true", help="measure the stored examples' grain")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--results", default=str(EXAMPLES / "results"), help="folder for --faces, --grain"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
