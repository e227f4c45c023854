"""Handlers that wait for their turn: quick work beside long runs.

    page.result.select(readable(quickly(explain)), ...)              # a click
    gr.on(..., readable(quickly(survey, heavy=True)), ...)           # a second or more
    yield from take_turn(run, ctx, "style transfer", waiting=..., work=...)    # a long run

Gradio's own queue limits nothing here: it knows one length for everything, so that a few long
runs kept clicks out.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from cxdemo.engine.context import Context
from cxdemo.engine.memory import give_back
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Forecast, paces_of
from cxdemo.ui.kit.lanes import Lane, Visitor, tell_place
from cxdemo.ui.kit.visitors import Visitors, current_visitor

Handler = TypeVar("Handler", bound=Callable[..., Any])
Item = TypeVar("Item")

CORES = os.cpu_count() or 2
ROOM = 12  # long runs that may wait
EACH = 40  # quick requests of one visitor that may wait
SMALL = 4.0  # seconds; a run that takes no longer is quick work
LOOK = 1.0  # seconds between two looks at a place in line
LOW = 5  # of niceness: quick work gets three times the share of a long run, and no run starves

_IN_TURN: contextvars.ContextVar[bool] = contextvars.ContextVar("in_turn", default=False)

VISITORS = Visitors()
QUICK = Lane(
    width=CORES + 2, heavy=CORES, each=EACH, in_turn=True,
    listening=VISITORS.listening,
)  # fmt: skip
LONG = Lane(width=1, room=ROOM, each=1, listening=VISITORS.listening)
VISITORS.tell(QUICK.notice)
VISITORS.tell(LONG.notice)


def quickly(handler: Handler, *, heavy: bool = False) -> Handler:
    """A handler that waits for a turn in the quick lane; a generator does so for each answer.

    One that is called by another, which has a turn, needs none of its own.

    Args:
        handler: Plain or generator.
        heavy: Whether it computes for more than half a second or so.
    """
    wrap = _generate_quickly if inspect.isgeneratorfunction(handler) else _answer_quickly
    return wrap(handler, heavy)  # pyright: ignore[reportReturnType]


def _answer_quickly(handler: Callable[..., Any], heavy: bool) -> Callable[..., Any]:
    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _quick_turn(current_visitor(), heavy=heavy):
            return handler(*args, **kwargs)

    return wrapped


def _generate_quickly(handler: Callable[..., Any], heavy: bool) -> Callable[..., Any]:
    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from _quick_items(handler(*args, **kwargs), current_visitor(), heavy=heavy)

    return wrapped


def _quick_items(items: Iterator[Item], visitor: Visitor, *, heavy: bool) -> Iterator[Item]:
    """The items of an iterator, a turn for each."""
    end: Any = object()
    while True:
        with _quick_turn(visitor, heavy=heavy):
            item = next(items, end)
        if item is end:
            return
        yield item


@contextmanager
def _quick_turn(visitor: Visitor, *, heavy: bool) -> Iterator[None]:
    if _IN_TURN.get():
        yield
        return
    with QUICK.turn(visitor, heavy=heavy):
        _share_cores(len(QUICK) + bool(len(LONG)))
        token = _IN_TURN.set(True)
        try:
            yield
        finally:
            _IN_TURN.reset(token)


def _share_cores(among: int) -> None:
    """Lets torch use a fair number of cores in this thread.

    Torch would use all of them in each thread: several threads then wait for each other's parts.
    """
    torch.set_num_threads(max(1, CORES // max(1, among)))


def check_turn() -> None:
    """Whether the visitor may begin a long run now.

    Raises:
        Refused: No; the text says why.
    """
    LONG.check(current_visitor())


def take_turn(
    run: Run,
    ctx: Context,
    what: str,
    *,
    waiting: Callable[[str], Item],
    work: Iterator[Item],
    often_small: bool = False,
) -> Iterator[Item]:
    """The items of a run's work, when its turn has come; before, what shows its place in line.

    The turn ends with the work, or when nobody listens any more.

    Args:
        run: Its `stopped` ends it, also while it waits, and is set when its visitor has gone.
        ctx: The device.
        what: The run, for people: "style transfer".
        waiting: Given a sentence such as "Third in line, about 2 minutes.", what to yield.
        work: Computes. It ends soon after `stopped` was set.
        often_small: Whether it is quick work, without a line, if it is expected to take a moment.

    Raises:
        Refused: The line is full, or the visitor has a long run already.
    """
    run.forecast = Forecast(run.stages, paces_of(ctx.device))
    try:
        if often_small and is_small(run, ctx):
            yield from _quick_items(work, current_visitor(), heavy=True)
        else:
            yield from _take_long_turn(run, what, waiting, work)
    finally:
        run.over = True


def is_small(run: Run, ctx: Context) -> bool:
    """Whether a run is quick work: by what it has to do, however busy the machine is."""
    seconds = paces_of(ctx.device).at_rest(run.stages)
    return seconds is not None and seconds <= SMALL


def _take_long_turn(
    run: Run, what: str, waiting: Callable[[str], Item], work: Iterator[Item]
) -> Iterator[Item]:
    ticket = LONG.enter(current_visitor(), what, seconds=lambda: _left(run))
    try:
        said = ""
        while not run.stopped and not LONG.wait(ticket, LOOK):
            now = tell_place(LONG.place(ticket))
            if now != said:
                yield waiting(said := now)
        for item in humbly(work):
            yield item
            run.stopped = run.stopped or LONG.gone(ticket)
    finally:
        LONG.leave(ticket)
        give_back()


def _left(run: Run) -> float | None:
    return run.forecast.left() if run.forecast is not None else None


def humbly(items: Iterator[Item]) -> Iterator[Item]:
    """The items of an iterator, each computed in one thread of low priority, and its helpers.

    Quick work then gets most of the processors while it wants them. Only Linux gives threads a
    priority of their own; elsewhere all share alike.
    """
    end: Any = object()
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, "long-run", initializer=_be_humble) as thread:
        try:
            while (item := thread.submit(context.run, next, items, end).result()) is not end:
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                thread.submit(context.run, close).result()


def _be_humble() -> None:
    torch.set_num_threads(CORES)  # which inherit the priority
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + LOW)
