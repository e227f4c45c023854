"""A comparison as the address of the page, and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from cxdemo.gallery.match import MATCH_EXAMPLES, MatchExample, find_example
from cxdemo.options import options_of, parse_value, read_config
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from cxdemo.runs.match import HERE, Comparison, Place

TAB_ID = "patch-similarity"


def write_link(comparison: Comparison) -> dict[str, str]:
    """Parameters of an address that shows this comparison again.

    Settings that are the example's own are left out. Pictures of the visitor's own do not fit into
    an address: the settings then apply to the first example.
    """
    x, y = comparison.place
    link = {"tab": TAB_ID, "example": comparison.example or "", "x": _short(x), "y": _short(y)}
    example = find_example(comparison.example) or MATCH_EXAMPLES[0]
    usual = PatchSimilarityConfig(**example.changes)
    for name in options_of(PatchSimilarityConfig):
        value = getattr(comparison.config, name)
        if value != getattr(usual, name):
            link[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return {name: value for name, value in link.items() if value}


def read_link(search: str) -> Comparison:
    """The comparison of an address; what it leaves out or gets wrong is the default.

    Args:
        search: The part from the question mark on; may be empty.
    """
    given = {name: values[0] for name, values in parse_qs(search.lstrip("?")).items()}
    chosen = find_example(given.get("example"))
    example = chosen or MATCH_EXAMPLES[0]
    comparison = example.open()
    if given.get("tab") != TAB_ID:
        return comparison
    config = _read_settings(given, example)
    return Comparison(
        source=comparison.source,
        target=comparison.target,
        config=config,
        place=_read_place(given) or example.place,
        example=example.name,
    )


def _read_settings(given: dict[str, str], example: MatchExample) -> PatchSimilarityConfig:
    known = options_of(PatchSimilarityConfig)
    read = {name: parse_value(known[name], given[name]) for name in known if name in given}
    values: dict[str, Any] = example.changes | read
    try:
        return read_config(PatchSimilarityConfig, values)
    except ValueError:
        return PatchSimilarityConfig(**example.changes)


def _read_place(given: dict[str, str]) -> Place | None:
    try:
        x, y = float(given["x"]) / 100, float(given["y"]) / 100
    except (KeyError, ValueError):
        return None
    return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else HERE


def _short(share: float) -> str:
    return f"{100 * share:.4g}"
