"""Numbered boxes on pictures: which patch was asked about, and which patches it matched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PIL import Image, ImageDraw, ImageFont

from cxdemo.pipelines.style_transfer import StyleMatch

# Okabe and Ito's colours, which colour-blind people tell apart; the numbers say the same.
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7")
CANVAS = 720  # pixels of the long side, so that lines and digits are crisp on small results

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the sides


def enlarge(picture: Image.Image, long_side: int = CANVAS) -> Image.Image:
    """The picture at the size on which boxes are drawn; never smaller than it is."""
    factor = max(1.0, long_side / max(picture.size))
    width, height = (round(side * factor) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def mark_place(stylized: Image.Image, box: Box) -> Image.Image:
    """The result with the patch that was asked about."""
    canvas = enlarge(stylized)
    _draw_box(ImageDraw.Draw(canvas), _pixels(box, canvas.size), "#FFFFFF", None)
    return canvas


def mark_matches(styles: Sequence[Image.Image], matches: Sequence[StyleMatch]) -> Image.Image:
    """The styles side by side with the matched patches in boxes, numbered from the strongest."""
    canvas, offsets, sizes = _side_by_side(styles)
    draw = ImageDraw.Draw(canvas)
    numbered = list(enumerate(matches))
    for rank, match in reversed(numbered):  # the strongest on top
        left, top, right, bottom = _pixels(match.box, sizes[match.style])
        shift = offsets[match.style]
        place = (left + shift, top, right + shift, bottom)
        _draw_box(draw, place, COLORS[rank % len(COLORS)], str(rank + 1))
    return canvas


def list_matches(matches: Sequence[StyleMatch], *, several_styles: bool = False) -> str:
    """The matches with their affinities, as HTML."""
    most = max((match.affinity for match in matches), default=0.0) or 1.0
    rows = "".join(
        f'<li><span class="cx-number" style="background:{COLORS[rank % len(COLORS)]}">{rank + 1}'
        f'</span><span class="cx-bar"><i style="width:{100 * match.affinity / most:.0f}%;'
        f'background:{COLORS[rank % len(COLORS)]}"></i></span>'
        f"<output>{match.affinity:.1%}</output>"
        + (f"<small>style {match.style + 1}</small>" if several_styles else "")
        + "</li>"
        for rank, match in enumerate(matches)
    )
    return f'<ol class="cx-matches" aria-label="Matched style patches">{rows}</ol>'


def tell_matches(matches: Sequence[StyleMatch], *, layer: str, bandwidth: float) -> str:
    """One sentence of what is seen."""
    first, total = matches[0].affinity, sum(match.affinity for match in matches)
    return (
        f'<p class="cx-told">The patch in the white frame spreads 100 % of its preference over all '
        f"style patches, by how alike they look to the network (layer {escape(layer)}, "
        f"h = {bandwidth:g}): <b>{first:.0%}</b> goes to patch 1, {total:.0%} to the "
        f"{len(matches)} shown.</p>"
    )


def _side_by_side(
    pictures: Sequence[Image.Image], gap: int = 10
) -> tuple[Image.Image, list[int], list[tuple[int, int]]]:
    """One canvas, and for each picture its left edge and its size there."""
    height = CANVAS if len(pictures) > 1 else enlarge(pictures[0]).height
    scaled = [
        p.resize((max(1, round(p.width * height / p.height)), height), Image.Resampling.BICUBIC)
        for p in pictures
    ]
    width = sum(p.width for p in scaled) + gap * (len(scaled) - 1)
    canvas = Image.new("RGB", (width, height), "white")
    offsets: list[int] = []
    left = 0
    for picture in scaled:
        canvas.paste(picture, (left, 0))
        offsets.append(left)
        left += picture.width + gap
    return canvas, offsets, [p.size for p in scaled]


def _pixels(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    return (box[0] * width, box[1] * height, box[2] * width, box[3] * height)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, color: str, text: str | None) -> None:
    """A frame around a box, dark and light so that it shows on every ground, with a number."""
    left, top, right, bottom = box
    grown = (left - 4, top - 4, right + 4, bottom + 4)
    draw.rectangle(grown, outline="#10131A", width=7)
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), outline=color, width=4)
    if text is None:
        return
    side = 26
    x = left - 4 if left < draw.im.size[0] - side else left - side
    y = top - side - 2 if top > side + 4 else bottom + 4
    draw.rectangle((x, y, x + side, y + side), fill=color, outline="#10131A", width=2)
    font = ImageFont.load_default(size=19)
    draw.text((x + side / 2, y + side / 2), text, fill="#10131A", font=font, anchor="mm")
