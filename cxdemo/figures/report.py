"""The numbers of a patch and of its pair: for people, and for programs."""

from __future__ import annotations

from typing import Any

from cxdemo.pipelines.patch_similarity import (
    Answer,
    Candidate,
    PatchSimilarityConfig,
    Survey,
)

Place = tuple[float, float]  # shares of width and height, from the top left


def read_place(text: str, size: tuple[int, int]) -> Place:
    """A place such as `120,80` or `40%,35%` as shares of a picture's sides.

    Args:
        text: Two numbers, x before y: pixels that count from 0, or percents.
        size: Width and height of the picture, pixels.

    Raises:
        ValueError: It is not a place, or it lies outside of the picture.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2:
        raise ValueError(f"A place is X,Y such as 120,80 or 40%,35%, got {text!r}.")
    x, y = (_read_share(*given) for given in zip(parts, size, ("x", "y"), strict=True))
    return x, y


def _read_share(text: str, side: int, axis: str) -> float:
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError as error:
        raise ValueError(f"{axis} must be a number of pixels or percents, got {text!r}.") from error
    last, unit = (100, " %") if percent else (side - 1, "")
    if not 0 <= value <= last:
        raise ValueError(
            f"{axis} = {text} lies outside of the picture of {side} pixels: give 0 to {last}{unit}."
        )
    return value / 100 if percent else (value + 0.5) / side


def describe_numbers(
    answer: Answer, survey: Survey, config: PatchSimilarityConfig, place: Place
) -> dict[str, Any]:
    """All numbers of a query and of its pair, for JSON."""
    return describe_answer(answer, config, place) | describe_survey(survey)


def describe_answer(answer: Answer, config: PatchSimilarityConfig, place: Place) -> dict[str, Any]:
    """A query, its settings and its numbers, for JSON."""
    return {
        "made_by": "cxdemo",
        "pipeline": "patch_similarity",
        "config": config.as_dict(),
        "place": [round(share, 6) for share in place],
        "cell": list(answer.cell),
        "nearest_distance": answer.nearest,
        "temperature": answer.temperature,
        "candidates": answer.candidates,
        "best": [_as_dict(candidate) for candidate in answer.best(5)],
    }


def describe_survey(survey: Survey) -> dict[str, Any]:
    """What the loss makes of the pair, for JSON."""
    return {
        "grids": [list(survey.choice.shape), list(survey.winner.shape)],
        "contextual_similarity": survey.similarity,
        "contextual_loss": survey.loss,
        "claimed": survey.claimed,
        "distinct": survey.distinct,
    }


def tell_numbers(answer: Answer, survey: Survey, config: PatchSimilarityConfig) -> str:
    """The same as lines of text."""
    asker, asked = ("source", "target") if config.asks == "source" else ("target", "source")
    grid, other = (f"{of.shape[0]} x {of.shape[1]}" for of in (survey.choice, survey.winner))
    row, column = answer.cell
    best = [_line(rank, candidate) for rank, candidate in enumerate(answer.best(5), start=1)]
    lines = [
        f"row {row}, column {column} of the {asker}'s {grid} asks the {asked}'s {other} positions",
        f"  min d         {answer.nearest:.6f}   its nearest distance",
        f"  temperature   {answer.temperature:.6f}   h (min d + eps), h = {config.bandwidth:g}",
        f"  candidates    {answer.candidates:.6f}   as undecided as between so many",
        "",
        f"     {'row':>4} {'column':>6} {'d':>10} {'r':>12} {'w':>12} {'CX':>10}",
        *best,
        "",
        f"all patches of the {asker}",
        f"  CX(x, y)      {survey.similarity:.6f}",
        f"  loss          {survey.loss:.6f}   -log CX(x, y)",
        f"  claimed       {100 * survey.claimed:.2f} %   of the {asked}'s patches",
        f"  distinct      {100 * survey.distinct:.2f} %   of the choices",
    ]
    return "\n".join(lines)


def _line(rank: int, candidate: Candidate) -> str:
    (row, column), d, r, w, cx = candidate
    return f"  {rank}. {row:>4} {column:>6} {d:>10.6f} {r:>12.6f} {w:>12.6f} {cx:>10.6f}"


def _as_dict(candidate: Candidate) -> dict[str, Any]:
    return {name: list(v) if name == "cell" else v for name, v in candidate._asdict().items()}
