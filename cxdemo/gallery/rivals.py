"""Pairs for the rivals with finished results, and how these are computed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from cxdemo import examples
from cxdemo.engine.context import Context
from cxdemo.gallery.made import Result
from cxdemo.options import read_config
from cxdemo.pipelines.style_rivals import RIVALS, RivalsConfig
from cxdemo.runs.rivals import RivalsRun, Stand

FOLDER = examples.PICTURES / "lab"
QUALITY = 88  # of the stored JPEG


@dataclass(frozen=True, kw_only=True)
class RivalPair:
    """A content and a style of `cxdemo/examples`, and what to look for in the results.

    Args:
        name: Of the files.
        title: For people.
        content: File name without its ending.
        style: Likewise.
        note: One sentence, true to what the stored results show.
    """

    name: str
    title: str
    content: str
    style: str
    note: str

    def open(self) -> tuple[Image.Image, Image.Image]:
        """Content and style."""
        content, style = (
            examples.open_picture(examples.PICTURES / f"{name}.jpg")
            for name in (self.content, self.style)
        )
        return content, style


PAIRS = (
    RivalPair(
        name="cat_dog",
        title="Cat like a dog",
        content="photo_cat_chelsea",
        style="photo_dog",
        note=(
            "what becomes of the cat. Gram and sliced Wasserstein keep it and drag the green of "
            "the dog's forest into its eyes; patch matching paints dogs; relaxed EMD and the "
            "Contextual Loss put a dog's nose where the right eye was, and the latter is grainy."
        ),
    ),
    RivalPair(
        name="astronaut_cassatt",
        title="Astronaut, Summertime",
        content="portrait_astronaut",
        style="painting_cassatt_summertime",
        note=(
            "the face. Gram and sliced Wasserstein keep it and paint the lake around it, the best "
            "pictures here; patch matching and relaxed EMD put Cassatt's people into it; the "
            "Contextual Loss keeps the suit orange but blotches the face."
        ),
    ),
    RivalPair(
        name="monalisa_curie",
        title="Mona Lisa like M. Curie",
        content="portrait_monalisa",
        style="portrait_curie_1927",
        note=(
            "the colour. Curie's photograph is grey: all take that but the Contextual Loss, which "
            "stays brown. Patch matching makes the face Curie's and fills the background with "
            "more of her; the others leave blotches on the skin."
        ),
    ),
    RivalPair(
        name="mountain_starry",
        title="Mountain, Starry Night",
        content="photo_mountain",
        style="painting_starry_night",
        note=(
            "the sky. No face to get wrong: all five bring the night with a moon. Patch matching "
            "has the clearest strokes and gives up the mountain; the Contextual Loss has the "
            "strongest light, and grain."
        ),
    ),
    RivalPair(
        name="einstein_librarian",
        title="Einstein, The Librarian",
        content="portrait_einstein_1927",
        style="painting_arcimboldo_librarian",
        note=(
            "the faces. Sliced Wasserstein keeps Einstein's; Gram and relaxed EMD lay book pages "
            "over the eyes, and patch matching over everything; the Contextual Loss puts the "
            "librarian's features on his and leaves the green robe on people who wear none."
        ),
    ),
)


def open_result(pair: RivalPair, *, folder: Path = FOLDER) -> RivalsRun:
    """A run that has already finished.

    Raises:
        ValueError: There is no result, or it does not fit.
    """
    try:
        stored = json.loads((folder / f"rivals_{pair.name}.json").read_text(encoding="utf-8"))
        with Image.open(folder / f"rivals_{pair.name}.jpg") as file:
            strip = file.convert("RGB")
        config = read_config(RivalsConfig, stored["config"])
        width = strip.width // len(config.rivals)
        stands = {
            name: [
                Stand(
                    picture=strip.crop((place * width, 0, (place + 1) * width, strip.height)),
                    index=stored["results"][name]["steps"],
                    loss=stored["results"][name]["loss"],
                    seconds=0.0,
                )
            ]
            for place, name in enumerate(config.rivals)
        }
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"There is no stored result of {pair.name}: compute it first.") from error
    content, style = pair.open()
    return RivalsRun(content=content, style=style, config=config, note=pair.note, stands=stands)


def finished_pairs(*, folder: Path = FOLDER) -> list[RivalPair]:
    """Those that have a result."""
    return [pair for pair in PAIRS if (folder / f"rivals_{pair.name}.json").is_file()]


def make_result(pair: RivalPair, ctx: Context, *, folder: Path = FOLDER) -> RivalsRun:
    """Computes a pair with the default settings and stores it: a strip of pictures, and JSON."""
    content, style = pair.open()
    run = RivalsRun(content=content, style=style, config=_all_rivals())
    for _ in run.steps(ctx):
        pass
    pictures = [stand.picture for stand in run.last.values()]
    width, height = pictures[0].size
    strip = Image.new("RGB", (width * len(pictures), height))
    for place, picture in enumerate(pictures):
        strip.paste(picture, (place * width, 0))
    folder.mkdir(parents=True, exist_ok=True)
    strip.save(folder / f"rivals_{pair.name}.jpg", quality=QUALITY)
    text = json.dumps(_without_times(run.settings()), indent=2)
    (folder / f"rivals_{pair.name}.json").write_text(text + "\n", encoding="utf-8")
    return run


def _all_rivals() -> RivalsConfig:
    return replace(RivalsConfig(), rivals=tuple(RIVALS))


def _without_times(settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds say something of one machine and moment only."""
    results = {name: {**found, "seconds": None} for name, found in settings["results"].items()}
    return settings | {"seconds": None, "results": results}


def results() -> list[Result]:
    """The pairs, as `python -m cxdemo examples` makes them."""
    return [
        Result(
            name=f"rivals/{pair.name}",
            files=(FOLDER / f"rivals_{pair.name}.jpg", FOLDER / f"rivals_{pair.name}.json"),
            made_of=tuple(examples.PICTURES / f"{name}.jpg" for name in (pair.content, pair.style)),
            settings=_all_rivals().as_dict(),
            code=("cxdemo.pipelines.style_rivals",),
            make=partial(make_result, pair),
        )
        for pair in PAIRS
    ]
