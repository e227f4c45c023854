"""Long runs on a GPU that a Space borrows for them (ZeroGPU); all else stays on the CPU.

A run hands its pipeline to `Context.stream`. On an ordinary machine that calls it. In a ZeroGPU
Space the pipeline goes to a worker process that has the GPU, and its steps come back to the
server, where the run, its files and every store live. The server never touches CUDA.

`import spaces` has to come before torch: `app.py` does it.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from importlib.util import find_spec
from os import environ
from typing import Any

BORROWED = "cuda"
DEVICE_NAME = "CPU, and a GPU for long runs"
SHORTEST, LONGEST = 15, 120  # seconds that a run asks for
START = 10.0  # seconds, generously, until a worker computes
PER_STEP = 0.05  # seconds of a step at 256 x 256 pixels, generously

Stream = Callable[..., Iterator[Any]]


def has_zero_gpu() -> bool:
    """Whether this is a ZeroGPU Space."""
    asked = environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "t", "true"}
    return asked and find_spec("spaces") is not None


def estimate_seconds(num_steps: float, side: float = 256.0) -> int:
    """Seconds of the GPU that a run asks for; a visitor's quota must hold them.

    Nothing here was measured on that GPU, so it is a generous guess.

    Args:
        num_steps: How many steps it takes.
        side: Side of its pictures in pixels.

    Example:
        >>> estimate_seconds(100), estimate_seconds(300, 512), estimate_seconds(5000)
        (15, 70, 120)
    """
    seconds = START + num_steps * PER_STEP * (side / 256) ** 2
    return round(min(max(seconds, SHORTEST), LONGEST))


def stream_here(
    pipeline: Callable[..., Iterator[Any]], *args: Any, seconds: int, **options: Any
) -> Iterator[Any]:
    """The steps of a pipeline, computed by whoever asks."""
    del seconds  # of a GPU that nobody lends
    return pipeline(*args, **options)


def build_stream() -> Stream:
    """`stream_here`, but on the borrowed GPU.

    Its pipelines are generator functions of modules; arguments and steps can be pickled. A
    `ValueError` arrives with its sentence.
    """
    import spaces  # pyright: ignore[reportMissingImports]  only Spaces have it

    return partial(_stream, spaces.GPU(_work, duration=_duration))


def _stream(
    borrow: Callable[[bytes, int], Iterator[bytes]],
    pipeline: Callable[..., Iterator[Any]],
    *args: Any,
    seconds: int,
    **options: Any,
) -> Iterator[Any]:
    for message in borrow(pickle.dumps((pipeline, args, options)), seconds):
        kind, value = pickle.loads(message)  # noqa: S301  from our own worker
        if kind == "error":
            raise ValueError(value)
        yield value


def _duration(_task: bytes, seconds: int) -> int:
    return seconds


def _work(task: bytes, _seconds: int) -> Iterator[bytes]:
    """What the worker does. Bytes, because tensors that share memory would outlive it."""
    import torch

    torch.set_num_threads(1)  # threads of the server do not survive the fork
    pipeline, args, options = pickle.loads(task)  # noqa: S301  from our own server
    args, options = move((args, options), BORROWED)
    try:
        for step in pipeline(*args, **options):
            yield pickle.dumps(("step", move(step, "cpu")))
    except ValueError as error:
        yield pickle.dumps(("error", str(error)))


def move(value: Any, device: str) -> Any:
    """A copy of a value whose tensors and networks lie on a device."""
    from torch import Tensor, nn

    if isinstance(value, Tensor):
        return value.detach().to(device)
    if isinstance(value, nn.Module):  # one that is in training stays where it is
        return copy.deepcopy(value).to(device)
    if isinstance(value, dict):
        return {key: move(each, device) for key, each in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(move(each, device) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        moved = copy.copy(value)
        for each in fields(value):
            object.__setattr__(moved, each.name, move(getattr(value, each.name), device))
        return moved
    return value
