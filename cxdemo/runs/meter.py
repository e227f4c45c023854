"""Readings of the misalignment meter as the page sees them, and the files that they leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.losses import LOSSES
from cxdemo.options import read_config
from cxdemo.pipelines.loss_meter import (
    CHANGES,
    VGG_LAYERS,
    LossMeter,
    MeterConfig,
    Reading,
    cut,
    mirror,
    shuffle_blocks,
)
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage

TRICKS = {"shuffle": "Patches shuffled", "mirror": "Mirrored"}


@dataclass(eq=False, kw_only=True)
class MeterRun(Run):
    """A picture under the meter. It may be under way, stopped or done.

    Args:
        picture: RGB.
        config: The settings.
        trick: One change alone, a key of `TRICKS`, in place of the growing amounts.
    """

    pipeline = "loss_meter"
    file_names: ClassVar = {"json": "meter.json", "png": "meter.png"}

    picture: Image.Image
    config: MeterConfig
    trick: str = ""
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Cuts the crop, which takes no time."""
        self.around = cut(images.to_tensor(self.picture))

    @classmethod
    def remember(cls, picture: Image.Image, stored: dict[str, Any]) -> MeterRun:
        """A finished run from its `settings`; the copies are made again, the losses are not."""
        config = read_config(MeterConfig, stored["config"])
        run = cls(picture=picture, config=config)
        change = CHANGES[config.change]
        run.readings = [
            Reading(
                amount,
                change.apply(run.around, amount),
                {name: values[i] for name, values in stored["values"].items()},
            )
            for i, amount in enumerate(stored["amounts"])
        ]
        return run

    def compute(self, ctx: Context) -> Iterator[None]:
        """Measures; yields after each reading."""
        config = self.config
        if self.trick == "shuffle":  # patches that stand side by side, as the shuffle cuts them
            config = MeterConfig(
                **{**config.as_dict(), "change": "shuffle", "losses": config.losses}
            )
        vgg = None
        if config.features == "vgg16" or "perceptual" in config.losses:
            vgg = ctx.load_features("vgg16", VGG_LAYERS, pooling="max")
        meter = LossMeter(images.to_tensor(self.picture).to(ctx.device), config, vgg=vgg)
        for reading in self._readings(meter):
            self.readings.append(reading)
            yield

    def _readings(self, meter: LossMeter) -> Iterator[Reading]:
        if self.trick == "shuffle":
            yield meter.read(shuffle_blocks(meter.picture))
        elif self.trick == "mirror":
            yield meter.read(mirror(meter.picture))
        else:
            yield from meter.run()

    def measures_as(self, other: MeterRun) -> bool:
        """Whether it has the picture and the settings of another; tricks do not count."""
        return self.config == other.config and torch.equal(self.around, other.around)

    @property
    def total(self) -> int:
        """Readings in all."""
        return 1 if self.trick else len(CHANGES[self.config.change].amounts)

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        return [Stage(f"meter {self.config.features}", 0, self.total, len(self.config.losses))]

    @property
    def taken(self) -> float:
        """Readings so far."""
        return len(self.readings)

    @property
    def finished(self) -> bool:
        """Whether all were taken."""
        return len(self.readings) == self.total

    @property
    def what(self) -> str:
        """The change, for people."""
        return TRICKS.get(self.trick) or CHANGES[self.config.change].label

    def lines(self) -> dict[str, list[tuple[float, float]]]:
        """What each loss says over the amounts."""
        return {
            LOSSES[name].label: [(r.amount, r.values[name]) for r in self.readings]
            for name in self.config.losses
        }

    def record(self) -> dict[str, Any]:
        """The readings."""
        return {
            "trick": self.trick,
            "amounts": [r.amount for r in self.readings],
            "values": {
                name: [round(r.values[name], 5) for r in self.readings]
                for name in self.config.losses
            },
        }

    def write(self, kind: str, path: Path) -> None:
        """Writes the figure."""
        del kind  # there is one
        draw_figure(self, path)


def draw_figure(run: MeterRun, path: Path) -> None:
    """The curves and a few of the copies, as .png, .svg or .pdf.

    Raises:
        ValueError: Another ending.
    """
    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise ValueError(f"{path.name}: a figure is .png, .svg or .pdf.")
    from matplotlib.figure import Figure  # slow to import, and only figures need it

    figure = Figure(figsize=(9, 6), layout="constrained")
    shown = run.readings[:: max(1, (len(run.readings) - 1) // 4)][:5]
    grid = figure.add_gridspec(2, len(shown), height_ratios=(2.4, 1))
    (_draw_bars if run.trick else _draw_curves)(run, figure.add_subplot(grid[0, :]))
    for column, reading in enumerate(shown):
        _draw_copy(run, reading, figure.add_subplot(grid[1, column]))
    is_png = path.suffix.lower() == ".png"
    words = {images.SETTINGS_KEY: json.dumps(run.settings())} if is_png else None
    figure.savefig(path, dpi=130, metadata=words)


def _draw_curves(run: MeterRun, axes: Any) -> None:
    for label, line in run.lines().items():
        axes.plot(*zip(*line, strict=True), label=label, linewidth=2)
    unit = CHANGES[run.config.change].unit
    axes.set(xlabel=f"{run.what}, {unit}", ylabel="loss, of its own range", ylim=(-0.03, 1.5))
    axes.legend(frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bars(run: MeterRun, axes: Any) -> None:
    names = [LOSSES[name].label for name in run.config.losses]
    axes.barh(names[::-1], [run.readings[0].values[n] for n in run.config.losses][::-1])
    axes.spines[["top", "right"]].set_visible(False)


def _draw_copy(run: MeterRun, reading: Reading, axes: Any) -> None:
    axes.imshow(images.to_pil(reading.image))
    axes.set_title(run.what if run.trick else f"{reading.amount:.3g}", fontsize=10)
    axes.axis("off")
