"""The words of the lesson, one catalogue a language, with the same keys in each.

`{name}` stands for a number that the page fills in; `[[part:words]]` are words that light up a part
of the picture.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "en", "zh": "zh-CN"}
"""Names in addresses, and of the catalogues."""


@cache
def read_texts(language: str) -> dict[str, str]:
    """The catalogue of one of `LANGUAGES`' values."""
    path = Path(__file__).resolve().parent / f"{language}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def bare(text: str) -> str:
    """A text without the marks of words that light up.

    Example:
        >>> bare("Each [[rows:row]] is a vote.")
        'Each row is a vote.'
    """
    return re.sub(r"\[\[\w+:(.*?)\]\]", r"\1", text)
