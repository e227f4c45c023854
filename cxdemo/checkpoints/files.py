"""Safetensors files on this machine: read, proven, and written completely or not at all."""

# pyright: strict

import hashlib
import logging
import os
import tempfile
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxdemo.checkpoints.records import Checkpoint, CheckpointError, StateDict

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_VALUE = 100.0  # no weight or bias of a trained network comes near it


LOGGER = logging.getLogger(__package__)


def names_in(path: Path, remedy: str = "delete it") -> set[str]:
    """Names of the tensors in a safetensors file.

    Raises:
        CheckpointError: It is no safetensors file.
    """
    from safetensors import SafetensorError

    try:
        with _open(path) as file:
            return set(file.keys())
    except (SafetensorError, OSError) as error:
        reason = f"{path.name} is not a readable safetensors file ({error})"
        raise CheckpointError(reason, remedy) from error


def read_file(path: Path, names: Iterable[str]) -> StateDict:
    """Tensors of a safetensors file, as float32."""
    with _open(path) as file:
        return {name: file.get_tensor(name).float() for name in names}


def _open(path: Path) -> Any:  # its reader has no annotations
    """A safetensors file, of which tensors are read when they are asked for."""
    from safetensors import safe_open

    return safe_open(path, framework="pt")


def shorten(names: Collection[str], limit: int = 4) -> str:
    """The first names, and how many there are.

    Example:
        >>> shorten(["a", "b", "c"], limit=2)
        'a, b and 1 more'
    """
    shown = ", ".join(list(names)[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def check_tensors(checkpoint: Checkpoint, state: StateDict, *, trust_values: bool) -> None:
    """Raise unless every tensor has its shape and, where no sha256 was compared, sane values.

    Raises:
        CheckpointError: A tensor is not what it should be.
    """
    remedy = f"get {checkpoint.name} from {checkpoint.source}"
    for name, tensor in state.items():
        expected, found = checkpoint.tensors[name], tuple(tensor.shape)
        if found != expected:
            raise CheckpointError(f"{name} has shape {found}, expected {expected}", remedy)
        if not (trust_values or _is_plausible(tensor)):
            raise CheckpointError(f"{name} has values that no trained network has", remedy)


def _is_plausible(tensor: "Tensor") -> bool:
    """Whether the values are finite, none is huge, and a kernel is not all zero."""
    largest = tensor.abs().max().item()  # NaN if any value is
    return largest <= LARGEST_VALUE and (largest > 0 or tensor.ndim == 1)


def is_intact(path: Path, sha256: str | None) -> bool:
    """Whether a file can be read and has this sha256."""
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """The sha256 of a file, computed once for each state of it that this process sees."""
    status = path.stat()
    return _compute_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _compute_sha256(path: Path, _size: int, _modified: int) -> str:
    """The sha256 of a file. The other arguments tell apart states of one path."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def keep(path: Path, content: bytes) -> None:
    """Write a file in the cache, completely or not at all; a cache that is full only warns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    except OSError as error:
        LOGGER.warning("%s cannot be kept: %s", path, error)
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError as error:
        LOGGER.warning("%s cannot be kept: %s", path, error)
    finally:
        Path(temporary).unlink(missing_ok=True)
