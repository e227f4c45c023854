"""The loss lab: the papers' argument as experiments that a teacher can run live."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.lab import cases as lab_cases
from cxdemo.ui.lab import meter as lab_meter
from cxdemo.ui.lab import misaligned as lab_misaligned
from cxdemo.ui.lab import rivals as lab_rivals
from cxdemo.ui.lab import toys as lab_toys

SECTIONS: list[tuple[str, Callable[[Context], None]]] = [
    ("Misaligned data", lab_misaligned.build),
    ("Misalignment meter", lab_meter.build),
    ("Rivals", lab_rivals.build),
    ("Toys", lab_toys.build),
    ("Special cases", lab_cases.build),
]


def build(ctx: Context) -> None:
    """Puts the tab on the page."""
    with gr.Tabs(elem_id="cx-lab-sections", overflow_behavior="wrap"):
        for title, build_section in SECTIONS:
            with gr.Tab(title):
                build_section(ctx)
