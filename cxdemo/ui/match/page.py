"""The patch similarity tab: components, and which handler each event calls."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.checkpoints import find_checkpoint
from cxdemo.engine.context import Context
from cxdemo.features import LAYERS
from cxdemo.figures.heat_map import PALETTE, gradient_css
from cxdemo.gallery.match import MATCH_EXAMPLES, find_example
from cxdemo.options import Option, check_value, mend_value, options_of, read_config, read_settings
from cxdemo.pipelines.patch_similarity import (
    RGB,
    LayerScore,
    PatchSimilarityConfig,
    compare_layers,
)
from cxdemo.runs.match import LARGEST, Comparison, load_layer
from cxdemo.runs.match_click import answer_click, show_scene
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable, to_toast
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.safe_image import SafeImage, accept_upload, build_picker
from cxdemo.ui.kit.turns import quickly
from cxdemo.ui.match import survey as match_survey
from cxdemo.ui.match.api import add_endpoint
from cxdemo.ui.match.link import read_link, write_link

HERE = Path(__file__).resolve().parent
OPTIONS = options_of(PatchSimilarityConfig)
OWN_PICTURES = "Your own pictures: they are deleted after an hour, and no link can bring them back."
LAYERS_SHOWN = (RGB, *LAYERS["vgg16"])

DIRECTION = (
    '<p class="cx-hint"><b>Why it matters who asks.</b> The paper lets each source patch spread '
    "one vote over the target, and then asks of every <em>target</em> patch: does anyone want you? "
    "So all of the target must be used: nothing of it may be left out. Other code (CoCosNet's, for "
    "one) asks every <em>source</em> patch: did you find something? That can be answered well with "
    "a small part of the target, so it does not force the rest to appear.</p>"
)

Updates = dict[Any, Any]
Values = Mapping[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
AT_ONCE: dict[str, Any] = {"queue": False, "trigger_mode": "always_last"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

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


def build(ctx: Context) -> None:
    """Add the tab to the page that is being built."""
    page = _build_page()
    _wire_query(page, ctx)
    _wire_pictures(page, ctx)
    _wire_layers(page, ctx)
    _wire_files(page, ctx)
    add_endpoint(ctx)


# ------------------------------------------------------------------------------- components


def _build_page() -> Page:
    made: dict[str, Any] = {}
    made["cards"] = _build_cards()
    made["lesson"] = gr.HTML(elem_id="cx-match-lesson")
    with gr.Row(elem_id="cx-match", equal_height=False):
        with gr.Column(scale=2, min_width=270, elem_id="cx-match-inputs"):
            with gr.Row(elem_id="cx-match-pickers", equal_height=True):
                made["source"] = _picker("Source", "cx-match-source")
                made["target"] = _picker("Target", "cx-match-target")
            made |= _build_controls()
        with gr.Column(scale=7, min_width=320, elem_id="cx-match-outputs"):
            made["viewer"] = _build_viewer()
            made["numbers"] = gr.HTML(elem_id="cx-match-numbers")
            made["strip"] = gr.HTML(elem_id="cx-match-strip")
    gr.HTML('<h2 class="cx-heading">All patches at once</h2>')
    made["figures"] = gr.HTML(elem_id="cx-match-figures")
    made["views"] = {}
    with gr.Tabs(elem_id="cx-match-views", overflow_behavior="wrap"):
        for name, title in VIEWS.items():
            with gr.Tab(title, id=name):
                made["views"][name] = gr.HTML(elem_id=f"cx-match-{name}", js_on_load=_TOGGLE)
        with gr.Tab("Layers", id="layers"):
            made["compare"] = gr.Button("Compare all layers", size="sm", elem_id="cx-match-compare")
            shown = match_survey.show_layers([], layers=LAYERS_SHOWN)
            made["layers"] = gr.HTML(shown, elem_id="cx-match-layers")
    made["state"] = gr.State(None, time_to_live=3600)
    return Page(**made)


VIEWS = {
    "correspondence": "Where it looks",
    "lines": "Strongest matches",
    "coverage": "Claimed and hubs",
    "redrawn": "Redrawn",
    "place": "Place and the perceptual loss",
}
QUICK_VIEWS = ("correspondence", "lines", "coverage")
SLOW_VIEWS = ("redrawn", "place")  # these compare all patches again
DRAW: dict[str, Callable[..., str]] = {
    "correspondence": match_survey.show_correspondence,
    "lines": match_survey.show_lines,
    "coverage": match_survey.show_coverage,
    "redrawn": match_survey.show_redrawn,
    "place": match_survey.show_place,
}

_TOGGLE = """
element.addEventListener('change', (event) => {
  const arrows = element.querySelector('.cxm-arrows');
  if (arrows && event.target.matches('.cxm-show-arrows')) {
    arrows.classList.toggle('cxm-shown', event.target.checked);
  }
});
"""


def _build_cards() -> gr.HTML:
    pairs = [example.pictures() for example in MATCH_EXAMPLES]
    titles = [example.title for example in MATCH_EXAMPLES]
    return picture_cards.build_pairs(
        pairs, titles, label="Pairs to start from", elem_id="cx-match-examples"
    )


def _picker(label: str, elem_id: str) -> SafeImage:
    return build_picker(label, elem_id, height=128, placeholder="Drop a picture")


def _build_controls() -> dict[str, Any]:
    made: dict[str, Any] = {}
    controls: dict[str, Any] = {}
    controls["bandwidth"] = control_for(OPTIONS["bandwidth"], elem_id="cx-match-bandwidth")
    controls["layer"] = gr.Dropdown(
        list(LAYERS_SHOWN),
        value=OPTIONS["layer"].default,
        label=OPTIONS["layer"].label,
        info=OPTIONS["layer"].help,
        elem_id="cx-match-layer",
    )
    controls["spatial_weight"] = control_for(
        OPTIONS["spatial_weight"], elem_id="cx-match-spatial_weight"
    )
    known = OPTIONS["asks"]
    controls["asks"] = gr.Radio(
        [("Source asks target", "source"), ("Target asks source", "target")],
        value=known.default,
        label=known.label,
        elem_id="cx-match-asks",
    )
    gr.HTML(DIRECTION, elem_id="cx-match-direction")
    with gr.Accordion("Coordinates, size, files", open=False, elem_id="cx-match-more"):
        with gr.Row():
            for axis, label in (("x", "Across, %"), ("y", "Down, %")):
                made[axis] = gr.Number(
                    50, label=label, minimum=0, maximum=100, min_width=90,
                    elem_id=f"cx-match-{axis}",
                )  # fmt: skip
        for name in ("size", "backbone"):
            controls[name] = control_for(OPTIONS[name], elem_id=f"cx-match-{name}")
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
    return made | {"controls": controls}


def _build_viewer() -> gr.HTML:
    return gr.HTML(
        {},
        html_template=(HERE / "viewer.html").read_text(encoding="utf-8"),
        js_on_load="const {say} = window.cxShared(element);\n"
        + (HERE / "viewer.js").read_text(encoding="utf-8"),
        elem_id="cx-match-viewer",
        scene={},
        survey={},
        palette=PALETTE,
        gradient=gradient_css(),
    )


# ------------------------------------------------------------------------------------ events


def _wire_query(page: Page, ctx: Context) -> None:
    """A click, a key, a number or a slider: one row at once; what it needs of all rows, after."""

    def ask(values: Values, event: gr.EventData) -> Updates:
        place = (float(event.x), float(event.y))  # pyright: ignore[reportAttributeAccessIssue]
        asked = replace(read_comparison(page, values), place=place)
        return show_query(page, ctx, asked, shown=values[page.state])

    def look(values: Values) -> Updates:
        return show_query(page, ctx, read_comparison(page, values), shown=values[page.state])

    def offer_layers(backbone: str) -> Updates:
        return gr.update(choices=[RGB, *LAYERS[backbone]])

    controls = [*page.controls.values()]
    page.viewer.ask(  # pyright: ignore[reportAttributeAccessIssue]
        _said(page, ask), page.inputs, page.answers, api_name="match_ask", **AT_ONCE, **PRIVATE
    )
    gr.on(
        [control.input for control in (page.x, page.y, *controls)],
        _said(page, look), page.inputs, page.answers, api_name="match_look", **AT_ONCE, **PRIVATE,
    )  # fmt: skip
    _then_survey(
        page, ctx, [control.input for control in controls], "match_survey", mode="always_last"
    )
    page.controls["backbone"].input(
        offer_layers, page.controls["backbone"], page.controls["layer"],
        api_name="match_offer_layers", queue=False, **PRIVATE,
    )  # fmt: skip


def _wire_pictures(page: Page, ctx: Context) -> None:
    """Another pair: from the address of the page, from a card, or from a file."""

    def arrive(event: gr.EventData) -> Updates:
        search = str(event.search)  # pyright: ignore[reportAttributeAccessIssue]
        return show_everything(page, ctx, read_link(search))

    def choose(event: gr.SelectData) -> Updates:
        example = MATCH_EXAMPLES[int(event.index)]  # pyright: ignore[reportArgumentType]
        return show_everything(page, ctx, example.open())

    def take(values: Values) -> Updates:
        current = read_comparison(page, values)
        source, target = (values[picker] for picker in (page.source, page.target))
        if source is None or target is None:
            return {page.lesson: tell_lesson("Choose the other picture, too.")}
        mine = replace(current, source=source, target=target, example=None)
        return show_query(page, ctx, mine, shown=current) | {page.lesson: tell_lesson(OWN_PICTURES)}

    arrival = page.viewer.arrive(  # pyright: ignore[reportAttributeAccessIssue]
        _said(page, arrive), None, page.everything, api_name="match_arrive", **PRIVATE
    )
    _then_survey(page, ctx, [arrival.success], "match_survey_arrival")
    example = page.cards.select(
        _said(page, choose), None, page.everything, api_name="match_example", **PRIVATE
    )
    _then_survey(page, ctx, [example.success], "match_survey_example")
    for picker in (page.source, page.target):
        name = str(picker.label).lower()
        taken = picker.upload(
            quickly(functools.partial(accept_upload, long_side=LARGEST)), picker, picker,
            preprocess=False, api_name=f"match_upload_{name}", **PRIVATE,
        ).success(
            _said(page, take), {*page.inputs, page.source, page.target},
            [*page.answers, page.lesson], api_name=f"match_take_{name}", **PRIVATE,
        )  # fmt: skip
        _then_survey(page, ctx, [taken.success], f"match_survey_{name}")


def _then_survey(
    page: Page, ctx: Context, triggers: list[Any], name: str, *, mode: str | None = None
) -> None:
    """All patches of the page's comparison, whenever one of the triggers fires."""

    def survey(values: Values) -> Iterator[Updates]:
        yield from show_survey(page, ctx, read_comparison(page, values))

    outputs = [page.viewer, page.figures, *page.views.values()]
    event: dict[str, Any] = {"api_name": name, **PRIVATE}
    handler = readable(quickly(survey, heavy=True))
    if mode:
        gr.on(triggers, handler, page.inputs, outputs, trigger_mode=mode, **event)  # pyright: ignore[reportArgumentType]
    else:
        for trigger in triggers:
            trigger(handler, page.inputs, outputs, **event)


def _wire_layers(page: Page, ctx: Context) -> None:
    def compare(values: Values) -> Iterator[str]:
        comparison = read_comparison(page, values)
        names = held_layers(comparison.config.backbone)
        scores: list[LayerScore] = []
        yield match_survey.show_layers(scores, layers=names)
        source, target = (images.to_tensor(p) for p in (comparison.source, comparison.target))
        for score in compare_layers(
            source.to(ctx.device),
            target.to(ctx.device),
            comparison.config,
            names,
            load=lambda layer: load_layer(ctx, comparison.config, layer),
        ):
            scores.append(score)
            yield match_survey.show_layers(scores, layers=names)

    page.compare.click(
        readable(quickly(compare, heavy=True)),
        page.inputs,
        page.layers,
        api_name="match_layers",
        **PRIVATE,
    )


def _wire_files(page: Page, ctx: Context) -> None:
    def draw(values: Values) -> list[Any]:
        files = save_figures(read_comparison(page, values), ctx)
        # Gradio serves copies; these go with the query that they show.
        weakref.finalize(values[page.state], shutil.rmtree, files[0].parent, ignore_errors=True)
        return [gr.update(value=str(file), interactive=True) for file in files]

    def load(file: str, state: Comparison | None) -> Updates:
        return show_everything(page, ctx, read_settings_file(Path(file), state))

    page.draw.click(
        readable(quickly(draw, heavy=True)), page.inputs, page.files, api_name="match_figures",
        api_visibility="private",
    )  # fmt: skip
    loaded = page.load.upload(
        _said(page, load), [page.load, page.state], page.everything, api_name="match_load",
        **PRIVATE,
    )  # fmt: skip
    _then_survey(page, ctx, [loaded.success], "match_survey_loaded")


def _said(page: Page, handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """A quick handler whose errors appear beside the pictures: it answers outside of the queue."""
    answer = quickly(handler)

    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Updates:
        try:
            return answer(*args, **kwargs)
        except Exception as error:
            return {page.viewer: gr.update(value={"error": to_toast(error).message})}

    return wrapped


# ----------------------------------------------------------------- from the page and to the page


def read_comparison(page: Page, values: Values) -> Comparison:
    """The comparison that the page shows.

    Raises:
        ValueError: There is none yet, or a control holds what its option may not.
    """
    current: Comparison | None = values[page.state]
    if current is None:
        raise ValueError("Choose two pictures first, or one of the examples.")
    settings = {name: values[control] for name, control in page.controls.items()}
    x, y = values[page.x], values[page.y]
    if x is None or y is None or not (0 <= x <= 100 and 0 <= y <= 100):
        raise ValueError(f"Across and Down are percents, from 0 to 100; got {x} and {y}.")
    return replace(
        current, config=read_config(PatchSimilarityConfig, settings), place=(x / 100, y / 100)
    )


def show_query(
    page: Page, ctx: Context, comparison: Comparison, *, shown: Comparison | None = None
) -> Updates:
    """One patch's answer, and the pictures unless they are those that are shown already."""
    row, numbers, strip = answer_click(comparison, ctx)
    viewer: dict[str, Any] = {"value": row | {"link": write_link(comparison)}}
    if shown is None or shown.scene != comparison.scene:
        viewer["scene"] = show_scene(comparison, ctx)
    x, y = (round(100 * share, 2) for share in comparison.place)
    return {
        page.viewer: gr.update(**viewer),
        page.numbers: numbers,
        page.strip: strip,
        page.x: x,
        page.y: y,
        page.state: comparison,
    }


def show_everything(page: Page, ctx: Context, comparison: Comparison) -> Updates:
    """A comparison that did not come from the page: its pictures and settings, too."""
    example = find_example(comparison.example)
    return show_query(page, ctx, comparison) | {
        page.source: comparison.source,
        page.target: comparison.target,
        page.lesson: tell_lesson(example.lesson if example else OWN_PICTURES),
        **show_config(comparison.config, page.controls),
    }


def show_survey(page: Page, ctx: Context, comparison: Comparison) -> Iterator[Updates]:
    """All patches: who wins whom and the numbers at once, then the pictures one by one."""
    survey = comparison.survey(ctx)
    yield {
        page.viewer: gr.update(survey=match_survey.show_survey(comparison, survey)),
        page.figures: match_survey.show_figures(comparison, survey),
    }
    yield {page.views[name]: DRAW[name](comparison, ctx, survey) for name in QUICK_VIEWS}
    yield {page.views[name]: DRAW[name](comparison, ctx, survey) for name in SLOW_VIEWS}


def tell_lesson(text: str) -> str:
    """What to do and what to see."""
    return f'<p class="cxm-lesson">{escape(text)}</p>'


def held_layers(backbone: str) -> tuple[str, ...]:
    """RGB patches and the layers whose parameters are here; all of them where none are."""
    table = LAYERS[backbone]
    tensors = find_checkpoint(backbone).tensors
    held = [name for name, layer in table.items() if f"{layer.key}.weight" in tensors]
    return (RGB, *(held or table))


def save_figures(comparison: Comparison, ctx: Context) -> list[Path]:
    """The panel for slides, as PDF and as SVG."""
    from cxdemo.figures.match import draw_figure
    from cxdemo.figures.print_frame import save_figure

    source, target = (
        images.to_pil(comparison.kept(ctx, picture).picture)
        for picture in (comparison.asker, comparison.asked)
    )
    figure = draw_figure(
        source, target, comparison.ask(ctx), comparison.config, pair_names=comparison.titles
    )
    folder = Path(tempfile.mkdtemp(prefix="cxdemo-"))
    files = [folder / f"cxdemo-match.{ending}" for ending in ("pdf", "svg")]
    for file in files:
        save_figure(figure, file)
    return files


PLACE = Option(
    name="place",
    default=(0.5, 0.5),
    help="Where the patch lies: shares of width and height.",
    label="Place",
    minimum=0.0,
    maximum=1.0,
)


def read_settings_file(path: Path, state: Comparison | None) -> Comparison:
    """The comparison of a downloaded JSON; pictures that it cannot name are those shown now.

    Raises:
        ValueError: It holds none.
    """
    read = read_settings(
        PatchSimilarityConfig, images.read_settings_text(path), pipeline="patch_similarity"
    )
    place = mend_value(PLACE, read.rest.get("place"))
    check_value(PLACE, place)
    if len(place) != 2:
        raise ValueError(f"The place must be two shares in [0, 1], got {len(place)}.")
    name = read.rest.get("example")
    example = find_example(name if isinstance(name, str) else None)
    shown = example.open() if example else state or MATCH_EXAMPLES[0].open()
    return replace(shown, config=read.config, place=place)
