"""The files of a comparison: a figure for slides, and settings that come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo.gallery.match import read_settings_file
from cxdemo.runs.match import Comparison
from cxdemo.runs.match_click import save_figures
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.match.components import Page, Values
from cxdemo.ui.match.query import Updates, read_comparison, said, show_everything


def wire_files(page: Page) -> Any:
    """Draws the figure, and takes settings from a file. Returns the event of the latter."""

    def draw(values: Values) -> list[Any]:
        files = save_figures(read_comparison(page, values), page.ctx, owner=values[page.state])
        return [gr.update(value=str(file), interactive=True) for file in files]

    def load(file: str, state: Comparison | None) -> Updates:
        return show_everything(page, read_settings_file(Path(file), state))

    page.draw.click(
        readable(quickly(draw, heavy=True)), page.inputs, page.files, api_name="match_figures",
        api_visibility="private",
    )  # fmt: skip
    return page.load.upload(
        said(page, load), [page.load, page.state], page.everything, api_name="match_load", **PRIVATE
    )
