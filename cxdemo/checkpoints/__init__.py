"""Weights: which exist, where they are looked for, and the proof that they are the right ones.

`checkpoints/manifest.json` has a record for each checkpoint. Its tensors are looked for in this
order, and only what is still missing moves on to the next place:

1. an explicit `.safetensors` file, if one is named;
2. the embedded shards in `checkpoints/`;
3. this app's cache, then a complete file in the Hub client's cache; neither asks the network;
4. the Hugging Face Hub, which must answer within seconds, or a `CheckpointError` says so.

What is proven. Embedded shards, cached files and complete files of the Hub are compared with their
sha256. A checkpoint of which only some tensors are wanted, such as the 23 MB of VGG19 below
conv4_3 in a file of 575 MB, is pulled by byte ranges, and the sha256 of a whole file cannot be
computed from a part of it. Such a pull rests on the server, which must name the pinned sha256 as
the file's ETag at the pinned revision, and on the tensors, which must have exactly the expected
shapes and type and plausible values. It would not notice single wrong bits sent by a server that
names the right ETag; `whole=True` downloads the complete file and does notice.

Only safetensors are read: nothing here can execute code from a file.
"""

# pyright: strict

import difflib
import errno
import hashlib
import json
import logging
import math
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

if TYPE_CHECKING:
    from torch import Tensor

Origin = Literal["explicit", "embedded", "cache", "hub"]
Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total, in the caller's thread."""
StateDict = dict[str, "Tensor"]
T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = _PACKAGE / "weights"  # where the build puts checkpoints/
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "checkpoints"
HUB_REPO_VARIABLE = "CXDEMO_HUB_REPO"
PUBLISHED = ["*.safetensors", "manifest.json", "README.md", "LICENSE*"]

HEADER_GUESS = 16_384  # bytes; VGG19's header has about 3,400
LARGEST_HEADER = 1_000_000  # bytes
LARGEST_SHARD = 10_000_000  # bytes
MERGE_GAP = 65_536  # bytes; a shorter gap is read along instead of asking once more
PIECE = 8_000_000  # bytes of a download that are kept at once: an interruption loses no more
LARGEST_VALUE = 100.0  # no weight or bias of a trained network comes near it
BYTES_OF = {"F16": 2, "BF16": 2, "F32": 4}

_LOGGER = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """Weights that cannot be had, in one sentence: what happened, and what to do.

    Attributes:
        reason: What happened.
        remedy: What to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}.")
        self.reason = reason
        self.remedy = remedy


# --- Records -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One embedded file and the names of the tensors in it."""

    file: str
    sha256: str
    tensors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the network expects: (image - mean) / std, for RGB images in [0, 1]."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where weights come from, and how to know that they are the right ones.

    Attributes:
        tensors: Shape of every tensor, by name: of all that the shards hold, or of those that are
            wanted of the Hub's file, which may hold more.
        shards: Embedded files. Empty: the weights come from the Hub.
        repo: Hub repository of `file`. None: the weights are embedded.
        revision: Its full commit hash.
        sha256: Of the complete `file`.
        dtype: Type of the stored tensors, as safetensors spells it.
        fallback: Name of the checkpoint that stands in when this one cannot be had.
    """

    name: str
    description: str
    license: str
    source: str
    dtype: str
    tensors: Mapping[str, tuple[int, ...]] = field(hash=False)
    shards: tuple[Shard, ...] = ()
    repo: str | None = None
    revision: str | None = None
    file: str | None = None
    sha256: str | None = None
    preprocessing: Preprocessing = Preprocessing()
    fallback: str | None = None

    @property
    def fingerprint(self) -> str:
        """Short hash of the content, which keeps versions of a checkpoint apart in the cache."""
        parts = [self.sha256 or "", *(shard.sha256 for shard in self.shards)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where weights are looked for, and how long the Hub may take.

    A download that makes progress may take as long as it needs.

    Attributes:
        folder: The manifest and the embedded shards.
        cache: Folder for downloads. None: where the Hub client keeps its own (HF_HOME).
        endpoint: Address of the Hub. None: the Hub client's own (HF_ENDPOINT).
        answer_timeout: Seconds within which the Hub must send the first bytes of a file.
        stall_timeout: Seconds without any progress after which a download is given up.
    """

    folder: Path = FOLDER
    cache: Path | None = None
    endpoint: str | None = None
    answer_timeout: float = 2.5
    stall_timeout: float = 3.0

    @property
    def hub_cache(self) -> Path:
        """Cache of complete files, in the Hub client's layout."""
        from huggingface_hub import constants

        return self.cache / "hub" if self.cache else Path(constants.HF_HUB_CACHE)

    def parts(self, checkpoint: Checkpoint) -> Path:
        """Folder of the pulled tensors of a checkpoint, in files named by their own sha256."""
        from huggingface_hub import constants

        root = self.cache or Path(constants.HF_ASSETS_CACHE)
        return root / "cxdemo" / f"{checkpoint.name}-{checkpoint.fingerprint}"


DEFAULT_SOURCES = Sources()
"""For somebody who waits: a Hub that hangs costs three seconds before the stand-in is used."""

PATIENT_SOURCES = Sources(answer_timeout=10.0, stall_timeout=20.0)
"""For a download that was asked for, or that nobody waits for."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Weights, and where they came from.

    Attributes:
        state_dict: float32 on the CPU, exactly the tensors that were asked for.
        origin: The farthest place that had to be asked.
        notice: What the user should know, such as that a stand-in is used. None: nothing.
    """

    checkpoint: Checkpoint
    state_dict: StateDict
    origin: Origin
    notice: str | None = None


def load_manifest(folder: Path = FOLDER) -> dict[str, Checkpoint]:
    """The records of `manifest.json`, by name.

    Raises:
        CheckpointError: The file cannot be read, or it is broken.

    Example:
        >>> sorted(load_manifest())[-2:]
        ['vgg16', 'vgg19']
    """
    remedy = "get the folder checkpoints/ of this version of cxdemo again"
    try:
        records = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return {name: _parse_record(name, record) for name, record in records.items()}
    except OSError as error:
        reason = f"checkpoints/manifest.json cannot be read ({error.strerror})"
        raise CheckpointError(reason, remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"checkpoints/manifest.json is broken ({_explain_broken(error)})"
        raise CheckpointError(reason, remedy) from error


def _explain_broken(error: Exception) -> str:
    """What a manifest lacks, in a few words."""
    return f"without {error}" if isinstance(error, KeyError) else str(error)


def find_checkpoint(name: str, *, folder: Path = FOLDER) -> Checkpoint:
    """The record with this name.

    Raises:
        ValueError: There is none.

    Example:
        >>> find_checkpoint("vgg19").repo
        'timm/vgg19.tv_in1k'
    """
    manifest = load_manifest(folder)
    _check_known([name], manifest, what="checkpoint")
    return manifest[name]


def _parse_record(name: str, record: dict[str, Any]) -> Checkpoint:
    """A record of the manifest, with its lists as tuples."""
    unknown = set(record) - {each.name for each in fields(Checkpoint)}
    if unknown:
        raise ValueError(f"{name} has unknown fields {sorted(unknown)}")
    parsed: dict[str, Any] = {
        **record,
        "shards": tuple(_parse_shard(shard) for shard in record["shards"]),
        "tensors": {key: tuple(shape) for key, shape in record["tensors"].items()},
    }
    if "preprocessing" in record:
        values = record["preprocessing"].items()
        parsed["preprocessing"] = Preprocessing(**{key: tuple(value) for key, value in values})
    return Checkpoint(name=name, **parsed)


def _parse_shard(shard: dict[str, Any]) -> Shard:
    """A shard of the manifest, with its list as a tuple."""
    return Shard(file=shard["file"], sha256=shard["sha256"], tensors=tuple(shard["tensors"]))


def _check_known(names: Iterable[str], known: Collection[str], *, what: str) -> None:
    """Raise for the first name that is not known, with the nearest one that is."""
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            message = f"expected a {what} out of {sorted(known)}, got {name!r}"
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(message + hint)


# --- Loading -------------------------------------------------------------------------------------


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
    _check_known(names, checkpoint.tensors, what="tensor")
    request = _Request(checkpoint=checkpoint, whole=whole, progress=progress, sources=sources)
    if path is not None:
        state: StateDict = _read_explicit(request, names, Path(path).expanduser())
        origin: Origin = "explicit"
    else:
        state, origin = _gather(request, names, offline=offline)
    _check_tensors(checkpoint, state, trust_values=origin != "explicit")
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
        ("embedded", _held_in_shards),
        ("cache", _held_in_parts),
        ("cache", _held_in_complete),
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
    if place is None or (whole and not _find_complete(checkpoint, sources)):
        load_state_dict(name, tensors=names, whole=whole, progress=progress, sources=sources)
    if locate(name, tensors=names, sources=sources) is None:
        reason = f"{name} was downloaded, but cannot be kept in {sources.parts(checkpoint)}"
        raise CheckpointError(reason, "make that folder writable, or set HF_HOME")
    return _find_complete(checkpoint, sources) or sources.parts(checkpoint)


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
        raise _full_disk(checkpoint, sources, needed)


def _full_disk(checkpoint: Checkpoint, sources: Sources, needed: int = 0) -> CheckpointError:
    """The error that says that there is no room."""
    reason = f"{checkpoint.name} cannot be kept: the disk of {sources.parts(checkpoint)} is full"
    room = f"{needed / 1e6:.0f} MB there" if needed else "some space there"
    return CheckpointError(reason, f"free {room}, or set HF_HOME to a folder on another disk")


def publish_checkpoints(repo: str, *, folder: Path = FOLDER, endpoint: str | None = None) -> str:
    """Upload `checkpoints/` to a Hub repository of your own, created if it does not exist.

    Returns:
        NAME@REVISION, the value to set CXDEMO_HUB_REPO to.

    Raises:
        CheckpointError: The Hub cannot be reached, or does not allow it.
    """
    with explaining_the_hub(repo):
        api = _hub_client().HfApi(endpoint=endpoint)
        api.create_repo(repo, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=PUBLISHED,
            commit_message="Publish the checkpoints of cxdemo",
        )
        return f"{repo}@{commit.oid}"


@contextmanager
def explaining_the_hub(repo: str) -> Generator[None, None, None]:
    """Errors of an upload to a repository, in one sentence that says what to do.

    Raises:
        CheckpointError: Whatever the Hub client raised.
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    known = (httpx.HTTPError, errors.OfflineModeIsEnabled, errors.HFValidationError, OSError)
    try:
        yield
    except (*known, RuntimeError) as raised:  # the client wraps the failure of a large file
        error = raised.__cause__ if isinstance(raised, RuntimeError) else raised
        if not isinstance(error, known):
            raise
        if isinstance(error, errors.HFValidationError):
            reason = f"{repo!r} is no name of a repository"
            raise CheckpointError(reason, "name it OWNER/NAME") from error
        if isinstance(error, errors.RepositoryNotFoundError):  # 401 without a token, too
            reason = f"The Hub does not let you write to {repo}"
            raise CheckpointError(reason, _NEW_TOKEN) from error
        address = _Address(repo=repo, revision="main", file="")
        what, remedy = _complain(error, address, 10)
        reason = f"{repo} cannot be published: the Hub {what}"
        raise CheckpointError(reason, remedy or "check the connection and try again") from error


@cache
def _warn_once(message: str) -> None:
    """Log a message the first time that it is given."""
    _LOGGER.warning(message)


# --- Places, from near to far --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What was asked for, besides the names."""

    checkpoint: Checkpoint
    whole: bool
    progress: Progress | None
    sources: Sources


def _gather(
    request: _Request, names: list[str], *, offline: bool | None
) -> tuple[StateDict, Origin]:
    """The named tensors, each from the nearest place that has it, and the farthest of these."""
    from huggingface_hub import is_offline_mode

    places: list[tuple[Origin, Callable[[_Request, list[str]], StateDict]]] = [
        ("embedded", _read_shards),
        ("cache", _read_parts),
        ("cache", _read_complete),
        ("hub", _refuse if (is_offline_mode() if offline is None else offline) else _pull),
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


def _read_explicit(request: _Request, names: list[str], path: Path) -> StateDict:
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
    held = _names_in(path, remedy)
    missing = [name for name in names if name not in held]
    if missing:
        raise CheckpointError(f"{path.name} lacks the tensors {_shorten(missing)}", remedy)
    # The file of a Hub record holds more than is wanted of it, a classifier for instance.
    unexpected = sorted(held - set(checkpoint.tensors)) if checkpoint.file is None else []
    if unexpected:
        reason = f"{path.name} has tensors that {checkpoint.name} has not: {_shorten(unexpected)}"
        raise CheckpointError(reason, remedy)
    return _read_file(path, names)


def _read_shards(request: _Request, names: list[str]) -> StateDict:
    """Tensors of the embedded shards; a shard that is not there is left to the other places.

    Raises:
        CheckpointError: A shard is damaged.
    """
    state: StateDict = {}
    for shard in _shards_with(request.checkpoint, names):
        path = request.sources.folder / shard.file
        if not path.is_file():
            continue
        found = _sha256_of(path)
        if found != shard.sha256:
            reason = f"{path} is damaged: its sha256 is {found[:12]}…, not {shard.sha256[:12]}…"
            remedy = "restore it (git checkout, or git lfs pull), or delete it to have it fetched"
            raise CheckpointError(reason, remedy)
        state |= _read_file(path, [name for name in shard.tensors if name in names])
    return state


def _read_parts(request: _Request, names: list[str]) -> StateDict:
    """Tensors pulled before."""
    state: StateDict = {}
    for path in _intact_parts(request.checkpoint, request.sources):
        state |= _read_file(path, _names_in(path).intersection(names))
    return state


def _intact_parts(checkpoint: Checkpoint, sources: Sources) -> Iterator[Path]:
    """Files of tensors pulled before. One whose content does not match its name is deleted."""
    for path in sorted(sources.parts(checkpoint).glob("*.safetensors")):
        if _is_intact(path, path.stem):
            yield path
        else:
            _LOGGER.warning("%s is damaged and will be fetched again", path)
            with suppress(OSError):  # the cache may be somebody else's
                path.unlink()


def _held_in_shards(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors in the embedded shards that are whole."""
    whole = [s for s in checkpoint.shards if _is_intact(sources.folder / s.file, s.sha256)]
    return {name for shard in whole for name in shard.tensors}


def _held_in_parts(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors pulled before."""
    return {name for path in _intact_parts(checkpoint, sources) for name in _names_in(path)}


def _held_in_complete(checkpoint: Checkpoint, sources: Sources) -> set[str]:
    """Names of the tensors in a complete file of the Hub."""
    path = _find_complete(checkpoint, sources)
    return _names_in(path) if path else set()


def _read_complete(request: _Request, names: list[str]) -> StateDict:
    """Tensors of a complete file in the Hub client's cache."""
    path = _find_complete(request.checkpoint, request.sources)
    return _read_file(path, names) if path else {}


def _refuse(request: _Request, _names: list[str]) -> StateDict:
    """The place of the Hub while it must not be asked.

    Raises:
        CheckpointError: Always.
    """
    name = request.checkpoint.name
    reason = f"{name} is not on this machine, and the Hub may not be asked (offline mode)"
    raise CheckpointError(reason, f"run `python -m cxdemo fetch {name}` once with a network")


def _pull(request: _Request, names: list[str]) -> StateDict:
    """Tensors from the Hub, kept in the cache.

    Raises:
        CheckpointError: The Hub does not have them, does not answer, or sends something else.
    """
    if request.whole and request.checkpoint.file:
        return _pull_complete(request, names)
    if request.checkpoint.file:
        return _pull_ranges(request, names)
    return _pull_shards(request, names)


# --- Files on this machine -----------------------------------------------------------------------


def _names_in(path: Path, remedy: str = "delete it") -> set[str]:
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


def _read_file(path: Path, names: Iterable[str]) -> StateDict:
    """Tensors of a safetensors file, as float32."""
    with _open(path) as file:
        return {name: file.get_tensor(name).float() for name in names}


def _open(path: Path) -> Any:  # its reader has no annotations
    """A safetensors file, of which tensors are read when they are asked for."""
    from safetensors import safe_open

    return safe_open(path, framework="pt")


def _shorten(names: Collection[str], limit: int = 4) -> str:
    """The first names, and how many there are.

    Example:
        >>> _shorten(["a", "b", "c"], limit=2)
        'a, b and 1 more'
    """
    shown = ", ".join(list(names)[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def _shards_with(checkpoint: Checkpoint, names: Collection[str]) -> list[Shard]:
    """The shards that hold any of the named tensors."""
    return [shard for shard in checkpoint.shards if not set(names).isdisjoint(shard.tensors)]


def _check_tensors(checkpoint: Checkpoint, state: StateDict, *, trust_values: bool) -> None:
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


def _is_intact(path: Path, sha256: str | None) -> bool:
    """Whether a file can be read and has this sha256."""
    try:
        return _sha256_of(path) == sha256
    except OSError:
        return False


def _sha256_of(path: Path) -> str:
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


def _find_complete(checkpoint: Checkpoint, sources: Sources) -> Path | None:
    """A complete file of the Hub on this machine, if there is one and it has the pinned sha256.

    Its sha256 takes a second, so it is computed once; a stamp remembers size and time.
    """
    if checkpoint.repo is None or checkpoint.file is None:
        return None
    ours = _complete_path(checkpoint, sources)
    found = [path for path in (ours, _cached_by_client(checkpoint, sources)) if path]
    return next((p for p in found if p.is_file() and _is_proven(p, checkpoint, sources)), None)


def _complete_path(checkpoint: Checkpoint, sources: Sources) -> Path:
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
    if not _is_intact(path, checkpoint.sha256):
        _LOGGER.warning("%s is damaged and is not used; delete it", path)
        return False
    _keep(stamp, proven.encode())
    return True


def _keep(path: Path, content: bytes) -> None:
    """Write a file in the cache, completely or not at all; a cache that is full only warns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    except OSError as error:
        _LOGGER.warning("%s cannot be kept: %s", path, error)
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError as error:
        _LOGGER.warning("%s cannot be kept: %s", path, error)
    finally:
        Path(temporary).unlink(missing_ok=True)


# --- The Hub -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Address:
    """A file of a Hub repository at a revision."""

    repo: str
    revision: str
    file: str


@dataclass(frozen=True, kw_only=True)
class _Remote:
    """A file of the Hub that has answered, and of which ranges can be read."""

    url: str
    headers: Mapping[str, str]
    etag: str | None
    size: int
    sources: Sources


def _pull_ranges(request: _Request, names: list[str]) -> StateDict:
    """The named tensors of the Hub's file, without the rest of it."""
    checkpoint = request.checkpoint

    def read(remote: _Remote, report: Progress) -> Iterator[bytes]:
        return _read_tensors(remote, checkpoint, names, report)

    return _pull_parts(request, _hub_address(checkpoint), read)


def _pull_shards(request: _Request, names: list[str]) -> StateDict:
    """The named tensors of embedded shards that are missing, from the repository of the owner."""
    state: StateDict = {}
    for shard in _shards_with(request.checkpoint, names):

        def read(remote: _Remote, report: Progress, shard: Shard = shard) -> Iterator[bytes]:
            yield _read_shard(remote, shard, report)

        address = _published_address(request, shard)
        found = _pull_parts(request, address, read)
        state |= {name: found[name] for name in shard.tensors if name in names}
    return state


def _pull_parts(
    request: _Request, address: _Address, read: Callable[[_Remote, Progress], Iterator[bytes]]
) -> StateDict:
    """Tensors of the safetensors files that `read` gets from the Hub, each checked and kept."""

    def work(report: Progress) -> Iterator[bytes]:
        remote = _open_remote(address, request.sources)
        report(0, 0)
        yield from read(remote, report)

    state: StateDict = {}
    with closing(_watch(request, address, work)) as contents:
        for content in contents:
            state |= _accept_part(request, address, content)
    return state


def _accept_part(request: _Request, address: _Address, content: bytes) -> StateDict:
    """The tensors of a safetensors file that was pulled, checked and kept."""
    from safetensors.torch import load

    state = {name: tensor.float() for name, tensor in load(content).items()}
    try:
        _check_tensors(request.checkpoint, state, trust_values=False)
    except CheckpointError as error:
        raise _refusal(request, address, f"sent something else ({error.reason})") from error
    name = f"{hashlib.sha256(content).hexdigest()}.safetensors"
    _keep(request.sources.parts(request.checkpoint) / name, content)
    return state


def _pull_complete(request: _Request, names: list[str]) -> StateDict:
    """The named tensors of the Hub's file, downloaded whole and compared with its sha256.

    The download goes on where an earlier one was interrupted.
    """
    checkpoint, sources = request.checkpoint, request.sources
    address, path = _hub_address(checkpoint), _complete_path(checkpoint, sources)
    partial = path.with_suffix(".partial")

    def work(report: Progress) -> Iterator[None]:
        remote = _open_remote(address, sources)
        _check_etag(remote, checkpoint)
        report(0, 0)
        yield from _continue_file(partial, remote, report)

    with closing(_watch(request, address, work)) as pieces:
        for _ in pieces:
            pass
    if not _is_intact(partial, checkpoint.sha256):
        partial.unlink()
        raise _refusal(request, address, "sent a file whose sha256 is not the pinned one")
    try:
        partial.replace(path)
    except OSError as error:
        raise _explain(error, request, address) from error
    return _read_complete(request, names)


def _continue_file(path: Path, remote: _Remote, report: Progress) -> Iterator[None]:
    """Read a remote file into one of this machine, from where that one ends; yields now and then.

    Two processes that do so at once write the same bytes to the same places.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with path.open("r+b") as file:
        done = file.seek(0, os.SEEK_END)
        while done < remote.size:
            end = min(done + PIECE, remote.size)

            def tell(count: int, done: int = done) -> None:
                report(done + count, remote.size)

            file.write(_read_range(remote, done, end, tell))
            file.flush()
            done = end
            yield


def _hub_client() -> Any:  # its functions are only partly annotated
    """The Hub client, imported when the Hub is asked and not before."""
    import huggingface_hub

    return huggingface_hub


def _hub_address(checkpoint: Checkpoint) -> _Address:
    """Where the Hub's file of a checkpoint lies."""
    if checkpoint.repo is None or checkpoint.revision is None or checkpoint.file is None:
        message = f"{checkpoint.name} needs repo, revision and file in checkpoints/manifest.json"
        raise ValueError(message)
    return _Address(repo=checkpoint.repo, revision=checkpoint.revision, file=checkpoint.file)


def _published_address(request: _Request, shard: Shard) -> _Address:
    """Where the owner of this app published an embedded shard.

    Raises:
        CheckpointError: Nowhere that is known of.
    """
    value = os.environ.get(HUB_REPO_VARIABLE, "")
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)@([\w.-]+)", value)
    if match:
        return _Address(repo=match[1], revision=match[2], file=shard.file)
    reason = f"{request.sources.folder / shard.file} is missing"
    if value:
        reason += f", and {HUB_REPO_VARIABLE} is {value!r}"
    remedy = f"restore it, or set {HUB_REPO_VARIABLE}=OWNER/NAME@REVISION to where it is published"
    raise CheckpointError(reason, remedy)


def _open_remote(address: _Address, sources: Sources) -> _Remote:
    """A file of the Hub, after one request for its size, ETag and place."""
    from huggingface_hub.utils import httpx

    hub = _hub_client()
    url: str = hub.hf_hub_url(
        address.repo, address.file, revision=address.revision, endpoint=sources.endpoint
    )
    found = hub.get_hf_file_metadata(url, timeout=sources.answer_timeout, endpoint=sources.endpoint)
    headers: dict[str, str] = hub.utils.build_hf_headers()
    if httpx.URL(found.location).host != httpx.URL(url).host:
        headers.pop("authorization", None)  # a token of the Hub is nobody else's business
    headers["Accept-Encoding"] = "identity"
    size = found.size or 0
    return _Remote(url=found.location, headers=headers, etag=found.etag, size=size, sources=sources)


def _read_shard(remote: _Remote, shard: Shard, report: Progress) -> bytes:
    """A complete small file, compared with its sha256."""
    if not 0 < remote.size <= LARGEST_SHARD:
        raise _UnusableAnswerError(f"offers {shard.file} with {remote.size} bytes")
    content = _read_range(remote, 0, remote.size, lambda done: report(done, remote.size))
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise _UnusableAnswerError(f"sent a {shard.file} whose sha256 is not the pinned one")
    return content


def _read_tensors(
    remote: _Remote, checkpoint: Checkpoint, names: Collection[str], report: Progress
) -> Iterator[bytes]:
    """The named tensors of a remote safetensors file, as safetensors files of some megabytes."""
    _check_etag(remote, checkpoint)
    header, start = _read_header(remote, lambda _: report(0, 0))
    spans = {name: _find_span(header, start, remote, checkpoint, name) for name in names}
    pieces = [(piece, _merge(spans[name] for name in piece)) for piece in _cut_pieces(spans)]
    total = sum(end - begin for _, blocks in pieces for begin, end in blocks)
    before = 0
    for piece, blocks in pieces:
        content: dict[tuple[int, int], bytes] = {}
        for begin, end in blocks:
            content[begin, end] = _read_range(
                remote, begin, end, lambda done, before=before: report(before + done, total)
            )
            before += end - begin
        yield _write_part(checkpoint, {name: _cut(content, spans[name]) for name in piece})


def _cut_pieces(spans: Mapping[str, tuple[int, int]]) -> list[list[str]]:
    """The names in their order, in groups of not much more than `PIECE` bytes.

    Example:
        >>> _cut_pieces({"a": (0, 5_000_000), "b": (9, 5_000_009), "c": (20, 30)})
        [['a', 'b'], ['c']]
    """
    pieces: list[list[str]] = []
    room = 0
    for name, (begin, end) in spans.items():
        if room <= 0:
            pieces.append([])
            room = PIECE
        pieces[-1].append(name)
        room -= end - begin
    return pieces


def _check_etag(remote: _Remote, checkpoint: Checkpoint) -> None:
    """Raise unless the Hub names the pinned sha256 as the file's ETag."""
    if remote.etag != checkpoint.sha256:
        raise _UnusableAnswerError(f"offers another file than the pinned one (ETag {remote.etag})")


def _read_header(remote: _Remote, on_bytes: Callable[[int], None]) -> tuple[dict[str, Any], int]:
    """Header of a remote safetensors file, and where the data begin."""
    head = _read_range(remote, 0, min(HEADER_GUESS, remote.size), on_bytes)
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= min(LARGEST_HEADER, remote.size - 8):
        raise _UnusableAnswerError("sent something that is no safetensors file")
    if 8 + length > len(head):
        head += _read_range(remote, len(head), 8 + length, on_bytes)
    try:
        return cast("dict[str, Any]", json.loads(head[8 : 8 + length])), 8 + length
    except ValueError as error:
        raise _UnusableAnswerError("sent something that is no safetensors file") from error


def _find_span(
    header: dict[str, Any], start: int, remote: _Remote, checkpoint: Checkpoint, name: str
) -> tuple[int, int]:
    """First and last byte (exclusive) of a tensor in a remote file."""
    shape = checkpoint.tensors[name]
    try:
        entry = header[name]
        begin, end = entry["data_offsets"]
        as_expected = (entry["dtype"], tuple(entry["shape"])) == (checkpoint.dtype, shape)
        length = math.prod(shape) * BYTES_OF[checkpoint.dtype]
        fits = end - begin == length and begin >= 0 and start + end <= remote.size
    except (KeyError, TypeError, ValueError):
        as_expected = fits = False
        begin = end = 0
    if not (as_expected and fits):
        raise _UnusableAnswerError(
            f"offers no tensor {name} of type {checkpoint.dtype} and {shape}"
        )
    return start + begin, start + end


def _merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Few ranges that cover the spans, and the short gaps between them.

    Example:
        >>> _merge([(500_000, 600_000), (200, 300), (0, 100)])
        [(0, 300), (500000, 600000)]
    """
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin - merged[-1][1] <= MERGE_GAP:
            begin, end = merged[-1][0], max(merged.pop()[1], end)  # noqa: PLW2901
        merged.append((begin, end))
    return merged


def _cut(blocks: Mapping[tuple[int, int], bytes], span: tuple[int, int]) -> bytes:
    """The bytes of a span, out of the block that covers it."""
    begin, end = span
    for (first, last), content in blocks.items():
        if first <= begin and end <= last:
            return content[begin - first : end - first]
    message = f"no block covers bytes {begin} to {end}"
    raise ValueError(message)


def _write_part(checkpoint: Checkpoint, tensors: Mapping[str, bytes]) -> bytes:
    """Content of a safetensors file with these tensors."""
    header: dict[str, object] = {}
    offset = 0
    for name, content in tensors.items():
        offsets = [offset, offset + len(content)]
        shape = checkpoint.tensors[name]
        header[name] = {"dtype": checkpoint.dtype, "shape": shape, "data_offsets": offsets}
        offset = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the data to 8 bytes
    return b"".join([len(text).to_bytes(8, "little"), text, *tensors.values()])


def _read_range(remote: _Remote, begin: int, end: int, on_bytes: Callable[[int], None]) -> bytes:
    """Bytes of a remote file, and not one more than was asked for."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import httpx

    sources = remote.sources
    # Whoever waits gives up after the stall time-out; this one only ends the thread behind.
    timeout = httpx.Timeout(2 * sources.stall_timeout, connect=sources.answer_timeout)
    headers = {**remote.headers, "Range": f"bytes={begin}-{end - 1}"}
    content = bytearray()
    with get_session().stream("GET", remote.url, headers=headers, timeout=timeout) as response:
        promised = response.headers.get("Content-Range")
        if response.status_code != 206 or promised != f"bytes {begin}-{end - 1}/{remote.size}":
            found = f"status {response.status_code}, range {promised}"
            raise _UnusableAnswerError(f"does not send the part that was asked for ({found})")
        for chunk in response.iter_raw():  # as they arrive: a slow link must not look idle
            content += chunk
            on_bytes(len(content))
            if len(content) > end - begin:
                break
    if len(content) != end - begin:
        raise _UnusableAnswerError(f"sent {len(content)} bytes instead of {end - begin}")
    return bytes(content)


# --- Watching the Hub ----------------------------------------------------------------------------


class _UnusableAnswerError(Exception):
    """What a server did, as a verb phrase: "sent 3 bytes instead of 8"."""


class _AbandonedError(Exception):
    """Ends a download that nobody waits for."""


def _watch(
    request: _Request, address: _Address, work: Callable[[Progress], Iterator[T]]
) -> Generator[T, None, None]:
    """What `work` yields, in a thread that is given up when it makes no progress.

    Time-outs of a socket do not bound everything: a name server that does not answer, or a host
    with many addresses, takes longer. So the whole of `work` must report in time, first within
    the answer time-out and then within the stall time-out, or nobody waits for it any longer.
    The time in which the caller is busy with what was yielded does not count.

    Raises:
        CheckpointError: It failed or came to a stop.
    """
    _import_client()
    messages: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    abandoned = threading.Event()

    def report(done: int, total: int) -> None:
        if abandoned.is_set():
            raise _AbandonedError
        messages.put(("progress", (done, total)))

    def run() -> None:
        try:
            for item in work(report):
                messages.put(("item", item))
            messages.put(("end", None))
        except Exception as error:  # raised again by whoever waits
            messages.put(("error", error))

    threading.Thread(target=run, name="cxdemo-fetch", daemon=True).start()
    try:
        yield from _await_items(request, address, messages)
    finally:
        abandoned.set()


def _import_client() -> None:
    """Import of the Hub client takes a second, which is not the Hub's."""
    client = _hub_client()
    _ = client.get_hf_file_metadata, client.get_session, client.hf_hub_url


def _await_items(
    request: _Request, address: _Address, messages: "SimpleQueue[tuple[str, Any]]"
) -> Iterator[Any]:
    """The items among the messages of a thread; each per cent of progress is passed on."""
    patience, stall = request.sources.answer_timeout, request.sources.stall_timeout
    first_by = time.monotonic() + patience  # the first bytes of a file, however many requests
    complaint, told = "did not answer within", 0
    while True:
        try:
            kind, value = messages.get(timeout=max(patience, 0.0))
        except Empty:
            waited = f"{complaint} {round(patience, 1):g} s"
            raise _refusal(request, address, waited) from None
        if kind == "end":
            return
        if kind == "error":
            raise _explain(value, request, address) from value
        if kind == "item":
            yield value
            continue
        done, total = value
        if request.progress and total and (done == total or 100 * (done - told) >= total):
            request.progress(done, total)
            told = done
        complaint = "sent nothing more for"
        patience = stall if done else min(stall, first_by - time.monotonic())


def _refusal(request: _Request, address: _Address, what: str, remedy: str = "") -> CheckpointError:
    """The error that says what the Hub did."""
    reason = f"{request.checkpoint.name} cannot be had: the Hub ({address.repo}) {what}"
    name = request.checkpoint.name
    usual = f"check the connection and run `python -m cxdemo fetch {name}`, or name a file of yours"
    return CheckpointError(reason, remedy or usual)


def _explain(error: Exception, request: _Request, address: _Address) -> CheckpointError:
    """The error in one readable sentence, whatever the Hub client raised."""
    if isinstance(error, CheckpointError):
        return error
    if _is_full(error):
        return _full_disk(request.checkpoint, request.sources)
    if isinstance(error, OSError) and error.filename:  # the cache's, not the network's
        reason = f"{request.checkpoint.name} cannot be kept: {error}"
        return CheckpointError(reason, "make that folder writable, or set HF_HOME")
    what, remedy = _complain(error, address, request.sources.answer_timeout)
    return _refusal(request, address, what, remedy)


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk or a used-up quota is the cause."""
    while error is not None:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            return True
        error = error.__cause__ or error.__context__
    return False


_NEW_TOKEN = "run `hf auth login`, or set HF_TOKEN to a valid token"  # noqa: S105  a sentence


def _complain(error: Exception, address: _Address, timeout: float) -> tuple[str, str]:
    """What the Hub did, as a verb phrase, and what to do; "": the usual."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    in_manifest = "correct checkpoints/manifest.json, or CXDEMO_HUB_REPO if that names it"
    private = f"{in_manifest}; if it is private, {_NEW_TOKEN}"
    cases: list[tuple[type[Exception], str, str]] = [  # a subclass before its parent
        (_UnusableAnswerError, str(error), ""),
        (errors.GatedRepoError, "wants its terms accepted", "accept them there, and set HF_TOKEN"),
        (errors.RepositoryNotFoundError, "has no such repository, or a private one", private),
        (errors.RevisionNotFoundError, f"has no revision {address.revision}", in_manifest),
        (errors.RemoteEntryNotFoundError, f"has no file {address.file}", in_manifest),
        (errors.OfflineModeIsEnabled, "may not be asked (offline mode)", "unset HF_HUB_OFFLINE"),
        (errors.HfHubHTTPError, *_complain_of_status(error)),
        (httpx.TimeoutException, f"did not answer within {timeout:g} s", ""),
        (httpx.RemoteProtocolError, "broke off the transfer", ""),
        (httpx.TransportError, *_complain_of_transport(error)),
        (OSError, f"could not be read from ({error})", ""),
    ]
    for kind, what, remedy in cases:
        if isinstance(error, kind):
            return what, remedy
    return f"gave an answer of no use ({error!r})", ""


def _complain_of_status(error: Exception) -> tuple[str, str]:
    """What an HTTP error means, and what to do."""
    from huggingface_hub import get_token

    status = getattr(getattr(error, "response", None), "status_code", "unknown")
    if status == 401 and get_token() is None:
        return "wants a token, and there is none", _NEW_TOKEN
    if status == 401:
        return "does not accept the token (401)", _NEW_TOKEN
    if status == 403:
        rights = "use a token that has the right: https://huggingface.co/settings/tokens"
        return "does not allow this to the token (403)", rights
    if status == 429:
        return "was asked too often (429)", "wait some minutes and try again"
    return f"answered with an error ({status})", ""


def _complain_of_transport(error: Exception) -> tuple[str, str]:
    """Why nothing came, and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "cannot be reached: this machine seems to have no network", ""
        cause = cause.__cause__ or cause.__context__
    return f"cannot be reached ({error})", ""
