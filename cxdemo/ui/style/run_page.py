"""The components of the style transfer tab, and what they show of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.figures import overlay
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.style_transfer import StyleTransferConfig, check_sides
from cxdemo.runs.style import StyleRun, choose_styles
from cxdemo.ui.kit.run_wiring import RunPage, Updates, Values
from cxdemo.ui.kit.safe_image import SafeImage
from cxdemo.ui.style.progress import tell_pair, tell_progress

OPTIONS = options_of(StyleTransferConfig)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[StyleRun]):
    """The components, and what they show of a style transfer."""

    name, what, place = "style", "style transfer", "#cx-outputs"

    content: SafeImage
    styles: list[SafeImage]
    weights: list[gr.Slider]
    preset: gr.Radio
    controls: dict[str, Any]
    estimate: gr.HTML
    pair: gr.HTML
    views: gr.Tabs
    live: gr.Image
    compare: gr.ImageSlider
    result_picture: gr.Image
    matched: gr.Image
    told: gr.HTML
    x: gr.Slider
    y: gr.Slider
    curve: gr.HTML

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.content, *self.styles, *self.weights, self.preset, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The views of the result."""
        return [
            self.pair, self.views, self.live, self.compare, self.result_picture, self.matched,
            self.told, self.curve,
        ]  # fmt: skip

    def read_config(self, values: Values) -> StyleTransferConfig:
        """The configuration that the controls show."""
        return read_config(StyleTransferConfig, {n: values[c] for n, c in self.controls.items()})

    def read_styles(self, values: Values) -> tuple[list[Image.Image], list[float]]:
        """The styles that count, and their weights."""
        return choose_styles(
            [values[style] for style in self.styles], [values[weight] for weight in self.weights]
        )

    def prepare(self, values: Values) -> StyleRun:
        """The style transfer that the page asks for."""
        content = values[self.content]
        if content is None:
            raise ValueError("Choose a content picture first: drop one, or click a small picture.")
        styles, shares = self.read_styles(values)
        config = self.read_config(values)
        check_sides(content.size, [style.size for style in styles], config)
        return StyleRun(content=content, styles=styles, shares=shares, config=config)

    def tell(self, run: StyleRun) -> str:
        """A bar with steps and times."""
        return tell_progress(run, stopped=run.stopped)

    def tell_unbegun(self) -> Updates:
        """That there was nothing to stop."""
        return {self.status: tell_progress(None, stopped=True)}

    def begun(self, run: StyleRun) -> Updates:
        """The content, and whose result it will be."""
        return {
            self.views: gr.Tabs(selected="live"),
            self.live: run.preview(),
            self.pair: tell_pair(run),
            self.result_picture: None,
            self.matched: None,
            self.told: "",
        }

    def progress(self, run: StyleRun, *extras: Any) -> Updates:
        """What there is so far."""
        del extras
        if run.index == 1 and run.notice:
            gr.Warning(run.notice, title="Another network is used", duration=15)
        return {self.live: run.preview(), self.curve: draw_loss_curve(run.history, total=run.total)}

    def result(self, run: StyleRun, *extras: Any) -> Updates:
        """A result that can be compared and explained, whether finished or stopped."""
        del extras
        if run.image is None:
            return {}
        return {getattr(self, name): value for name, value in result_values(run).items()}

    def show_weights(self, weights: Sequence[float]) -> Updates:
        """Updates that make the sliders show the weights of styles; only their ratios count."""
        largest = max(1.0, *weights)
        shown = [round(weight / largest, 4) for weight in weights]
        return dict(zip(self.weights, shown, strict=False))


def result_values(run: StyleRun) -> Mapping[str, Any]:
    """What the components show of a result, by their names in `Page`."""
    picture = run.image or run.content
    return {
        "pair": tell_pair(run),
        "live": str(run.export()["png"]),
        "compare": (run.before(), picture),
        "result_picture": overlay.enlarge(picture),
        "matched": overlay.mark_matches(run.styles, []),
        "told": "",
        "curve": draw_loss_curve(run.history, total=run.total),
    }
