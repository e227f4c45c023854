"""Time and memory of the patch comparison, and how often its matches are right.

    python -m cxdemo bench match
    python -m cxdemo bench match --pairs FOLDER
    python -m cxdemo bench match --faces

A click compares one row; a survey compares all, block by block. Memory is measured in processes of
its own, on random maps, so that nothing else is in the way: it has to grow with the positions of
one picture, never with their product.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cxdemo import images
from cxdemo.bench import core, geometry, landmarks
from cxdemo.faces import load_face_finder
from cxdemo.pipelines.patch_similarity import (
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PICTURES = (EXAMPLES / "portrait_astronaut.jpg", EXAMPLES / "portrait_monalisa.jpg")
PROMISED = 0.150  # seconds for a click

Handler = Callable[[Path, Path, PatchSimilarityConfig], Callable[[], object]]
"""Given two pictures it makes what a server runs for one click on them; `main` can time it too."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured. The command line's flags are these."""

    size: int = 256  # long side, pixels; the pictures are made square
    layer: str = "conv3_2"
    channels: int = 256  # of the random maps
    sides: tuple[int, ...] = (32, 64, 128)  # positions on a side of the random maps
    clicks: int = 20
    repeats: int = 3  # of what takes long
    threads: int | None = None


class Memory(NamedTuple):
    """Bytes above the two maps."""

    positions: int
    ask: int
    survey: int


def main(argv: list[str] | None = None, *, handler: Handler | None = None) -> int:
    """The command line. Returns the exit status.

    Args:
        argv: Flags.
        handler: What a server does for a click, to be timed beside the bare comparison.
    """
    options = vars(_parser().parse_args(argv))
    measured, pairs, faces = (options.pop(name) for name in ("measure", "pairs", "faces"))
    settings = Settings(**{**options, "sides": tuple(options["sides"])})
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if measured:
        print(json.dumps(measure_memory(measured, settings.sides[0], settings.channels)))
        return 0
    for text in _report(settings, pairs, faces, handler):
        print(text, flush=True)
    return 0


def _report(
    settings: Settings, pairs: Path | None, faces: bool, handler: Handler | None
) -> Iterator[str]:
    """What the flags ask for."""
    if pairs:
        return tell_geometry(pairs)
    if faces:
        return landmarks.tell_landmarks(landmarks.find_portraits(load_face_finder()))
    return tell_costs(settings, handler)


# ------------------------------------------------------------------------------------- time


def median_seconds(task: Callable[[], object], repeats: int) -> float:
    """The median of several calls, after one that nobody counts."""
    task()
    return statistics.median(_seconds(task) for _ in range(repeats))


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def time_clicks(pair: PatchSimilarity, config: PatchSimilarityConfig, clicks: int) -> float:
    """The median of clicks all over the picture, seconds."""
    rows, columns = pair.grids[0]
    steps = iter(range(clicks + 1))

    def click() -> None:
        index = next(steps) * rows * columns // (clicks + 1)
        pair.ask(divmod(index, columns), config)

    return median_seconds(click, clicks)


def random_pair(side: int, channels: int) -> tuple[Tensor, Tensor]:
    """Two maps of side x side positions, the same at every call."""
    x, y = core.make_features(core.Settings(channels=channels), side)
    return x.detach(), y


def _load_square(path: Path, size: int) -> Tensor:
    return images.resize(images.to_tensor(images.load(path)), (size, size))


# ----------------------------------------------------------------------------------- memory


def measure_memory(what: str, side: int, channels: int) -> int:
    """The peak of one question, in bytes above the two maps, of its first call."""
    config = PatchSimilarityConfig()
    ask(what, *random_pair(8, channels), config)  # starts the threads
    x, y = random_pair(side, channels)
    return core.peak_bytes(lambda: ask(what, x, y, config), x.device)


def ask(what: str, x: Tensor, y: Tensor, config: PatchSimilarityConfig) -> object:
    """One question to two maps, with all that it needs: `"ask"` or `"survey"`."""
    pair = PatchSimilarity(x, y)
    return pair.ask((0, 0), config) if what == "ask" else pair.survey(config)


def measure_growth(settings: Settings) -> Iterator[Memory]:
    """The memory of both questions for each number of positions."""
    for side in sorted(settings.sides):
        yield Memory(side * side, *(_peak_of(what, side, settings) for what in ("ask", "survey")))


def _peak_of(what: str, side: int, settings: Settings) -> int:
    """What a measurement in a fresh process prints."""
    command = [
        sys.executable, "-m", "cxdemo.bench.match", "--measure", what,
        "--sides", str(side), "--channels", str(settings.channels),
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603  this program itself
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **core.COUNTED_BY_THE_BYTE},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{what} failed at {side} positions a side: {done.stderr.strip()}")
    return int(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------------------ what is said


def tell_costs(settings: Settings, handler: Handler | None = None) -> Iterator[str]:
    """Time, then memory, line by line."""
    yield f"machine: {core.environment('cpu')}\n"
    yield from _tell_clicks(settings, handler)
    yield from _tell_surveys(settings)
    yield ""
    yield from tell_growth(list(measure_growth(settings)))


def _tell_clicks(settings: Settings, handler: Handler | None) -> Iterator[str]:
    config = PatchSimilarityConfig(size=settings.size, layer=settings.layer)
    pictures = [_load_square(path, settings.size) for path in PICTURES]
    first = _seconds(lambda: extract_map(pictures[0], config))
    again = median_seconds(lambda: extract_map(pictures[0], config), settings.repeats)
    pair = PatchSimilarity(*(extract_map(picture, config) for picture in pictures))
    click = time_clicks(pair, config, settings.clicks)
    made = time_clicks_of_new_pairs(pair, config, settings.clicks)
    rows, columns = pair.grids[0]
    yield f"{config.used_size} px, {config.layer}, {rows} x {columns} positions, milliseconds"
    yield _time("a click: one row", click, f"median of {settings.clicks}; {_verdict(click)}")
    yield _time("  with its target prepared", made, "the mean and the unit vectors of y made anew")
    if handler is not None:
        whole = median_seconds(handler(*PICTURES, config), settings.clicks)
        yield _time("  the whole handler", whole, _verdict(whole))
    yield _time("features of the first picture", first, "parameters read, precision chosen")
    yield _time("features of the next one", again, "parameters read again")


def time_clicks_of_new_pairs(
    pair: PatchSimilarity, config: PatchSimilarityConfig, clicks: int
) -> float:
    """The median of clicks that keep the features alone, seconds."""
    return median_seconds(lambda: ask("ask", pair.x, pair.y, config), clicks)


def _tell_surveys(settings: Settings) -> Iterator[str]:
    config = PatchSimilarityConfig()
    for side in (size for size in sorted(settings.sides) if size >= 64):
        pair = PatchSimilarity(*random_pair(side, settings.channels))
        seconds = median_seconds(lambda pair=pair: pair.survey(config), settings.repeats)
        yield _time(f"a survey of {side} x {side}", seconds, f"{settings.channels} channels, all")


def tell_growth(measured: Sequence[Memory]) -> Iterator[str]:
    """Peak memory, and by how much it grew beside the positions."""
    yield f"{'positions':>9} {'times':>6} {'squared':>8} {'ask MB':>8} {'times':>6} " + (
        f"{'survey MB':>10} {'times':>6}   peak above the two maps"
    )
    before: Memory | None = None
    for now in measured:
        yield _growth_line(now, before)
        before = now


def _growth_line(now: Memory, before: Memory | None) -> str:
    grown = now.positions / before.positions if before else None
    cells = (
        f"{now.positions:9d}",
        _ratio(grown, 6),
        _ratio(grown**2 if grown else None, 8),
        f"{now.ask / 1e6:8.1f}",
        _ratio(now.ask / max(before.ask, 1) if before else None, 6),
        f"{now.survey / 1e6:10.1f}",
        _ratio(now.survey / max(before.survey, 1) if before else None, 6),
    )
    return " ".join(cells)


def _ratio(value: float | None, width: int) -> str:
    return ("-" if value is None else f"{value:.1f}").rjust(width)


def _time(what: str, seconds: float, said: str) -> str:
    return f"{what:<32} {1000 * seconds:9.1f}   {said}"


def _verdict(seconds: float) -> str:
    kept = "kept" if seconds <= PROMISED else "missed"
    return f"promised {1000 * PROMISED:.0f} at most: {kept}"


def tell_geometry(folder: Path) -> Iterator[str]:
    """A table in Markdown for each pair of a folder."""
    config = PatchSimilarityConfig()
    for pair in geometry.load_pairs(folder):
        yield f"**{pair.name}**\n\n{geometry.COLUMNS}"
        for score in geometry.score_layers(pair, config):
            yield geometry.line(score)
        yield ""


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo bench match",
        description="Time and memory of the patch comparison. With --pairs or --faces: how often "
        "it is right.",
    )
    add = parser.add_argument
    add("--pairs", type=Path, metavar="FOLDER", help="pairs of photographs with a known truth")
    add("--faces", action="store_true", help="landmarks of the examples' faces, from face to face")
    add("--size", type=int, default=default.size, help="pixels; default: %(default)s")
    add("--layer", default=default.layer, help="default: %(default)s")
    add("--channels", type=int, default=default.channels, help="default: %(default)s")
    add("--sides", type=int, nargs="+", default=default.sides, help="positions, default: 32 64 128")
    add("--clicks", type=int, default=default.clicks, help="default: %(default)s")
    add("--repeats", type=int, default=default.repeats, help="of the rest; default: %(default)s")
    add("--threads", type=int, help="default: PyTorch's own")
    add("--measure", choices=("ask", "survey"), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
