"""Face to face: one face with features of another, of another domain, a picture that moves."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.face import animate as face_animate
from cxdemo.ui.face import api as face_api
from cxdemo.ui.face import exemplar as face_exemplar
from cxdemo.ui.face import puppet as face_puppet
from cxdemo.ui.face import translate as face_translate

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
