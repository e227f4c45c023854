"""Who asks, and whether anybody still listens: the event streams that are open at this server.

A page and a program's client keep a stream open (the heartbeat) as long as they live, and one by
which answers come. A program that posts a job and never opens a stream is nobody: see `lanes`.
"""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from gradio.context import LocalContext

from cxdemo.ui.kit.lanes import PATIENCE, UNHEARD, UNHEARD_SAID, Refused, Visitor

ANSWERS = re.compile(r"/queue/data/?$")
HEARTBEAT = re.compile(r"/heartbeat/([^/]+)/?$")
CALL = re.compile(r"/call/(?:v2/)?[^/]+/([^/]+)/?$")
DIRECT = re.compile(r"/(?:run|api)/[^/]+/?$")


class _Unheard(NamedTuple):
    """A request that waits for somebody to listen."""

    visitor: Visitor
    loop: asyncio.AbstractEventLoop
    heard: asyncio.Future[bool]

    def answer(self, heard: bool) -> None:
        """Ends its wait, from any thread."""
        self.loop.call_soon_threadsafe(
            lambda: None if self.heard.done() else self.heard.set_result(heard)
        )


class Visitors:
    """The open event streams, by session or by event."""

    def __init__(self) -> None:
        self.watched = False  # whether there is a server that tells us
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._told: list[Callable[[], None]] = []
        self._unheard: list[_Unheard] = []  # in the order in which they came
        self._sessions: dict[str, str] = {}  # by event: whose answers its open stream brings, too

    def listening(self, visitor: Visitor) -> bool:
        """Whether somebody waits for a visitor's answer, as far as anybody knows."""
        if not self.watched or not visitor.streams:
            return True
        with self._lock:
            named = any(self._open[name] for name in visitor.streams)
            return named or visitor.session in self._sessions.values()

    def tell(self, told: Callable[[], None]) -> None:
        """Calls this whenever a stream is opened or closed."""
        self._told.append(told)

    async def heard(self, visitor: Visitor, patience: float = PATIENCE) -> None:
        """Waits until somebody listens for a visitor's answer, without a thread.

        Raises:
            Refused: Nobody did for so many seconds, or `UNHEARD` others have come since.
        """
        if not self.listening(visitor):
            await self._until_heard(visitor, patience)
        with self._lock:
            opened = [name for name in visitor.streams if self._open[name]]
            self._sessions |= {name: visitor.session for name in opened if name != visitor.session}

    async def _until_heard(self, visitor: Visitor, patience: float) -> None:
        loop = asyncio.get_running_loop()
        request = _Unheard(visitor, loop, loop.create_future())
        self._unheard.append(request)
        self._answer_heard()
        for oldest in self._unheard[:-UNHEARD]:
            oldest.answer(False)
        try:
            if not await asyncio.wait_for(request.heard, patience):
                raise Refused(UNHEARD_SAID)
        except asyncio.TimeoutError as error:
            raise Refused(UNHEARD_SAID) from error
        finally:
            self._unheard.remove(request)

    def _answer_heard(self) -> None:
        for request in tuple(self._unheard):
            if self.listening(request.visitor):
                request.answer(True)

    @contextmanager
    def stream(self, name: str) -> Iterator[None]:
        """A stream is open."""
        self._count(name, 1)
        try:
            yield
        finally:
            self._count(name, -1)

    def _count(self, name: str, change: int) -> None:
        with self._lock:
            self._open[name] += change
            if not self._open[name]:
                del self._open[name]
                self._sessions.pop(name, None)
        self._answer_heard()
        for told in self._told:
            told()


class WatchStreams:
    """ASGI middleware that notes which event streams are open.

    Args:
        app: What answers.
        visitors: Where it is noted.
    """

    def __init__(self, app: Any, visitors: Visitors) -> None:
        self._app, self._visitors = app, visitors
        visitors.watched = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request."""
        name = stream_name(scope)
        if name is None:
            await self._app(scope, receive, send)
            return
        with self._visitors.stream(name):
            await self._app(scope, receive, send)


def stream_name(scope: Any) -> str | None:
    """The session or the event whose stream a request opens; None: it opens none.

    Example:
        >>> stream_name({"type": "http", "method": "GET", "path": "/gradio_api/heartbeat/abc"})
        'abc'
        >>> stream_name({"type": "http", "method": "POST", "path": "/gradio_api/queue/join"})
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    if ANSWERS.search(scope["path"]):
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return query.get("session_hash", [None])[0]
    found = HEARTBEAT.search(scope["path"]) or CALL.search(scope["path"])
    return found[1] if found else None


def current_visitor() -> Visitor:
    """Who asks for what the handler at work computes.

    Outside of a handler, and in one whose caller waits for this very request, it is somebody new,
    who listens.
    """
    request: Any = LocalContext.request.get(None)
    session = getattr(request, "session_hash", None) if request is not None else None
    if request is None or session is None:
        return Visitor(uuid.uuid4().hex)
    http = getattr(request, "request", None)
    if http is not None and DIRECT.search(http.url.path):
        return Visitor(session)
    return visitor_of(session, LocalContext.event_id.get(None))


def visitor_of(session: str, event: str | None) -> Visitor:
    """Who can listen by the streams of a session, or of one event."""
    return Visitor(session, tuple(name for name in (session, event) if name))
