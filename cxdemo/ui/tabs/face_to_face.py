"""Face to face: one face with features of another, of another domain, a picture that moves."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from cxdemo.ui import face_animate, face_api, face_exemplar, face_puppet, face_translate
from cxdemo.ui.context import Context

MODES: list[tuple[str, Callable[[Context], None]]] = [
    ("Exemplar", face_exemplar.build),
    ("Translate", face_translate.build),
    ("Animate", face_animate.build),
    ("Puppet", face_puppet.build),
]


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    with gr.Tabs(elem_id="cx-face-modes", overflow_behavior="wrap"):
        for title, build_mode in MODES:
            with gr.Tab(title):
                build_mode(ctx)
    face_api.add_endpoints(ctx)
