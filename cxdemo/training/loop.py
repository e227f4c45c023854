"""What the training loops share: step sizes, the running average, files that are never half."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

SAVE_SECONDS = 120.0
"""Seconds between two states of a run, whose validations may be an hour apart on a busy machine."""


class Clock:
    """Calls a function at most every so many seconds.

    Args:
        act: What to call.
        seconds: Between two calls; None: `SAVE_SECONDS`.
    """

    def __init__(self, act: Callable[[], object], seconds: float | None = None) -> None:
        self.act, self.seconds = act, SAVE_SECONDS if seconds is None else seconds
        self.since = time.monotonic()

    def tick(self) -> None:
        """Calls it if it is time."""
        if time.monotonic() - self.since >= self.seconds:
            self.act()
            self.since = time.monotonic()


def step_size_at(step: int, num_steps: int, warmup_steps: int) -> float:
    """The share of the step size in use at a step: a linear rise, then half a cosine to zero.

    Example:
        >>> [round(step_size_at(step, 100, 10), 3) for step in (4, 10, 55, 100)]
        [0.5, 1.0, 0.5, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """The mean <- d mean + (1 - d) network; d grows to `decay`, which forgets the start.

    d = min(decay, (1 + step) / (10 + step)). Buffers are copied.
    """
    d = min(decay, (1 + step) / (10 + step))
    means, values = list(average.parameters()), list(network.parameters())
    get_ema_multi_avg_fn(d)(means, values, step)  # pyright: ignore[reportArgumentType]
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)


def save_network(network: nn.Module, path: Path) -> None:
    """The parameters as safetensors, float32, replaced as a whole."""
    from safetensors.torch import save_file

    state = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    replace_file(path, lambda temporary: save_file(state, temporary, {"format": "pt"}))


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Writes `state.pt`, replaced as a whole; its "config" is what `load_state` compares."""
    replace_file(folder / "state.pt", lambda path: torch.save(state, path))


def load_state(folder: Path, device: torch.device, *, same: tuple[str, str]) -> dict[str, Any]:
    """The state of an earlier run in the folder; empty if there is none.

    Args:
        folder: Of the run.
        device: Where its tensors go.
        same: An option and the value that the earlier run must have had, too.

    Raises:
        ValueError: It had another one.
    """
    path = folder / "state.pt"
    if not path.is_file():
        return {}
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    name, wanted = same
    if state["config"][name] != wanted:
        raise ValueError(
            f"{path} is the state of a run with {name} {state['config'][name]}, not {wanted}: "
            "choose another folder with --folder."
        )
    return state


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside `path` and puts it in its place: never half a file."""
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    temporary.replace(path)
