"""Pictures to try, and uploads: whatever puts a picture into a picker."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.examples import open_picture, title_of
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.page_script import PRIVATE
from cxdemo.ui.kit.safe_image import SafeImage, accept_upload
from cxdemo.ui.kit.turns import quickly


def build_strip(paths: Sequence[Path], *, label: str, elem_id: str) -> gr.HTML:
    """Thumbnails of shipped pictures; their `select` event gives the index."""
    return picture_cards.build_thumbnails(
        [open_picture(path) for path in paths],
        [title_of(path) for path in paths],
        label=label,
        elem_id=elem_id,
    )


def fill_from(strip: gr.HTML, paths: Sequence[Path], picker: SafeImage, api_name: str) -> Any:
    """Puts the picture that is clicked into a picker. Returns the event."""

    def pick(event: gr.SelectData) -> Image.Image:
        return open_picture(paths[index_of(event)])

    return strip.select(pick, None, picker, api_name=api_name, queue=False, **PRIVATE)


def check_uploads(picker: SafeImage, long_side: int, api_name: str) -> Any:
    """Shrinks what is uploaded, or empties the picker and says why. Returns the event."""
    return picker.upload(
        quickly(partial(accept_upload, long_side=long_side)), picker, picker, preprocess=False,
        api_name=api_name, **PRIVATE,
    )  # fmt: skip


def index_of(event: gr.SelectData) -> int:
    """Which of some buttons was clicked."""
    return int(event.index)  # pyright: ignore[reportArgumentType]
