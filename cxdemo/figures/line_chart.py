"""Lines in one frame as SVG, in colours that the page's light and dark themes set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 34
COLOURS = 6  # of the style sheet; further lines repeat them, dashed

Line = Sequence[tuple[float, float]]
"""Places (x, y), x rising."""


def draw_lines(
    lines: Mapping[str, Line],
    *,
    title: str,
    x_label: str,
    y_range: tuple[float, float] | None = None,
    order: Sequence[str] = (),
    marker: float | None = None,
) -> str:
    """A figure with a legend that says where each line ends.

    Args:
        lines: By name; those with fewer than two places are left out.
        title: What the height means.
        x_label: What the width means.
        y_range: Lowest and highest value shown. None: from the lines, with 0.
        order: Names in the order of the colours, so that a name keeps its colour when others go.
        marker: A place on the width to mark.
    """
    drawn = {name: line for name, line in lines.items() if len(line) > 1}
    if not drawn:
        return (
            f'<p class="cx-hint">{escape(title)}: the lines appear here as they are computed.</p>'
        )
    xs = [x for line in drawn.values() for x, _ in line]
    ys = [y for line in drawn.values() for _, y in line]
    frame = (min(xs), max(xs), *(y_range or (min(0.0, *ys), max(ys) or 1.0)))
    names = list(order) or list(drawn)
    strokes = "".join(
        f'<polyline class="cx-term {_colour("term", names.index(name))}" points="'
        + " ".join("{:.1f},{:.1f}".format(*_place(x, y, frame)) for x, y in line)
        + f'"><title>{escape(name)}</title></polyline>'
        for name, line in drawn.items()
    )
    legend = "".join(
        f'<span class="cx-key {_colour("key", names.index(name))}"><i></i>{escape(name)} '
        f"{_short(line[-1][1])}</span>"
        for name, line in drawn.items()
    )
    said = ", ".join(f"{name} {_short(line[-1][1])}" for name, line in drawn.items())
    label = escape(f"{title}, at the right end: {said}", quote=True)
    return (
        f'<figure class="cx-curve"><figcaption><b>{escape(title)}</b> '
        f'<span class="cx-legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{_axes(frame, x_label)}{_mark(marker, frame)}{strokes}</svg></figure>"
    )


def _colour(kind: str, index: int) -> str:
    dashed = " cx-dashed" if index >= COLOURS else ""
    return f"cx-{kind}-{index % COLOURS}{dashed}"


def _place(x: float, y: float, frame: tuple[float, float, float, float]) -> tuple[float, float]:
    first, last, low, high = frame
    across = (x - first) / ((last - first) or 1.0)
    up = (min(max(y, low), high) - low) / ((high - low) or 1.0)
    return LEFT + (WIDTH - LEFT - RIGHT) * across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up


def _axes(frame: tuple[float, float, float, float], x_label: str) -> str:
    first, last, low, high = frame
    marks: list[str] = []
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        left, y = _place(first, value, frame)
        right, _ = _place(last, value, frame)
        marks.append(
            f'<line class="cx-grid" x1="{left:.0f}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{left - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{_short(value)}</text>'
        )
    floor = HEIGHT - BOTTOM + 15
    ends = ((first, "start"), (last, "end"))
    for value, anchor in ends:
        x, _ = _place(value, low, frame)
        marks.append(f'<text x="{x:.0f}" y="{floor}" text-anchor="{anchor}">{_short(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks.append(
        f'<text x="{middle:.0f}" y="{floor}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return "".join(marks)


def _mark(marker: float | None, frame: tuple[float, float, float, float]) -> str:
    if marker is None:
        return ""
    x, y = _place(marker, frame[2], frame)
    return f'<line class="cx-marker" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{y:.1f}"/>'


def _short(value: float) -> str:
    return f"{value:.3g}"
