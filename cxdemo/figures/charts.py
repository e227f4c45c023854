"""Lines in one frame as SVG, in colours that the page's light and dark themes set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 6  # of the style sheet; further lines repeat them, dashed
MOST_POINTS = 160  # of a loss curve

Line = Sequence[tuple[float, float]]
"""Places (x, y), x rising."""
History = Sequence[tuple[int, Mapping[str, float]]]
"""Step, from 1, and the terms of the objective there."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where the values of a chart lie on its canvas, in units of its viewBox.

    Args:
        first: Value at the left end.
        last: At the right end.
        low: At the floor.
        high: At the top.
        height: Of the canvas.
        left: Margin for the values.
        right: Margin.
        top: Margin.
        bottom: Margin for what stands under the floor.
    """

    first: float
    last: float
    low: float
    high: float
    height: int
    left: int
    right: int
    top: int
    bottom: int
    width: int = 640

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Of a value; one beyond the floor or the top lies on it."""
        across = (x - self.first) / ((self.last - self.first) or 1.0)
        up = (min(max(y, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        wide, tall = self.width - self.left - self.right, self.height - self.top - self.bottom
        return self.left + wide * across, self.height - self.bottom - tall * up


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
        return _hint(f"{escape(title)}: the lines appear here as they are computed.")
    frame = _frame_of(drawn.values(), y_range)
    said = _say_ends(drawn)
    return _figure(
        drawn,
        frame,
        title=title,
        said=f"{title}, at the right end: {said}",
        colours=list(order) or list(drawn),
        under=_axes(frame, x_label) + _mark(marker, frame),
    )


def draw_loss_curve(history: History, *, total: int) -> str:
    """The terms of an objective, one line each; nothing but a hint before there are two points.

    Args:
        history: The terms of each step so far.
        total: Steps of the whole run, the right end of the axis.
    """
    if len(history) < 2:
        return _hint("The losses appear here, one line a term, as soon as they run.")
    points = _thin(history)
    last, terms = points[-1]
    lines = {name: [(float(step), each.get(name, 0.0)) for step, each in points] for name in terms}
    top = max(max(each.values()) for _, each in points) or 1.0
    frame = Frame(
        first=1, last=total, low=0.0, high=top, height=150, left=34, right=8, top=8, bottom=20
    )
    return _figure(
        lines,
        frame,
        title="Losses",
        said=f"Losses at step {last} of {total}: {_say_ends(lines)}",
        colours=list(lines),
        under=_loss_axes(frame, total),
        stretched=True,
    )


def _figure(
    lines: Mapping[str, Line],
    frame: Frame,
    *,
    title: str,
    said: str,
    colours: Sequence[str],
    under: str,
    stretched: bool = False,
) -> str:
    """Lines over what lies under them, below the title and the legend."""
    strokes = "".join(_stroke(line, name, colours, frame) for name, line in lines.items())
    legend = "".join(_key(line, name, colours) for name, line in lines.items())
    fit = ' preserveAspectRatio="none"' if stretched else ""
    return (
        f'<figure class="cx-curve"><figcaption><b>{escape(title)}</b> '
        f'<span class="cx-legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(said, quote=True)}"{fit}>{under}{strokes}</svg></figure>'
    )


def _hint(text: str) -> str:
    return f'<p class="cx-hint">{text}</p>'


def _frame_of(lines: Iterable[Line], y_range: tuple[float, float] | None) -> Frame:
    """A frame that holds all lines."""
    places = [place for line in lines for place in line]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    low, high = y_range or (min(0.0, *ys), max(ys) or 1.0)
    return Frame(
        first=min(xs), last=max(xs), low=low, high=high,
        height=230, left=40, right=10, top=10, bottom=34,
    )  # fmt: skip


def _thin(history: History) -> list[tuple[int, Mapping[str, float]]]:
    """At most MOST_POINTS points, the last always among them."""
    stride = -(-len(history) // MOST_POINTS)
    kept = list(history[::stride])
    return kept if kept[-1] == history[-1] else [*kept, history[-1]]


def _say_ends(lines: Mapping[str, Line]) -> str:
    return ", ".join(f"{name} {_short(line[-1][1])}" for name, line in lines.items())


def _stroke(line: Line, name: str, colours: Sequence[str], frame: Frame) -> str:
    points = " ".join("{:.1f},{:.1f}".format(*frame.place(x, y)) for x, y in line)
    colour = _colour("term", colours.index(name))
    return (
        f'<polyline class="cx-term {colour}" points="{points}"><title>{escape(name)}</title>'
        "</polyline>"
    )


def _key(line: Line, name: str, colours: Sequence[str]) -> str:
    colour = _colour("key", colours.index(name))
    return f'<span class="cx-key {colour}"><i></i>{escape(name)} {_short(line[-1][1])}</span>'


def _colour(kind: str, index: int) -> str:
    dashed = " cx-dashed" if index >= COLOURS else ""
    return f"cx-{kind}-{index % COLOURS}{dashed}"


def _axes(frame: Frame, x_label: str) -> str:
    """Three values with their lines, the ends of the width, and what it means."""
    values = [frame.low + share * (frame.high - frame.low) for share in (0.0, 0.5, 1.0)]
    heights = [(frame.place(frame.first, value)[1], _short(value)) for value in values]
    floor = frame.height - frame.bottom + 15
    left, right = (frame.place(value, frame.low)[0] for value in (frame.first, frame.last))
    return (
        "".join(_rule(frame, y) for y, _ in heights)
        + "".join(_text(left - 6, y + 4, "end", text) for y, text in heights)
        + _text(left, floor, "start", _short(frame.first))
        + _text(right, floor, "end", _short(frame.last))
        + _text((left + right) / 2, floor, "middle", escape(x_label))
    )


def _loss_axes(frame: Frame, total: int) -> str:
    """Three values with their lines, and the first and the last step."""
    left, bottom = frame.place(1, 0)
    right, above = frame.place(total, frame.high)
    middle, floor = (above + bottom) / 2, frame.height - 5
    return (
        "".join(_rule(frame, y) for y in (above, middle, bottom))
        + _text(left - 5, above + 4, "end", f"{frame.high:.2g}")
        + _text(left - 5, middle + 4, "end", f"{frame.high / 2:.2g}")
        + _text(left - 5, bottom, "end", "0")
        + _text(left, floor, "start", "step 1")
        + _text(right, floor, "end", f"{total}")
    )


def _rule(frame: Frame, y: float) -> str:
    left, right = (frame.place(value, frame.low)[0] for value in (frame.first, frame.last))
    return f'<line class="cx-grid" x1="{left:.0f}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'


def _mark(marker: float | None, frame: Frame) -> str:
    if marker is None:
        return ""
    x, y = frame.place(marker, frame.low)
    return f'<line class="cx-marker" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{y:.1f}"/>'


def _short(value: float) -> str:
    return f"{value:.3g}"
