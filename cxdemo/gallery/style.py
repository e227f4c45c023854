"""Examples of style transfer that are one click from a finished result, and how it is made."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES, open_picture
from cxdemo.figures.thumbnails import crop
from cxdemo.gallery.made import Result
from cxdemo.images import SETTINGS_KEY
from cxdemo.pipelines.style_transfer import StyleTransferConfig, load_preset
from cxdemo.runs.style import StyleRun, read_settings

RESULTS = PICTURES / "results"
SHEET = PICTURES / "overview" / "style_transfer.jpg"
GAP = 6  # pixels between two pictures on the sheet
CELL = 320  # pixels of a cell's height on the sheet
POINTS_KEPT = 60  # of the loss curve, in the metadata of a result

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A content and a style from `cxdemo/examples`, and the settings of the result."""

    title: str
    content: str
    style: str
    preset: str = "fine"
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the result's file, without its ending."""
        return f"{self.content}__{self.style}"

    @property
    def config(self) -> StyleTransferConfig:
        """Its settings."""
        return load_preset(self.preset, **self.changes)

    @property
    def pictures(self) -> tuple[Path, Path]:
        """Files of the content and of the style."""
        return PICTURES / f"{self.content}.jpg", PICTURES / f"{self.style}.jpg"

    @property
    def key(self) -> str:
        """Changes whenever a setting or a picture does, and makes an old result stale."""
        digest = hashlib.sha256(json.dumps(self.config.as_dict(), sort_keys=True).encode())
        for path in self.pictures:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


EXAMPLES = (
    Example(
        title="Mona Lisa, Starry Night", content="portrait_monalisa", style="painting_starry_night"
    ),
    Example(title="Cat, Great Wave", content="photo_cat_chelsea", style="painting_great_wave"),
    Example(
        title="City at night, Starry Night",
        content="photo_city_night",
        style="painting_starry_night",
    ),
    Example(
        title="Astronaut, Girls at the Piano",
        content="portrait_astronaut",
        style="painting_renoir_girls_at_piano",
    ),
    Example(
        title="Mont-Saint-Michel, Auvers",
        content="photo_mont_st_michel",
        style="painting_vangogh_auvers",
    ),
    Example(
        title="Einstein, The Librarian",
        content="portrait_einstein_1927",
        style="painting_arcimboldo_librarian",
    ),
    Example(
        title="Parrot, Composition VIII", content="photo_parrot", style="painting_kandinsky_viii"
    ),
    Example(title="Dog, The Kiss", content="photo_dog", style="painting_klimt_kiss"),
)


def result_of(example: Example, *, folder: Path = RESULTS) -> Path:
    """File of its finished result, whether or not it exists."""
    return folder / f"{example.name}.png"


def finished_examples(*, folder: Path = RESULTS) -> list[tuple[Example, StyleRun]]:
    """The examples that have a result, stale or not. One that cannot be read is left out."""
    found: list[tuple[Example, StyleRun]] = []
    for example in EXAMPLES:
        try:
            found.append((example, open_example(example, folder=folder)))
        except (ValueError, KeyError) as error:
            _LOGGER.warning("No example %s: %s", example.name, error)
    return found


def stored_key(example: Example, *, folder: Path = RESULTS) -> str | None:
    """The key under which its result was made; None: there is no result."""
    path = result_of(example, folder=folder)
    return _stored(path).get("key") if path.is_file() else None


def open_example(example: Example, *, folder: Path = RESULTS) -> StyleRun:
    """A run that has already finished."""
    path = result_of(example, folder=folder)
    stored = _stored(path)
    read = read_settings(stored)
    content, style = (open_picture(picture) for picture in example.pictures)
    return StyleRun(
        content=content,
        styles=[style],
        shares=read.rest["style_weights"],
        config=read.config,
        image=images.load(path),
        history=[(int(step), terms) for step, terms in stored["losses"]],
        index=stored["steps_taken"],
        total=read.config.num_steps,
        seconds=stored["seconds"],
        made=stored.get("made"),
    )


def _stored(path: Path) -> dict[str, Any]:
    return json.loads(images.read_png_metadata(path)[SETTINGS_KEY])


# ------------------------------------------------------------------------ computing the results


def make_result(example: Example, ctx: Context, *, folder: Path = RESULTS) -> Iterator[StyleRun]:
    """Compute an example and write its result at the end; yields after each step."""
    content, style = (open_picture(path) for path in example.pictures)
    run = StyleRun(content=content, styles=[style], shares=[1.0], config=example.config)
    for _ in run.steps(ctx):
        yield run
    if run.image is None or run.notice:
        raise ValueError(f"{example.name} was not made as asked: {run.notice or 'no step ran'}")
    stride = -(-len(run.history) // POINTS_KEPT)
    losses = [
        (step, {name: round(value, 4) for name, value in terms.items()})
        for step, terms in [*run.history[:-1:stride], run.history[-1]]
    ]
    settings = json.dumps(
        {**run.settings(), "key": example.key, "losses": losses, "made": str(date.today())}
    )
    folder.mkdir(parents=True, exist_ok=True)
    images.save_png(run.image, result_of(example, folder=folder), metadata={SETTINGS_KEY: settings})


def draw_sheet() -> Image.Image:
    """All finished examples in two columns, each a content above its style, and the result."""
    cells = [_draw_cell(run) for _, run in finished_examples()]
    rows = [cells[i : i + 2] for i in range(0, len(cells), 2)]
    width = max(sum(cell.width for cell in row) + GAP * (len(row) - 1) for row in rows)
    sheet = Image.new("RGB", (width, len(rows) * (CELL + GAP) - GAP), "white")
    for index, row in enumerate(rows):
        left = 0
        for cell in row:
            sheet.paste(cell, (left, index * (CELL + GAP)))
            left += cell.width + GAP
    return sheet


def _draw_cell(run: StyleRun) -> Image.Image:
    small = (CELL - GAP) // 2
    cell = Image.new("RGB", (small + GAP + CELL * 3 // 2, CELL), "white")
    cell.paste(crop(run.content, small, small), (0, 0))
    cell.paste(crop(run.styles[0], small, small), (0, small + GAP))
    cell.paste(crop(run.image or run.content, CELL * 3 // 2, CELL), (small + GAP, 0))
    return cell


def results() -> list[Result]:
    """The examples and the sheet of all, as `python -m cxdemo examples` makes them."""
    made = [
        Result(
            name=f"style/{example.name}",
            files=(result_of(example),),
            made_of=example.pictures,
            settings=example.config.as_dict(),
            code=("cxdemo.pipelines.style_transfer",),
            make=partial(_make, example),
        )
        for example in EXAMPLES
    ]
    sheet = Result(
        name="style/sheet",
        files=(SHEET,),
        made_of=tuple(path for each in made for path in (*each.made_of, *each.files)),
        settings={"cell": CELL},
        code=("cxdemo.figures.thumbnails",),
        weights=(),
        make=lambda _: draw_sheet().save(SHEET, quality=88),
    )
    return [*made, sheet]


def _make(example: Example, ctx: Context) -> None:
    for run in make_result(example, ctx):
        if run.index % 20 == 0 or run.finished:
            _LOGGER.info("%s: step %d of %d", example.name, run.index, run.total)
