"""The first tab, "Start here": the loss understood in seven steps, a picture and a question each.

The page sends numbers and texts; the browser draws and answers: `start.js`, `steps.js`, `math.js`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.lessons import measure
from cxdemo.lessons.texts import LANGUAGES, read_texts
from cxdemo.ui.kit.addresses import link
from cxdemo.ui.kit.shelf import put_on_shelf
from cxdemo.ui.start.files import DISTANCES, EXERCISES, NOTEBOOK

HERE = Path(__file__).resolve().parent
SCRIPTS = ("math.js", "start.js", "steps.js")
LINKS = {
    "style": link(tab="style-transfer", card=0),
    "exemplar": link(tab="face-to-face", section="exemplar"),
    "animate": link(tab="face-to-face", section="animate"),
    "puppet": link(tab="face-to-face", section="puppet"),
    "translate": link(tab="face-to-face", section="translate"),
    "sr": link(tab="super-resolution", card=0),
    "misaligned": link(tab="loss-lab", section="misaligned-data"),
    "match": link(tab="patch-similarity", example="faces"),
}
"""The rows of the table of applications by loss, and where each is seen."""


def build(ctx: Context) -> None:  # noqa: ARG001  the lesson needs no network
    """Puts the lesson on the page."""
    gr.HTML(
        html_template=(HERE / "start.html").read_text(encoding="utf-8"),
        js_on_load=read_script(),
        elem_id="cx-start",
        lesson=show_lesson(),
    )


def read_script() -> str:
    """The three scripts as one; `start.js` comes last, since it begins."""
    math, start, steps = ((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    frame, begin = start.rsplit("\nfollow();\n", 1)
    return f"{math}\n{frame}\n{steps}\nfollow();\n{begin}"


def show_lesson() -> dict[str, Any]:
    """What the browser draws from."""
    matrices = measure.read_distances()
    return {
        "texts": {name: read_texts(name) for name in LANGUAGES.values()},
        "numbers": measure.read_numbers(),
        "sizes": {name: len(d) for name, d in matrices.items()},
        "pictures": {name: put_on_shelf(picture) for name, picture in open_pictures().items()},
        "links": LINKS,
        "distances": DISTANCES,
        "exercises": EXERCISES,
        "notebook": NOTEBOOK,
    }


def open_pictures() -> dict[str, Any]:
    """The lesson's pictures by name, all of them squares."""
    cat, sky = measure.show_cat(), measure.open_sky()
    x, y = measure.place_pair()
    return {
        **{name: measure.open_face(name) for name in measure.FACES},
        "cat": cat,
        "recoloured": measure.exchange_channels(cat),
        "sky": sky,
        "noisy": measure.add_noise(sky),
        "place_x": images.to_pil(x),
        "place_y": images.to_pil(y),
    }
