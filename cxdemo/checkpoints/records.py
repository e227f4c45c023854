"""What is known of each checkpoint, from `checkpoints/manifest.json`, and where it may lie."""

# pyright: strict

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cxdemo.spelling import suggest

if TYPE_CHECKING:
    from torch import Tensor

Origin = Literal["explicit", "embedded", "cache", "hub"]


Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total, in the caller's thread."""


StateDict = dict[str, "Tensor"]


_PACKAGE = Path(__file__).resolve().parent.parent


_INSTALLED = _PACKAGE / "weights"  # where the build puts checkpoints/


FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "checkpoints"


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
    check_known([name], manifest, what="checkpoint")
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


def check_known(names: Iterable[str], known: Collection[str], *, what: str) -> None:
    """Raise for the first name that is not known, with the nearest one that is."""
    for name in names:
        if name not in known:
            message = f"expected a {what} out of {sorted(known)}, got {name!r}."
            raise ValueError(message + suggest(name, known))


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, besides the names."""

    checkpoint: Checkpoint
    whole: bool
    progress: Progress | None
    sources: Sources
