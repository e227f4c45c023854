"""All results that are shipped, by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cxdemo.gallery import clips, exemplar, faces, meter, overview, rivals, style
from cxdemo.gallery.made import Result
from cxdemo.spelling import suggest

KINDS: dict[str, Callable[[], list[Result]]] = {
    "faces": faces.results,  # first: those of the face tab start from them
    "style": style.results,
    "exemplar": exemplar.results,
    "clips": clips.results,
    "rivals": rivals.results,
    "meter": meter.results,
    "match": overview.match_results,
    "misaligned": overview.misaligned_results,
    "upscale": overview.upscale_results,
    "translate": overview.translate_results,
}
"""How the results of a kind are listed, in the order in which they are made."""


def list_results(asked: Sequence[str] = ()) -> list[Result]:
    """The results of some kinds, such as "style", or of parts of names, such as "style/cat".

    Raises:
        ValueError: A kind that there is not, or a part that no name of its kind has.
    """
    for each in asked:
        _check(each)
    every = [result for results in KINDS.values() for result in results()]
    return [result for result in every if not asked or _is_asked(result, asked)]


def _check(asked: str) -> None:
    kind = asked.partition("/")[0]
    if kind not in KINDS:
        raise ValueError(
            f"There is no kind of example named {kind!r}.{suggest(kind, KINDS)} "
            f"There are {', '.join(KINDS)}."
        )
    results = KINDS[kind]()
    if not any(_is_asked(result, [asked]) for result in results):
        names = ", ".join(result.name for result in results)
        raise ValueError(f"No example of {kind} has {asked!r} in its name. There are {names}.")


def _is_asked(result: Result, asked: Iterable[str]) -> bool:
    kind, _, name = result.name.partition("/")
    parts = (each.partition("/") for each in asked)
    return any(kind == of and part in name for of, _, part in parts)
