"""The perceptual loss as a special case, and the KL view."""

from __future__ import annotations

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.lab.cases import kl, place

PLACE = (
    "<h3 class='cxt-title'>Put the place back in: the perceptual loss</h3>"
    "<p class='cxl-lead'>Add "
    "w times the distance in the picture to d (as CoBi does) and let w grow: each place votes more "
    "and more for <b>its own position</b>. What it votes for then differs by exactly what the "
    "<b>perceptual loss</b> compares, while &minus;log CX itself <b>goes blind</b>. It may climb "
    "first, while places are torn between what looks alike and what lies there; then it falls to "
    "0.</p>"
)
KL = (
    "<h3 class='cxt-title'>What CX minimises: related to a KL divergence</h3>"
    "<p class='cxl-lead'>Take "
    "both sets as clouds of density. &minus;log CX <b>approximates</b> KL(P<sub>Y</sub> || "
    "P<sub>X</sub>), which is large wherever Y has mass and X has none: so X must cover all of Y. "
    "<span>(Mechrez et al., ACCV 2018)</span></p>"
)


def build(ctx: Context) -> None:
    """Puts the section on the page."""
    gr.HTML(PLACE)
    place.build(ctx)
    gr.HTML(KL)
    kl.build()
