"""Toys that run in a second: Gaussians, points, one row of CX."""

from __future__ import annotations

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.ui.lab.toys import gaussians, points, row

ROW = (
    "<h3 class='cxt-title'>One row of CX</h3>"
    "<p class='cxl-lead'>Drag <b>x</b>, or a target, and "
    "watch x choose. What counts is how much nearer the nearest target is <b>than the others</b>: "
    "that is the context. <span>(Mechrez et al., ECCV 2018, Fig. 4)</span></p>"
)
POINTS = (
    "<h3 class='cxt-title'>Pile up, or spread</h3>"
    "<p class='cxl-lead'>One cloud of points, three "
    "losses, one target (rings). Watch how many targets are taken: a loss of nearest neighbours is "
    "content when all sit on the same few. "
    "<span>(Mechrez et al., ACCV 2018; here with Adam)</span></p>"
)
GAUSSIANS = (
    "<h3 class='cxt-title'>A blur, or the right spread</h3>"
    "<p class='cxl-lead'>X is drawn from "
    "N(0, 1), Y from N(&mu;, &sigma;). <b>L2 prefers &sigma; = 0</b>, a blur; "
    "<b>CX prefers &sigma; = 1</b>, the right spread. Even there it is about "
    "0.56, not 1 (h = 0.1): two finite samples of one law never match fully. "
    "<span>(Mechrez et al., ECCV 2018, Fig. 5)</span></p>"
)


def build(ctx: Context) -> None:  # noqa: ARG001  these need no network
    """Puts the section on the page."""
    gr.HTML(ROW)
    row.build()
    gr.HTML(POINTS)
    points.build()
    gr.HTML(GAUSSIANS)
    gaussians.build()
