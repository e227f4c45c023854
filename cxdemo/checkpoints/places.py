"""The places on this machine that may hold a checkpoint: shards, pulled parts, complete files."""

# pyright: strict

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from cxdemo.checkpoints.files import (
    LOGGER,
    is_intact,
    keep,
    names_in,
    read_file,
    sha256_of,
    shorten,
)
from cxdemo.checkpoints.records import (
    Checkpoint,
    CheckpointError,
    Request,
    Shard,
    Sources,
    StateDict,
)


def read_explicit(request: Request, names: list[str], path: Path) -> StateDict:
    """Tensors of a file that the user named.

    Raises:
        CheckpointError: It is not a safetensors file with the tensors of the checkpoint.
    """
    checkpoint = request.checkpoint
    remedy = f"name a .safetensors file with the tensors of {checkpoint.name}"
    if path.suffix != ".safetensors":
        raise CheckpointError(f"expected a .safetensors file, got {path.name}", remedy)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}", remedy)
    held = names_in(path, remedy)
    missing = [name for name in names if name not in held]
    if missing:
        raise CheckpointError(f"{path.name} lacks the tensors {shorten(missing)}", remedy)
    # The file of a Hub record holds more than is wanted of it, a classifier for instance.
    unexpected = sorted(held - set(checkpoint.tensors)) if checkpoint.file is None else []
    if unexpected:
        reason = f"{path.name} has tensors that {checkpoint.name} has not: {shorten(unexpected)}"
        raise CheckpointError(reason, remedy)
    return read_file(path, names)


def read_shards(request: Request, names: list[str]) -> StateDict:
    """Tensors of the embedded shards; a shard that is not there is left to the other places.

    Raises:
        CheckpointError: A shard is damaged.
    """
    state: StateDict = {}
    for shard in shards_with(request.checkpoint, names):
        path = request.sources.folder / shard.file
        if not path.is_file():
            continue
        found = sha256_of(path)
        if found != shard.sha256:
            reason = f"{path} is damaged: its sha256 is {found[:12]}…, not {shard.sha256[:12]}…"
            remedy = "restore it (git checkout, or git lfs pull), or delete it to have it fetched"
            raise CheckpointError(reason, remedy)
        state |= read_file(path, [name for name in shard.tensors if name in names])
    return state


def read_parts(request: Request, names: list[str]) -> StateDict:
    """Tensors pulled before."""
    state: StateDict = {}
    for path in _intact_parts(request.checkpoint, request.sources):
        state |= read_file(path, names_in(path).intersection(names))
    return state


def _intact_parts(checkpoint: Checkpoint, sources: Sources) -> Iterator[Path]:
    """Files of tensors pulled before. One whose content does not match its name is deleted."""
    for path in sorted(sources.parts(checkpoint).glob("*.safetensors")):
        if is_intact(path, path.stem):
            yield path
        else:
            LOGGER.warning("%s is damaged and will be fetched again", path)
            with suppress(OSError):  # the cache may be somebody else's
                path.unlink()


def held_in_shards(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors in the embedded shards that are whole."""
    whole = [s for s in checkpoint.shards if is_intact(sources.folder / s.file, s.sha256)]
    return {name for shard in whole for name in shard.tensors}


def held_in_parts(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors pulled before."""
    return {name for path in _intact_parts(checkpoint, sources) for name in names_in(path)}


def held_in_complete(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors in a complete file of the Hub."""
    path = find_complete(checkpoint, sources)
    return names_in(path) if path else set()


def read_complete(request: Request, names: list[str]) -> StateDict:
    """Tensors of a complete file in the Hub client's cache."""
    path = find_complete(request.checkpoint, request.sources)
    return read_file(path, names) if path else {}


def shards_with(checkpoint: Checkpoint, names: Collection[str]) -> list[Shard]:
    """The shards that hold any of the named tensors."""
    return [shard for shard in checkpoint.shards if not set(names).isdisjoint(shard.tensors)]


def find_complete(checkpoint: Checkpoint, sources: Sources) -> Path | None:
    """A complete file of the Hub on this machine, if there is one and it has the pinned sha256.

    Its sha256 takes a second, so it is computed once; a stamp remembers size and time.
    """
    if checkpoint.repo is None or checkpoint.file is None:
        return None
    ours = complete_path(checkpoint, sources)
    found = [path for path in (ours, _cached_by_client(checkpoint, sources)) if path]
    return next((p for p in found if p.is_file() and _is_proven(p, checkpoint, sources)), None)


def complete_path(checkpoint: Checkpoint, sources: Sources) -> Path:
    """Where a complete file that was pulled here is kept."""
    return sources.parts(checkpoint) / "complete" / Path(checkpoint.file or "").name


def _cached_by_client(checkpoint: Checkpoint, sources: Sources) -> Path | None:
    """The complete file in the Hub client's cache, where a Space's preloading puts it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(
        checkpoint.repo or "",
        checkpoint.file or "",
        cache_dir=sources.hub_cache,
        revision=checkpoint.revision,
    )
    return Path(found).resolve() if isinstance(found, str) else None


def _is_proven(path: Path, checkpoint: Checkpoint, sources: Sources) -> bool:
    """Whether a complete file has the pinned sha256, by its stamp or by computing it."""
    status = path.stat()
    stamp = sources.parts(checkpoint) / "complete.stamp"
    proven = f"{path}\n{status.st_size}\n{status.st_mtime_ns}\n"
    with suppress(OSError):  # there is none yet
        if stamp.read_text(encoding="utf-8") == proven:
            return True
    if not is_intact(path, checkpoint.sha256):
        LOGGER.warning("%s is damaged and is not used; delete it", path)
        return False
    keep(stamp, proven.encode())
    return True
