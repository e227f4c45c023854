"""Names that somebody mistyped."""

# pyright: strict

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: a question that has the nearest known one.

    Returns:
        A sentence with a space before it. "": no known name is near.

    Example:
        >>> suggest("conv4_22", ["conv1_1", "conv4_2"])
        " Did you mean 'conv4_2'?"
        >>> suggest("lpips", ["conv1_1", "conv4_2"])
        ''
    """
    nearest = get_close_matches(name[:60], list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
