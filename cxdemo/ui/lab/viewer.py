"""A toy on the page: a viewer that asks, and handlers that answer with numbers to draw."""

from __future__ import annotations

import base64
import functools
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from cxdemo.runs.private_folder import runs_folder
from cxdemo.ui.kit.errors import UNEXPECTED
from cxdemo.ui.kit.page_script import AT_ONCE, PRIVATE, viewer_script
from cxdemo.ui.kit.turns import quickly

TYPES = {"png": "image/png", "gif": "image/gif", "json": "application/json"}

_LOGGER = logging.getLogger(__name__)

Answer = dict[str, Any]


def build_viewer(stem: Path, elem_id: str, **props: Any) -> gr.HTML:
    """A viewer: its HTML and its script lie at `stem` with their endings.

    Args:
        stem: Of both files.
        elem_id: In the page.
        props: What its script reads.
    """
    return gr.HTML(
        {},
        html_template=stem.with_suffix(".html").read_text(encoding="utf-8"),
        js_on_load=viewer_script(stem.with_suffix(".js")),
        elem_id=elem_id,
        file={},
        **props,
    )


def answers(
    viewer: gr.HTML,
    answer: Callable[[Any], Answer],
    name: str,
    *,
    heavy: Callable[[Any], bool] = lambda _: False,
) -> None:
    """Fills `value` with what `answer` makes of the viewer's `ask` event.

    A problem becomes the sentence that the viewer shows, for a message box needs the queue.

    Args:
        viewer: What asks.
        answer: Computes.
        name: Of the event.
        heavy: Whether an event may take more than half a second or so; few such run at once.
    """
    light, costly = (quickly(answer, heavy=much) for much in (False, True))

    @functools.wraps(answer)
    def handle(event: gr.EventData) -> Any:
        try:
            return (costly if heavy(event) else light)(event)
        except ValueError as error:
            return {"sentence": str(error), "problem": True}
        except Exception:
            _LOGGER.exception("A toy failed.")
            return {"sentence": UNEXPECTED, "problem": True}

    viewer.ask(_with_event(handle), None, viewer, api_name=name, **AT_ONCE, **PRIVATE)  # pyright: ignore[reportAttributeAccessIssue]


def sends(viewer: gr.HTML, file: Callable[[Any], Answer], name: str) -> None:
    """Lets the viewer's `save` event fetch a file, as `pack_file` makes it, or a sentence."""
    make = quickly(file, heavy=True)

    def handle(event: gr.EventData) -> Any:
        try:
            return gr.update(file=make(event))
        except ValueError as error:
            return gr.update(file={"problem": str(error)})
        except Exception:
            _LOGGER.exception("A toy's file failed.")
            return gr.update(file={"problem": UNEXPECTED})

    viewer.save(handle, None, viewer, api_name=name, **AT_ONCE, **PRIVATE)  # pyright: ignore[reportAttributeAccessIssue]


def _with_event(handle: Callable[[Any], Any]) -> Callable[..., Any]:
    """The handler with the signature by which Gradio knows what to hand over."""

    def handler(event: gr.EventData) -> Any:
        return handle(event)

    return handler


def pack(values: Tensor) -> str:
    """Numbers as base64 of their bytes: float32, or uint8 as they are."""
    flat = values.detach().contiguous().numpy()
    flat = flat if flat.dtype == np.uint8 else flat.astype(np.float32)
    return base64.b64encode(flat.tobytes()).decode()


def pack_file(name: str, write: Callable[[Path], None]) -> Answer:
    """A file as text that the page can save; nothing stays on the server."""
    with tempfile.TemporaryDirectory(dir=runs_folder()) as folder:
        path = Path(folder) / name
        write(path)
        data = base64.b64encode(path.read_bytes()).decode()
    return {"name": name, "type": TYPES[path.suffix[1:]], "data": data}


def read_number(event: Any, name: str, low: float, high: float) -> float:
    """A number that the page sent.

    Raises:
        ValueError: It is none, or out of range.
    """
    value = getattr(event, name, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number in [{low}, {high}], got {value!r}.")
    return float(value)
