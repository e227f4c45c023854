"""Two languages on the page: English as it is written, and a catalogue that turns it into Chinese.

`gr.I18n` follows the browser alone: it knows no `?lang=zh`, no switch, and no HTML of ours. The
page is therefore built in English, and the browser replaces what the catalogue knows, see
`js/i18n.js`. The key of a text is the English text itself: a tab needs nothing to be translatable.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from cxdemo.ui.kit.page_script import read_script

CATALOGUE = Path(__file__).resolve().parent / "texts" / "zh-CN.json"


@cache
def read_catalogue() -> dict[str, str]:
    """English text -> Chinese text, for the whole page but the lesson, which has its own."""
    return json.loads(CATALOGUE.read_text(encoding="utf-8"))


def language_script() -> str:
    """The catalogue and what applies it, for the head of the page."""
    data = json.dumps(read_catalogue(), ensure_ascii=False).replace("</", "<\\/")
    return f"window.cxCatalogue = {data};\n{read_script('i18n')}"


def show_switch() -> str:
    """The button that changes the language; its label is the other one's name."""
    return '<button type="button" class="cx-language" lang="zh-CN">中文</button>'
