"""What a visitor reads when something goes wrong: a sentence, never a traceback, never nothing."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gradio as gr

Handler = TypeVar("Handler", bound=Callable[..., Any])

UNEXPECTED = (
    "Something went wrong on the server, and the cause was logged there. Try again, or try other "
    "pictures or settings."
)
OUT_OF_MEMORY = "The server ran out of memory: choose a smaller size."
LONGEST_MESSAGE = 500  # characters that a visitor reads
LONGEST_LINE, MOST_LINES = 300, 60  # of a traceback in the log

_LOGGER = logging.getLogger(__name__)


def readable(handler: Handler) -> Handler:
    """A handler, plain or generator, whose exceptions all become sentences for the visitor.

    `ValueError`, and with it `ImageError` and `CheckpointError`, is written for people and passes
    its text on. Anything else is logged with its traceback.
    """
    wrap = _wrap_generator if inspect.isgeneratorfunction(handler) else _wrap_function
    return wrap(handler)  # pyright: ignore[reportReturnType]


def _wrap_function(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            raise to_toast(error) from error

    return wrapped


def _wrap_generator(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from handler(*args, **kwargs)
        except Exception as error:
            raise to_toast(error) from error

    return wrapped


def to_toast(error: Exception) -> gr.Error:
    """The message that Gradio shows for an exception."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, ValueError):
        message = str(error)
    elif _is_out_of_memory(error):
        message = OUT_OF_MEMORY
    else:
        log_failure("A handler failed", error)
        message = UNEXPECTED
    return gr.Error(html.escape(shorten(message), quote=False), print_exception=False)


def log_failure(what: str, error: BaseException) -> None:
    """Logs an error with its traceback, cut: its text may hold all that a visitor sent."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    cut = [shorten(line, LONGEST_LINE) for line in lines[-MOST_LINES:]]
    _LOGGER.error("%s.\n%s", what, "\n".join(cut))


def shorten(text: str, most: int = LONGEST_MESSAGE) -> str:
    """A text without its middle if it is long."""
    return text if len(text) <= most else f"{text[: most - 50]} … {text[-40:]}"


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )
