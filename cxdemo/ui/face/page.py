"""Face to face: one face with features of another, of another domain, a picture that moves."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.face import translate
from cxdemo.ui.face.api import add_endpoints
from cxdemo.ui.face.clips import animate, puppet
from cxdemo.ui.face.exemplar import page as exemplar

MODES: list[tuple[str, Callable[[Context], None]]] = [
    ("Exemplar", exemplar.build),
    ("Translate", translate.build),
    ("Animate", animate.build),
    ("Puppet", puppet.build),
]


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    with gr.Tabs(elem_id="cx-face-modes", overflow_behavior="wrap"):
        for title, build_mode in MODES:
            with gr.Tab(title):
                build_mode(ctx)
    add_endpoints(ctx)
