"""Readings of the misalignment meter as the page sees them, and the files that they leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from cxdemo.runs.files import files_of
from cxdemo.runs.live import Live
from cxdemo.runs.pace import Stage

TRICKS = {"shuffle": "Patches shuffled", "mirror": "Mirrored"}


@dataclass(eq=False, kw_only=True)
class MeterRun(Live):
    """A picture under the meter. It may be under way, stopped or done.

    Args:
        picture: RGB.
        config: The settings.
        trick: One change alone, a key of `TRICKS`, in place of the growing amounts.
    """

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

    def steps(self, ctx: Context) -> Iterator[MeterRun]:
        """Compute; yields itself with each reading, until all are there or it is stopped."""
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
            yield self
            if self.stopped:
                return

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

    def settings(self) -> dict[str, Any]:
        """Everything needed to do it again, and the readings, for JSON."""
        return {
            "made_by": "cxdemo",
            "pipeline": "loss_meter",
            "config": self.config.as_dict(),
            "trick": self.trick,
            "amounts": [r.amount for r in self.readings],
            "values": {
                name: [round(r.values[name], 5) for r in self.readings]
                for name in self.config.losses
            },
        }

    def export(self) -> dict[str, Path]:
        """Settings with readings, and the figure, as files; deleted with this run."""
        return files_of(self, self._write)

    def _write(self, folder: Path) -> dict[str, Path]:
        files = {kind: folder / f"meter.{kind}" for kind in ("json", "png")}
        files["json"].write_text(json.dumps(self.settings(), indent=2) + "\n", encoding="utf-8")
        draw_figure(self, files["png"])
        return files


def draw_figure(run: MeterRun, path: Path) -> None:
    """The curves and a few of the copies, as .png, .svg or .pdf.

    Raises:
        ValueError: Another ending.
    """
    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise ValueError(f"{path.name}: a figure is .png, .svg or .pdf.")
    from matplotlib.figure import Figure  # slow to import, and only figures need it

    shown = run.readings[:: max(1, (len(run.readings) - 1) // 4)][:5]
    figure = Figure(figsize=(9, 6), layout="constrained")
    grid = figure.add_gridspec(2, len(shown), height_ratios=(2.4, 1))
    axes = figure.add_subplot(grid[0, :])
    unit = CHANGES[run.config.change].unit
    if run.trick:
        names = [LOSSES[name].label for name in run.config.losses]
        axes.barh(names[::-1], [run.readings[0].values[n] for n in run.config.losses][::-1])
    else:
        for label, line in run.lines().items():
            axes.plot(*zip(*line, strict=True), label=label, linewidth=2)
        axes.set(xlabel=f"{run.what}, {unit}", ylabel="loss, of its own range", ylim=(-0.03, 1.5))
        axes.legend(frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    for column, reading in enumerate(shown):
        panel = figure.add_subplot(grid[1, column])
        panel.imshow(images.to_pil(reading.image))
        panel.set_title(run.what if run.trick else f"{reading.amount:.3g}", fontsize=10)
        panel.axis("off")
    is_png = path.suffix.lower() == ".png"
    words = {images.SETTINGS_KEY: json.dumps(run.settings())} if is_png else None
    figure.savefig(path, dpi=130, metadata=words)
