"""A file of the Hub from which ranges are read: no more than is wanted, nothing unchecked."""

# pyright: strict

import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cxdemo.checkpoints.records import Checkpoint, Progress, Shard, Sources

HEADER_GUESS = 16_384  # bytes; VGG19's header has about 3,400


LARGEST_HEADER = 1_000_000  # bytes


LARGEST_SHARD = 10_000_000  # bytes


MERGE_GAP = 65_536  # bytes; a shorter gap is read along instead of asking once more


PIECE = 8_000_000  # bytes of a download that are kept at once: an interruption loses no more


BYTES_OF = {"F16": 2, "BF16": 2, "F32": 4}


@dataclass(frozen=True, kw_only=True)
class Address:
    """A file of a Hub repository at a revision."""

    repo: str
    revision: str
    file: str


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file of the Hub that has answered, and of which ranges can be read."""

    url: str
    headers: Mapping[str, str]
    etag: str | None
    size: int
    sources: Sources


def continue_file(path: Path, remote: Remote, report: Progress) -> Iterator[None]:
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


def hub_client() -> Any:  # its functions are only partly annotated
    """The Hub client, imported when the Hub is asked and not before."""
    import huggingface_hub

    return huggingface_hub


def open_remote(address: Address, sources: Sources) -> Remote:
    """A file of the Hub, after one request for its size, ETag and place."""
    from huggingface_hub.utils import httpx

    hub = hub_client()
    url: str = hub.hf_hub_url(
        address.repo, address.file, revision=address.revision, endpoint=sources.endpoint
    )
    found = hub.get_hf_file_metadata(url, timeout=sources.answer_timeout, endpoint=sources.endpoint)
    headers: dict[str, str] = hub.utils.build_hf_headers()
    if httpx.URL(found.location).host != httpx.URL(url).host:
        headers.pop("authorization", None)  # a token of the Hub is nobody else's business
    headers["Accept-Encoding"] = "identity"
    size = found.size or 0
    return Remote(url=found.location, headers=headers, etag=found.etag, size=size, sources=sources)


def read_shard(remote: Remote, shard: Shard, report: Progress) -> bytes:
    """A complete small file, compared with its sha256."""
    if not 0 < remote.size <= LARGEST_SHARD:
        raise UnusableAnswerError(f"offers {shard.file} with {remote.size} bytes")
    content = _read_range(remote, 0, remote.size, lambda done: report(done, remote.size))
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise UnusableAnswerError(f"sent a {shard.file} whose sha256 is not the pinned one")
    return content


def read_tensors(
    remote: Remote, checkpoint: Checkpoint, names: Collection[str], report: Progress
) -> Iterator[bytes]:
    """The named tensors of a remote safetensors file, as safetensors files of some megabytes."""
    check_etag(remote, checkpoint)
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


def check_etag(remote: Remote, checkpoint: Checkpoint) -> None:
    """Raise unless the Hub names the pinned sha256 as the file's ETag."""
    if remote.etag != checkpoint.sha256:
        raise UnusableAnswerError(f"offers another file than the pinned one (ETag {remote.etag})")


def _read_header(remote: Remote, on_bytes: Callable[[int], None]) -> tuple[dict[str, Any], int]:
    """Header of a remote safetensors file, and where the data begin."""
    head = _read_range(remote, 0, min(HEADER_GUESS, remote.size), on_bytes)
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= min(LARGEST_HEADER, remote.size - 8):
        raise UnusableAnswerError("sent something that is no safetensors file")
    if 8 + length > len(head):
        head += _read_range(remote, len(head), 8 + length, on_bytes)
    try:
        return cast("dict[str, Any]", json.loads(head[8 : 8 + length])), 8 + length
    except ValueError as error:
        raise UnusableAnswerError("sent something that is no safetensors file") from error


def _find_span(
    header: dict[str, Any], start: int, remote: Remote, checkpoint: Checkpoint, name: str
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
        raise UnusableAnswerError(f"offers no tensor {name} of type {checkpoint.dtype} and {shape}")
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


def _read_range(remote: Remote, begin: int, end: int, on_bytes: Callable[[int], None]) -> bytes:
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
            raise UnusableAnswerError(f"does not send the part that was asked for ({found})")
        for chunk in response.iter_raw():  # as they arrive: a slow link must not look idle
            content += chunk
            on_bytes(len(content))
            if len(content) > end - begin:
                break
    if len(content) != end - begin:
        raise UnusableAnswerError(f"sent {len(content)} bytes instead of {end - begin}")
    return bytes(content)


class UnusableAnswerError(Exception):
    """What a server did, as a verb phrase: "sent 3 bytes instead of 8"."""
