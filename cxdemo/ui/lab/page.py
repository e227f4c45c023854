"""The loss lab: the papers' argument as experiments that a teacher can run live."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.lab.api import add_endpoints
from cxdemo.ui.lab.cases import page as cases
from cxdemo.ui.lab.meter import page as meter
from cxdemo.ui.lab.misaligned import page as misaligned
from cxdemo.ui.lab.rivals import page as rivals
from cxdemo.ui.lab.toys import page as toys

SECTIONS: list[tuple[str, Callable[[Context], None]]] = [
    ("Misaligned data", misaligned.build),
    ("Misalignment meter", meter.build),
    ("Rivals", rivals.build),
    ("Toys", toys.build),
    ("Special cases", cases.build),
]


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    with gr.Tabs(elem_id="cx-lab-sections", overflow_behavior="wrap"):
        for title, build_section in SECTIONS:
            with gr.Tab(title):
                build_section(ctx)
    add_endpoints(ctx)
