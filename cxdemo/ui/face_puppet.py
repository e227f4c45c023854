"""A puppet steered by a clip."""

from __future__ import annotations

import gradio as gr

from cxdemo.ui.context import Context


def build(ctx: Context) -> None:  # noqa: ARG001
    """Puts the section on the page."""
    gr.Markdown("…")
