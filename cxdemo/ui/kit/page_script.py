"""The page's JavaScript: what all viewers share, clicks inside components, and scrolling.

The scripts lie in `js/`; a viewer's own script lies beside its HTML, in the folder of its tab.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context as BeingBuilt

_HERE = Path(__file__).resolve().parent / "js"
SHARED = (
    "say", "find", "css", "number", "percent", "clamp", "still", "colors", "decode", "open", "dot",
    "path", "write", "heatMap", "drags", "arrows", "arrowOf", "paced", "redraws", "save",
    "saveJson", "saveFile",
)  # fmt: skip
"""Names that `js/say.js` and `js/draw.js` define."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Of the events of the page itself, which are no endpoints for programs."""
AT_ONCE: dict[str, Any] = {"queue": False, "trigger_mode": "always_last"}
"""Of events that answer outside of the queue, the newest only."""


@cache
def read_script(name: str) -> str:
    """A script that all tabs may use."""
    return (_HERE / f"{name}.js").read_text(encoding="utf-8")


def head_scripts(*more: str) -> str:
    """What the head of the page holds: code inside the viewers would travel once for each.

    Args:
        more: Further scripts.
    """
    shared = f"{read_script('say')}\n{read_script('draw')}\nreturn {{{', '.join(SHARED)}}};"
    share = f"window.cxShared = (element) => {{\n{shared}\n}};"
    scripts = (read_script("event_stream"), share, *more)
    return "".join(f"<script>{script}</script>" for script in scripts)


def viewer_script(path: Path, *names: str) -> str:
    """The script of a viewer, with the shared names that it uses.

    Args:
        path: Of its own script.
        names: Some of `SHARED`. None: all of them.
    """
    used = ", ".join(names or SHARED)
    return f"const {{{used}}} = window.cxShared(element);\n{path.read_text(encoding='utf-8')}"


def page_load() -> Callable[..., Any]:
    """The event of a visitor's arrival."""
    page = BeingBuilt.root_block
    if page is None:
        raise RuntimeError("A tab is built inside `with gr.Blocks()`.")
    return page.load


def scroll_on(event: Callable[..., Any], place: str, api_name: str) -> None:
    """Brings a place of the page into view after an event, where it is not.

    Args:
        event: Such as `button.click`.
        place: A CSS selector.
        api_name: Of the event.
    """
    script = read_script("scroll").replace("PLACE", place)
    event(None, None, None, js=script, api_name=api_name, queue=False, **PRIVATE)


def change_at_once(
    event: Callable[..., Any], component: Any, api_name: str, **changes: Any
) -> None:
    """Changes a component in the browser, before the server has heard of the event.

    Args:
        event: Such as `button.click`.
        component: What changes.
        api_name: Of the event.
        changes: Its new settings, such as `interactive=False`.
    """
    update = json.dumps({"__type__": "update", **changes})
    event(None, None, component, js=f"() => ({update})", api_name=api_name, queue=False, **PRIVATE)


def clickable(html: str, **settings: Any) -> gr.HTML:
    """HTML whose `button[data-index]`s can be clicked: its `select` event gives the index."""
    return gr.HTML(html, js_on_load=read_script("click"), **settings)
