"""How long a style transfer will take: its multiplications, divided by the pace seen so far."""

from __future__ import annotations

from collections.abc import Sequence

from cxdemo.features import LAYERS
from cxdemo.pipelines.style_transfer import StyleTransferConfig

TYPICAL_CPU = 2e10  # multiply-adds a second of a 2-core machine, everything else included
LONG = 180.0  # seconds
ASPECT = 0.75  # short side by long side of a usual picture


class Pace:
    """Multiply-adds a second, learnt from every run of this process.

    Args:
        typical: What to expect before the first run. None: nothing is promised.
    """

    def __init__(self, typical: float | None) -> None:
        self._speed = typical

    def observe(self, work: float, seconds: float) -> None:
        """Learn from a run, or a part of one that says enough."""
        if seconds > 2.0:
            self._speed = work / seconds

    def seconds(self, work: float) -> float | None:
        """Time for some work; None: nobody knows yet."""
        return work / self._speed if self._speed else None


def typical_pace(device: str) -> Pace:
    """The pace before anything was measured: known for processors only."""
    return Pace(TYPICAL_CPU if device == "cpu" else None)


def work_of(config: StyleTransferConfig, *, styles: int = 1, steps: int | None = None) -> float:
    """Multiply-adds of a style transfer, forward and backward, of its first steps or of all."""
    left = config.num_steps if steps is None else steps
    work = 0.0
    for side, planned in config.stages:
        taken = min(left, planned)
        work += 3 * taken * _forward(config, side * side * ASPECT, styles)
        left -= taken
    return work


def _forward(config: StyleTransferConfig, pixels: float, styles: int) -> float:
    matching = styles * _matching(config, config.style_layers, pixels)
    return _convolving(config, pixels) + matching + _matching(config, config.content_layers, pixels)


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


def say_duration(seconds: float) -> str:
    """A duration as people say it: no more precise than it is.

    Example:
        >>> say_duration(8), say_duration(52), say_duration(1000), say_duration(9000)
        ('about 10 s', 'about 50 s', 'about 17 minutes', 'about 2.5 hours')
    """
    if seconds < 95:
        return f"about {max(10, round(seconds / 10) * 10)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"
