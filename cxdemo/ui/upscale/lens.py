"""The magnifier of the super-resolution tab: one place of every result, pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from cxdemo.runs.upscale import SMALL, UpscaleRun
from cxdemo.ui.kit.page_script import viewer_script
from cxdemo.ui.upscale.view import LABELS

LENS_SCRIPT = viewer_script(Path(__file__).resolve().parent / "lens.js", "arrowOf", "clamp", "find")
ZOOM, ZOOMS = 2, (2, 3, 5, 8)  # of the magnifier at first


def show_lens(run: UpscaleRun, address: Callable[[Path], str]) -> str:
    """A map to point at, and beside it the same detail of every result, enlarged.

    Args:
        run: A run with results.
        address: Of a file, for the page.
    """
    if not run.done:
        return ""
    views = [SMALL, *run.views]
    width, height = run.size
    figures = "".join(
        f'<figure><div class="cx-lens-view" data-src="{escape(address(run.files[name].lens))}" '
        f'role="img" aria-label="{LABELS[name]}, enlarged"></div>'
        f"<figcaption>{LABELS[name]}</figcaption></figure>"
        for name in views
    )
    overview = escape(address(run.files[run.done[-1]].shown))
    zooms = "".join(_zoom_button(zoom) for zoom in ZOOMS)
    return (
        f'<section class="cx-lens" data-width="{width}" data-height="{height}" '
        f'data-zoom="{ZOOM}" data-x="{run.focus[0]}" data-y="{run.focus[1]}">'
        '<div class="cx-lens-side">'
        "<h2>Magnifier</h2><p>Point at a detail, or move with the arrow keys: the same place of "
        "every result, pixel by pixel.</p>"
        '<div class="cx-lens-map" tabindex="0" role="application" aria-label="Place of the '
        f'magnifier: arrow keys move it"><img src="{overview}" alt="The result" draggable="false">'
        '<i aria-hidden="true"></i></div>'
        f'<div class="cx-lens-zoom" role="group" aria-label="Enlargement">{zooms}</div></div>'
        f'<div class="cx-lens-views">{figures}</div></section>'
    )


def _zoom_button(zoom: int) -> str:
    pressed = str(zoom == ZOOM).lower()
    return f'<button type="button" data-zoom="{zoom}" aria-pressed="{pressed}">{zoom}×</button>'


def page_address(path: str) -> str:
    """Of a file in Gradio's cache, relative to the page."""
    return f"gradio_api/file={path}"


def frame_width(size: tuple[int, int]) -> str:
    """A rule that shows small results at their true size, and no larger."""
    return f"<style>:root {{ --cx-sr-width: {max(size[0], 260)}px; }}</style>"
