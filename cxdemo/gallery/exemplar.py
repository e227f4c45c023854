"""Pairs of faces with finished results, and how these are computed."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES
from cxdemo.faces.choice import ChosenFace, Nudge
from cxdemo.gallery.faces import open_example
from cxdemo.gallery.made import Result
from cxdemo.pipelines.face_exemplar import ExemplarConfig
from cxdemo.runs.exemplar import ExemplarRun

FOLDER = PICTURES / "face"
SHEET = PICTURES / "overview" / "exemplar.jpg"
EINSTEIN, CURIE, MONA_LISA, LIBRARIAN, RENOIR = (
    f"{name}.jpg"
    for name in (
        "portrait_einstein_1927", "portrait_curie_1927", "portrait_monalisa",
        "painting_arcimboldo_librarian", "painting_renoir_girls_at_piano",
    )
)  # fmt: skip
DRAWN_WOMAN, DRAWN_MAN = "face/exemplar_drawn_woman.png", "face/exemplar_drawn_man.png"
WHOLE = Nudge(size=100 / 0.6)  # a crop by hand of the whole picture
SHEET_SIDE = 192

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExemplarPair:
    """Two faces.

    Args:
        name: Of its files.
        title: For people.
        source: File in `cxdemo/examples`; its largest face is taken, or all of it.
        target: Likewise.
        region: What changes.
        weak: Whether its result is not worth a card: it stays in the contact sheet.
    """

    name: str
    title: str
    source: str
    target: str
    region: str = "all"
    weak: bool = False

    @property
    def config(self) -> ExemplarConfig:
        """Its settings."""
        return ExemplarConfig(region=self.region)

    @property
    def result(self) -> Path:
        """File of its result."""
        return FOLDER / f"exemplar_{self.name}.jpg"

    @property
    def record(self) -> Path:
        """File of its settings, times and losses."""
        return FOLDER / f"exemplar_{self.name}.json"

    def start(self, ctx: Context) -> ExemplarRun:
        """A run before its first step."""
        source, target = open_face(self.source, ctx), open_face(self.target, ctx)
        return ExemplarRun(
            picture=source.picture, source=source.aligned, target=target.aligned, config=self.config
        )


PAIRS = (
    ExemplarPair(
        name="einstein_monalisa", title="Einstein, as the Mona Lisa", source=EINSTEIN,
        target=MONA_LISA,
    ),
    ExemplarPair(
        name="curie_einstein", title="Curie, with Einstein's features", source=CURIE,
        target=EINSTEIN,
    ),
    ExemplarPair(
        name="monalisa_curie", title="Mona Lisa, as a photo of 1927", source=MONA_LISA, target=CURIE
    ),
    ExemplarPair(
        name="einstein_drawn", title="Einstein, drawn", source=EINSTEIN, target=DRAWN_MAN,
        weak=True,
    ),
    ExemplarPair(
        name="drawn_monalisa", title="A drawing, painted by Leonardo", source=DRAWN_WOMAN,
        target=MONA_LISA,
    ),
    ExemplarPair(
        name="curie_renoir", title="Curie, by Renoir", source=CURIE, target=RENOIR
    ),
    ExemplarPair(
        name="einstein_curie", title="Einstein, with Curie's eyes", source=EINSTEIN, target=CURIE,
        region="eyes", weak=True,
    ),
    ExemplarPair(
        name="monalisa_librarian", title="Mona Lisa, by Arcimboldo", source=MONA_LISA,
        target=LIBRARIAN,
    ),
)  # fmt: skip


def open_face(file: str, ctx: Context) -> ChosenFace:
    """The largest face of an example, or all of the picture if no face is found in it."""
    chosen = open_example(PICTURES / file, ctx.find_faces)
    return chosen if chosen.faces else chosen.correct(WHOLE)


def finished_pairs() -> list[ExemplarPair]:
    """Those whose result is here."""
    return [
        pair for pair in PAIRS if not pair.weak and pair.result.is_file() and pair.record.is_file()
    ]


@cache
def card(pair: ExemplarPair) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Source, target and result, small."""
    return tuple(  # pyright: ignore[reportReturnType]
        images.load(path) for path in (PICTURES / pair.source, PICTURES / pair.target, pair.result)
    )


def open_result(pair: ExemplarPair, ctx: Context) -> ExemplarRun:
    """A run that has already finished."""
    run = pair.start(ctx)
    record = json.loads(pair.record.read_text(encoding="utf-8"))
    run.config = ExemplarConfig(**record["config"])
    run.image = images.to_tensor(images.load(pair.result))
    run.history = [(int(step), terms) for step, terms in record["losses"]]
    run.index = run.total = int(record["steps_taken"])
    run.seconds = float(record["seconds"])
    return run


def compute(pair: ExemplarPair, ctx: Context) -> ExemplarRun:
    """Computes a result and writes its files."""
    run = pair.start(ctx)
    began, first = time.process_time(), 0.0
    for _ in run.steps(ctx):
        first = first or run.seconds
    spent = round(time.process_time() - began, 1)
    record = run.settings() | {
        "seconds": spent,  # of the processor: what else the machine did says nothing of this run
        "cpu_seconds": spent,
        "first_preview": round(first, 2),
        "losses": [
            [step, {name: round(value, 4) for name, value in terms.items()}]
            for step, terms in run.history
        ],
    }
    images.to_pil(run.result()).save(pair.result, quality=92)
    pair.record.write_text(json.dumps(record) + "\n", encoding="utf-8")
    _LOGGER.info("%s: %.0f s, %.0f s of CPU", pair.name, run.seconds, record["cpu_seconds"])
    return run


def draw_sheet(ctx: Context) -> Image.Image:
    """Source, target and result of all pairs, two pairs a row."""
    rows, cells = [], []
    for pair in finished_pairs():
        run = open_result(pair, ctx)
        faces = (run.source.crop, run.target.crop, run.result())
        cells += [images.resize(face, (SHEET_SIDE, SHEET_SIDE)).clamp(0, 1) for face in faces]
    rows = [cells[i : i + 6] for i in range(0, len(cells), 6)]
    return images.contact_sheet(rows, labels=["source", "target", "result"] * 2)


def results() -> list[Result]:
    """The pairs and the sheet of all, as `python -m cxdemo examples` makes them."""
    made = [
        Result(
            name=f"exemplar/{pair.name}",
            files=(pair.result, pair.record),
            made_of=(PICTURES / pair.source, PICTURES / pair.target),
            settings=pair.config.as_dict(),
            code=("cxdemo.pipelines.face_exemplar", "cxdemo.faces.align"),
            make=partial(compute, pair),
        )
        for pair in PAIRS
    ]
    shown = [each for each, pair in zip(made, PAIRS, strict=True) if not pair.weak]
    sheet = Result(
        name="exemplar/sheet",
        files=(SHEET,),
        made_of=tuple(path for each in shown for path in (*each.made_of, *each.files[:1])),
        settings={"side": SHEET_SIDE},
        code=("cxdemo.faces.align",),
        weights=(),
        make=lambda ctx: draw_sheet(ctx).save(SHEET, quality=86),
    )
    return [*made, sheet]
