"""What the misalignment experiment looks like: the scene, the race, the bet, the table."""

from __future__ import annotations

from html import escape

from torch import Tensor

from cxdemo import images
from cxdemo.figures.charts import draw_lines
from cxdemo.figures.thumbnails import to_png_url
from cxdemo.losses import LOSSES
from cxdemo.pipelines.misalignment import Standing
from cxdemo.runs.misaligned import MisalignedRun
from cxdemo.runs.pace import say_left

SHOWN_TARGETS = 8
FIRST = ("l1", "l2", "cx")  # these have a colour each
NAMES = [LOSSES[name].label for name in sorted(LOSSES, key=lambda name: name not in FIRST)]


def show_race(run: MisalignedRun) -> str:
    """The scene above, a card for each loss below; the clean crop once the race is over."""
    scene = run.scene
    targets = "".join(
        f'<img src="{_shown(t)}" alt="Clean crop, moved by {down} down and {right} right">'
        for t, (down, right) in zip(scene.targets[:SHOWN_TARGETS], scene.shifts, strict=False)
    )
    more = len(scene.targets) - SHOWN_TARGETS
    more_text = f"<em>and {more} more</em>" if more > 0 else ""
    over = run.finished or run.stopped
    truth = (
        f'<figure class="cxl-big"><img src="{_shown(scene.clean)}" alt="The clean crop">'
        "<figcaption><b>The answer</b> no loss has seen it</figcaption></figure>"
        if over
        else '<figure class="cxl-big cxl-hidden"><span aria-hidden="true">?</span>'
        "<figcaption><b>The answer</b> shown at the end</figcaption></figure>"
    )
    cards = "".join(_card(run, name) for name in run.config.losses)
    return (
        '<div class="cxl-scene">'
        f'<figure class="cxl-big"><img src="{_shown(scene.noisy)}" alt="The noisy crop">'
        "<figcaption><b>Clean this</b> every loss starts here</figcaption></figure>"
        f'<figure class="cxl-targets"><div>{targets}{more_text}</div><figcaption><b>With these</b> '
        f"clean, but each moved by up to {run.config.shift} pixels, nobody knows how"
        f"</figcaption></figure>{truth}</div>"
        f'<div class="cxl-cards">{cards}</div>{_verdict(run)}'
    )


def show_curves(run: MisalignedRun) -> str:
    """PSNR and loss over the steps."""
    psnr, loss = run.lines("psnr"), run.lines("loss")
    if not run.frames or run.frames[-1].index < 2:
        return ""
    values = [y for line in psnr.values() for _, y in line]
    low, high = min(values) - 1, max(values) + 1
    return (
        '<div class="cxl-charts">'
        + draw_lines(
            psnr, title="PSNR against the answer, dB", x_label="step", y_range=(low, high),
            order=NAMES,
        )
        + draw_lines(loss, title="Loss, share of its first value", x_label="step", order=NAMES)
        + "</div>"
    )  # fmt: skip


def show_table(run: MisalignedRun) -> str:
    """The figures of every loss, the best of each column marked."""
    if run.last is None or run.last.index == 0:
        return ""
    standings = run.last.standings
    best = {
        "psnr": max(s.psnr for s in standings.values()),
        "best_psnr": max(s.best_psnr for s in standings.values()),
        "distinct": max(s.distinct for s in standings.values()),
    }
    rows = "".join(_row(name, standing, best) for name, standing in standings.items())
    return (
        '<div class="cxl-scroll"><table class="cx-scores cxl-table"><thead><tr><th>Loss</th>'
        '<th title="Against the clean crop, decibels">PSNR</th>'
        '<th title="Against the best shift of the clean crop">best shift</th>'
        '<th title="Energy of the gradient; the clean crop has 1. Noise counts as well">sharpness'
        '</th><th title="Patches of the clean crop that some patch of the result is nearest to">'
        "distinct matches</th><th>seconds</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="cx-hint">Sharpness below 1 is blur; above 1 some noise is left. Distinct '
        "matches: where many patches share one match, details were lost.</p>"
    )


def _row(name: str, s: Standing, best: dict[str, float]) -> str:
    def cell(value: float, text: str, what: str) -> str:
        return f"<td><b>{text}</b></td>" if value == best.get(what) else f"<td>{text}</td>"

    return (
        f"<tr><th>{escape(LOSSES[name].label)}</th>{cell(s.psnr, f'{s.psnr:.1f} dB', 'psnr')}"
        f"{cell(s.best_psnr, f'{s.best_psnr:.1f} dB', 'best_psnr')}<td>{s.sharpness:.2f}</td>"
        f"{cell(s.distinct, f'{100 * s.distinct:.0f} %', 'distinct')}<td>{s.seconds:.1f}</td></tr>"
    )


def _card(run: MisalignedRun, name: str) -> str:
    info, last = LOSSES[name], run.last
    over = (run.finished or run.stopped) and name == run.winner
    standing = last.standings[name] if last else None
    image = standing.image if standing else run.scene.noisy
    figure = f"{standing.psnr:.1f} dB" if standing and last and last.index else "ready"
    bet = '<i class="cxl-bet">your bet</i>' if run.bet == name else ""
    crown = '<i class="cxl-crown">nearest</i>' if over else ""
    return (
        f'<figure class="cxl-card{" cxl-won" if over else ""}"><img src="{_shown(image)}" '
        f'alt="What {escape(info.label)} has made of it"><figcaption><b>{escape(info.label)}</b>'
        f"{bet}{crown}<span>{figure}</span><em>{escape(info.family)}: {escape(info.ingredient)}"
        "</em></figcaption></figure>"
    )


def _verdict(run: MisalignedRun) -> str:
    if not (run.finished or run.stopped) or not run.winner or run.last is None:
        return ""
    winner = LOSSES[run.winner].label
    if not run.bet:
        said = "No bet this time."
    elif run.bet == run.winner:
        said = "You won your bet."
    else:
        said = f"Your bet was {escape(LOSSES[run.bet].label)}."
    blurred = [LOSSES[name].label for name, s in run.last.standings.items() if s.sharpness < 0.7]
    blur = f" Blurred (sharpness below 0.7): {escape(', '.join(blurred))}." if blurred else ""
    return (
        f'<p class="cxl-verdict" role="status"><b>{escape(winner)}</b> is the nearest to the '
        f"answer. {said}{blur}</p>"
    )


def tell_progress(run: MisalignedRun | None, *, problem: str = "") -> str:
    """The line under the buttons."""
    if problem:
        return f'<p class="cxl-status cxl-problem" role="alert">{escape(problem)}</p>'
    if run is not None and run.stopped and run.last is None:
        return '<p class="cxl-status">Stopped before the first step.</p>'
    if run is None or run.last is None:
        return '<p class="cxl-status">Make your bet, then press Run.</p>'
    if run.finished:
        return f'<p class="cxl-status">Done in {run.last.seconds:.0f} s.</p>'
    if run.stopped:
        return f'<p class="cxl-status">Stopped at step {run.last.index} of {run.last.total}.</p>'
    share = 100 * run.last.index / run.last.total
    return (
        f'<p class="cxl-status">Step {run.last.index} of {run.last.total}'
        f'{say_left(run.seconds_left)}</p><div class="cx-track"><i style="width:{share:.0f}%">'
        "</i></div>"
    )


def _shown(image: Tensor) -> str:
    return to_png_url(images.to_pil(image))
