"""What the page says of an exemplar: progress, the two terms, the matches."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PIL import Image

from cxdemo import images
from cxdemo.figures import overlay
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.pipelines.face_exemplar import FaceMatch
from cxdemo.pipelines.style_transfer import StyleMatch
from cxdemo.runs.exemplar import ExemplarRun, shown
from cxdemo.runs.pace import say_left

PREVIEW = 512  # pixels of a preview's side
TERMS = {
    "target": "how many of the target's features nothing in the result claims yet",
    "source": "the same for the source's: it keeps the pose",
    "palette": "distance to the target's colours, which the paper has not",
    "smoothness": "differences of neighbouring pixels",
}


def tell_progress(run: ExemplarRun | None, *, stored: bool = False) -> str:
    """Where a run stands, as one line."""
    if run is None:
        text = "Choose two faces and press Run, or click a finished pair."
    elif stored:
        text = f"A finished example, {run.total} steps. Press Run to compute it again."
    elif run.finished:
        text = f"Done: {run.total} steps in {run.seconds:.0f} s."
    elif run.stopped and not run.index:
        text = "Stopped before the first step."
    elif run.stopped:
        text = f"Stopped after step {run.index} of {run.total}. What there is can be kept."
    elif run.index:
        text = f"Step {run.index} of {run.total}{say_left(run.seconds_left)}."
    else:
        text = "Preparing…"
    return f'<p class="cxe-status" role="status">{escape(text)}</p>'


def show_losses(run: ExemplarRun | None) -> str:
    """What the loss sees: the curves, and what each term means."""
    if run is None or not run.history:
        return draw_loss_curve([], total=0)
    last = run.history[-1][1]
    rows = "".join(
        f"<li><b>{escape(name.capitalize())} {value:.2f}</b>: {escape(TERMS[name])}.</li>"
        for name, value in last.items()
    )
    curve = draw_loss_curve(run.history, total=run.total)
    return f'<h4 class="cxe-title">What the loss sees</h4>{curve}<ul class="cxe-terms">{rows}</ul>'


def mark_place(run: ExemplarRun, box: overlay.Box) -> Image.Image:
    """The result with the place that was asked about."""
    return overlay.mark_place(images.to_pil(run.result()), box)


def mark_matches(run: ExemplarRun, matches: Sequence[FaceMatch]) -> Image.Image:
    """The target with its places in boxes, numbered from the strongest."""
    return overlay.mark_matches([images.to_pil(run.target.crop)], _numbered(matches))


def tell_matches(run: ExemplarRun, matches: Sequence[FaceMatch], layer: str) -> str:
    """One sentence of what is seen, and the shares."""
    total = sum(match.affinity for match in matches)
    return (
        '<p class="cx-told">The place in the white frame spreads 100 % of its preference over the '
        f"target (layer {escape(layer)}, h = {run.config.target_bandwidth:g}, weight of places "
        f"{run.config.target_place:g}): <b>{matches[0].affinity:.0%}</b> goes to place 1, "
        f"{total:.0%} to the {len(matches)} shown.</p>" + overlay.list_matches(_numbered(matches))
    )


def compare(run: ExemplarRun, *, whole: bool) -> tuple[Image.Image, Image.Image]:
    """Before and after, of the whole picture or of the face."""
    if whole:
        return shown(run.picture), shown(run.whole())
    result = run.result()
    side = result.shape[-1]
    before = images.resize(run.source.crop, (side, side)).clamp(0, 1)
    return images.to_pil(before), images.to_pil(result)


def enlarge(run: ExemplarRun) -> Image.Image:
    """The result at one size, so that the page stays still."""
    picture = images.to_pil(run.result())
    return picture.resize((PREVIEW, PREVIEW), Image.Resampling.BICUBIC)


def _numbered(matches: Sequence[FaceMatch]) -> list[StyleMatch]:
    return [StyleMatch(0, match.box, match.affinity) for match in matches]
