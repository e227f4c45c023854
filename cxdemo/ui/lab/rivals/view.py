"""What the comparison of rivals looks like: the two pictures, a card for each rival, progress."""

from __future__ import annotations

from html import escape

from PIL import Image

from cxdemo.figures.thumbnails import to_data_url
from cxdemo.pipelines.style_rivals import RIVALS
from cxdemo.runs.pace import say_left
from cxdemo.runs.rivals import RivalsRun
from cxdemo.ui.kit.result_views import show_bar

SHOWN = 256  # pixels of a shown picture's long side


def show_rivals(run: RivalsRun) -> str:
    """A card for each rival, and what to look for."""
    cards = "".join(_card(run, name) for name in run.config.rivals)
    note = (
        f'<p class="cxr-note"><b>Look for</b> {escape(run.note)}</p>'
        if run.note and run.finished
        else ""
    )
    return f'{note}<div class="cxr-cards">{cards}</div>'


def _card(run: RivalsRun, name: str) -> str:
    info = RIVALS[name]
    stand = run.last.get(name)
    picture = stand.picture if stand else run.content
    steps = f"step {stand.index} of {run.config.num_steps}" if stand else "at the start"
    said = f"{steps} · {stand.seconds:.0f} s" if stand and stand.seconds else steps
    loss = stand.loss if stand else 1.0
    share = max(0.0, min(1.0, loss))
    own = " cxr-own" if name == "cx" else ""
    return (
        f'<figure class="cxr-card{own}"><img src="{to_data_url(_enlarge(picture))}" '
        f'alt="The content as painted by {escape(info.label)}"><figcaption>'
        f"<b>{escape(info.label)}</b><em>{escape(info.family)}</em>"
        f'<span class="cxr-loss" title="Its own objective, of which it had 100 % at the start; '
        f'rivals have different ones"><i style="width:{100 * share:.1f}%"></i></span>'
        f"<small>loss {_percent(loss)} of the start · {said}</small>"
        f"<p>{escape(info.sentence)} <cite>{escape(info.source)}</cite></p>"
        "</figcaption></figure>"
    )


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.1f} %"


def _enlarge(picture: Image.Image) -> Image.Image:
    factor = SHOWN / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def tell_progress(run: RivalsRun | None, *, stored: bool = False, problem: str = "") -> str:
    """A progress bar and what it means; before a run begins, that it waits."""
    if problem:
        return show_bar(0, f'<span class="cxl-problem">{escape(problem)}</span>', "idle")
    if run is None:
        return show_bar(0, "About to begin…", "waiting")
    if run.taken == 0 and run.stopped:
        return show_bar(0, "Stopped before the first step.", "idle")
    if run.taken == 0:
        return show_bar(0, "Preparing the network…", "waiting")
    share, state, said = run.taken / run.total, "running", f"{run.seconds:.0f} s elapsed"
    if stored:
        state, said = "done", "Computed before; <i>Run</i> does it live"
    elif run.finished:
        state, said = "done", f"<b>Done</b> in {run.seconds:.0f} s"
    elif run.stopped:
        state, said = "idle", f"<b>Stopped</b> after {run.seconds:.0f} s"
    else:
        said += say_left(run.seconds_left)
    size = f"{run.config.size} px, {run.config.num_steps} steps each"
    return show_bar(share, f"{said} · {size}", state)
