"""The answer of one patch as a figure for slides and papers: PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxdemo import images
from cxdemo.figures.overlay import COLORS
from cxdemo.figures.print_frame import (
    ACCENT,
    BOLD,
    COLUMN,
    FONT,
    GRID,
    HEAD,
    INK,
    LARGE,
    LOWEST,
    MARGIN,
    SMALL,
    SOFT,
    WIDTH,
    Layout,
    add_axes,
    add_picture_axes,
    for_print,
    height_of,
    left_of,
    print_settings,
    versions,
    write,
)
from cxdemo.pipelines.patch_similarity import (
    EPS,
    Answer,
    Candidate,
    Cell,
    PatchSimilarityConfig,
    fit_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORST = 3.0  # relative distance at the dark end of its scale


BINS = 40


OPACITY = 0.82  # of the colours over the greyed picture


TOP = 5


class Scale(NamedTuple):
    """How one of the four steps is drawn; `dark` may be the larger number."""

    name: str
    symbol: str
    equation: str
    values: NDArray[np.float32]
    dark: float
    bright: float
    clipped: bool = False


def draw_figure(
    source_picture: Image.Image,
    target_picture: Image.Image,
    answer: Answer,
    config: PatchSimilarityConfig,
    *,
    pair_names: Sequence[str] = ("Source", "Target"),
) -> Figure:
    """What one patch sees in the other picture, with all steps from d to CX and their numbers.

    Args:
        source_picture: The picture that asks: the target where the configuration says so.
        target_picture: The picture that is asked.
        answer: Of the patch.
        config: Of the answer.
        pair_names: What the two are called, the asking one first.
    """
    from matplotlib.figure import Figure

    grid = _grid_of(source_picture, config)
    asker, asked = for_print(source_picture), for_print(target_picture)
    layout = Layout(max(height_of(asker), height_of(asked), LOWEST), height_of(asked))
    with print_settings():
        figure = Figure(figsize=(WIDTH, layout.height), facecolor="white")
        _draw_title(figure, answer, config, layout, pair_names)
        _draw_asker(
            add_picture_axes(figure, layout, 0, asker), asker, grid, answer.cell, pair_names
        )
        _draw_asked(add_picture_axes(figure, layout, 1, asked), asked, answer, pair_names)
        _draw_histogram(add_axes(figure, layout, 2, layout.first, layout.upper), answer)
        write(figure, layout, left_of(2), layout.first - HEAD, "All its distances", **BOLD)
        _draw_numbers(figure, layout, answer)
        for column, scale in enumerate(scales_of(answer)):
            _draw_map(figure, layout, column, asked, answer, scale)
        _draw_footer(figure, layout, answer, config, grid)
    return figure


def scales_of(answer: Answer) -> list[Scale]:
    """The four steps, each with the numbers at both ends of its colours: bright is wanted."""
    d, r, w, cx = (step.numpy() for step in answer.steps)
    return [
        Scale("Distance", r"$d_{ij}$", r"$d_{ij} = 1 - \cos(x_i - \mu,\; y_j - \mu)$",
              d, float(d.max()), float(d.min())),
        Scale("Relative distance", r"$r_{ij}$",
              r"$r_{ij} = d_{ij} \,/\, (\mathrm{min}_k\, d_{ik} + \epsilon)$",
              r, WORST, 1.0, clipped=True),
        Scale("Weight", r"$w_{ij}$", r"$w_{ij} = \exp\,((1 - r_{ij}) \,/\, h)$",
              w, 0.0, float(w.max())),
        Scale("Affinity, its share of the vote", r"$\mathrm{CX}_{ij}$",
              r"$\mathrm{CX}_{ij} = w_{ij} \,/\, \Sigma_k\, w_{ik}$", cx, 0.0, float(cx.max())),
    ]  # fmt: skip


def _grid_of(picture: Image.Image, config: PatchSimilarityConfig) -> Cell:
    """Rows and columns of a picture's map."""
    height, width = fit_picture(images.to_tensor(picture), config).shape[2:]
    return height // config.stride, width // config.stride


def _draw_title(
    figure: Figure,
    answer: Answer,
    config: PatchSimilarityConfig,
    layout: Layout,
    names: Sequence[str],
) -> None:
    best = answer.best(1)[0]
    total = answer.steps.affinity.numel()
    few = round(answer.candidates)
    spread = "goes to one patch alone" if few <= 1 else f"is spread over about {few}"
    title = f"What one patch of the {_lower(names[0])} sees in the {_lower(names[1])}"
    said = (
        f"Its vote {spread} of {total:_} patches (h = {config.bandwidth:g}); the best of them gets "
        f"{100 * best.affinity:.1f} %."
    ).replace("_", "\u202f")
    write(figure, layout, MARGIN, 0.36, title, fontsize=LARGE, fontweight="bold")
    write(figure, layout, MARGIN, 0.62, said, fontsize=FONT, color=SOFT)


def _lower(name: str) -> str:
    return name.lower() if name in {"Source", "Target"} else name


def _show(axes: Axes, picture: Image.Image, grid: Cell) -> None:
    """A picture in the coordinates of its cells."""
    rows, columns = grid
    axes.imshow(
        np.asarray(picture), extent=(0, columns, rows, 0), aspect="auto", interpolation="none"
    )
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)


def _head(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (0, 1), (0, 72 * HEAD), xycoords="axes fraction", textcoords="offset points", **BOLD
    )


def _below(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (0, 0), (0, -7), xycoords="axes fraction", textcoords="offset points",
        va="top", fontsize=SMALL, color=SOFT, linespacing=1.35,
    )  # fmt: skip


def _draw_asker(
    axes: Axes, picture: Image.Image, grid: Cell, cell: Cell, names: Sequence[str]
) -> None:
    rows, columns = grid
    _show(axes, picture, grid)
    style: dict[str, Any] = {"color": GRID, "linewidth": 0.25, "alpha": 0.35}
    axes.hlines(np.arange(1, rows), 0, columns, **style)
    axes.vlines(np.arange(1, columns), 0, rows, **style)
    _box(axes, cell, "#FFFFFF", None, grid)
    _head(axes, f"{names[0]}: the patch that asks")
    _below(axes, f"row {cell[0]}, column {cell[1]}, of {rows} × {columns}")


def _draw_asked(axes: Axes, picture: Image.Image, answer: Answer, names: Sequence[str]) -> None:
    grid = _grid(answer)
    _show(axes, picture, grid)
    best = answer.best(TOP)
    for rank in reversed(range(len(best))):  # the first on top
        _box(axes, best[rank].cell, COLORS[rank], rank + 1, grid)
    _head(axes, f"{names[1]}: its five nearest patches")
    _below(axes, f"of {grid[0]} × {grid[1]}, numbered by distance")


def _grid(answer: Answer) -> Cell:
    rows, columns = answer.steps.distance.shape
    return rows, columns


def _box(axes: Axes, cell: Cell, color: str, number: int | None, grid: Cell) -> None:
    """A frame round a cell, and a number beside it on the side that has room."""
    from matplotlib.patches import Rectangle

    row, column = cell
    room = max(grid) / 160  # cells between the patch and its frame
    corner, side = (column - room, row - room), 1 + 2 * room
    for width, edge in ((3.0, INK), (1.5, color)):
        axes.add_patch(
            Rectangle(corner, side, side, fill=False, edgecolor=edge, linewidth=width, zorder=3)
        )
    if number is None:
        return
    axes.annotate(
        str(number), (column + 0.5, row + 0.5), _number_offset(number, cell, grid),
        textcoords="offset points", ha="center", va="center", fontsize=9, fontweight="bold",
        color=INK, zorder=5 - number / 10,
        bbox={"boxstyle": "circle,pad=0.18", "facecolor": color, "edgecolor": INK,
              "linewidth": 0.8},
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.9, "shrinkA": 5, "shrinkB": 0},
    )  # fmt: skip


def _number_offset(number: int, cell: Cell, grid: Cell) -> tuple[float, float]:
    """Points from the centre of a cell to its number; neighbours' numbers fan out."""
    inward = 90 if cell[0] > grid[0] / 2 else -90  # degrees: up or down, to the far side
    side = 1 if cell[1] < grid[1] / 2 else -1
    angle = np.deg2rad(inward - side * (36 * (number - 2) if inward > 0 else -36 * (number - 2)))
    return 25 * float(np.cos(angle)), 25 * float(np.sin(angle))


def _draw_histogram(axes: Axes, answer: Answer) -> None:
    """How many patches lie at which distance, and how much each would be wanted."""
    d = answer.steps.distance.numpy().ravel()
    axes.hist(d, bins=BINS, color="#AEB8C6", edgecolor="white", linewidth=0.4)
    high = max(float(d.max()), 1e-6)
    axes.set_xlim(-0.02 * high, high)
    axes.set_xlabel(r"distance $d_{ij}$", fontsize=SMALL, labelpad=2)
    axes.set_ylabel("patches", fontsize=SMALL, labelpad=2)
    axes.tick_params(labelsize=SMALL - 1, length=3, pad=2)
    axes.spines["top"].set_visible(False)
    wanted = axes.twinx()
    x = answer.nearest + (high - answer.nearest) * np.linspace(0, 1, 400) ** 3
    relative = x / (answer.nearest + EPS)
    weight = np.exp((1 - relative.clip(min=1)) / answer.bandwidth)
    wanted.plot(x, weight, color=ACCENT, linewidth=1.8)
    wanted.set_ylim(0, 1.05)
    wanted.set_ylabel(
        r"weight $\exp((1 - r)/h)$", fontsize=SMALL, color=ACCENT, labelpad=3, rotation=270,
        va="bottom",
    )  # fmt: skip
    wanted.tick_params(labelsize=SMALL - 1, length=3, pad=2, colors=ACCENT)
    wanted.spines["top"].set_visible(False)
    wanted.axvline(answer.nearest, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    _narrow(axes, wanted)


def _narrow(*both: Axes) -> None:
    """Room for the labels on both sides, inside the column."""
    left, bottom, width, height = both[0].get_position().bounds
    for axes in both:
        axes.set_position((left + 0.45 / WIDTH, bottom, width - 0.95 / WIDTH, height))


def _draw_numbers(figure: Figure, layout: Layout, answer: Answer) -> None:
    """What the equations need of this row, and its five nearest patches."""
    left, top = left_of(3), layout.first
    write(figure, layout, left, top - HEAD, "Its numbers", **BOLD)
    lines = (
        (r"nearest, $\mathrm{min}_k\, d_{ik}$", f"{answer.nearest:.4f}"),
        (r"temperature, $h\,(\mathrm{min}_k\, d_{ik} + \epsilon)$", f"{answer.temperature:.5f}"),
        ("candidates, exp(entropy)", f"{answer.candidates:.1f}"),
    )
    for index, (name, value) in enumerate(lines):
        y = top + 0.15 + 0.24 * index
        write(figure, layout, left, y, name, fontsize=SMALL)
        write(figure, layout, left + COLUMN, y, value, fontsize=SMALL, ha="right")
    _draw_table(figure, layout, answer.best(TOP), top + 1.0)


_RIGHT_EDGES = (0.31, 0.48, 0.63, 0.77, 1.0)  # of the columns, as shares of the width


def _draw_table(figure: Figure, layout: Layout, best: Sequence[Candidate], top: float) -> None:
    """The nearest patches, one a line, numbers on their right edges."""
    left = left_of(3)
    names = ("row, col", r"$d_{ij}$", r"$r_{ij}$", r"$w_{ij}$", r"$\mathrm{CX}_{ij}$")
    for name, edge in zip(names, _RIGHT_EDGES, strict=True):
        write(figure, layout, left + edge * COLUMN, top, name, fontsize=SMALL, color=SOFT,
              ha="right")  # fmt: skip
    _rule(figure, layout, top + 0.08)
    for rank, candidate in enumerate(best):
        y = top + 0.3 + 0.245 * rank
        write(
            figure, layout, left + 0.1, y, str(rank + 1), fontsize=9, fontweight="bold",
            ha="center",
            bbox={"boxstyle": "circle,pad=0.18", "facecolor": COLORS[rank], "edgecolor": INK,
                  "linewidth": 0.8},
        )  # fmt: skip
        for text, edge in zip(_row_of(candidate), _RIGHT_EDGES, strict=True):
            write(figure, layout, left + edge * COLUMN, y, text, fontsize=SMALL, ha="right")


def _row_of(candidate: Candidate) -> tuple[str, ...]:
    row, column = candidate.cell
    weight = f"{candidate.weight:.2f}" if candidate.weight < 100 else f"{candidate.weight:.0f}"
    return (
        f"{row}, {column}",
        f"{candidate.distance:.3f}",
        f"{candidate.relative:.2f}",
        weight,
        f"{100 * candidate.affinity:.1f} %",
    )


def _rule(figure: Figure, layout: Layout, y: float) -> None:
    from matplotlib.lines import Line2D

    left, height = left_of(3), 1 - y / layout.height
    ends = (left / WIDTH, (left + COLUMN) / WIDTH)
    figure.add_artist(Line2D(ends, (height, height), color=SOFT, linewidth=0.6))


def _draw_map(
    figure: Figure,
    layout: Layout,
    column: int,
    picture: Image.Image,
    answer: Answer,
    scale: Scale,
) -> None:
    """One step over the greyed picture, with its name, equation and colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    height = height_of(picture)
    width = height * picture.width / picture.height
    axes = add_axes(figure, layout, column, layout.second, height, width)
    grid = _grid(answer)
    low, high = sorted((scale.dark, scale.bright))
    colors = ScalarMappable(Normalize(low, high), _palette(scale))
    _show(axes, _lay_over(picture, colors.to_rgba(scale.values, bytes=True)), grid)
    row, place = answer.best(1)[0].cell
    for line, color in ((2.2, INK), (1.1, "#FFFFFF")):
        axes.plot(place + 0.5, row + 0.5, "o", markersize=11, fillstyle="none", color=color,
                  markeredgewidth=line)  # fmt: skip
    left = left_of(column)
    write(figure, layout, left, layout.second - 0.39, scale.name, **BOLD)
    write(figure, layout, left, layout.second - 0.13, scale.equation, fontsize=FONT)
    bar_axes = add_axes(figure, layout, column, layout.second + height + 0.12, 0.11, width)
    bar = figure.colorbar(
        colors, cax=bar_axes, orientation="horizontal",
        extend="max" if scale.clipped else "neither", extendfrac=0.04,
    )  # fmt: skip
    _finish_bar(bar, scale)


def _palette(scale: Scale) -> str:
    """Cividis, which colour-blind people read like everyone, with its bright end where it is."""
    return "cividis" if scale.bright > scale.dark else "cividis_r"


def _lay_over(picture: Image.Image, colors: NDArray[np.uint8]) -> Image.Image:
    """Colours (H, W, 4) of the cells over the greys of a picture."""
    grey = picture.convert("L").convert("RGB")
    over = Image.fromarray(colors[..., :3]).resize(picture.size, Image.Resampling.NEAREST)
    return Image.blend(grey, over, OPACITY)


def _finish_bar(bar: Any, scale: Scale) -> None:
    """Ticks at round numbers, bright to the right, and what it shows."""
    from matplotlib.ticker import MaxNLocator

    bar.outline.set_linewidth(0.5)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
    bar.ax.tick_params(labelsize=SMALL - 1, length=3, pad=2)
    if scale.bright < scale.dark:
        bar.ax.invert_xaxis()
    note = f"{scale.symbol}, clipped at {scale.dark:g}" if scale.clipped else scale.symbol
    bar.ax.set_xlabel(note, fontsize=SMALL, labelpad=2)


def _draw_footer(
    figure: Figure, layout: Layout, answer: Answer, config: PatchSimilarityConfig, grid: Cell
) -> None:
    rows, columns = _grid(answer)
    network = "RGB patches of 5 × 5 pixels" if config.layer == "rgb" else (
        f"{config.layer} of {config.backbone}"
    )  # fmt: skip
    asks = "the source asks" if config.asks == "source" else "the target asks"
    parts = (
        network,
        f"h = {config.bandwidth:g}",
        f"{config.used_size} px, {grid[0]} × {grid[1]} and {rows} × {columns} positions",
        f"place weight {config.spatial_weight:g}",
        asks,
        "bright = wanted, ○ = nearest",
        versions(),
    )
    y = layout.height - 0.16
    write(figure, layout, MARGIN, y, "  ·  ".join(parts), fontsize=SMALL - 1, color=SOFT)
