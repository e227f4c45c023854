"""Work with the Hub that is given up when it makes no progress."""

# pyright: strict

import threading
import time
from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cxdemo.checkpoints.explain import explain, refusal
from cxdemo.checkpoints.records import Progress, Request
from cxdemo.checkpoints.remote import Address, hub_client

T = TypeVar("T")


class _AbandonedError(Exception):
    """Ends a download that nobody waits for."""


def watch(
    request: Request, address: Address, work: Callable[[Progress], Iterator[T]]
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
    client = hub_client()
    _ = client.get_hf_file_metadata, client.get_session, client.hf_hub_url


def _await_items(
    request: Request, address: Address, messages: "SimpleQueue[tuple[str, Any]]"
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
            raise refusal(request, address, waited) from None
        if kind == "end":
            return
        if kind == "error":
            raise explain(value, request, address) from value
        if kind == "item":
            yield value
            continue
        done, total = value
        if request.progress and total and (done == total or 100 * (done - told) >= total):
            request.progress(done, total)
            told = done
        complaint = "sent nothing more for"
        patience = stall if done else min(stall, first_by - time.monotonic())
