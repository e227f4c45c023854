"""Weights from the nearest place that has them."""

# pyright: strict

import math
import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from cxdemo.checkpoints.explain import full_disk
from cxdemo.checkpoints.files import LOGGER, check_tensors
from cxdemo.checkpoints.hub import pull, refuse
from cxdemo.checkpoints.places import (
    find_complete,
    held_in_complete,
    held_in_parts,
    held_in_shards,
    read_complete,
    read_explicit,
    read_parts,
    read_shards,
)
from cxdemo.checkpoints.records import (
    DEFAULT_SOURCES,
    PATIENT_SOURCES,
    Checkpoint,
    CheckpointError,
    Loaded,
    Origin,
    Progress,
    Request,
    Sources,
    StateDict,
    check_known,
    find_checkpoint,
)
from cxdemo.checkpoints.remote import BYTES_OF


def load_state_dict(
    name: str,
    *,
    tensors: Collection[str] | None = None,
    path: Path | str | None = None,
    whole: bool = False,
    offline: bool | None = None,
    progress: Progress | None = None,
    sources: Sources = DEFAULT_SOURCES,
) -> Loaded:
    """Weights of a checkpoint, proven and in float32.

    Args:
        name: A name of the manifest.
        tensors: Names of the tensors that are wanted; only these are read or pulled. None: all.
        path: A `.safetensors` file to use instead of every other place. It is your own choice:
            its names, shapes and values are checked, its sha256 is not.
        whole: Whether to download the complete file of the Hub, which proves its sha256, instead
            of the wanted ranges.
        offline: Whether to leave the network alone. None: as HF_HUB_OFFLINE says.
        progress: Called with the bytes done and in total while something is pulled.
        sources: Where to look.

    Raises:
        CheckpointError: The weights cannot be had, or are not what they should be.
        ValueError: There is no such checkpoint or tensor.

    Example:
        >>> loaded = load_state_dict("vgg16", tensors=["features.0.weight"])
        >>> loaded.origin, tuple(loaded.state_dict["features.0.weight"].shape)
        ('embedded', (64, 3, 3, 3))
    """
    checkpoint = find_checkpoint(name, folder=sources.folder)
    names = list(checkpoint.tensors if tensors is None else tensors)
    check_known(names, checkpoint.tensors, what="tensor")
    request = Request(checkpoint=checkpoint, whole=whole, progress=progress, sources=sources)
    if path is not None:
        state: StateDict = read_explicit(request, names, Path(path).expanduser())
        origin: Origin = "explicit"
    else:
        state, origin = _gather(request, names, offline=offline)
    check_tensors(checkpoint, state, trust_values=origin != "explicit")
    return Loaded(checkpoint=checkpoint, state_dict=state, origin=origin)


def load_with_fallback(
    name: str,
    *,
    tensors: Callable[[Checkpoint], Collection[str]] | None = None,
    path: Path | str | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    sources: Sources = DEFAULT_SOURCES,
) -> Loaded:
    """Weights of a checkpoint, or else of the one that its record names as the stand-in.

    The notice then says what happened, and is logged once.

    Args:
        name: A name of the manifest.
        tensors: The names that are wanted of a checkpoint; a stand-in may call them differently.
            None: all.
        path: As in `load_state_dict`; a file that you name is never replaced by a stand-in.
        offline: As in `load_state_dict`.
        progress: As in `load_state_dict`.
        sources: Where to look.

    Raises:
        CheckpointError: Neither can be had.
    """

    def load(checkpoint: Checkpoint) -> Loaded:
        wanted = None if tensors is None else tensors(checkpoint)
        return load_state_dict(
            checkpoint.name,
            tensors=wanted,
            path=path,
            offline=offline,
            progress=progress,
            sources=sources,
        )

    checkpoint = find_checkpoint(name, folder=sources.folder)
    try:
        return load(checkpoint)
    except CheckpointError as error:
        if checkpoint.fallback is None or path is not None:
            raise
        notice = f"{error.reason}; {checkpoint.fallback} is used instead; {error.remedy}."
    stand_in = load(find_checkpoint(checkpoint.fallback, folder=sources.folder))
    _warn_once(notice)
    return replace(stand_in, notice=notice)


def locate(
    name: str, *, tensors: Collection[str] | None = None, sources: Sources = DEFAULT_SOURCES
) -> Origin | None:
    """Where the weights lie on this machine, proven; None: only the Hub may have them.

    Reads no tensor. The sha256 of each file is computed once a process.

    Raises:
        ValueError: There is no such checkpoint.
    """
    checkpoint = find_checkpoint(name, folder=sources.folder)
    missing = set(checkpoint.tensors if tensors is None else tensors)
    places: list[tuple[Origin, Callable[[Checkpoint, Sources], set[str]]]] = [
        ("embedded", held_in_shards),
        ("cache", held_in_parts),
        ("cache", held_in_complete),
    ]
    origin: Origin = "embedded"
    for place, list_held in places:
        found = list_held(checkpoint, sources) & missing if missing else set[str]()
        origin = place if found else origin
        missing -= found
    return None if missing else origin


def fetch_checkpoint(
    name: str,
    *,
    tensors: Collection[str] | None = None,
    whole: bool = False,
    progress: Progress | None = None,
    sources: Sources = PATIENT_SOURCES,
) -> Path:
    """Folder or file of the weights, pulled from the Hub if they were not on this machine.

    What has arrived stays when the download is interrupted, and the next one goes on from there.

    Raises:
        CheckpointError: They cannot be had, or cannot be kept.
    """
    checkpoint = find_checkpoint(name, folder=sources.folder)
    names = list(tensors or checkpoint.tensors)
    place = locate(name, tensors=names, sources=sources)
    if place == "embedded":
        return sources.folder
    if place is None:
        _check_room(checkpoint, names, sources)
    if place is None or (whole and not find_complete(checkpoint, sources)):
        load_state_dict(name, tensors=names, whole=whole, progress=progress, sources=sources)
    if locate(name, tensors=names, sources=sources) is None:
        reason = f"{name} was downloaded, but cannot be kept in {sources.parts(checkpoint)}"
        raise CheckpointError(reason, "make that folder writable, or set HF_HOME")
    return find_complete(checkpoint, sources) or sources.parts(checkpoint)


def _check_room(checkpoint: Checkpoint, names: Iterable[str], sources: Sources) -> None:
    """Raise if the disk of the cache has no room for these tensors.

    Raises:
        CheckpointError: It has not.
    """
    sizes = (math.prod(checkpoint.tensors[name]) for name in names)
    needed = sum(sizes) * BYTES_OF[checkpoint.dtype]
    folder = sources.parts(checkpoint)
    existing = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    if existing and shutil.disk_usage(existing).free < needed:
        raise full_disk(checkpoint, sources, needed)


@cache
def _warn_once(message: str) -> None:
    """Log a message the first time that it is given."""
    LOGGER.warning(message)


def _gather(
    request: Request, names: list[str], *, offline: bool | None
) -> tuple[StateDict, Origin]:
    """The named tensors, each from the nearest place that has it, and the farthest of these."""
    from huggingface_hub import is_offline_mode

    places: list[tuple[Origin, Callable[[Request, list[str]], StateDict]]] = [
        ("embedded", read_shards),
        ("cache", read_parts),
        ("cache", read_complete),
        ("hub", refuse if (is_offline_mode() if offline is None else offline) else pull),
    ]
    if request.whole and request.checkpoint.file:  # only the complete file will do
        places = places[2:]
    state: StateDict = {}
    origin: Origin = "embedded"
    for place, read in places:
        missing = [name for name in names if name not in state]
        found = read(request, missing) if missing else {}
        origin = place if found else origin
        state.update(found)
    return {name: state[name] for name in names}, origin
