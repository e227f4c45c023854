"""What a run over a clip looks like: strips of frames, what the loss sees, and where it stands."""

from __future__ import annotations

from html import escape

from torch import Tensor

from cxdemo import images
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.figures.thumbnails import to_data_url
from cxdemo.images import resize
from cxdemo.runs.clips import ClipRun
from cxdemo.runs.pace import say_duration, say_left

SAYS = {
    "target": "has the result all features of the target, wherever they are?",
    "source": "is what it started from still there, pose and all?",
    "palette": "are mean and spread of the colours the target's? Not part of the paper's loss.",
}
PANEL = 128


def tell_example(title: str, said: str) -> str:
    """What stands in the place of the strip while a finished example is shown."""
    return f'<p class="cx-hint"><b>{escape(title)}.</b> {escape(said)}</p>'


def show_strip(run: ClipRun) -> str:
    """The frames that drive above, what the network makes of them below."""
    frames, results = run.sample()
    said = "new driver" if run.kind == "puppet" else "driver"
    now = f"step {run.step.index}" if run.step else "before the first step"
    aim = "" if run.kind == "puppet" else _aim(run.aim)
    return (
        f'<div class="cxa-strip">{aim}{_row(frames, said.capitalize(), said)}'
        f"{_row(results, f'Result, {now}', 'result')}</div>"
    )


def show_losses(run: ClipRun | None) -> str:
    """The terms, what each asks, and their curves."""
    if run is None or run.step is None:
        return ""
    asked = "".join(
        f"<li><b>{escape(name)}</b> {value:.3g}: {escape(SAYS.get(name, ''))}</li>"
        for name, value in run.step.losses.items()
    )
    return (
        draw_loss_curve(run.history, total=run.step.total)
        + f'<ul class="cxa-terms" aria-label="What the loss sees">{asked}</ul>'
    )


def tell_progress(run: ClipRun | None, *, problem: str = "", note: str = "") -> str:
    """One line: what to do, how far it is, or what came of it."""
    if problem:
        return f'<p class="cxa-status cxa-problem" role="alert">{escape(problem)}</p>'
    if run is None:
        text = note or "Choose an example, or your own clip, and press Run."
    elif run.step is None:
        text = "Stopped before the first step." if run.stopped else "Preparing…"
    elif run.finished:
        said = f"Done: {run.step.total} steps in {say_duration(run.step.seconds)}."
        text = f"{said} {run.notice} {note}"
    elif run.stopped:
        text = f"Stopped at step {run.step.index} of {run.step.total}: this is what it has reached."
    else:
        left = say_left(run.seconds_left)
        text = f"Step {run.step.index} of {run.step.total}{left}. {run.notice}"
    return f'<p class="cxa-status" role="status">{escape(text.strip())}</p>'


def _aim(target: Tensor) -> str:
    url = _url(target)
    return (
        f'<figure class="cxa-aim"><img src="{url}" alt="The target">'
        "<figcaption>Target</figcaption></figure>"
    )


def _row(frames: Tensor, caption: str, said: str) -> str:
    pictures = "".join(
        f'<img src="{_url(frame)}" alt="Frame {i + 1} of the {said}">'
        for i, frame in enumerate(frames.split(1))
    )
    return (
        f'<figure class="cxa-row"><figcaption>{escape(caption)}</figcaption>'
        f"<div>{pictures}</div></figure>"
    )


def _url(frame: Tensor) -> str:
    middle = resize(images.crop_middle(frame), (PANEL, PANEL))
    return to_data_url(images.to_pil(middle.clamp(0, 1)))
