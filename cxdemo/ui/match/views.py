"""All patches at once, for the page: where they look, who is claimed, and what the loss says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.figures.heat_map import blend, draw_heat_map, gradient_css, place_colors, png_url
from cxdemo.figures.match_numbers import pack, percent
from cxdemo.figures.report import describe_survey
from cxdemo.figures.thumbnails import to_data_url
from cxdemo.pipelines.patch_similarity import (
    LOCKED,
    Cell,
    PatchSimilarity,
    PatchSimilarityConfig,
    Survey,
    redraw,
)
from cxdemo.runs.match import Comparison

SIDE = 480  # pixels of a picture's long side
LINES = 40  # matches that are drawn
APART = 12  # of them fit along the longer side
ARROWS = 14  # along the longer side
UNCLAIMED = 0.22  # brightness of what nobody chose


def show_survey(comparison: Comparison, survey: Survey) -> dict[str, Any]:
    """Who wins each target, for the viewer."""
    return {
        "key": comparison.key,
        "winner": pack(survey.winner.int()),
        "affinity": pack(survey.won_affinity),
        "report": describe_survey(survey),
    }


def show_figures(comparison: Comparison, survey: Survey) -> str:
    """The loss and what goes with it, in one line of numbers."""
    source, target = (title.lower() for title in comparison.titles)
    positions = survey.winner.numel()
    figures = (
        (
            "Contextual similarity",
            f"{survey.similarity:.3f}",
            f"CX({source}, {target}): how well the {target}'s patches are wanted. 1 is perfect, "
            f"{1 / positions:.2g} is no preference at all; two different pictures never come near "
            "1, so read it beside its references under Layers.",
        ),
        ("Contextual loss", f"{survey.loss:.3f}", "minus the logarithm of it"),
        (
            "Claimed",
            percent(survey.claimed),
            f"of the {target}'s patches are somebody's first choice; the rest is ignored",
        ),
        (
            "Idle",
            percent(1 - len(survey.winner.unique()) / survey.choice.numel()),
            f"of the {source}'s patches win no {target} patch: they play no part in the loss",
        ),
        (
            "The other reading",
            f"{survey.satisfaction:.3f}",
            f"mean over the {source} of its best affinity, as CoCosNet's code has it: high when "
            f"every {source} patch finds something, even if most of the {target} goes unused",
        ),
    )
    cells = "".join(
        f"<div><dt>{name}</dt><dd><b>{value}</b><small>{said}</small></dd></div>"
        for name, value, said in figures
    )
    return f'<dl class="cxm-figures">{cells}</dl>'


def show_correspondence(comparison: Comparison, ctx: Context, survey: Survey) -> str:
    """Each patch coloured by where its best match lies, with the target as the key."""
    source, target = comparison.titles
    asker, asked = _pictures(comparison, ctx)
    rows, columns = survey.winner.shape
    colors = place_colors(rows, columns)  # (Hy, Wy, 3)
    chosen = Image.fromarray(colors.reshape(-1, 3)[survey.choice.numpy()])
    key = blend(Image.fromarray(colors), asked, 0.72)
    where = blend(chosen, asker, 0.8)
    arrows = _arrows(survey, asker.size)
    return _figures(
        "Each patch takes the colour of the place where its best match lies. Smooth colours: "
        "neighbours find neighbours. One colour over a large area: all of it looks at one spot.",
        _figure(where, f"{source}: where each patch looks", "where", overlay=arrows),
        _figure(key, f"{target}: the colour of each place", "key"),
        toggle="arrows",
    )


def show_lines(comparison: Comparison, ctx: Context, survey: Survey) -> str:
    """The strongest matches as lines between the two pictures, as one SVG."""
    asker, asked = _pictures(comparison, ctx)
    apart = max(survey.choice.shape) // APART
    matches = survey.strongest(LINES, apart=apart)
    svg = _line_drawing(asker, asked, survey, matches)
    if not matches:
        said = "No two patches choose each other here."
    else:
        said = (
            f"The {len(matches)} strongest pairs of patches that choose each other, at least "
            f"{apart + 1} cells apart. Thick and bright: sure of it."
        )
    file = "data:image/svg+xml;utf8," + _escape_url(svg)
    return (
        f'<div class="cxm-view"><p>{said}</p>{svg}'
        f'<a class="cxm-save" href="{file}" download="cxdemo-lines.svg">Save as SVG</a></div>'
    )


def show_coverage(comparison: Comparison, ctx: Context, survey: Survey) -> str:
    """What of the target is chosen, how often, and how strongly it is wanted."""
    _, target = comparison.titles
    _, asked = _pictures(comparison, ctx)
    hubs = survey.hubs.numpy()
    dark = ImageEnhance.Brightness(asked).enhance(UNCLAIMED)
    mask = Image.fromarray(((hubs > 0) * 255).astype(np.uint8)).resize(
        asked.size, Image.Resampling.NEAREST
    )
    claimed = Image.composite(asked, dark, mask)
    counts = draw_heat_map(np.log1p(hubs.astype(float)), 0.0, float(np.log1p(hubs.max())))
    wanted = draw_heat_map(survey.won_affinity.numpy(), 0.0, 1.0)
    fair = survey.choice.numel() / hubs.size
    return _figures(
        f"<b>{percent(survey.claimed)}</b> of the {target.lower()} is somebody's first choice, and "
        f"<b>{percent(survey.distinct)}</b> of the first choices differ. The most popular patch, a "
        f"hub, is chosen {int(hubs.max())} times, where an even split would give {fair:.2g}. The "
        "contextual loss pulls against hubs: it counts each target patch once.",
        _figure(claimed, f"{target}: what is claimed", "claimed"),
        _figure(
            blend(counts, asked, 0.8),
            f"{target}: how often chosen",
            "hubs",
            scale=("never", f"{int(hubs.max())} times (log scale)"),
        ),
        _figure(
            blend(wanted, asked, 0.8),
            f"{target}: how strongly wanted, the maximum of Eq. 1",
            "wanted",
            scale=("0", "1: surely"),
        ),
    )


def show_redrawn(comparison: Comparison, ctx: Context, survey: Survey) -> str:
    """The asking picture, drawn with what it matches in the other."""
    source, target = (title.lower() for title in comparison.titles)
    asker, _ = _pictures(comparison, ctx)
    kept = comparison.kept(ctx, comparison.asked)
    soft, hard = redraw(comparison.pair(ctx), kept.picture, survey, comparison.config)
    return _figures(
        f"The {source} drawn with nothing but the {target}. Softly: each place gets the mean of "
        "the colours it wants, weighted by CX; at a large h all places want the same, and it turns "
        "grey. Hard: the best patch, as it is.",
        _figure(asker, f"The {source}", "asker"),
        _figure(_enlarge(soft), "Drawn softly, weighted by CX", "soft"),
        _figure(_enlarge(hard), "Drawn with the best patches", "hard"),
    )


def show_place(comparison: Comparison, ctx: Context, survey: Survey) -> str:
    """What a place weight does, and what remains when the place is locked."""
    source, target = comparison.titles
    asker, asked = _pictures(comparison, ctx)
    pair = comparison.pair(ctx)
    same = pair.same_place()
    missing = 1 - survey.won_affinity
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{s.similarity:.3f}</td><td>{s.loss:.3f}</td>'
        f"<td>{percent(s.claimed)}</td></tr>"
        for name, s in _places(pair, comparison.config, survey)
    )
    table = (
        '<table class="cxm-table cxm-wide"><caption>What the place does to the loss</caption>'
        '<thead><tr><th scope="col">place weight</th><th scope="col">CX</th><th scope="col">loss'
        f'</th><th scope="col">claimed</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    top = max(1.0, float(same.max()))
    return _figures(
        "<b>The perceptual loss next to it.</b> It compares the same features at the same place: "
        f"the mean of the left map, here <b>{float(same.mean()):.3f}</b>. Shift a picture by a few "
        "pixels and that map explodes, while the right one stays near 0: every patch is still "
        "there, only elsewhere. The contextual loss does not turn into the perceptual one when the "
        "place is locked: with a single candidate in each row every CX<sub>ii</sub> is 1 whatever "
        "it looks like, and the loss is 0 and blind (last line of the table). What they share is "
        "the distance d; the perceptual loss takes it at the same place, without Eqs. 2 to 5.",
        _figure(
            blend(draw_heat_map(same.numpy(), 0.0, top), asker, 0.8),
            f"{source}: distance d to the patch at the same place",
            "same-place",
            scale=("0", f"{top:.2g}"),
        ),
        _figure(
            blend(draw_heat_map(missing.numpy(), 0.0, 1.0), asked, 0.8),
            f"{target}: 1 − max CX, what nobody wants for sure",
            "unwanted",
            scale=("0: wanted", "1"),
        ),
        after=table,
    )


def _places(
    pair: PatchSimilarity, config: PatchSimilarityConfig, survey: Survey
) -> list[tuple[str, Survey]]:
    """Surveys anywhere, as set, and with the place locked."""
    weight = config.spatial_weight
    found = [("0: anywhere", pair.survey(config, spatial_weight=0.0) if weight else survey)]
    if weight:
        found.append((f"{weight:g}: as set", survey))
    locked = pair.survey(config, spatial_weight=LOCKED)
    return [*found, ("locked: only the same place", locked)]


def _pictures(comparison: Comparison, ctx: Context) -> tuple[Image.Image, Image.Image]:
    """The two at the size at which they are drawn, the asking one first."""
    asker, asked = (
        _enlarge(comparison.kept(ctx, picture).picture)
        for picture in (comparison.asker, comparison.asked)
    )
    return asker, asked


def _enlarge(image: Tensor) -> Image.Image:
    """A picture with a long side of SIDE; cells stay square-edged."""
    picture = images.to_pil(image)
    factor = SIDE / max(picture.size)
    width, height = (round(side * factor) for side in picture.size)
    smooth = max(picture.size) > SIDE // 4
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return picture.resize((width, height), how)


def _figures(said: str, *figures: str, toggle: str = "", after: str = "") -> str:
    switch = (
        f'<label class="cxm-toggle"><input type="checkbox" class="cxm-show-{toggle}"> {toggle}'
        "</label>"
        if toggle
        else ""
    )
    shown = f'<div class="cxm-row">{"".join(figures)}</div>'
    return f'<div class="cxm-view"><p>{said}</p>{switch}{shown}{after}</div>'


def _figure(
    picture: Image.Image,
    caption: str,
    name: str,
    *,
    overlay: str = "",
    scale: tuple[str, str] | None = None,
) -> str:
    """A picture with its caption, its scale, and a way to save it."""
    url = png_url(picture)
    legend = (
        f'<div class="cxm-scale"><i style="background:{gradient_css()}"></i><output>{scale[0]}'
        f"</output><output>{scale[1]}</output></div>"
        if scale
        else ""
    )
    return (
        f'<figure><div class="cxm-frame"><img src="{url}" alt="{caption}">{overlay}</div>{legend}'
        f'<figcaption>{caption} <a class="cxm-save" href="{url}" download="cxdemo-{name}.png" '
        f'aria-label="Save: {caption}">save</a></figcaption></figure>'
    )


def _arrows(survey: Survey, size: tuple[int, int]) -> str:
    """Arrows from some patches to the place of their best match, as an overlay."""
    rows, columns = survey.choice.shape
    every = max(1, max(rows, columns) // ARROWS)
    width, height = size
    lines: list[str] = []
    for row in range(every // 2, rows, every):
        for column in range(every // 2, columns, every):
            target = divmod(int(survey.choice[row, column]), survey.winner.shape[1])
            x, y = _centre((row, column), (rows, columns), size)
            u, v = _centre(target, (survey.winner.shape[0], survey.winner.shape[1]), size)
            lines.append(f'<path d="M{x:.0f},{y:.0f} L{u:.0f},{v:.0f}"/>')
    return (
        f'<svg class="cxm-arrows" viewBox="0 0 {width} {height}" aria-hidden="true"><defs><marker '
        'id="cxm-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>'
        f'<g marker-end="url(#cxm-head)">{"".join(lines)}</g></svg>'
    )


def _line_drawing(
    asker: Image.Image,
    asked: Image.Image,
    survey: Survey,
    matches: Sequence[tuple[Cell, Cell, float]],
) -> str:
    gap = 36
    width = asker.width + gap + asked.width
    height = max(asker.height, asked.height)
    x_grid = (survey.choice.shape[0], survey.choice.shape[1])
    y_grid = (survey.winner.shape[0], survey.winner.shape[1])
    strongest = max((affinity for _, _, affinity in matches), default=1.0)
    lines: list[str] = []
    colors = place_colors(*x_grid)
    for source, target, affinity in reversed(matches):
        x, y = _centre(source, x_grid, asker.size)
        u, v = _centre(target, y_grid, asked.size)
        u += asker.width + gap
        share = affinity / strongest
        color = "#{:02x}{:02x}{:02x}".format(*colors[source])
        path = f"M{x:.1f},{y:.1f} L{u:.1f},{v:.1f}"
        wide = 1 + 2.2 * share
        lines.append(
            f'<g opacity="{0.35 + 0.65 * share:.2f}"><path d="{path}" stroke="#10131A" '
            f'stroke-width="{wide + 1.6:.1f}"/><path d="{path}" stroke="{color}" stroke-width='
            f'"{wide:.1f}"><title>CX {percent(affinity)}</title></path>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{color}" stroke="#10131A"/>'
            f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3.4" fill="{color}" stroke="#10131A"/></g>'
        )
    return (
        f'<svg class="cxm-lines" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{len(matches)} matches">'
        f'<image href="{to_data_url(asker)}" width="{asker.width}" height="{asker.height}"/>'
        f'<image href="{to_data_url(asked)}" x="{asker.width + gap}" width="{asked.width}" '
        f'height="{asked.height}"/>{"".join(lines)}</svg>'
    )


def _centre(cell: Cell, grid: Cell, size: tuple[int, int]) -> tuple[float, float]:
    """Pixel in the middle of a cell."""
    return (cell[1] + 0.5) * size[0] / grid[1], (cell[0] + 0.5) * size[1] / grid[0]


def _escape_url(svg: str) -> str:
    from urllib.parse import quote

    return quote(svg, safe=" =:/;,+")
