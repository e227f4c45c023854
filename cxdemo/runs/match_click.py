"""What a click on two pictures computes: the row of a patch, its numbers, and three bandwidths."""

from __future__ import annotations

import shutil
import sys
import weakref
from pathlib import Path
from typing import Any

from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.figures.heat_map import draw_heat_map, png_url
from cxdemo.figures.match_numbers import pack, percent, scales_of, show_numbers, tell_answer
from cxdemo.figures.report import describe_answer
from cxdemo.figures.thumbnails import to_data_url
from cxdemo.pipelines.patch_similarity import EPS, Answer
from cxdemo.runs.match import Comparison
from cxdemo.runs.private_folder import new_run_folder

STRIP = (0.1, 0.5, 1.0)  # bandwidths shown beside the chosen one


def answer_click(comparison: Comparison, ctx: Context) -> tuple[dict[str, Any], str, str]:
    """All that a click changes on the page: the viewer's row, the numbers, the strip."""
    answer = comparison.ask(ctx)
    row = show_answer(comparison, answer, notice=comparison.notice(ctx))
    return row, show_numbers(answer), show_strip(comparison, ctx)


def show_scene(comparison: Comparison, ctx: Context) -> dict[str, Any]:
    """The two pictures and their grids; all visits share the texts of equal pictures."""
    grids = comparison.pair(ctx).grids
    shown: dict[str, Any] = {"key": comparison.scene}
    pictures = (comparison.asker, comparison.asked)
    for part, picture, title, grid in zip(
        ("asker", "asked"), pictures, comparison.titles, grids, strict=True
    ):
        url = sys.intern(to_data_url(picture))
        shown[part] = {"url": url, "title": title, "grid": list(grid)}
    return shown


def show_answer(
    comparison: Comparison, answer: Answer, *, notice: str | None = None
) -> dict[str, Any]:
    """One row for the viewer.

    r and w are d and CX times a number, `1 / divisor` and `total`, so they do not travel.
    """
    steps = answer.steps
    best = answer.best(5)
    return {
        "scene": comparison.scene,
        "key": comparison.key,
        "cell": list(answer.cell),
        "distance": pack(steps.distance),
        "affinity": pack(steps.affinity),
        "divisor": answer.nearest + EPS,
        "total": best[0].weight / best[0].affinity,
        "top": [list(candidate.cell) for candidate in best],
        "scales": scales_of(answer, best[0]),
        "sentence": tell_answer(answer, best[0]),
        "notice": notice or "",
        "report": describe_answer(answer, comparison.config, comparison.place)
        | {"example": comparison.example},
    }


def show_strip(comparison: Comparison, ctx: Context) -> str:
    """The row's share of the vote at three bandwidths, side by side."""
    figures = "".join(_show_bandwidth(comparison, ctx, h) for h in STRIP)
    return (
        '<div class="cxm-strip"><p>The same patch at three bandwidths. <b>h is tolerance</b>: how '
        "much worse than its best match a patch may be and still get votes.</p>"
        f"{figures}</div>"
    )


def _show_bandwidth(comparison: Comparison, ctx: Context, h: float) -> str:
    answer = comparison.ask(ctx, bandwidth=h)
    affinity = answer.steps.affinity.numpy()
    picture = draw_heat_map(affinity, 0.0, float(affinity.max()))
    side = 4 * max(picture.size)
    size = tuple(round(n * side / max(picture.size)) for n in picture.size)
    picture = picture.resize(size, Image.Resampling.NEAREST)  # pyright: ignore[reportArgumentType]
    url = png_url(picture)
    count = f"{max(1, round(answer.candidates)):,}".replace(",", "\u202f")
    chosen = " cxm-chosen" if abs(h - comparison.config.bandwidth) < 1e-9 else ""
    return (
        f'<figure class="cxm-thumb{chosen}"><img src="{url}" '
        f'alt="Affinities of the patch at h = {h:g}"><figcaption><b>h = {h:g}</b> '
        f"{count} candidate{'' if count == '1' else 's'}, best "
        f'{percent(float(affinity.max()))} <a class="cxm-save" href="{url}" '
        f'download="cxdemo-affinity-h{h:g}.png" aria-label="Save the map at h = {h:g}">save</a>'
        "</figcaption></figure>"
    )


def save_figures(comparison: Comparison, ctx: Context, *, owner: Comparison) -> list[Path]:
    """The panel for slides, as PDF and as SVG.

    Args:
        comparison: What it shows.
        ctx: The pipelines.
        owner: The files are deleted with it.
    """
    from cxdemo.figures.match import draw_figure
    from cxdemo.figures.print_frame import save_figure

    source, target = (
        images.to_pil(comparison.kept(ctx, picture).picture)
        for picture in (comparison.asker, comparison.asked)
    )
    answer, config = comparison.ask(ctx), comparison.config
    figure = draw_figure(source, target, answer, config, pair_names=comparison.titles)
    folder = new_run_folder()
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    files = [folder / f"cxdemo-match.{ending}" for ending in ("pdf", "svg")]
    for file in files:
        save_figure(figure, file)
    return files
