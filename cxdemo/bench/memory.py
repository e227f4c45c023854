"""The most memory that a task takes, on Linux, macOS and CUDA."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import torch


def peak_bytes(task: Callable[[], object], device: torch.device) -> int:
    """The most memory that a task takes above what there is before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        task()
        return torch.cuda.max_memory_allocated(device) - before
    before = _restart_resident_peak()
    task()
    return _resident_peak() - before


def _restart_resident_peak() -> int:
    """The memory that this process has now; on Linux its peak starts anew from there."""
    with contextlib.suppress(OSError):  # elsewhere the peak so far is the best known
        Path("/proc/self/clear_refs").write_text("5")
    return _resident_peak()


def _resident_peak() -> int:
    """The most memory that this process had, in bytes.

    Linux's own count starts anew where it is told to; that of `getrusage` begins with what the
    process that started this one had.
    """
    with contextlib.suppress(OSError, StopIteration):
        return bytes_after("VmHWM:", Path("/proc/self/status").read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def bytes_after(name: str, text: str) -> int:
    """The number of the line `NAME 123 kB`, in bytes."""
    found = (line for line in text.splitlines() if line.startswith(name))
    return int(next(found).split()[1]) * 1024
