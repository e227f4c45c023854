"""The components of the patch similarity tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo.engine.context import Context
from cxdemo.features import LAYERS
from cxdemo.figures.heat_map import PALETTE, gradient_css
from cxdemo.gallery.match import MATCH_EXAMPLES
from cxdemo.options import options_of
from cxdemo.pipelines.patch_similarity import RGB, PatchSimilarityConfig
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.page_script import viewer_script
from cxdemo.ui.kit.safe_image import SafeImage, build_picker
from cxdemo.ui.match.layers import show_layers

HERE = Path(__file__).resolve().parent
OPTIONS = options_of(PatchSimilarityConfig)
LAYERS_SHOWN = (RGB, *LAYERS["vgg16"])
VIEWER_SCRIPT = viewer_script(
    HERE / "viewer.js", "say", "find", "number", "percent", "clamp", "decode", "heatMap", "arrowOf",
    "save", "saveJson",
)  # fmt: skip

DIRECTION = (
    '<p class="cx-hint"><b>Why it matters who asks.</b> The paper lets each source patch spread '
    "one vote over the target, and then asks of every <em>target</em> patch: does anyone want you? "
    "A target patch that nobody prefers raises the loss, so CX pushes towards covering the target. "
    "It does not guarantee it: one source patch may win many. Other code (CoCosNet's, for "
    "one) asks every <em>source</em> patch: did you find something? That can be answered well with "
    "a small part of the target, so it does not force the rest to appear.</p>"
)

VIEWS = {
    "correspondence": "Where it looks",
    "lines": "Strongest matches",
    "coverage": "Claimed and hubs",
    "redrawn": "Redrawn",
    "place": "Place and the perceptual loss",
}

_TOGGLE = """
element.addEventListener('change', (event) => {
  const arrows = element.querySelector('.cxm-arrows');
  if (arrows && event.target.matches('.cxm-show-arrows')) {
    arrows.classList.toggle('cxm-shown', event.target.checked);
  }
});
"""


Values = Mapping[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

    ctx: Context
    source: SafeImage
    target: SafeImage
    cards: gr.HTML
    lesson: gr.HTML
    controls: dict[str, Any]
    x: gr.Number
    y: gr.Number
    viewer: gr.HTML
    numbers: gr.HTML
    strip: gr.HTML
    figures: gr.HTML
    views: dict[str, gr.HTML]
    layers: gr.HTML
    compare: gr.Button
    draw: gr.Button
    files: list[gr.DownloadButton]
    load: gr.UploadButton
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a comparison is read from."""
        return {self.state, self.x, self.y, *self.controls.values()}

    @property
    def answers(self) -> list[Any]:
        """What one patch's answer is written to."""
        return [self.viewer, self.numbers, self.strip, self.x, self.y, self.state]

    @property
    def everything(self) -> list[Any]:
        """What a change of pictures writes."""
        return [*self.answers, self.source, self.target, self.lesson, *self.controls.values()]


def build_page(ctx: Context) -> Page:
    """Puts the components on the page."""
    made: dict[str, Any] = {"cards": _build_cards(), "lesson": gr.HTML(elem_id="cx-match-lesson")}
    with gr.Row(elem_id="cx-match", equal_height=False):
        with gr.Column(scale=2, min_width=270, elem_id="cx-match-inputs"):
            made |= _build_inputs()
        with gr.Column(scale=7, min_width=320, elem_id="cx-match-outputs"):
            made["viewer"] = _build_viewer()
            made["numbers"] = gr.HTML(elem_id="cx-match-numbers")
            made["strip"] = gr.HTML(elem_id="cx-match-strip")
    gr.HTML('<h2 class="cx-heading">All patches at once</h2>')
    made |= _build_views()
    return Page(ctx=ctx, **made, state=gr.State(None, time_to_live=3600))


def _build_cards() -> gr.HTML:
    pairs = [example.pictures() for example in MATCH_EXAMPLES]
    titles = [example.title for example in MATCH_EXAMPLES]
    return picture_cards.build_pairs(
        pairs, titles, label="Pairs to start from", elem_id="cx-match-examples"
    )


def _build_inputs() -> dict[str, Any]:
    """The pictures, the settings, and a fold for the rest."""
    with gr.Row(elem_id="cx-match-pickers", equal_height=True):
        pickers = {side: _picker(side) for side in ("source", "target")}
    controls = _build_settings()
    gr.HTML(DIRECTION, elem_id="cx-match-direction")
    with gr.Accordion("Coordinates, size, files", open=False, elem_id="cx-match-more"):
        made = _build_place()
        controls |= {name: _control(name) for name in ("size", "backbone")}
        made |= _build_files()
    return pickers | made | {"controls": controls}


def _picker(side: str) -> SafeImage:
    return build_picker(
        side.capitalize(), f"cx-match-{side}", height=128, placeholder="Drop a picture"
    )


def _build_settings() -> dict[str, Any]:
    layer, asks = OPTIONS["layer"], OPTIONS["asks"]
    controls: dict[str, Any] = {"bandwidth": _control("bandwidth")}
    controls["layer"] = gr.Dropdown(
        list(LAYERS_SHOWN),
        value=layer.default,
        label=layer.label,
        info=layer.help,
        elem_id="cx-match-layer",
    )
    controls["spatial_weight"] = _control("spatial_weight")
    controls["asks"] = gr.Radio(
        [("Source asks target", "source"), ("Target asks source", "target")],
        value=asks.default,
        label=asks.label,
        elem_id="cx-match-asks",
    )
    return controls


def _control(name: str) -> Any:
    return control_for(OPTIONS[name], elem_id=f"cx-match-{name}")


def _build_place() -> dict[str, Any]:
    with gr.Row():
        return {
            axis: gr.Number(
                50, label=label, minimum=0, maximum=100, min_width=90, elem_id=f"cx-match-{axis}"
            )
            for axis, label in (("x", "Across, %"), ("y", "Down, %"))
        }


def _build_files() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["draw"] = gr.Button("Make a figure for slides", size="sm", elem_id="cx-match-draw")
    with gr.Row():
        made["files"] = [
            gr.DownloadButton(
                kind, interactive=False, size="sm", min_width=80, elem_id=f"cx-match-{kind}"
            )
            for kind in ("PDF", "SVG")
        ]
    made["load"] = gr.UploadButton(
        "Use the settings of a panel (PNG) or a JSON",
        file_types=[".png", ".json"],
        size="sm",
        elem_id="cx-match-load",
    )
    return made


def _build_views() -> dict[str, Any]:
    """What is drawn of all patches, each in a tab."""
    made: dict[str, Any] = {"figures": gr.HTML(elem_id="cx-match-figures"), "views": {}}
    with gr.Tabs(elem_id="cx-match-views", overflow_behavior="wrap"):
        for name, title in VIEWS.items():
            with gr.Tab(title, id=name):
                made["views"][name] = gr.HTML(elem_id=f"cx-match-{name}", js_on_load=_TOGGLE)
        with gr.Tab("Layers", id="layers"):
            made["compare"] = gr.Button("Compare all layers", size="sm", elem_id="cx-match-compare")
            shown = show_layers([], layers=LAYERS_SHOWN)
            made["layers"] = gr.HTML(shown, elem_id="cx-match-layers")
    return made


def _build_viewer() -> gr.HTML:
    return gr.HTML(
        {},
        html_template=(HERE / "viewer.html").read_text(encoding="utf-8"),
        js_on_load=VIEWER_SCRIPT,
        elem_id="cx-match-viewer",
        scene={},
        survey={},
        palette=PALETTE,
        gradient=gradient_css(),
    )
