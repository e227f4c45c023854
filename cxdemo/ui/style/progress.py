"""What the page says about a style transfer: how long it may take, how far it is, what came out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cxdemo.figures.thumbnails import square, to_data_url
from cxdemo.pipelines.style_transfer import StyleTransferConfig
from cxdemo.runs.pace import LONG, say_duration, say_left
from cxdemo.runs.style import StyleRun
from cxdemo.ui.kit.result_views import show_bar, show_notice


def tell_estimate(
    config: StyleTransferConfig | None,
    name: str,
    seconds: float | None,
    *,
    changed: Sequence[str] = (),
) -> str:
    """What pressing Run would do, and a warning where that takes long.

    Args:
        config: The settings. None: `name` says what is wrong with them.
        name: Of the preset.
        seconds: Expected time. None: not known.
        changed: Labels of the options that differ from the preset.
    """
    if config is None:
        return f'<p class="cx-estimate cx-long">{escape(name)}</p>'
    preset = f"{escape(name)}, changed" if changed else escape(name)
    what = f"{preset}: {config.num_steps} steps to {config.size} px"
    title = f' title="Changed: {escape(", ".join(changed))}"' if changed else ""
    if seconds is None:
        return f'<p class="cx-estimate"{title}>{what}</p>'
    long = seconds > LONG
    advice = ". A smaller size is much faster, and Stop keeps what is there" if long else ""
    mood = " cx-long" if long else ""
    return f'<p class="cx-estimate{mood}"{title}>{what}, {say_duration(seconds)} here{advice}.</p>'


def tell_progress(run: StyleRun | None, *, stopped: bool = False) -> str:
    """A progress bar with step, times and loss; before a run begins, that it waits."""
    if run is None:
        said = "Stopped before it began." if stopped else "About to begin…"
        return show_bar(0, said, "idle" if stopped else "waiting")
    if run.total == 0:
        said = "Stopped before the first step." if stopped else "Preparing the network…"
        return show_bar(0, said, "idle" if stopped else "waiting")
    share = run.index / run.total
    size = f" · {run.image.width} × {run.image.height} px" if run.image else ""
    network = run.config.backbone.upper()
    if run.made:
        said = f"<b>Stored result</b>, made on {run.made}: {run.total} steps in {run.seconds:.0f} s"
        return show_bar(share, f"{said}{size} · {network}", "done")
    if run.finished:
        said = f"<b>Done</b> · {run.total} steps in {run.seconds:.0f} s · loss {run.loss:.2f}"
        return show_bar(share, f"{said}{size} · {network}", "done", after=show_notice(run.notice))
    said = f"<b>step {run.index} of {run.total}</b> · {run.seconds:.0f} s elapsed"
    if stopped:
        said = f"<b>Stopped</b> at step {run.index} of {run.total} after {run.seconds:.0f} s"
        return show_bar(
            share,
            f"{said} · loss {run.loss:.2f}{size} · {network}",
            "idle",
            after=show_notice(run.notice),
        )
    said += f"{say_left(run.seconds_left)} · loss {run.loss:.2f}"
    return show_bar(share, said, "running", after=show_notice(run.notice))


def tell_pair(run: StyleRun | None, *, stale: bool = False) -> str:
    """The pictures that the result is of; where the inputs have changed since, that it is old."""
    if run is None:
        return ""
    pictures = [("Content", run.content), *(("Style", style) for style in run.styles)]
    shown = " ".join(
        f'<img src="{to_data_url(square(picture, 56))}" alt="{name}">' for name, picture in pictures
    )
    said = "The result below is of these pictures."
    if stale:
        said = (
            "The pictures or settings have changed: the result below is still of these. "
            "<b>Press Run to paint anew.</b>"
        )
    mood = " cx-stale" if stale else ""
    return f'<div class="cx-pair-of{mood}" role="status">{shown}<span>{said}</span></div>'
