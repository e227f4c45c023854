"""Parts that show a result: a picture, two pictures with a line to move, and a progress bar."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from cxdemo.ui.kit.page_script import AT_ONCE, PRIVATE


def build_shown(label: str, elem_id: str, value: Any = None, **changes: Any) -> gr.Image:
    """A picture that only shows something.

    Args:
        label: What it is.
        elem_id: In the page.
        value: What it shows at first.
        changes: More of `gr.Image`, or other ones.
    """
    usual: dict[str, Any] = {
        "label": label,
        "format": "png",
        "type": "pil",
        "interactive": False,
        "buttons": [],
        "elem_id": elem_id,
        "alt_text": label,
    }
    return gr.Image(value, **(usual | changes))


def build_compare(elem_id: str, value: Any = None, **changes: Any) -> gr.ImageSlider:
    """Two pictures, one over the other.

    Args:
        elem_id: In the page.
        value: What it shows at first.
        changes: More of `gr.ImageSlider`, or other ones.
    """
    usual: dict[str, Any] = {
        "format": "png",
        "type": "pil",
        "interactive": False,
        "show_label": False,
        "buttons": ["fullscreen"],
        "elem_id": elem_id,
    }
    return gr.ImageSlider(value, **(usual | changes))


def build_position(compare: gr.ImageSlider, elem_id: str, api_name: str) -> gr.Slider:
    """A slider that moves the line between two pictures, for the keyboard.

    Args:
        compare: The pictures.
        elem_id: In the page.
        api_name: Of its event.
    """
    slider = gr.Slider(0, 100, 50, step=1, label="Where the two meet, %", elem_id=elem_id)
    slider.input(
        lambda share: gr.ImageSlider(slider_position=share), slider, compare, api_name=api_name,
        **AT_ONCE, **PRIVATE,
    )  # fmt: skip
    return slider


def show_bar(share: float, said: str, state: str, *, inside: str = "", after: str = "") -> str:
    """A progress bar, and what it means.

    Args:
        share: How much is done, in [0, 1].
        said: HTML below the bar.
        state: "waiting", "running", "idle" or "done".
        inside: HTML after what is said.
        after: HTML after the bar.
    """
    percent = f"{100 * share:.0f}"
    return (
        f'<div class="cx-progress cx-{state}"><div class="cx-track" role="progressbar" '
        f'aria-label="Progress" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
        f'<i style="width:{percent}%"></i></div><p>{said}</p>{inside}</div>{after}'
    )


def show_notice(notice: str | None) -> str:
    """What a visitor should know; nothing if there is nothing."""
    return f'<p class="cx-notice">{escape(notice)}</p>' if notice else ""
