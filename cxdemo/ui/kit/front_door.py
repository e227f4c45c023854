"""What is turned away before the app reads it: other names, large bodies, services not offered.

Plain ASGI, so that a refused request costs nothing and is never logged.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from cxdemo.ui.kit.errors import UNEXPECTED, log_failure

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST_BODY = 4_000_000  # bytes of JSON; pictures and films are uploaded instead
LARGEST_UPLOAD = 100_000_000  # bytes of one request, which may hold several files
UPLOAD = "/gradio_api/upload"
# Gradio's services that this app does not offer: some would fetch what a visitor names, or start
# programs.
CLOSED = (
    "/gradio_api/proxy=", "/gradio_api/file=http:", "/gradio_api/file=https:", "/gradio_api/stream",
    "/gradio_api/process_recording", "/gradio_api/vibe", "/gradio_api/undo-vibe",
    "/gradio_api/deep_link", "/gradio_api/run-history", "/gradio_api/component_server",
)  # fmt: skip

STRANGE_NAME = (
    "This app answers to its own names only. If it is meant to be reached by this one, list it in "
    "CXDEMO_ALLOWED_HOSTS."
)
TOO_LARGE = "This request is too large: at most 4 MB of JSON. Upload pictures and films as files."
UPLOAD_TOO_LARGE = "This upload is too large: at most 100 MB at once."
NOT_OFFERED = "This app does not offer that."


class FrontDoor:
    """ASGI middleware.

    Args:
        app: What answers the others.
        hosts: Names that the app answers to, with or without a star, such as "*.example.org".
            None: to all.
    """

    def __init__(self, app: App, hosts: Iterable[str] | None = None) -> None:
        self._app = app
        self._hosts = None if hosts is None else tuple(host.lower() for host in hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers, or passes on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if not is_own_name(_header(scope, b"host"), self._hosts):
            return await _refuse(send, 421, STRANGE_NAME)
        path = _path(scope)
        if path.startswith(CLOSED):
            return await _refuse(send, 404, NOT_OFFERED)
        if path.rstrip("/") == UPLOAD:
            return await self._take_upload(scope, receive, send)
        body = await _read_body(scope, receive)
        if body is None:
            return await _refuse(send, 413, TOO_LARGE)
        return await self._answer(scope, _replay(body, receive), send)

    async def _take_upload(self, scope: Message, receive: Receive, send: Send) -> None:
        """Uploads go through piece by piece, to the disk; too long a one is cut off."""
        if _announced(scope) > LARGEST_UPLOAD:
            await _read_body(scope, receive)
            return await _refuse(send, 413, UPLOAD_TOO_LARGE)
        return await self._answer(scope, _cut_off(receive, LARGEST_UPLOAD), send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """Passes on; what breaks is logged in short, and answered."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            log_failure(f"{scope['method']} {_path(scope)[:100]} failed", error)
            if started:
                raise ConnectionAbortedError from None
            await _refuse(send, 500, UNEXPECTED)


def own_names() -> list[str] | None:
    """The names that this app answers to; None, to all: it is open to the world.

    An address in numbers is always answered. A page of another site can reach a local app only by
    giving it a name, and that is what is refused.
    """
    listed = [name.strip() for name in os.environ.get("CXDEMO_ALLOWED_HOSTS", "").split(",")]
    listed = [name for name in listed if name]
    if "*" in listed or os.environ.get("SPACE_ID"):
        return None
    root = urlsplit(os.environ.get("GRADIO_ROOT_PATH", "")).hostname
    shared = os.environ.get("GRADIO_SHARE", "").lower() == "true"
    return [
        "localhost", socket.gethostname(), *listed, *([root] if root else []),
        *(["*.gradio.live"] if shared else []),
    ]  # fmt: skip


def is_own_name(host: str, names: tuple[str, ...] | None) -> bool:
    """Whether a Host header, with or without a port, is one of the names or a bare address."""
    if names is None:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return _is_address(name) or any(fnmatchcase(name, known) for known in names)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _header(scope: Message, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _path(scope: Message) -> str:
    """The path within the app, whatever a proxy has put before it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _announced(scope: Message) -> int:
    """The length of the body that the request announces; 0 if it says nothing."""
    length = _header(scope, b"content-length")
    return int(length) if length.isdecimal() else 0


async def _read_body(scope: Message, receive: Receive) -> bytes | None:
    """All of the body; None if it is too large.

    The rest of one that is too large goes by, unread: a client that is cut off while it sends never
    reads the answer.
    """
    body, size = bytearray(), 0
    too_large = _announced(scope) > LARGEST_BODY
    more = scope["method"] not in {"GET", "HEAD", "OPTIONS"}
    while more and size < LARGEST_UPLOAD:
        message = await receive()
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        too_large = too_large or size > LARGEST_BODY
        body = bytearray() if too_large else body + piece
    return None if too_large else bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then whatever comes."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _cut_off(receive: Receive, most: int) -> Receive:
    """A body that ends, as if the sender had gone, when it gets too long."""
    taken = 0

    async def cut() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= most else {"type": "http.disconnect"}

    return cut


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence, "detail": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
