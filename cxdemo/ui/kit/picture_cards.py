"""Rows of small pictures as buttons: a mouse clicks them, a keyboard reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr
from PIL import Image

from cxdemo.figures.thumbnails import crop, square
from cxdemo.ui.kit.page_script import clickable
from cxdemo.ui.kit.shelf import put_on_shelf


def build_thumbnails(
    pictures: Sequence[Image.Image], titles: Sequence[str], *, label: str, elem_id: str
) -> gr.HTML:
    """A strip of square thumbnails; its `select` event gives the index."""
    buttons = "".join(
        f'<button type="button" data-index="{i}" title="{escape(title)}">'
        f"{_img(square(picture, 88), title)}</button>"
        for i, (picture, title) in enumerate(zip(pictures, titles, strict=True))
    )
    html = f'<div class="cx-thumbs" role="group" aria-label="{escape(label)}">{buttons}</div>'
    return clickable(html, elem_id=elem_id)


def build_cards(
    cards: Sequence[tuple[Image.Image, Image.Image, Image.Image]],
    titles: Sequence[str],
    *,
    label: str,
    elem_id: str,
) -> gr.HTML:
    """Cards of a content, a style and their result; its `select` event gives the index."""
    buttons = "".join(
        f'<button type="button" class="cx-card" data-index="{i}" title="{escape(title)}">'
        + _img(crop(result, 240, 180), "Result", "cx-result")
        + f'<span class="cx-made-of">{_img(square(content, 80), "Content")}'
        f'<b aria-hidden="true">+</b>{_img(square(style, 80), "Style")}'
        f"</span><em>{escape(title)}</em></button>"
        for i, ((content, style, result), title) in enumerate(zip(cards, titles, strict=True))
    )
    html = f'<div class="cx-cards" role="group" aria-label="{escape(label)}">{buttons}</div>'
    return clickable(html, elem_id=elem_id)


def build_pairs(
    pairs: Sequence[tuple[Image.Image, Image.Image]],
    titles: Sequence[str],
    *,
    label: str,
    elem_id: str,
) -> gr.HTML:
    """Cards of two pictures side by side; its `select` event gives the index."""
    buttons = "".join(
        f'<button type="button" class="cx-pair" data-index="{i}" title="{escape(title)}"><span>'
        f"{_img(square(first, 96), 'Source')}{_img(square(second, 96), 'Target')}</span>"
        f"<em>{escape(title)}</em></button>"
        for i, ((first, second), title) in enumerate(zip(pairs, titles, strict=True))
    )
    html = f'<div class="cx-pairs" role="group" aria-label="{escape(label)}">{buttons}</div>'
    return clickable(html, elem_id=elem_id)


def _img(picture: Image.Image, alt: str, style: str = "") -> str:
    """A picture at its own address, fetched when it comes into view."""
    return f'<img class="{style}" src="{put_on_shelf(picture)}" alt="{escape(alt)}" loading="lazy">'
