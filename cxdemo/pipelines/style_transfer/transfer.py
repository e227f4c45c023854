"""The style transfer itself: stages from coarse to fine, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from cxdemo.faces import FaceFinder, load_face_finder
from cxdemo.features import LAYERS, load_features
from cxdemo.grids import Box
from cxdemo.images import fit_long_side
from cxdemo.optimize import Clock, Objective, Step, add_octave, enlarge, optimize_pixels
from cxdemo.palette import match_colors, match_palette, smooth_chroma
from cxdemo.pipelines.style_transfer.config import PRESETS, StyleTransferConfig
from cxdemo.pipelines.style_transfer.objective import (
    Extractor,
    HypercolumnObjective,
    MapObjective,
)
from cxdemo.pipelines.style_transfer.work import seconds_left

Sides = tuple[int, int]

FACE_ROOM = 1.2  # sides of the part that counts as a face, in those of the box of its landmarks
FINER = 0.1  # power of the size by which steps are shorter at finer sizes
SECOND = 1  # the stage that starts with the content's finest octave put back
FACES_SIDE = 1024  # pixels of the long side at which faces are looked for
NEARLY_GREY = 2 / 255  # largest mean difference of a grey picture's channels


def transfer_style(
    content: Tensor,
    styles: Sequence[Tensor],
    config: StyleTransferConfig = PRESETS["fast"],
    *,
    style_weights: Sequence[float] | None = None,
    features: Extractor | None = None,
    find_faces: Callable[[Tensor], Sequence[Box]] | None = None,
) -> Iterator[Step]:
    """The content painted in the style, one step at a time.

    Args:
        content: What the picture shows.
        styles: One or more pictures whose style it takes.
        config: See `StyleTransferConfig`.
        style_weights: Share of each style, >= 0, scaled to sum to 1. None: equal shares.
        features: Gives the maps of `config.layers`; None loads the configured backbone.
        find_faces: Gives the parts of the content in which faces are. None: the face finder.

    Shape:
        - content, styles: (1, 3, H, W) in [0, 1]; their sizes may differ.

    Yields:
        Every step, with losses "style", "content", "palette" and "smoothness" as weighted.
        Images have the size of their stage; the last one has the configured size.

    Raises:
        ValueError: No style, weights that do not fit, or a picture that is too narrow.
    """
    shares = _shares(styles, style_weights)
    check_sides(_sides(content), [_sides(style) for style in styles], config)
    device = content.device
    if features is None:
        features = load_features(
            config.backbone,
            config.layers,
            pooling=config.pooling,  # pyright: ignore[reportArgumentType]
            device=device,
        )
    grey = config.keep_colors and is_grey(content)
    if config.keep_colors:
        styles = [match_colors(style, content) for style in styles]
    wants_faces = config.compare == "hypercolumns" and config.face_weight > 0
    faces = (find_faces or face_boxes)(content) if wants_faces else []
    for step in _run(content, styles, shares, config, features, faces):
        yield step.with_image(without_color(step.image)) if grey else step


def _run(
    content: Tensor,
    styles: Sequence[Tensor],
    shares: Sequence[float],
    config: StyleTransferConfig,
    features: Extractor,
    faces: Sequence[Box],
) -> Iterator[Step]:
    clock = Clock()
    generator = torch.Generator().manual_seed(config.seed)
    colored = content
    if config.palette_weight * config.style_strength > 0:
        colored = recolor(content, styles, shares)
    aspect = _aspect(content)
    stages = config.stages_of(aspect)
    total = sum(steps for _, steps in stages)
    image: Tensor | None = None
    index = 0
    for stage, (size, steps) in enumerate(stages):
        small = fit_long_side(content, size)
        start = _start(image, stage, fit_long_side(colored, size), config, generator)
        objective = _objective(small, styles, shares, config, features, faces, generator)
        for losses, reached in optimize_pixels(
            start,
            objective,
            num_steps=steps,
            optimizer=config.optimizer,  # pyright: ignore[reportArgumentType]
            step_size=config.step_size * (stages[0][0] / size) ** FINER,
            step_decay=config.step_decay,
            levels=config.levels,
        ):
            index += 1
            last = index == total and config.compare == "hypercolumns"
            image = smooth_chroma(reached) if last else reached
            seconds = clock.seconds()
            left = seconds_left(seconds, config, aspect, index, styles=len(styles))
            yield Step(
                index=index,
                total=total,
                losses=losses,
                image=image,
                seconds=seconds,
                estimate=left,
            )


def _objective(
    content: Tensor,
    styles: Sequence[Tensor],
    shares: Sequence[float],
    config: StyleTransferConfig,
    features: Extractor,
    faces: Sequence[Box],
    generator: torch.Generator,
) -> Objective:
    if config.compare == "maps":
        return MapObjective(content, styles, shares, config, features)
    return HypercolumnObjective(
        content, styles, shares, config, features, faces=faces, generator=generator
    )


def _start(
    image: Tensor | None,
    stage: int,
    colored: Tensor,
    config: StyleTransferConfig,
    generator: torch.Generator,
) -> Tensor:
    """What a stage starts from: the content or noise, or the stage before, enlarged."""
    if image is None and config.init == "content":
        return colored
    if image is None:
        return torch.rand(colored.shape, generator=generator).to(colored)
    larger = enlarge(image, colored)
    if stage == SECOND and config.init == "content":
        larger = add_octave(larger, colored)
    return larger.clamp(0, 1)


def recolor(content: Tensor, styles: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The content with the colours of the styles, mixed by their shares, (1, 3, H, W)."""
    recolored = [
        share * match_palette(content, style) for share, style in zip(shares, styles, strict=True)
    ]
    return torch.stack(recolored).sum(dim=0)


def is_grey(image: Tensor) -> bool:
    """Whether an image (1, 3, H, W) in [0, 1] has no colour that one sees."""
    return float((image - without_color(image)).abs().mean()) < NEARLY_GREY


def without_color(image: Tensor) -> Tensor:
    """An image (1, 3, H, W) as grey, in three equal channels."""
    return image.mean(dim=1, keepdim=True).expand_as(image)


def face_boxes(image: Tensor) -> list[Box]:
    """The parts of an image (1, 3, H, W) in [0, 1] in which faces are, as shares of its sides."""
    small = fit_long_side(image, min(max(image.shape[2:]), FACES_SIDE))
    faces = _finder(str(image.device)).find(small)
    return [_with_room(face.box, small.shape[2], small.shape[3]) for face in faces]


def _with_room(box: Box, height: int, width: int) -> Box:
    """A box in pixels, grown about its middle, as shares of the sides."""
    left, top, right, bottom = box
    more_across, more_down = ((FACE_ROOM - 1) / 2 * d for d in (right - left, bottom - top))
    return (
        max(0.0, (left - more_across) / width),
        max(0.0, (top - more_down) / height),
        min(1.0, (right + more_across) / width),
        min(1.0, (bottom + more_down) / height),
    )


@lru_cache(maxsize=2)
def _finder(device: str) -> FaceFinder:
    return load_face_finder(device)


def check_sides(content: Sides, styles: Sequence[Sides], config: StyleTransferConfig) -> None:
    """Raises unless every picture is wide and high enough for the network at the configured size.

    Args:
        content: Its two sides, in any order.
        styles: The sides of each style.
        config: The settings.

    Raises:
        ValueError: One is too narrow: which, how narrow, and what to do.
    """
    needed = 2 * max(LAYERS["vgg19"][name].stride for name in config.layers)
    for name, sides in (("content", content), *(("style", style) for style in styles)):
        ratio = max(sides) / min(sides)
        short = round(config.size / ratio)
        if short < needed:
            raise ValueError(
                f"The {name} is {ratio:.0f} times as long as it is wide: at size {config.size} its "
                f"short side would have {short} pixels, and {needed} are needed. Choose a size of "
                f"{-(-round(needed * ratio) // 32) * 32} or more, or crop the picture."
            )


def _sides(image: Tensor) -> Sides:
    return (image.shape[2], image.shape[3])


def _aspect(image: Tensor) -> float:
    """Short side by long side."""
    return min(_sides(image)) / max(_sides(image))


def _shares(styles: Sequence[Tensor], weights: Sequence[float] | None) -> list[float]:
    if not styles:
        raise ValueError("Style transfer needs at least one style image, got none.")
    weights = [1.0] * len(styles) if weights is None else list(weights)
    if len(weights) != len(styles):
        raise ValueError(
            f"There must be one weight for each style image, got {len(weights)} weights for "
            f"{len(styles)} images."
        )
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"Style weights must be >= 0 and not all 0, got {weights}.")
    return [weight / sum(weights) for weight in weights]
