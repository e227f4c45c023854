"""One page of exercises with answers, in each language, from the app's own numbers.

    python -m cxdemo.lessons.exercises --lang zh > exercises.html

No answer is typed in: `work_out` computes every number with the core, or reads what was measured.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo.lessons.measure import GRID, SHIFTS, read_distances, read_numbers
from cxdemo.lessons.texts import LANGUAGES, bare, read_texts

NOTEBOOK = Path(__file__).resolve().parent / "contextual_loss.ipynb"
COUNT = 8
EPS = 1e-5
EYE = 6 * GRID + 5  # the cell of Einstein's eye
VOTES = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.0, 0.4, 0.6]])  # of exercise 4
PLACES = (0.0, 5.0, 100.0)  # weights of exercise 6


def votes_of(distances: Tensor, bandwidth: float) -> Tensor:
    """Eqs. 2 to 4 for rows of distances: the last dimension adds up to 1."""
    nearest = distances.amin(dim=-1, keepdim=True)
    return ((1 - distances / (nearest + EPS)) / bandwidth).softmax(dim=-1)


def weigh_place(distances: Tensor, weight: float, bandwidth: float = 0.5) -> tuple[float, float]:
    """The loss, and the mean distance to what is voted for, at one weight of the place."""
    side = math.isqrt(len(distances))
    cells = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float() / side
    affinity = votes_of(distances + weight * torch.cdist(cells, cells), bandwidth)
    similarity = affinity.amax(dim=0).mean()
    return float(-similarity.log()), float((affinity * distances).sum(dim=1).mean())


@cache
def work_out() -> dict[str, str]:
    """Every number of the sheet, as it is printed."""
    numbers, matrices = read_numbers(), {n: d.float() for n, d in read_distances().items()}
    eight = SHIFTS.index(8)
    three = torch.tensor([1.0, 2.0, 3.0])
    best, winner = VOTES.max(dim=0)
    idle = sorted({0, 1, 2} - set(winner.tolist()))
    eye = matrices["faces_conv5_1"][EYE]
    place = [weigh_place(matrices["place"], weight) for weight in PLACES]
    made: dict[str, Any] = {
        "l1": numbers["shift"]["l1"][eight],
        "cx": numbers["shift"]["cx"][eight],
        "r": ", ".join(f"{v:g}" for v in three),
        "w": ", ".join(f"{math.exp((1 - v) / 0.5):.3f}" for v in three),
        "share": _list(votes_of(three, 0.5)),
        "wide": _list(votes_of(three, 1.0)),
        "best": _list(best, 1),
        "similarity": f"{best.mean():.3f}",
        "loss": f"{-best.mean().log():.3f}",
        "idle": ", ".join(f"x{k + 1}" for k in idle),
        "highest": f"{math.log(6):.2f}",
        "small": f"{votes_of(eye, 0.1).max():.0%}",
        "large": f"{votes_of(eye, 1.0).max():.0%}",
        "loss_0": place[0][0],
        "loss_5": place[1][0],
        "loss_100": place[2][0],
        "voted_100": place[2][1],
        "perceptual": float(matrices["place"].diagonal().mean()),
        "red_l1": numbers["colour"]["l1"],
        "red_cx": numbers["colour"]["cx"],
        "red_rgb": numbers["colour"]["rgb"],
    }
    return {name: v if isinstance(v, str) else _short(v) for name, v in made.items()}


def _list(values: Tensor, digits: int = 3) -> str:
    return ", ".join(f"{v:.{digits}f}" for v in values.tolist())


def _short(value: float) -> str:
    return f"{abs(value) if abs(value) < 0.005 else value:.2f}"


def fill(text: str) -> str:
    """A text with its numbers."""
    return re.sub(r"\{(\w+)\}", lambda found: work_out()[found[1]], bare(text))


def show_sheet(language: str) -> str:
    """The sheet as a page of its own, answers on a new page when printed.

    Args:
        language: One of the values of `LANGUAGES`.
    """
    texts = read_texts(language)
    questions = "".join(f"<li>{fill(texts[f'exercise.{k}'])}</li>" for k in range(1, COUNT + 1))
    answers = "".join(
        f"<li>{fill(texts[f'exercise.{k}.answer'])}</li>" for k in range(1, COUNT + 1)
    )
    title = texts["exercise.title"]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{texts['exercise.lead']}</p><ol>{questions}</ol>"
        f"<section><h2>{texts['exercise.answers']}</h2><ol>{answers}</ol></section></main></body></html>"
    )


_STYLE = (
    "body{font:17px/1.55 ui-sans-serif,system-ui,sans-serif;color:#111;background:#fff;margin:0}"
    "main{max-width:44rem;margin:0 auto;padding:1.5rem}li{margin:.6rem 0}h1{line-height:1.2}"
    "@media print{section{break-before:page}body{font-size:12pt}}"
)


def main(arguments: list[str] | None = None) -> None:
    """Prints the sheet of a language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", choices=tuple(LANGUAGES), default="en", help="Of the sheet.")
    chosen = parser.parse_args(arguments)
    sys.stdout.write(show_sheet(LANGUAGES[chosen.lang]) + "\n")


if __name__ == "__main__":
    main()
