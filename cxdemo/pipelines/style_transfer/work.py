"""How much work a style transfer is, stage by stage, and from that the time that is left."""

from __future__ import annotations

from collections.abc import Sequence

from cxdemo.features import LAYERS
from cxdemo.pipelines.style_transfer.config import StyleTransferConfig
from cxdemo.pipelines.style_transfer.objective import DIMENSIONS, count_positions

BACKWARD = 3.0  # a step, in forward passes of the network
PASSES = 12.0  # a loss and its gradient over all pairs of positions, in products of the features
FIXED = 11e9  # multiply-adds that what does not grow with the picture takes as long as


def stage_work(
    config: StyleTransferConfig, aspect: float, *, styles: int = 1
) -> list[tuple[int, float]]:
    """Steps of each stage, and multiply-adds of one of its steps.

    Args:
        config: The settings.
        aspect: Short side of the content by its long side, in (0, 1].
        styles: How many style pictures there are.
    """
    return [
        (steps, _step_work(config, size, aspect, styles))
        for size, steps in config.stages_of(aspect)
    ]


def seconds_left(
    seconds: float, config: StyleTransferConfig, aspect: float, done: int, *, styles: int = 1
) -> float:
    """Seconds that the rest of a run takes, from what its first steps took.

    Args:
        seconds: Since the run began.
        config: Its settings.
        aspect: As in `stage_work`.
        done: Steps that were made in that time, at least 1.
        styles: As in `stage_work`.
    """
    made = rest = 0.0
    for steps, work in stage_work(config, aspect, styles=styles):
        taken = min(done, steps)
        done -= taken
        made += taken * work
        rest += (steps - taken) * work
    return seconds * rest / made


def _step_work(config: StyleTransferConfig, size: int, aspect: float, styles: int) -> float:
    pixels = size * size * aspect
    if config.compare == "hypercolumns":
        directions = 2 if 0 < config.symmetry < 1 else 1
        matching = directions * styles * DIMENSIONS * count_positions(config, size) ** 2
    else:
        matching = styles * _matching(config, config.style_layers, pixels)
        matching += _matching(config, config.content_layers, pixels)
    return BACKWARD * _convolving(config, pixels) + PASSES * matching + FIXED


def _convolving(config: StyleTransferConfig, pixels: float) -> float:
    work, channels = 0.0, 3
    table = LAYERS[config.backbone]
    deepest = max(list(table).index(name) for name in config.layers)
    for layer in list(table.values())[: deepest + 1]:
        work += 9 * channels * layer.channels * pixels / layer.stride**2
        channels = layer.channels
    return work


def _matching(config: StyleTransferConfig, names: Sequence[str], pixels: float) -> float:
    """All pairs of positions, for each layer or for the layers together."""
    table = LAYERS[config.backbone]
    layers = [table[name] for name in names]
    groups = [layers] if config.combine == "concatenate" else [[layer] for layer in layers]
    work = 0.0
    for group in groups:
        positions = pixels / group[0].stride ** 2
        while config.max_positions and positions > config.max_positions:
            positions /= 4
        work += positions**2 * sum(layer.channels for layer in group)
    return work
