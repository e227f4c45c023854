"""One super-resolution as the page sees it: picture, methods, progress, results, scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from PIL import Image

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.pipelines.super_resolution import (
    BICUBIC,
    METHODS,
    SCALE,
    TEST_LIMITS,
    TEST_SIDE,
    Scores,
    SuperResolutionConfig,
    TileStep,
    prepare_layers,
    prepare_test,
)
from cxdemo.runs.files import folder_of
from cxdemo.runs.live import Run
from cxdemo.runs.pace import Stage

NAMES = {BICUBIC: "Bicubic", "mse": "Squared error", "cx": "CX", "cx-gan": "CX + GAN"}
TRUTH, SMALL = "truth", "small"
PREVIEW = 768  # pixels of a preview's long side
SHOWN = 2048  # pixels of the long side of what the slider shows
EXACT = 1_500_000  # pixels, up to which the page shows pictures without loss
QUALITY = 93  # of the JPEG that the page shows of larger ones


class Files(NamedTuple):
    """A result on the disk."""

    png: Path  # to download: all pixels, exact
    lens: Path  # for the magnifier: all pixels
    shown: Path  # for the slider: at most `SHOWN` pixels
    size: tuple[int, int]  # width, height


@dataclass(eq=False, kw_only=True)
class UpscaleRun(Run):
    """An enlargement by several methods. It may be under way, stopped or done.

    Args:
        picture: RGB or RGBA.
        methods: Some of `METHODS`.
        config: The settings.
        test: Whether to shrink the picture first, and to measure.
        note: A line on what to look at.
        focus: Where the magnifier begins, shares of width and height.
    """

    pipeline = "super_resolution"
    file_names: ClassVar = {method: f"{method}-x{SCALE}.png" for method in METHODS}

    picture: Image.Image
    methods: list[str]
    config: SuperResolutionConfig
    test: bool = False
    note: str = ""
    focus: tuple[float, float] = (0.5, 0.5)
    files: dict[str, Files] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    current: str = ""
    step: TileStep | None = None
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def compute(self, ctx: Context) -> Iterator[None]:
        """Enlarges; yields after each tile, and at the end."""
        self.begun = time.monotonic()
        low_res, alpha, truth = self._prepare()
        low_res = low_res.to(ctx.device)
        self._keep_inputs(low_res, truth)
        for method in self.methods:
            network = None if method == BICUBIC else ctx.load_upscaler(method)
            self.current, self.step = method, None
            for step in ctx.upscale(low_res, network, self.config):
                self.step, self.seconds = step, time.monotonic() - self.begun
                yield
            if self.step is not None:
                self._finish(ctx, self.step.canvas, alpha, truth)
        yield

    def _finish(self, ctx: Context, canvas: Any, alpha: Image.Image | None, truth: Any) -> None:
        """A method is done: its file and its scores."""
        self.files[self.current] = self._save(self.current, canvas.to_pil(alpha))
        if truth is not None:
            self.scores[self.current] = ctx.measure(canvas.to_tensor(), truth)
        self.seconds = time.monotonic() - self.begun

    def _prepare(self) -> tuple[Any, Image.Image | None, Any]:
        """The small picture, the opacity of the result, and the truth if there is one."""
        if self.test:
            truth, low_res = prepare_test(images.to_tensor(_cut_middle(self.picture)))
            return low_res, None, truth
        alpha = self.picture.getchannel("A") if self.picture.mode == "RGBA" else None
        return *prepare_layers(self.picture.convert("RGB"), alpha), None

    def _keep_inputs(self, low_res: Any, truth: Any) -> None:
        """What the results are looked at beside: the pixels of the small picture, and the truth."""
        small = images.to_pil(low_res)
        size = (SCALE * small.width, SCALE * small.height)
        self.files[SMALL] = self._save(SMALL, small.resize(size, Image.Resampling.NEAREST))
        if truth is not None:
            self.files[TRUTH] = self._save(TRUTH, images.to_pil(truth))

    def _save(self, name: str, picture: Image.Image) -> Files:
        folder = folder_of(self)
        png = folder / f"{name}-x{SCALE}.png"
        images.save_picture(picture, png, settings=self.settings(name), keep_alpha=True)
        if picture.width * picture.height <= EXACT:
            return Files(png, png, png, picture.size)
        lens, shown = (folder / f"{name}-{kind}.jpg" for kind in ("lens", "shown"))
        seen = flatten(picture)
        seen.save(lens, quality=QUALITY, subsampling=0)
        seen.thumbnail((SHOWN, SHOWN), Image.Resampling.BICUBIC, reducing_gap=2.0)
        seen.save(shown, quality=QUALITY, subsampling=0)
        return Files(png, lens, shown, picture.size)

    @property
    def done(self) -> list[str]:
        """Methods that have a result, in their order."""
        return [method for method in self.methods if method in self.files]

    @property
    def finished(self) -> bool:
        """Whether all methods have a result."""
        return self.done == self.methods

    @property
    def has_files(self) -> bool:
        """Whether any method has a result."""
        return bool(self.done)

    @property
    def views(self) -> list[str]:
        """What can be looked at side by side: the methods, and the truth if there is one."""
        return self.done + ([TRUTH] if TRUTH in self.files else [])

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]; bicubic interpolation costs nothing."""
        costly = [method for method in self.methods if method != BICUBIC] or self.methods
        done = sum(method in self.files for method in costly)
        part = 0.0
        if self.step is not None and self.current in costly and self.current not in self.files:
            part = self.step.index / self.step.total
        return min(1.0, (done + part) / len(costly))

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        return upscale_stages(self.picture.size, self.methods, test=self.test)

    @property
    def taken(self) -> float:
        """Share of its only stage."""
        return self.share

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the results."""
        return next(iter(self.files.values())).size if self.files else (0, 0)

    def preview(self) -> Image.Image | None:
        """What there is so far of the method at work."""
        return self.step.canvas.preview(PREVIEW) if self.step else None

    def settings(self, method: str = "") -> dict[str, Any]:
        """Everything needed to do it again, for JSON.

        Args:
            method: Whose result it is. Empty: that at work.
        """
        settings = super().settings()
        settings["config"] |= {"checkpoint": method or self.current}
        return settings | {"test": self.test}

    def export(self, *kinds: str) -> dict[str, Path]:
        """The results that there are; each was written when its method was done."""
        wanted = kinds or self.methods
        return {method: self.files[method].png for method in wanted if method in self.files}


def upscale_stages(size: tuple[int, int], methods: Sequence[str], *, test: bool) -> list[Stage]:
    """A single stage, whose step is the whole run; work in small pixels times networks.

    Args:
        size: Width and height of the picture.
        methods: Some of `METHODS`.
        test: Whether it is shrunk first, and measured.
    """
    width, height = (min(side, TEST_SIDE) // SCALE for side in size) if test else size
    networks = max(0.05, sum(method != BICUBIC for method in methods))
    kind = "upscale test" if test else "upscale"
    return [Stage(kind, round((width * height) ** 0.5), 1, width * height * networks)]


def _cut_middle(picture: Image.Image) -> Image.Image:
    """What a test uses of a picture, before it becomes floats of twelve bytes a pixel."""
    if min(picture.size) < TEST_LIMITS.min_side:
        return picture  # which is refused, with its size
    width, height = (min(side, TEST_SIDE) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def choose_methods(names: list[str]) -> list[str]:
    """The chosen methods in their order.

    Raises:
        ValueError: None is.
    """
    chosen = [method for method in METHODS if method in names]
    if not chosen:
        raise ValueError("Tick at least one method to compare.")
    return chosen


def flatten(picture: Image.Image) -> Image.Image:
    """The picture on white."""
    if picture.mode != "RGBA":
        return picture.copy()
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white
