"""One patch's answer for people: the equations with its numbers put in, and its histogram."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from cxdemo.pipelines.patch_similarity import EPS, Answer, Candidate

WORST = 3.0  # relative distance at the dark end of its scale
BINS = 44
WIDTH, HEIGHT = 460, 168
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 22, 34


def pack(values: Tensor) -> str:
    """Numbers as base64 of their bytes, row by row."""
    return base64.b64encode(values.contiguous().numpy().tobytes()).decode()


def tell_answer(answer: Answer, best: Candidate) -> str:
    """What the row says, in a sentence without its full stop."""
    total = answer.steps.affinity.numel()
    few = max(1, round(answer.candidates))
    spread = "one patch alone" if few == 1 else f"about <b>{few:,}</b> of {total:,} patches"
    return (
        f"With h = {answer.bandwidth:g} this patch gives its vote to {spread}; the best of them "
        f"gets <b>{percent(best.affinity)}</b>"
    ).replace(",", "\u202f")


def show_numbers(answer: Answer) -> str:
    """The equations with this patch's own numbers, and its five nearest targets."""
    best = answer.best(5)
    second, h = best[min(1, len(best) - 1)], f"{answer.bandwidth:g}"
    total = best[0].weight / best[0].affinity
    lines = (
        (
            "Its nearest target, patch 1, sets the measure",
            f"{_sub('min', 'k')}{_sub('d', 'ik')}<mo>=</mo>{_mn(answer.nearest)}",
        ),
        (
            "h times it: so much further away, a patch is wanted e times less",
            f"<mi>h</mi><mo>(</mo>{_sub('min', 'k')}{_sub('d', 'ik')}<mo>+</mo><mi>ε</mi><mo>)</mo>"
            f"<mo>=</mo><mn>{h}</mn><mo>·</mo><mn>{answer.nearest + EPS:.4g}</mn><mo>=</mo>"
            f"{_mn(answer.temperature)}",
        ),
        (
            "Patch 2, relative to the measure",
            f"{_sub('r', 'i2')}<mo>=</mo><mfrac>{_mn(second.distance)}"
            f"<mn>{answer.nearest + EPS:.4g}</mn></mfrac><mo>=</mo>{_mn(second.relative)}",
        ),
        (
            "How much it is wanted",
            f"{_sub('w', 'i2')}<mo>=</mo><mi>exp</mi><mfrac><mrow><mn>1</mn><mo>−</mo>"
            f"{_mn(second.relative)}</mrow><mn>{h}</mn></mfrac><mo>=</mo>{_mn(second.weight)}",
        ),
        (
            "Its share of the vote: w over the sum of all w",
            f"{_sub('CX', 'i2')}<mo>=</mo><mfrac>{_mn(second.weight)}{_mn(total)}</mfrac><mo>=</mo>"
            f"<mn>{100 * second.affinity:.3g} %</mn>",
        ),
    )
    shown = "".join(
        f'<li><span>{said}</span><math display="block">{formula}</math></li>'
        for said, formula in lines
    )
    return (
        f'<div class="cxm-numbers"><ol class="cxm-equations">{shown}</ol>'
        f"{_table(best)}{draw_histogram(answer)}</div>"
    )


def draw_histogram(answer: Answer) -> str:
    """How many targets lie at which distance, and how much each distance is wanted, as SVG."""
    distance = answer.steps.distance.numpy().ravel()
    high = float(distance.max()) or 1.0
    counts, edges = np.histogram(distance, bins=BINS, range=(0.0, high))
    votes, _ = np.histogram(
        distance, bins=BINS, range=(0.0, high), weights=answer.steps.affinity.numpy().ravel()
    )
    tallest = float(np.sqrt(counts.max()))
    base, room = HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
    bars: list[str] = []
    for count, vote, left, right in zip(counts, votes, edges[:-1], edges[1:], strict=True):
        height = room * float(np.sqrt(count)) / tallest
        x, wide = _x(left, high), _x(right, high) - _x(left, high) - 1
        level = 0 if votes.max() == 0 else round(100 * float(vote / votes.max()))
        color = f"color-mix(in srgb, var(--cxm-wanted) {level}%, var(--cxm-unwanted))"
        bars.append(
            f'<rect x="{x:.1f}" y="{base - height:.1f}" width="{max(wide, 0.5):.1f}" '
            f'height="{height:.1f}" style="fill:{color}"><title>{count} patches at d {left:.2f} to '
            f"{right:.2f}: {vote:.1%} of the vote</title></rect>"
        )
    curve = _wanted_curve(answer, high, base, room)
    nearest = _x(answer.nearest, high)
    anchor = "middle" if nearest > WIDTH / 8 else "start"
    zero = f'<text x="{LEFT}" y="{base + 17}">0</text>' if anchor == "middle" else ""
    return (
        '<figure class="cxm-histogram"><figcaption><b>All targets by distance.</b> Bars: how many '
        "(square-root scale; bright bars hold the votes). Line: how much a target at that distance "
        "is wanted. A larger h moves the line to the right.</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Histogram of the distances">'
        f'{"".join(bars)}<path class="cxm-curve" d="{curve}"/>'
        f'<line class="cxm-tick" x1="{nearest:.1f}" x2="{nearest:.1f}" y1="{TOP - 4}" '
        f'y2="{base + 4}"/><text x="{nearest:.1f}" y="{base + 17}" text-anchor="{anchor}">nearest '
        f'{answer.nearest:.3g}</text><text x="{WIDTH - RIGHT}" y="{base + 17}" text-anchor="end">'
        f"d = {high:.2f}</text>{zero}</svg></figure>"
    )


def _wanted_curve(answer: Answer, high: float, base: float, room: float) -> str:
    """exp((1 - r) / h) over the distance, from the nearest on, at full height there."""
    distances = np.linspace(answer.nearest, high, 160)
    wanted = np.exp((answer.nearest - distances) / answer.temperature)
    points = (
        f"{_x(float(d), high):.1f},{base - room * float(w):.1f}"
        for d, w in zip(distances, wanted, strict=True)
    )
    return "M" + " L".join(points)


def scales_of(answer: Answer, best: Candidate) -> dict[str, Any]:
    """The two ends of each map's colours: dark, bright, and what to write there."""
    furthest = float(answer.steps.distance.max())
    ends = {
        "distance": (furthest, 0.0, f"far: {furthest:.2f}", "0: the same"),
        "relative": (WORST, 1.0, f"{WORST:g} times or worse", "1: the best"),
        "weight": (0.0, best.weight, "0", f"{best.weight:.3g}"),
        "affinity": (0.0, best.affinity, "0 %", percent(best.affinity)),
    }
    return {
        name: {"low": low, "high": high, "labels": [left, right]}
        for name, (low, high, left, right) in ends.items()
    }


def _table(best: list[Candidate]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><span class="cx-number cxm-top-{k}">{k + 1}</span></th>'
        f"<td>{candidate.cell[0]}, {candidate.cell[1]}</td>"
        f"<td>{candidate.distance:.4f}</td><td>{candidate.relative:.4f}</td>"
        f"<td>{candidate.weight:.4f}</td><td>{percent(candidate.affinity)}</td></tr>"
        for k, candidate in enumerate(best)
    )
    return (
        '<table class="cxm-table"><caption>Its five nearest targets</caption><thead><tr>'
        '<th scope="col"></th><th scope="col">row, col.</th><th scope="col">d</th>'
        '<th scope="col">r</th><th scope="col">w</th><th scope="col">CX</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def percent(share: float) -> str:
    """A share to three figures; what is next to nothing is not told apart.

    Example:
        >>> percent(0.21734), percent(0.000251), percent(1.0), percent(2e-18)
        ('21.7 %', '0.0251 %', '100 %', '≈ 0 %')
    """
    value = 100 * share
    if 0 < value < 0.001:
        return "≈ 0 %"
    return f"{value:.3g} %" if value < 99.95 else f"{value:.0f} %"


def _x(distance: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * distance / high


def _sub(name: str, index: str) -> str:
    return f"<msub><mi>{escape(name)}</mi><mi>{escape(index)}</mi></msub>"


def _mn(value: float) -> str:
    return f"<mn>{value:.4g}</mn>"
