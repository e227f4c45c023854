"""What the page says and draws of a super-resolution: estimate, progress, scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from cxdemo.pipelines.super_resolution import (
    BICUBIC,
    HIGHER_IS_BETTER,
    LIMITS,
    SCALE,
    TEST_LIMITS,
    TEST_SIDE,
    Scores,
    check_size,
)
from cxdemo.runs.pace import Stage, say_duration, say_left
from cxdemo.runs.upscale import NAMES, SMALL, TRUTH, UpscaleRun, upscale_stages
from cxdemo.ui.kit.result_views import show_bar

LABELS = NAMES | {TRUTH: "The truth", SMALL: "Small picture"}
MEASURES = {
    "psnr": ("PSNR", "{:.2f} dB", "Squared error of the brightness, as a logarithm."),
    "ssim": ("SSIM", "{:.3f}", "How well brightness, contrast and pattern agree, locally."),
    "lpips": (
        "LPIPS",
        "{:.3f}",
        "Distance between the features of a network, fitted to what people find similar.",
    ),
    "cx": (
        "CX",
        "{:.3f}",
        "Contextual similarity: do the patches of the truth find a partner, wherever it is? The "
        "networks CX and CX + GAN were trained for it, so it favours them.",
    ),
}
TRADE_OFF = (
    "<b>Why the sharper picture can score lower.</b> Many textures fit one small picture. A "
    "squared error is least for their average, and an average is blurred: it wins PSNR. CX asks "
    "for patches as the truth has them, wherever they are: it picks one texture, seldom the very "
    "same, and pays in PSNR, sometimes down to bicubic's. The paper's own CX result loses PSNR to "
    "bicubic, and wins in what people see. LPIPS comes nearer to that."
)
LIMIT_TEXT = (
    f"Up to {LIMITS.max_pixels / 1e6:g} megapixels, such as 1200 × 1000; the result has "
    f"{SCALE * SCALE} times as many."
)

INVITATION = (
    '<div class="cx-sr-empty"><p><b>A small picture, four times as wide and as high.</b></p>'
    "<p>Press <i>Upscale ×4</i>, or click one of the pictures to try: it starts at once. Then "
    "move the slider between any two results, and point the magnifier at a detail.</p>"
    "<ul><li><b>Bicubic</b> only smooths between pixels.</li><li><b>Squared error</b> is a "
    "network that stays as near as it can on average: clean, and a little soft.</li><li><b>CX"
    "</b> is the same network, trained with the Contextual Loss to have the patches of real "
    "photos: texture comes back.</li><li><b>CX + GAN</b> has a judge of photos on top.</li>"
    "</ul></div>"
)


def tell_estimate(
    size: tuple[int, int] | None,
    methods: Sequence[str],
    *,
    test: bool,
    seconds: Callable[[Sequence[Stage]], float | None],
) -> str:
    """What pressing Upscale would do, how long it may take, or why it cannot be done.

    Args:
        size: Width and height of the picture; None: there is none yet.
        methods: What to compare.
        test: Whether it is shrunk first.
        seconds: Expected time for the stages of a run.
    """
    if size is None:
        return _estimate(LIMIT_TEXT)
    if problem := find_problem(size, test=test):
        return _estimate(escape(problem), "cx-long")
    width, height = size
    if test:
        width, height = (min(side, TEST_SIDE) // SCALE * SCALE for side in size)
        whole = "The picture" if max(size) <= TEST_SIDE else "Its middle"
        what = (
            f"{whole}, {width} × {height}, is shrunk to {width // SCALE} × {height // SCALE}, "
            "restored, and measured"
        )
    else:
        what = f"{width} × {height} → {SCALE * width} × {SCALE * height} pixels"
    costly = [method for method in methods if method != BICUBIC]
    expected = seconds(upscale_stages(size, costly, test=test)) if costly else None
    return _estimate(f"{what}, {_say_seconds(expected)} here." if expected else f"{what}.")


def find_problem(size: tuple[int, int], *, test: bool) -> str | None:
    """Why a picture of this width and height cannot be used, in one sentence."""
    width, height = size
    if test:
        if min(size) >= TEST_LIMITS.min_side:
            return None
        return (
            f"The picture is {width} × {height} pixels, but a test needs at least "
            f"{TEST_LIMITS.min_side} on each side, as it is shrunk first: choose a larger one, or "
            "switch the test off."
        )
    try:
        check_size(height, width)
    except ValueError as error:
        return str(error)
    return None


def _estimate(said: str, mood: str = "") -> str:
    return f'<p class="cx-estimate {mood}">{said}</p>'


def _say_seconds(seconds: float) -> str:
    return f"about {max(1, round(seconds))} s" if seconds < 15 else say_duration(seconds)


def tell_progress(run: UpscaleRun | None, *, stopped: bool = False) -> str:
    """A progress bar with method, tile and times; before a run begins, that it waits."""
    if run is None:
        said = "Stopped before it began." if stopped else "About to begin…"
        return show_bar(0, said, "idle" if stopped else "waiting")
    size = f"{run.size[0]} × {run.size[1]} px"
    if run.finished:
        said = f"<b>Done</b> · {size} · {len(run.methods)} methods in {run.seconds:.1f} s"
        return show_bar(1, said, "done", inside=_show_note(run.note))
    if stopped or run.stopped:
        had = ", ".join(NAMES[method] for method in run.done) or "no method"
        return show_bar(
            run.share, f"<b>Stopped</b> after {run.seconds:.0f} s; finished: {had}", "idle"
        )
    if run.step is None:
        return show_bar(run.share, "Preparing the network…", "waiting")
    name, step = NAMES[run.current], run.step
    tile = f"tile {step.index} of {step.total}"
    said = f"<b>{name}</b>, {tile} · {run.seconds:.0f} s elapsed"
    return show_bar(run.share, f"{said}{say_left(run.seconds_left)}", "running")


def _show_note(note: str) -> str:
    return f'<p class="cx-hint">{escape(note)}</p>' if note else ""


# ---------------------------------------------------------------------------------------- scores


def show_scores(run: UpscaleRun) -> str:
    """A table of the scores, the best of each column in bold, and what to make of it."""
    if not run.scores:
        return ""
    heads = "".join(_head(key) for key in Scores._fields)
    rows = "".join(_row(method, run.scores) for method in run.done if method in run.scores)
    return (
        '<div class="cx-scores"><table><caption>How near each result is to the truth</caption>'
        f'<thead><tr><th scope="col">Method</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        f"<p>{TRADE_OFF}</p></div>"
    )


def _head(key: str) -> str:
    name, _, help_text = MEASURES[key]
    better = "higher" if getattr(HIGHER_IS_BETTER, key) else "lower"
    arrow = "↑" if better == "higher" else "↓"
    return (
        f'<th scope="col" title="{escape(help_text)} {better.capitalize()} is better.">{name} '
        f'<span aria-label="{better} is better">{arrow}</span></th>'
    )


def _row(method: str, scores: dict[str, Scores]) -> str:
    cells = ""
    for key in Scores._fields:
        value = getattr(scores[method], key)
        shown = MEASURES[key][1].format(value) if math.isfinite(value) else "exact"
        best = len(scores) > 1 and method == best_method(scores, key)
        cells += f"<td><b>{shown}</b></td>" if best else f"<td>{shown}</td>"
    return f'<tr><th scope="row">{NAMES[method]}</th>{cells}</tr>'


def best_method(scores: dict[str, Scores], key: str) -> str:
    """The method that is best by a measure."""
    choose = max if getattr(HIGHER_IS_BETTER, key) else min
    return choose(scores, key=lambda method: getattr(scores[method], key))
