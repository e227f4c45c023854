"""One style transfer as the page sees it: pictures, settings, progress, result, explanation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageChops, ImageStat

from cxdemo import images, options
from cxdemo.checkpoints import CheckpointError, find_checkpoint
from cxdemo.engine.context import Context
from cxdemo.engine.zero_gpu import estimate_seconds
from cxdemo.options import Option, StoredSettings, check_value, mend_value
from cxdemo.pipelines.style_transfer import StyleMatch, StyleTransferConfig
from cxdemo.runs.explanation import Box, look_up
from cxdemo.runs.live import OptimisedRun
from cxdemo.runs.pace import Stage, style_stages

PIPELINE = "style_transfer"
STYLE_WEIGHTS = Option(
    name="style_weights",
    default=(1.0,),
    help="Share of each style.",
    label="Weights of the styles",
    minimum=0.0,
    maximum=1000.0,
)
SAME_LEVELS = 4  # of 255, by which a picture that was encoded again may differ from itself
PREVIEW = 512  # pixels of a preview's long side


@dataclass(eq=False, kw_only=True)
class StyleRun(OptimisedRun):
    """A style transfer, from its pictures to its result. It may be under way, stopped or done.

    Args:
        content: What the picture shows.
        styles: What it is painted like.
        shares: Weight of each style.
        config: The settings asked for; once begun, those in use.
        made: Date of a stored result, such as "2026-11-25"; None for one that runs here.
    """

    pipeline = PIPELINE
    file_names: ClassVar = {"png": "stylized.png", "json": "stylized.json"}

    content: Image.Image
    styles: list[Image.Image]
    shares: list[float]
    config: StyleTransferConfig
    image: Image.Image | None = None
    notice: str | None = None
    made: str | None = None
    _explanation: Any = None

    def compute(self, ctx: Context) -> Iterator[None]:
        """Paints; yields after each step."""
        self.config, features, self.notice = load_backbone(ctx, self.config)
        content, *styles = (
            images.to_tensor(picture).to(ctx.device) for picture in (self.content, *self.styles)
        )
        for step in ctx.stream(
            ctx.transfer_style,
            content,
            styles,
            self.config,
            style_weights=self.shares,
            features=features,
            seconds=estimate_seconds(self.config.num_steps, self.config.size),
        ):
            self.image = images.to_pil(step.image)
            self.keep(step)
            yield

    @property
    def stages(self) -> list[Stage]:
        """What it has to do, for an estimate."""
        aspect = min(self.content.size) / max(self.content.size)
        return style_stages(self.config, styles=len(self.styles), aspect=aspect)

    @property
    def loss(self) -> float:
        """The last value of the objective."""
        return sum(self.history[-1][1].values()) if self.history else 0.0

    def belongs_to(
        self,
        content: Image.Image | None,
        styles: Sequence[Image.Image],
        shares: Sequence[float],
        config: StyleTransferConfig,
    ) -> bool:
        """Whether the result is of these pictures, encoded again or not, and these settings."""
        return (
            content is not None
            and len(styles) == len(self.styles)
            and _shares_of(shares) == _shares_of(self.shares)
            and replace(config, backbone=self.config.backbone) == self.config
            and all(
                _look_alike(a, b)
                for a, b in zip((content, *styles), (self.content, *self.styles), strict=True)
            )
        )

    def preview(self) -> Image.Image:
        """What there is so far, always at one size, so that the page stays still."""
        picture = self.image or self.content
        factor = PREVIEW / max(picture.size)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling.BICUBIC)

    def before(self) -> Image.Image:
        """The content at the size of the result."""
        size = self.image.size if self.image else self.content.size
        return self.content.resize(size, Image.Resampling.LANCZOS)

    def explain(
        self, ctx: Context, x: float, y: float, *, count: int = 5
    ) -> tuple[Box, list[StyleMatch], str]:
        """The patch at a place of the result, its style patches, and the layer that was compared.

        Args:
            ctx: The pipelines.
            x: Share of the width, in [0, 1].
            y: Share of the height, in [0, 1].
            count: How many style patches.

        Raises:
            ValueError: There is no result yet.
        """
        if self.image is None:
            raise ValueError("There is no result to explain yet: press Run or choose an example.")
        explanation = self._explanation or self._prepare_explanation(ctx, self.image)
        if self.finished or self.over:
            self._explanation = explanation  # until then the picture still changes
        return look_up(explanation, x, y, count=count)

    def _prepare_explanation(self, ctx: Context, image: Image.Image) -> Any:
        config, features, _ = load_backbone(ctx, self.config)
        result, *styles = (
            images.to_tensor(picture).to(ctx.device) for picture in (image, *self.styles)
        )
        return ctx.explain_style(result, styles, config, features=features)

    def record(self) -> dict[str, Any]:
        """The styles' weights, and how far it came."""
        return {"style_weights": self.shares} | super().record()

    def write(self, kind: str, path: Path) -> None:
        """Writes the result as a PNG that carries its settings."""
        del kind  # there is one
        if self.image is None:
            raise ValueError("There is no result to save yet: press Run or choose an example.")
        images.save_picture(self.image, path, settings=self.settings())


def _shares_of(weights: Sequence[float]) -> list[float]:
    return [round(weight / sum(weights), 3) for weight in weights]


def _look_alike(a: Image.Image, b: Image.Image) -> bool:
    """Whether two pictures are one, but for what an encoder loses."""
    if a.size != b.size:
        return False
    small = [p.convert("RGB").resize((16, 16), Image.Resampling.BOX) for p in (a, b)]
    worst = ImageStat.Stat(ImageChops.difference(small[0], small[1])).extrema
    return max(high for _, high in worst) <= SAME_LEVELS


def load_backbone(
    ctx: Context, config: StyleTransferConfig
) -> tuple[StyleTransferConfig, Any, str | None]:
    """The settings in use, their network, and what the visitor should know.

    When the network that was asked for cannot be had, its stand-in is used and the notice says so.

    Raises:
        CheckpointError: The stand-in cannot be had either.
        ValueError: The stand-in lacks a layer that was asked for.
    """
    try:
        features = _load(ctx, config)
        reason = f"{config.backbone} cannot be had"
    except CheckpointError as error:
        stand_in = find_checkpoint(config.backbone).fallback
        if stand_in is None:
            raise
        reason = error.reason
        features = _load(ctx, replace(config, backbone=stand_in))
    used = getattr(features, "backbone", config.backbone)
    if used == config.backbone:
        return config, features, None
    notice = getattr(features, "notice", None) or f"{reason}. {used} is used instead."
    return replace(config, backbone=used), features, notice


def _load(ctx: Context, config: StyleTransferConfig) -> Any:
    return ctx.load_features(config.backbone, config.layers, pooling=config.pooling)


def read_settings(stored: str | Mapping[str, Any]) -> StoredSettings[StyleTransferConfig]:
    """Configuration and, in `rest`, the style weights of what `StyleRun.settings` gave.

    Raises:
        ValueError: It is something else, or a value is one that its option may not take.
    """
    read = options.read_settings(StyleTransferConfig, _name_recipe(stored), pipeline=PIPELINE)
    weights = read_weights(read.rest.get("style_weights", [1.0]))
    return replace(read, rest={**read.rest, "style_weights": weights})


def _name_recipe(stored: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """Settings from before there were hypercolumns compare maps, which they do not say."""
    try:
        settings = json.loads(stored) if isinstance(stored, str) else dict(stored)
        config = settings["config"]
        if "compare" in config or "content_place" not in config:
            return stored
        return {**settings, "config": {**config, "compare": "maps"}}
    except (ValueError, KeyError, TypeError, RecursionError):
        return stored  # what is wrong with it is said by whoever reads it


def read_weights(value: Any) -> list[float]:
    """Weights of styles, checked.

    Raises:
        ValueError: It is no list of such weights, or none is above 0.
    """
    weights = mend_value(STYLE_WEIGHTS, value)
    check_value(STYLE_WEIGHTS, weights)
    if not any(weights):
        raise ValueError("style_weights must hold a weight above 0, got none.")
    return list(weights)


def read_settings_file(path: Path) -> StoredSettings[StyleTransferConfig]:
    """As `read_settings`, from a result (PNG, JPEG, WebP, TIFF) or the JSON beside it.

    Raises:
        ValueError: It holds none.
    """
    return read_settings(images.read_settings_text(path))


def choose_styles(
    pictures: Sequence[Image.Image | None], weights: Sequence[float]
) -> tuple[list[Image.Image], list[float]]:
    """The styles that were given and count for something, with their weights.

    Raises:
        ValueError: None does.
    """
    pairs = [(p, w) for p, w in zip(pictures, weights, strict=True) if p is not None and w > 0]
    if not pairs:
        raise ValueError("Choose a style picture first, with a weight above 0.")
    return [picture for picture, _ in pairs], [float(weight) for _, weight in pairs]
