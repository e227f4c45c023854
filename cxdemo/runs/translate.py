"""A face translated into another domain, as the page and the command line see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cxdemo.engine.context import Context
from cxdemo.faces import Framing
from cxdemo.faces.choice import ChosenFace, read_face
from cxdemo.pipelines.face_translation import EYES
from cxdemo.runs.face_domain import TargetTerm

FRAMING = Framing(apart=EYES[1][0] - EYES[0][0], down=EYES[0][1])
SIDE = 256  # pixels of what is shown; the generator makes a quarter
ENLARGER = "cx"


@dataclass(frozen=True, kw_only=True)
class Translated:
    """A translation as people look at it.

    Attributes:
        before: The crop, (1, 3, 256, 256) in [0, 1].
        after: What it became, of the same shape.
        whole: The picture with it, (1, 3, H, W).
        translation: As the pipeline made it.
    """

    before: Tensor
    after: Tensor
    whole: Tensor
    translation: Any


def translate_face(ctx: Context, chosen: ChosenFace | None, name: str) -> Translated:
    """A chosen face in another domain, enlarged and pasted back.

    Raises:
        ValueError: No face is chosen, or there is no such direction.
    """
    picture, aligned = read_face(chosen, SIDE, framing=FRAMING)
    translation = ctx.translate(aligned.crop.to(ctx.device), ctx.load_translator(name))
    after = ctx.load_upscaler(ENLARGER)(translation.image).clamp(0, 1).cpu()
    whole = aligned.paste_back(picture, after, mask=after.new_ones(1, 1, *after.shape[-2:]))
    return Translated(before=aligned.crop, after=after, whole=whole, translation=translation)


def figures_of(made: Translated, term: TargetTerm | None) -> dict[str, Any]:
    """What the loss sees of a translation, for JSON."""
    found = made.translation
    figures = {
        "source_term": round(found.source_term, 4),
        "change": round(found.moved, 4),
        "seconds": round(found.seconds, 4),
    }
    if term is not None:
        figures |= {"target_term_before": round(term.before, 4)}
        figures |= {"target_term_after": round(term.after, 4)}
    return figures
