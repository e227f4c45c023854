"""What the misalignment meter looks like: the two pictures, the curves, the bars."""

from __future__ import annotations

from html import escape

from cxdemo import images
from cxdemo.figures.charts import draw_lines
from cxdemo.figures.thumbnails import to_png_url
from cxdemo.losses import LOSSES
from cxdemo.pipelines.loss_meter import CHANGES, CROP, MARGIN, METER_LOSSES
from cxdemo.runs.meter import MeterRun

ORDER = [LOSSES[name].label for name in ("l1", "l2", "cx", "gram", "perceptual", "ssim")]
ORDER += [LOSSES[name].label for name in METER_LOSSES if LOSSES[name].label not in ORDER]
TOP = 1.5  # of the curves; what rises above is cut off, and said


def show_meter(run: MeterRun, place: int) -> str:
    """The picture and a copy side by side, the curves, and what each loss says of that copy."""
    if not run.readings:
        return show_picture(run)
    place = min(max(place, 0), len(run.readings) - 1)
    reading = run.readings[place]
    unit = CHANGES[run.config.change].unit
    amount = run.what if run.trick else f"{run.what} by {reading.amount:.3g} {unit}"
    if run.config.change == "scale" and not run.trick:
        amount = f"{reading.amount:.2f} times as large"
    chart = ""
    if not run.trick:
        chart = draw_lines(
            run.lines(),
            title="Loss, of its own range",
            x_label=f"{run.what.lower()}, {unit}",
            y_range=(0.0, _top(run)),
            order=ORDER,
            marker=reading.amount,
        )
    return (
        f'<div class="cxl-pair">{_figure(run, "picture")}'
        f'<figure><img src="{to_png_url(images.to_pil(reading.image))}" alt="The changed copy">'
        f"<figcaption><b>The copy</b> {escape(amount)}</figcaption></figure>{_bars(run, place)}"
        f"</div>{chart}{_note(run)}"
    )


def _top(run: MeterRun) -> float:
    """Of the frame: all that is there, up to `TOP`."""
    return min(TOP, max(1.0, *(max(r.values.values()) for r in run.readings)))


def show_picture(run: MeterRun) -> str:
    """The picture alone, before the first reading."""
    return (
        f'<div class="cxl-pair">{_figure(run, "picture")}</div>'
        '<p class="cx-hint">Press Measure: the losses between this and changed copies of it are '
        "drawn as they are computed.</p>"
    )


def _figure(run: MeterRun, alt: str) -> str:
    middle = run.around[..., MARGIN : MARGIN + CROP, MARGIN : MARGIN + CROP]
    return (
        f'<figure><img src="{to_png_url(images.to_pil(middle))}" alt="The {alt}">'
        "<figcaption><b>The picture</b> its middle, small</figcaption></figure>"
    )


def _bars(run: MeterRun, place: int) -> str:
    values = run.readings[place].values
    rows = "".join(
        f'<tr><th title="{escape(LOSSES[name].sentence, quote=True)}">{escape(LOSSES[name].label)}'
        f'</th><td><span class="cxl-bar"><i class="cxl-bar-{ORDER.index(LOSSES[name].label) % 6}" '
        f'style="width:{100 * min(max(value, 0.0), 1.0):.1f}%"></i></span></td>'
        f"<td>{value:.3f}</td></tr>"
        for name, value in values.items()
    )
    return (
        '<table class="cxl-bars"><caption>What each loss says of the copy: 0 nothing has changed, '
        f"1 as bad as shuffled pixels</caption><tbody>{rows}</tbody></table>"
    )


def _note(run: MeterRun) -> str:
    cut_off = [
        LOSSES[name].label
        for name in run.config.losses
        if not run.trick and max(r.values[name] for r in run.readings) > TOP
    ]
    if not cut_off:
        return ""
    return f'<p class="cx-hint">Above the frame in part: {escape(", ".join(cut_off))}.</p>'


def tell_meter(run: MeterRun | None, *, problem: str = "") -> str:
    """The line under the buttons."""
    if problem:
        return f'<p class="cxl-status cxl-problem" role="alert">{escape(problem)}</p>'
    if run is None or not run.readings:
        return '<p class="cxl-status">Choose a change, then press Measure.</p>'
    if run.finished:
        return '<p class="cxl-status">Measured. Move the slider to look at any amount.</p>'
    if run.stopped:
        return f'<p class="cxl-status">Stopped after {len(run.readings)} of {run.total}.</p>'
    share = 100 * len(run.readings) / run.total
    return (
        f'<p class="cxl-status">{len(run.readings)} of {run.total}</p>'
        f'<div class="cx-track"><i style="width:{share:.0f}%"></i></div>'
    )
