"""Tensors pulled from the Hub, checked and kept in the cache."""

# pyright: strict

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing

from cxdemo.checkpoints.explain import explain, refusal
from cxdemo.checkpoints.files import check_tensors, is_intact, keep
from cxdemo.checkpoints.places import complete_path, read_complete, shards_with
from cxdemo.checkpoints.records import (
    Checkpoint,
    CheckpointError,
    Progress,
    Request,
    Shard,
    StateDict,
)
from cxdemo.checkpoints.remote import (
    Address,
    Remote,
    check_etag,
    continue_file,
    open_remote,
    read_shard,
    read_tensors,
)
from cxdemo.checkpoints.watch import watch

HUB_REPO_VARIABLE = "CXDEMO_HUB_REPO"


def refuse(request: Request, _names: list[str]) -> StateDict:
    """The place of the Hub while it must not be asked.

    Raises:
        CheckpointError: Always.
    """
    name = request.checkpoint.name
    reason = f"{name} is not on this machine, and the Hub may not be asked (offline mode)"
    raise CheckpointError(reason, f"run `python -m cxdemo fetch {name}` once with a network")


def pull(request: Request, names: list[str]) -> StateDict:
    """Tensors from the Hub, kept in the cache.

    Raises:
        CheckpointError: The Hub does not have them, does not answer, or sends something else.
    """
    if request.whole and request.checkpoint.file:
        return _pull_complete(request, names)
    if request.checkpoint.file:
        return _pull_ranges(request, names)
    return _pull_shards(request, names)


def _pull_ranges(request: Request, names: list[str]) -> StateDict:
    """The named tensors of the Hub's file, without the rest of it."""
    checkpoint = request.checkpoint

    def read(remote: Remote, report: Progress) -> Iterator[bytes]:
        return read_tensors(remote, checkpoint, names, report)

    return _pull_parts(request, _hub_address(checkpoint), read)


def _pull_shards(request: Request, names: list[str]) -> StateDict:
    """The named tensors of embedded shards that are missing, from the repository of the owner."""
    state: StateDict = {}
    for shard in shards_with(request.checkpoint, names):

        def read(remote: Remote, report: Progress, shard: Shard = shard) -> Iterator[bytes]:
            yield read_shard(remote, shard, report)

        address = _published_address(request, shard)
        found = _pull_parts(request, address, read)
        state |= {name: found[name] for name in shard.tensors if name in names}
    return state


def _pull_parts(
    request: Request, address: Address, read: Callable[[Remote, Progress], Iterator[bytes]]
) -> StateDict:
    """Tensors of the safetensors files that `read` gets from the Hub, each checked and kept."""

    def work(report: Progress) -> Iterator[bytes]:
        remote = open_remote(address, request.sources)
        report(0, 0)
        yield from read(remote, report)

    state: StateDict = {}
    with closing(watch(request, address, work)) as contents:
        for content in contents:
            state |= _accept_part(request, address, content)
    return state


def _accept_part(request: Request, address: Address, content: bytes) -> StateDict:
    """The tensors of a safetensors file that was pulled, checked and kept."""
    from safetensors.torch import load

    state = {name: tensor.float() for name, tensor in load(content).items()}
    try:
        check_tensors(request.checkpoint, state, trust_values=False)
    except CheckpointError as error:
        raise refusal(request, address, f"sent something else ({error.reason})") from error
    name = f"{hashlib.sha256(content).hexdigest()}.safetensors"
    keep(request.sources.parts(request.checkpoint) / name, content)
    return state


def _pull_complete(request: Request, names: list[str]) -> StateDict:
    """The named tensors of the Hub's file, downloaded whole and compared with its sha256.

    The download goes on where an earlier one was interrupted.
    """
    checkpoint, sources = request.checkpoint, request.sources
    address, path = _hub_address(checkpoint), complete_path(checkpoint, sources)
    partial = path.with_suffix(".partial")

    def work(report: Progress) -> Iterator[None]:
        remote = open_remote(address, sources)
        check_etag(remote, checkpoint)
        report(0, 0)
        yield from continue_file(partial, remote, report)

    with closing(watch(request, address, work)) as pieces:
        for _ in pieces:
            pass
    if not is_intact(partial, checkpoint.sha256):
        partial.unlink()
        raise refusal(request, address, "sent a file whose sha256 is not the pinned one")
    try:
        partial.replace(path)
    except OSError as error:
        raise explain(error, request, address) from error
    return read_complete(request, names)


def _hub_address(checkpoint: Checkpoint) -> Address:
    """Where the Hub's file of a checkpoint lies."""
    if checkpoint.repo is None or checkpoint.revision is None or checkpoint.file is None:
        message = f"{checkpoint.name} needs repo, revision and file in checkpoints/manifest.json"
        raise ValueError(message)
    return Address(repo=checkpoint.repo, revision=checkpoint.revision, file=checkpoint.file)


def _published_address(request: Request, shard: Shard) -> Address:
    """Where the owner of this app published an embedded shard.

    Raises:
        CheckpointError: Nowhere that is known of.
    """
    value = os.environ.get(HUB_REPO_VARIABLE, "")
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)@([\w.-]+)", value)
    if match:
        return Address(repo=match[1], revision=match[2], file=shard.file)
    reason = f"{request.sources.folder / shard.file} is missing"
    if value:
        reason += f", and {HUB_REPO_VARIABLE} is {value!r}"
    remedy = f"restore it, or set {HUB_REPO_VARIABLE}=OWNER/NAME@REVISION to where it is published"
    raise CheckpointError(reason, remedy)
