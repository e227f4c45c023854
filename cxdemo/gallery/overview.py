"""The sheets and films of the README that belong to no example of a tab."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.examples import PICTURES, open_picture
from cxdemo.figures.match import draw_figure
from cxdemo.figures.print_frame import save_figure
from cxdemo.gallery import faces
from cxdemo.gallery.made import Result
from cxdemo.gallery.match import find_example
from cxdemo.pipelines.face_translation import TRANSLATORS
from cxdemo.pipelines.misalignment import MisalignmentConfig
from cxdemo.pipelines.super_resolution import (
    CHECKPOINTS,
    SuperResolutionConfig,
    prepare_test,
    upscale,
)
from cxdemo.runs.match import Comparison
from cxdemo.runs.misaligned import MisalignedRun

FOLDER = PICTURES / "overview"
Upscale = Callable[[Tensor], Tensor]

# ------------------------------------------------------------------------------ patch similarity

CLICKS = ((0.50, 0.41), (0.44, 0.53), (0.44, 0.60), (0.46, 0.80), (0.38, 0.41))
BANDWIDTHS = (0.3, 0.5, 0.8)
WIDE, MILLISECONDS = 860, 1300  # of a frame: pixels, and how long it stays


def match_results() -> list[Result]:
    """Clicks on a portrait, and what a larger h does."""
    example = find_example("faces")
    if example is None:
        raise ValueError("The film needs the example “faces”: name another.")
    comparison = example.open()
    return [
        Result(
            name="match/clicks",
            files=(FOLDER / "match.gif",),
            made_of=(PICTURES / f"{example.source}.jpg", PICTURES / f"{example.target}.jpg"),
            settings={**comparison.config.as_dict(), "clicks": CLICKS, "bandwidths": BANDWIDTHS},
            code=("cxdemo.pipelines.patch_similarity", "cxdemo.figures.match"),
            make=partial(make_match, comparison),
        )
    ]


def make_match(comparison: Comparison, ctx: Context) -> None:
    """Writes the film: a panel for each click, then for each bandwidth."""
    shown = [replace(comparison, place=place) for place in CLICKS]
    last, config = shown[-1], comparison.config
    shown += [replace(last, config=replace(config, bandwidth=h)) for h in BANDWIDTHS]
    first, *others = [_draw_answer(each, ctx) for each in shown]
    first.save(
        FOLDER / "match.gif", save_all=True, append_images=others, duration=MILLISECONDS, loop=0,
        optimize=True,
    )  # fmt: skip


def _draw_answer(comparison: Comparison, ctx: Context) -> Image.Image:
    """The panel of one click, in a palette that GIF can hold."""
    file = io.BytesIO()
    figure = draw_figure(comparison.asker, comparison.asked, comparison.ask(ctx), comparison.config)
    save_figure(figure, file, kind="png")
    with Image.open(file) as panel:
        height = round(WIDE * panel.height / panel.width)
        small = panel.convert("RGB").resize((WIDE, height), Image.Resampling.LANCZOS)
    return small.quantize(200, dither=Image.Dither.NONE)


# ------------------------------------------------------------------------------------ misaligned


def misaligned_results() -> list[Result]:
    """One noisy crop, cleaned under several losses."""
    picture, config = PICTURES / "photo_parrot.jpg", MisalignmentConfig()
    return [
        Result(
            name="misaligned/parrot",
            files=(FOLDER / "misaligned.gif",),
            made_of=(picture,),
            settings=config.as_dict(),
            code=("cxdemo.pipelines.misalignment",),
            make=lambda ctx: make_misaligned(
                MisalignedRun(picture=open_picture(picture), config=config), ctx
            ),
        )
    ]


def make_misaligned(run: MisalignedRun, ctx: Context) -> None:
    """Runs the experiment and writes its frames."""
    for _ in run.steps(ctx):
        pass
    run.save(FOLDER / "misaligned.gif")


# ------------------------------------------------------------------------------ super-resolution

DETAILS = (
    ("photo_cat_chelsea.jpg", (0.35, 0.33)),
    ("photo_dog.jpg", (0.5, 0.3)),
    ("photo_coffee.jpg", (0.5, 0.5)),
    ("photo_city_night.jpg", (0.5, 0.5)),
)
"""Pictures, and where the detail lies: shares of width and height."""
DETAIL = (160, 212)  # pixels


def upscale_results() -> list[Result]:
    """Details of pictures that were shrunk, as each network enlarges them."""
    return [
        Result(
            name="upscale/sheet",
            files=(FOLDER / "super_resolution.jpg",),
            made_of=tuple(PICTURES / name for name, _ in DETAILS),
            settings={**SuperResolutionConfig().as_dict(), "details": DETAILS},
            code=("cxdemo.pipelines.super_resolution",),
            weights=tuple(f"sr-{name}" for name in CHECKPOINTS),
            make=make_upscale,
        )
    ]


def make_upscale(ctx: Context, *, peers: Mapping[str, Upscale] | None = None) -> None:
    """Writes the sheet.

    Args:
        ctx: The pipelines.
        peers: Upscalers of others, by what their columns are called.
    """
    columns: dict[str, Upscale] = {"bicubic": partial(_enlarge, None, SuperResolutionConfig())}
    for name in CHECKPOINTS:
        config = SuperResolutionConfig(checkpoint=name)
        columns[name] = partial(_enlarge, ctx.load_upscaler(name), config)
    columns |= peers or {}
    rows = [_cut_details(*detail, columns) for detail in DETAILS]
    sheet = images.contact_sheet(rows, labels=[*columns, "truth"])
    sheet.save(FOLDER / "super_resolution.jpg", quality=90)


def _enlarge(network: object, config: SuperResolutionConfig, low_res: Tensor) -> Tensor:
    *_, last = upscale(low_res, network, config)  # pyright: ignore[reportArgumentType]
    return last.canvas.to_tensor()


def _cut_details(
    name: str, place: tuple[float, float], columns: Mapping[str, Upscale]
) -> list[Tensor]:
    """The same detail of a picture in each column, and as it is."""
    truth, low_res = prepare_test(images.to_tensor(open_picture(PICTURES / name)))
    made = [*(enlarge(low_res) for enlarge in columns.values()), truth]
    (height, width), (rows, cols) = truth.shape[2:], DETAIL
    left, top = round(place[0] * (width - cols)), round(place[1] * (height - rows))
    return [image[:, :, top : top + rows, left : left + cols] for image in made]


# ------------------------------------------------------------------------------------- translate

SITTERS = (
    "painting_renoir_girls_at_piano.jpg", "portrait_curie_1927.jpg", "portrait_einstein_1927.jpg",
    "portrait_monalisa.jpg",
)  # fmt: skip
SHOWN_AT = 128  # pixels of a face


def translate_results() -> list[Result]:
    """Faces of portraits, and what the translators make of them."""
    return [
        Result(
            name="translate/sheet",
            files=(FOLDER / "translate.jpg",),
            made_of=tuple(PICTURES / name for name in SITTERS),
            settings={"translators": list(TRANSLATORS)},
            code=("cxdemo.pipelines.face_translation", "cxdemo.faces.align"),
            weights=("vgg16", *(info.checkpoint for info in TRANSLATORS.values())),
            make=make_translate,
        )
    ]


def make_translate(ctx: Context) -> None:
    """Writes the sheet: faces above, then a row for each translator."""
    crops = list(_open_sitters(ctx))
    rows = [[_show(crop) for crop in crops]]
    for name in TRANSLATORS:
        translator = ctx.load_translator(name)
        made = (ctx.translate(crop.to(ctx.device), translator).image for crop in crops)
        rows.append([_show(image) for image in made])
    images.contact_sheet(rows).save(FOLDER / "translate.jpg", quality=90)


def _open_sitters(ctx: Context) -> Iterator[Tensor]:
    """The crop of every face, (1, 3, 256, 256) each."""
    for name in SITTERS:
        found = faces.open_example(PICTURES / name, ctx.find_faces)
        for index in range(len(found.faces)):
            yield found.choose(index).aligned.crop


def _show(face: Tensor) -> Tensor:
    with torch.no_grad():
        return images.resize(face.cpu(), (SHOWN_AT, SHOWN_AT))
