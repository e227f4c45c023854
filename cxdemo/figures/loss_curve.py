"""The loss curve as SVG: one line a term, in colours that the page's light and dark themes set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 20
MOST_POINTS = 160

History = Sequence[tuple[int, Mapping[str, float]]]
"""Step, from 1, and the terms of the objective there."""


def draw_loss_curve(history: History, *, total: int) -> str:
    """A figure with a legend; nothing but a hint before there are two points.

    Args:
        history: The terms of each step so far.
        total: Steps of the whole run, the right end of the axis.
    """
    if len(history) < 2:
        return (
            '<p class="cx-hint">The losses appear here, one line a term, as soon as they run.</p>'
        )
    points = _thin(history)
    names = list(points[-1][1])
    top = max(max(terms.values()) for _, terms in points) or 1.0
    lines = "".join(_line(points, name, i, total, top) for i, name in enumerate(names))
    legend = "".join(_legend(points[-1][1][name], name, i) for i, name in enumerate(names))
    said = ", ".join(f"{name} {points[-1][1][name]:.3g}" for name in names)
    label = escape(f"Losses at step {points[-1][0]} of {total}: {said}", quote=True)
    return (
        '<figure class="cx-curve"><figcaption><b>Losses</b> '
        f'<span class="cx-legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        f'preserveAspectRatio="none">{_axes(total, top)}{lines}</svg></figure>'
    )


def _thin(history: History) -> list[tuple[int, Mapping[str, float]]]:
    """At most MOST_POINTS points, the last always among them."""
    stride = -(-len(history) // MOST_POINTS)
    kept = list(history[::stride])
    return kept if kept[-1] == history[-1] else [*kept, history[-1]]


def _place(step: float, value: float, total: int, top: float) -> tuple[float, float]:
    x = LEFT + (WIDTH - LEFT - RIGHT) * (step - 1) / max(1, total - 1)
    y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(0.0, value) / top)
    return x, y


def _line(points: History, name: str, index: int, total: int, top: float) -> str:
    places = (_place(step, terms.get(name, 0.0), total, top) for step, terms in points)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="cx-term cx-term-{index % 6}" points="{path}"/>'


def _legend(value: float, name: str, index: int) -> str:
    return f'<span class="cx-key cx-key-{index % 6}"><i></i>{escape(name)} {value:.3g}</span>'


def _axes(total: int, top: float) -> str:
    left, bottom = _place(1, 0, total, top)
    right, above = _place(total, top, total, top)
    middle = (above + bottom) / 2
    grid = "".join(
        f'<line class="cx-grid" x1="{left:.0f}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for y in (above, middle, bottom)
    )
    marks = (
        (left - 5, above + 4, "end", f"{top:.2g}"),
        (left - 5, middle + 4, "end", f"{top / 2:.2g}"),
        (left - 5, bottom, "end", "0"),
        (left, HEIGHT - 5, "start", "step 1"),
        (right, HEIGHT - 5, "end", f"{total}"),
    )
    texts = "".join(
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'
        for x, y, anchor, text in marks
    )
    return grid + texts
