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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class Timed(NamedTuple):
    """What something took."""

    what: str
    seconds: float
    said: str


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
    measured, pairs, faces, as_json = (
        options.pop(name) for name in ("measure", "pairs", "faces", "json")
    )
    settings = Settings(**{**options, "sides": tuple(options["sides"])})
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if measured:
        print(json.dumps(measure_memory(measured, settings.sides[0], settings.channels)))
        return 0
    if as_json:
        print(json.dumps(_figures(settings, pairs, faces, handler), indent=2))
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


def _figures(
    settings: Settings, pairs: Path | None, faces: bool, handler: Handler | None
) -> dict[str, Any]:
    """The same for JSON: seconds, bytes and shares."""
    if pairs:
        return {name: [s._asdict() for s in scores] for name, scores in score_geometry(pairs)}
    if faces:
        return landmarks.as_dict(landmarks.find_portraits(load_face_finder()))
    times = [*time_questions(settings, handler), *time_surveys(settings)]
    return {
        "settings": asdict(settings),
        "machine": core.environment("cpu"),
        "seconds": {timed.what: timed.seconds for timed in times},
        "memory": [memory._asdict() for memory in measure_growth(settings)],
    }


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
    config = PatchSimilarityConfig(size=settings.size, layer=settings.layer)
    yield f"machine: {core.environment('cpu')}\n"
    yield f"{config.used_size} px, {config.layer}, milliseconds"
    yield from map(_line, time_questions(settings, handler))
    yield from map(_line, time_surveys(settings))
    yield ""
    yield from tell_growth(list(measure_growth(settings)))


def time_questions(settings: Settings, handler: Handler | None = None) -> Iterator[Timed]:
    """Clicks, and the features that they need."""
    config = PatchSimilarityConfig(size=settings.size, layer=settings.layer)
    pictures = [_load_square(path, settings.size) for path in PICTURES]
    first = _seconds(lambda: extract_map(pictures[0], config))
    again = median_seconds(lambda: extract_map(pictures[0], config), settings.repeats)
    pair = PatchSimilarity(*(extract_map(picture, config) for picture in pictures))
    click = time_clicks(pair, config, settings.clicks)
    made = time_clicks_of_new_pairs(pair, config, settings.clicks)
    rows, columns = pair.grids[0]
    said = f"of {rows} x {columns}, median of {settings.clicks}; {_verdict(click)}"
    yield Timed("a click: one row", click, said)
    yield Timed("  with its target prepared", made, "the mean and the unit vectors of y made anew")
    if handler is not None:
        whole = median_seconds(handler(*PICTURES, config), settings.clicks)
        yield Timed("  the whole handler", whole, _verdict(whole))
    yield Timed("features of the first picture", first, "parameters read, precision chosen")
    yield Timed("features of the next one", again, "parameters read again")


def time_clicks_of_new_pairs(
    pair: PatchSimilarity, config: PatchSimilarityConfig, clicks: int
) -> float:
    """The median of clicks that keep the features alone, seconds."""
    return median_seconds(lambda: ask("ask", pair.x, pair.y, config), clicks)


def time_surveys(settings: Settings) -> Iterator[Timed]:
    """Surveys of random maps."""
    config = PatchSimilarityConfig()
    for side in (size for size in sorted(settings.sides) if size >= 64):
        pair = PatchSimilarity(*random_pair(side, settings.channels))
        seconds = median_seconds(lambda pair=pair: pair.survey(config), settings.repeats)
        yield Timed(f"a survey of {side} x {side}", seconds, f"{settings.channels} channels, all")


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


def _line(timed: Timed) -> str:
    return f"{timed.what:<32} {1000 * timed.seconds:9.1f}   {timed.said}"


def _verdict(seconds: float) -> str:
    kept = "kept" if seconds <= PROMISED else "missed"
    return f"promised {1000 * PROMISED:.0f} at most: {kept}"


def tell_geometry(folder: Path) -> Iterator[str]:
    """A table in Markdown for each pair of a folder."""
    for name, scores in score_geometry(folder):
        yield f"**{name}**\n\n{geometry.COLUMNS}"
        yield from map(geometry.line, scores)
        yield ""


def score_geometry(folder: Path) -> Iterator[tuple[str, Iterator[geometry.Score]]]:
    """The name of each pair, and its score by layer."""
    for pair in geometry.load_pairs(folder):
        yield pair.name, geometry.score_layers(pair, PatchSimilarityConfig())


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
    add("--json", action="store_true", help="print the figures as JSON")
    add("--measure", choices=("ask", "survey"), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
