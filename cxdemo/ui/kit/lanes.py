"""Who may compute now: quick work beside one long run at a time, each with a line of its own.

A `Lane` hands out turns. Nothing here knows Gradio, and the clock can be any function, so that
every rule can be tested without waiting for it.

    ticket = lane.enter(visitor, "style transfer")   # raises Refused, with a sentence
    while not lane.wait(ticket, timeout=1):          # raises Refused when the visitor has gone
        print(tell_place(lane.place(ticket)))        # Second in line, about 2 minutes.
    ...                                              # the work
    lane.leave(ticket)

Work begins only while somebody listens for its answer. A request that nobody listens to waits
outside of the line: it is in nobody's way, and after a while it is dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from cxdemo.runs.pace import say_duration

POLL = 0.25  # seconds between two looks at who is still there
PATIENCE = 20.0  # seconds that a request may wait for somebody to listen
UNHEARD = 30  # requests that nobody listens to; when there are more, the oldest is dropped
ORDINALS = (
    "Next", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth",
)  # fmt: skip


UNHEARD_SAID = (
    "Nobody listened for the answer, so this was dropped. Open the event stream as soon as the "
    "call was accepted."
)


class Refused(ValueError):  # noqa: N818  an answer, and no fault of anybody
    """There is no place for this work; the text says why and what to do."""


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Args:
        session: Of a page, or of a program's client.
        streams: Names of event streams by which the answer can be listened to. None of them:
            whoever asks waits for the answer to this very request.
    """

    session: str
    streams: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where somebody stands in line."""

    rank: int  # from 1
    seconds: float | None  # until the work begins; None: nobody knows


@dataclass(eq=False, kw_only=True)
class Ticket:
    """A place in a lane.

    Args:
        visitor: Whose it is.
        what: The work, for people: "style transfer".
        heavy: Whether it is one of those of which few run at once.
        number: Counts the tickets of the lane.
        entered: When.
        seconds: How long its work takes from now on; None: nobody knows.
    """

    visitor: Visitor
    what: str
    heavy: bool
    number: int
    entered: float
    seconds: Callable[[], float | None]
    present: bool = field(default=False, init=False)  # whether somebody listens now
    heard: float | None = field(default=None, init=False)  # when somebody last listened
    running: bool = field(default=False, init=False)
    dropped: bool = field(default=False, init=False)


class Lane:
    """Turns for work that shares the processors.

    Args:
        width: How many run at once.
        heavy: How many of these may be heavy.
        room: How many may wait in line. None: any number.
        each: How many a visitor may have, running and waiting. None: any number.
        in_turn: Whether the visitor who was served least recently comes first; else whoever came
            first.
        listening: Whether somebody listens for a visitor's answer.
        clock: Seconds.
    """

    def __init__(
        self,
        *,
        width: int,
        heavy: int | None = None,
        room: int | None = None,
        each: int | None = None,
        in_turn: bool = False,
        listening: Callable[[Visitor], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._width, self._heavy = width, width if heavy is None else heavy
        self._room, self._each, self._in_turn = room, each, in_turn
        self._listening, self._clock = listening, clock
        self._tickets: list[Ticket] = []  # in the order in which they came
        self._served: dict[str, int] = {}  # by session: number of its last turn
        self._count, self._turns = 0, 0
        self._changed = threading.Condition(threading.RLock())

    # ------------------------------------------------------------------------- coming and going

    def enter(
        self,
        visitor: Visitor,
        what: str = "",
        *,
        heavy: bool = False,
        seconds: Callable[[], float | None] = lambda: None,
    ) -> Ticket:
        """A place; it may be running at once.

        Raises:
            Refused: The line is full, or the visitor has all that one may have.
        """
        with self._changed:
            self.check(visitor)
            self._count += 1
            ticket = Ticket(
                visitor=visitor, what=what, heavy=heavy, number=self._count,
                entered=self._clock(), seconds=seconds,
            )  # fmt: skip
            self._tickets.append(ticket)
            self._move()
            return ticket

    def check(self, visitor: Visitor) -> None:
        """Whether this visitor may enter now.

        Raises:
            Refused: No; the text says why.
        """
        with self._changed:
            self._move()
            mine = [t for t in self._tickets if t.visitor.session == visitor.session]
            if self._each is not None and len(mine) >= self._each:
                raise Refused(_tell_own(mine[0], len(mine)))
            line = self._in_line()
            if self._room is not None and len(line) >= self._room:
                raise Refused(_tell_full(len(line), self._seconds_until(None)))

    def leave(self, ticket: Ticket) -> None:
        """Ends a turn, or gives up a place; the second time does nothing."""
        with self._changed:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._move()

    def wait(self, ticket: Ticket, timeout: float) -> bool:
        """Whether its turn has come; waits for that, but no longer than so many seconds.

        Raises:
            Refused: It was dropped, as nobody listened.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._move()
            while not (ticket.running or ticket.dropped):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                if not self._changed.wait(min(POLL, left)):
                    self._move()
            if ticket.dropped:
                raise Refused(UNHEARD_SAID)
            return True

    @contextmanager
    def turn(self, visitor: Visitor, *, heavy: bool = False) -> Iterator[None]:
        """A turn, as soon as there is one.

        Raises:
            Refused: See `enter` and `wait`.
        """
        ticket = self.enter(visitor, heavy=heavy)
        try:
            while not self.wait(ticket, PATIENCE):
                pass
            yield
        finally:
            self.leave(ticket)

    def notice(self) -> None:
        """Somebody began or ceased to listen."""
        with self._changed:
            self._move()

    # ----------------------------------------------------------------------------- what is known

    def place(self, ticket: Ticket) -> Place:
        """Where it stands among those who wait; rank 0 when its turn has come."""
        with self._changed:
            self._move()
            if ticket.running:
                return Place(0, 0.0)
            return Place(len(self._ahead(ticket)) + 1, self._seconds_until(ticket))

    def gone(self, ticket: Ticket) -> bool:
        """Whether nobody has listened for its answer for a while, though somebody did."""
        with self._changed:
            self._move()
            return ticket.heard is not None and self._clock() - ticket.heard > PATIENCE / 2

    def has(self, visitor: Visitor) -> bool:
        """Whether this visitor has a place here, running or waiting."""
        with self._changed:
            return any(t.visitor.session == visitor.session for t in self._tickets)

    def __len__(self) -> int:
        """All that run and wait, also those that nobody listens to."""
        return len(self._tickets)

    # --------------------------------------------------------------------------------- the rules

    def _move(self) -> None:
        """Notes who listens, drops what nobody wants, and starts what may run.

        Those who wait are woken only if that concerns one of them: each wakes up to move the lane,
        and if that woke the others in turn, they would keep the processor busy.
        """
        now, concerned = self._clock(), False
        for ticket in self._tickets:
            ticket.present = self._listening(ticket.visitor)
            if ticket.present:
                ticket.heard = now
        waiting = [t for t in self._tickets if not t.running]
        unheard = [t for t in waiting if t.heard is None]
        late = [t for t in waiting if now - max(t.entered, t.heard or 0.0) > PATIENCE]
        for ticket in {*late, *unheard[: max(0, len(unheard) - UNHEARD)]}:
            ticket.dropped = concerned = True
            self._tickets.remove(ticket)
        while (ticket := self._next()) is not None:
            ticket.running = concerned = True
            self._turns += 1
            self._served[ticket.visitor.session] = self._turns
        sessions = {t.visitor.session for t in self._tickets}
        self._served = {s: n for s, n in self._served.items() if s in sessions}
        if concerned:
            self._changed.notify_all()

    def _next(self) -> Ticket | None:
        """Whose turn it is, if there is room for one more."""
        running = [t for t in self._tickets if t.running]
        if len(running) >= self._width:
            return None
        full = sum(t.heavy for t in running) >= self._heavy
        ready = [t for t in self._in_line() if not (t.heavy and full)]
        if not self._in_turn:
            return ready[0] if ready else None
        return min(ready, key=lambda t: self._served.get(t.visitor.session, 0), default=None)

    def _in_line(self) -> list[Ticket]:
        """Those who wait and are listened to, in the order in which they came."""
        return [t for t in self._tickets if t.present and not t.running]

    def _ahead(self, ticket: Ticket | None) -> list[Ticket]:
        line = self._in_line()
        return line if ticket is None else [t for t in line if t.number < ticket.number]

    def _seconds_until(self, ticket: Ticket | None) -> float | None:
        """Until the work of a ticket, or of one more, begins."""
        before = [*(t for t in self._tickets if t.running), *self._ahead(ticket)]
        known = [seconds for t in before if (seconds := t.seconds()) is not None]
        return sum(known) / self._width if len(known) == len(before) else None


def tell_place(place: Place) -> str:
    """A place in line as a sentence.

    Example:
        >>> tell_place(Place(3, 130.0)), tell_place(Place(1, None))
        ('Third in line, about 2 minutes.', 'Next in line.')
    """
    rank = place.rank
    said = f"{ORDINALS[rank - 1] if rank <= len(ORDINALS) else f'Number {rank}'} in line"
    return f"{said}." if place.seconds is None else f"{said}, {say_duration(place.seconds)}."


def _tell_own(ticket: Ticket, count: int) -> str:
    if count > 1:
        return f"{count} of your requests are waiting already: wait for their answers first."
    state = "running" if ticket.running else "waiting in line"
    return (
        f"Your {ticket.what or 'earlier run'} is still {state}: stop it first, or wait until it is "
        "done."
    )


def _tell_full(count: int, seconds: float | None) -> str:
    work = f", {say_duration(seconds)} of work" if seconds else ""
    return f"The line is full: {count} runs are waiting{work}. Try again a little later."
