"""How the page shows the faces of a picture: numbered boxes, small pictures, and the crop."""

from __future__ import annotations

from html import escape

from PIL import Image

from cxdemo import images
from cxdemo.faces import Framing, align
from cxdemo.faces.choice import ChosenFace
from cxdemo.figures.thumbnails import to_data_url

SHOWN = 560  # pixels of the long side of the picture on the page
THUMB = 72
CLOSE = Framing(apart=0.34, down=0.4)
HIGHEST = 340  # pixels of the picture on the page
MOST_THUMBS = 24

NO_FACE = (
    "No face was found here, as happens with drawings, profiles and very small faces: place the "
    "crop by hand, with the sliders below."
)
EMPTY = "Drop a picture of a face. It may be a photo, a painting or a drawing."


def show_choice(chosen: ChosenFace | None, problem: str = "") -> str:
    """The picture with its faces, the crop, and a sentence on what was found."""
    if chosen is None:
        mood = "cx-face-problem" if problem else "cx-face-empty"
        return f'<p class="{mood}" role="status">{escape(problem or EMPTY)}</p>'
    shown = images.to_pil(chosen.picture)
    shown.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    width = min(SHOWN, round(HIGHEST * shown.width / shown.height))
    crop = to_data_url(images.to_pil(chosen.align(192).crop))
    return (
        f'<p class="cx-face-said" role="status">{escape(_say(chosen))}</p>'
        '<div class="cx-face-found">'
        f'<div class="cx-face-picture" style="max-width:{width}px">'
        f'<img src="{to_data_url(shown)}" alt="Your picture">{_outline(chosen)}{_boxes(chosen)}'
        f'</div><figure class="cx-face-crop"><img src="{crop}" alt="The crop that is used">'
        f"<figcaption>This is used</figcaption></figure></div>{_thumbs(chosen)}"
    )


def _say(chosen: ChosenFace) -> str:
    count = len(chosen.faces)
    if count == 0:
        return NO_FACE
    if count == 1:
        return "One face was found."
    said = f"{count} faces were found; number {chosen.index + 1} is used. Click another one."
    return said if count <= MOST_THUMBS else f"{said} Small pictures: the {MOST_THUMBS} largest."


def _outline(chosen: ChosenFace) -> str:
    """The square that is cropped."""
    height, width = chosen.picture.shape[-2:]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in chosen.aligned.corners.tolist())
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{points}"/></svg>'
    )


def _boxes(chosen: ChosenFace) -> str:
    """A button on each face."""
    height, width = chosen.picture.shape[-2:]
    if len(chosen.faces) < 2:
        return ""
    return "".join(_box(i, chosen, width, height) for i in range(len(chosen.faces)))


def _box(index: int, chosen: ChosenFace, width: int, height: int) -> str:
    left, top, right, bottom = chosen.faces[index].box
    left, top, right, bottom = max(0.0, left), max(0.0, top), min(width, right), min(height, bottom)
    place = (
        f"left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%;"
        f"width:{100 * (right - left) / width:.2f}%;"
        f"height:{100 * (bottom - top) / height:.2f}%"
    )
    return (
        f'<button type="button" data-index="{index}" style="{place}" tabindex="-1" '
        f'title="Face {index + 1}"{_pressed(index, chosen)}><b>{index + 1}</b></button>'
    )


def _thumbs(chosen: ChosenFace) -> str:
    """A row of the faces, to choose one with a finger or the keyboard."""
    if len(chosen.faces) < 2:
        return ""
    buttons = "".join(
        f'<button type="button" data-index="{i}" title="Face {i + 1}"{_pressed(i, chosen)}>'
        f'<img src="{_thumb(chosen, i)}" alt="Face {i + 1}"><b aria-hidden="true">{i + 1}</b>'
        "</button>"
        for i in range(min(len(chosen.faces), MOST_THUMBS))
    )
    return f'<div class="cx-face-thumbs" role="group" aria-label="Faces found">{buttons}</div>'


def _thumb(chosen: ChosenFace, index: int) -> str:
    crop = align(chosen.picture, chosen.faces[index], THUMB, CLOSE).crop
    return to_data_url(images.to_pil(crop))


def _pressed(index: int, chosen: ChosenFace) -> str:
    return f' aria-pressed="{"true" if index == chosen.index else "false"}"'
