"""Time and memory of the core against dense autograd of the same equations.

    python -m cxdemo bench core
    python -m cxdemo bench core --peers FOLDER

Every number is of one loss and its gradient by x, y fixed, as when an image is optimised. Each
implementation is measured in processes of its own, one for time and one for memory, so that
neither sees what the other left.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.bench.dense import dense_loss
from cxdemo.bench.memory import bytes_after, peak_bytes
from cxdemo.contextual import contextual_loss, contextual_matches

FEATURES = {
    "smooth": "ReLU of smooth random maps (noise at a quarter of the size, enlarged, plus a tenth "
    "of fine noise): many positions are alike, as after a network; x and y unrelated",
    "white": "ReLU of white noise: every position differs from every other; x and y unrelated",
    "copy": "smooth, and x is y plus a little noise: nearly every row wins, the core's worst case",
}

DENSE_BYTES_PER_PAIR = 48
"""Memory to have free for each pair of positions before the dense version is tried: 12.9 GB at 128,
where it takes 28 to 32 bytes a pair."""

COUNTED_BY_THE_BYTE = {"MALLOC_MMAP_THRESHOLD_": str(256 << 10)}
"""Makes glibc hand large blocks back at once, so that the peak is what is used and not what
malloc keeps for later. It costs time, hence a process for each."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured. The command line's flags are these."""

    sizes: tuple[int, ...] = (32, 64, 128)  # positions on a side
    channels: int = 256
    bandwidth: float = 0.5
    features: str = "smooth"
    repeats: int = 5
    device: str = "cpu"
    threads: int | None = None  # None: as PyTorch chooses; 1 is steadier on a busy machine
    dense_up_to: int | None = None  # None: as far as the free memory allows


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one implementation took."""

    forward: float  # seconds
    total: float  # seconds, forward and backward
    peak: int  # bytes above the inputs


@dataclass(frozen=True, kw_only=True)
class Row:
    """Everything measured at one size."""

    size: int
    winners: float  # share of the rows of x that win some target
    matmul: float  # seconds of the (P, C) x (C, P) product
    core: Cost
    dense: Cost | None  # None: not measured


def core_loss(x: Tensor, y: Tensor, bandwidth: float = 0.5) -> Tensor:
    """The loss that the application uses."""
    return contextual_loss(x, y, bandwidth=bandwidth)


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "core": core_loss,
    "dense": dense_loss,
}


def run(settings: Settings | None = None, report: Callable[[Row], None] | None = None) -> list[Row]:
    """One row for each size, smallest first; `report` gets each as soon as it is there."""
    settings = settings or Settings()
    rows: list[Row] = []
    for size in sorted(settings.sizes):
        rows.append(_row(settings, size))
        if report is not None:
            report(rows[-1])
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    options = vars(_parser().parse_args(argv))
    measured, as_json = options.pop("measure"), options.pop("json")
    peers = options.pop("peers")
    settings = Settings(**{**options, "sizes": tuple(options["sizes"])})
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if measured:
        what, name = measured
        print(json.dumps(MEASURES[what](name, settings)))
        return 0
    if as_json:
        print(json.dumps(as_dict(settings, run(settings)), indent=2))
        return 0
    if peers is not None:
        from cxdemo.bench.core_peers import report

        print(report(Path(peers), size=settings.sizes[0]))
        return 0
    print(header(settings), flush=True)
    run(settings, report=lambda row: print(line(row), flush=True))
    print(FOOTER)
    return 0


# ---------------------------------------------------------------- one measurement


def measure_time(name: str, settings: Settings) -> dict[str, float]:
    """Seconds of one implementation at one size, the fastest of the repeats.

    The bare product and the share of winning rows come with the core, which is compared with them.
    """
    loss = LOSSES[name]
    x, y = make_features(settings, settings.sizes[0])
    tasks: dict[str, Callable[[], object]] = {
        "total": lambda: _step(loss, x, y, settings),
        "forward": lambda: loss(x.detach(), y, settings.bandwidth),
    }
    if name != "core":
        return _fastest(tasks, settings.repeats, x.device)
    tasks["matmul"] = _product(x, y)
    times = _fastest(tasks, settings.repeats, x.device)
    return {**times, "winners": _winners(x, y, settings)}


def measure_memory(name: str, settings: Settings) -> dict[str, float]:
    """The peak of one implementation at one size, in bytes above the inputs, of its first call."""
    loss = LOSSES[name]
    _step(loss, *make_features(replace(settings, channels=8), 16), settings)  # starts the threads
    x, y = make_features(settings, settings.sizes[0])
    return {"peak": peak_bytes(lambda: _step(loss, x, y, settings), x.device)}


MEASURES = {"time": measure_time, "memory": measure_memory}


def make_features(settings: Settings, size: int) -> tuple[Tensor, Tensor]:
    """x, which wants a gradient, and y: (1, C, size, size), the same at every call."""
    generator = torch.Generator().manual_seed(size)

    def noise(side: int) -> Tensor:
        return torch.randn(1, settings.channels, side, side, generator=generator)

    def smooth() -> Tensor:
        coarse = noise(max(1, size // 4))
        fine = noise(size).mul_(0.1)
        return fine.add_(F.interpolate(coarse, (size, size), mode="bilinear")).relu_()

    if settings.features == "white":
        x, y = noise(size).relu_(), noise(size).relu_()
    elif settings.features == "copy":
        y = smooth()
        x = noise(size).mul_(0.05).add_(y)
    else:
        x, y = smooth(), smooth()
    return x.to(settings.device).requires_grad_(), y.to(settings.device)


def _step(
    loss: Callable[[Tensor, Tensor, float], Tensor], x: Tensor, y: Tensor, settings: Settings
) -> None:
    """Forward and backward; the gradient is dropped."""
    torch.autograd.grad(loss(x, y, settings.bandwidth), x)


def _product(x: Tensor, y: Tensor) -> Callable[[], object]:
    """The bare (P, C) x (C, P) product, into memory that is there already."""
    a, b = x.detach()[0].flatten(1).T.contiguous(), y[0].flatten(1).T.contiguous()  # (P, C)
    out = a.new_empty(len(a), len(b))  # (P, P)
    return lambda: torch.mm(a, b.T, out=out)


def _winners(x: Tensor, y: Tensor, settings: Settings) -> float:
    """The share of the rows of x that win some target."""
    winner = contextual_matches(x, y, bandwidth=settings.bandwidth).source_of_target
    return winner.unique().numel() / x[0, 0].numel()


def _fastest(
    tasks: dict[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, float]:
    """The shortest time of each task, in seconds; they take turns, so that noise hits them all."""
    fastest = dict.fromkeys(tasks, float("inf"))
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            seconds = _seconds(task, device)
            if turn > 0:  # the first is the warm-up
                fastest[name] = min(fastest[name], seconds)
    return fastest


def _seconds(task: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    task()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# ---------------------------------------------------------------- one row of the table


def _row(settings: Settings, size: int) -> Row:
    alone = replace(settings, sizes=(size,))
    times = _in_fresh_process("time", "core", alone)
    return Row(
        size=size,
        winners=times["winners"],
        matmul=times["matmul"],
        core=_cost(times, _in_fresh_process("memory", "core", alone)),
        dense=_dense_cost(alone) if _dense_fits(settings, size) else None,
    )


def _dense_cost(alone: Settings) -> Cost:
    times = _in_fresh_process("time", "dense", alone)
    return _cost(times, _in_fresh_process("memory", "dense", alone))


def _cost(times: dict[str, float], memory: dict[str, float]) -> Cost:
    return Cost(forward=times["forward"], total=times["total"], peak=int(memory["peak"]))


def _dense_fits(settings: Settings, size: int) -> bool:
    """Whether the dense version is to be measured at this size."""
    if settings.dense_up_to is not None:
        return size <= settings.dense_up_to
    return free_bytes(settings.device) >= DENSE_BYTES_PER_PAIR * size**4


def free_bytes(device: str) -> int:
    """Memory that can be had without swapping."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return _available_bytes(Path("/proc/meminfo").read_text())
    except OSError:  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _available_bytes(meminfo: str) -> int:
    """The line `MemAvailable:  123 kB` of /proc/meminfo, in bytes."""
    return bytes_after("MemAvailable:", meminfo)


def _in_fresh_process(what: str, name: str, alone: Settings) -> dict[str, float]:
    """What a measurement of one implementation at one size prints."""
    command = [sys.executable, "-m", "cxdemo.bench.core", "--measure", what, name, *flags(alone)]
    environment = {**os.environ, **(COUNTED_BY_THE_BYTE if what == "memory" else {})}
    done = subprocess.run(  # noqa: S603  this program itself
        command, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        reason = done.stderr.strip() or "killed, most likely for want of memory"
        raise RuntimeError(
            f"The {name} version failed at {alone.sizes[0]} positions a side, exit status "
            f"{done.returncode}: {reason}. Leave large sizes out with --sizes or --dense-up-to."
        )
    return json.loads(done.stdout.splitlines()[-1])


def flags(settings: Settings) -> list[str]:
    """Settings as the command line that gives them."""
    words: list[str] = []
    for name, value in asdict(settings).items():
        if value is not None:
            values: Sequence[Any] = value if isinstance(value, tuple) else (value,)
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m cxdemo bench core", description="Time and memory of the Contextual Loss."
    )
    add = parser.add_argument
    sides = " ".join(map(str, default.sizes))
    add("--sizes", type=int, nargs="+", default=default.sizes, help=f"sides in positions: {sides}")
    add("--channels", type=int, default=default.channels, help="default: %(default)s")
    add("--bandwidth", type=float, default=default.bandwidth, help="default: %(default)s")
    add("--features", choices=FEATURES, default=default.features, help="default: %(default)s")
    add("--repeats", type=int, default=default.repeats, help="minimum of; default: %(default)s")
    add("--device", default=default.device, help="default: %(default)s")
    add("--threads", type=int, help="default: PyTorch's own; 1 is steadier on a busy machine")
    add("--dense-up-to", type=int, help="largest side; default: as the free memory allows")
    add("--json", action="store_true", help="print the figures as JSON")
    add("--peers", metavar="FOLDER", help="checkouts of other implementations; see core_peers.py")
    add("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser


# ---------------------------------------------------------------- the table


COLUMNS = (
    f"{'positions':>9} {'rows that':>10} {'matmul':>9} {'core':>9} {'forward':>9} {'dense':>9} "
    f"{'core in':>8} {'times':>7} {'core':>8} {'dense':>8} {'times':>7}\n"
    f"{'':>9} {'win':>10} {'ms':>9} {'ms':>9} {'alone':>9} {'ms':>9} "
    f"{'matmuls':>8} {'faster':>7} {'MB':>8} {'MB':>8} {'smaller':>7}"
)
FOOTER = (
    "core, dense: one loss and its gradient by x, the fastest of the repeats. MB: peak above the "
    "inputs. Only the ratios travel\nfrom machine to machine; a busy one disturbs even these."
)


def as_dict(settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """Settings, machine and figures, for JSON: seconds, and bytes above the inputs."""
    return {
        "settings": asdict(settings),
        "machine": environment(settings.device),
        "rows": [asdict(row) for row in rows],
    }


def header(settings: Settings) -> str:
    """What is measured, on what, and the names of the columns."""
    what = f"{settings.channels} channels, h = {settings.bandwidth:g}"
    return (
        f"Contextual loss, forward and backward: {what}, fastest of {settings.repeats}\n"
        f"features: {FEATURES[settings.features]}\n"
        f"machine: {environment(settings.device)}\n\n{COLUMNS}"
    )


def line(row: Row) -> str:
    """One row of the table; a dash where the dense version was not measured."""
    core, dense = row.core, row.dense
    cells = [
        f"{row.size} x {row.size}".rjust(9),
        f"{row.winners:.0%}".rjust(10),
        _milliseconds(row.matmul),
        _milliseconds(core.total),
        _milliseconds(core.forward),
        _milliseconds(dense.total) if dense else "-".rjust(9),
        f"{core.total / row.matmul:.1f}".rjust(8),
        (f"{dense.total / core.total:.1f}" if dense else "-").rjust(7),
        _megabytes(core.peak).rjust(8),
        (_megabytes(dense.peak) if dense else "-").rjust(8),
        (f"{dense.peak / max(core.peak, 1):.0f}" if dense else "-").rjust(7),
    ]
    return " ".join(cells)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}".rjust(9)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}"


def environment(device: str) -> str:
    """PyTorch, threads and the processor, in one line."""
    if torch.device(device).type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = f"{_processor()}, {torch.get_num_threads()} threads"
    return f"{processor}, PyTorch {torch.__version__}, {platform.system()}"


def _processor() -> str:
    """The processor's name as the system gives it."""
    try:
        return _model_name(Path("/proc/cpuinfo").read_text()) or platform.machine()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()


def _model_name(cpuinfo: str) -> str:
    """The first `model name : ...` of /proc/cpuinfo; empty where there is none."""
    found = (text for text in cpuinfo.splitlines() if text.startswith("model name"))
    return next(found, ":").partition(":")[2].strip()


if __name__ == "__main__":
    raise SystemExit(main())
