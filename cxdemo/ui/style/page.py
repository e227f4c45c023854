"""The style transfer tab: components, and which handler each event calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import gradio as gr
from gradio.context import Context as BeingBuilt
from PIL import Image

from cxdemo import examples, images
from cxdemo.engine.context import Context
from cxdemo.figures import overlay as match_overlay
from cxdemo.figures.charts import draw_loss_curve
from cxdemo.gallery import style as style_gallery
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.style_transfer import (
    PRESETS,
    StyleTransferConfig,
    check_sides,
    load_preset,
)
from cxdemo.runs.pace import Paces, paces_of, style_stages
from cxdemo.runs.style import StyleRun, choose_styles, read_settings_file
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.run_wiring import answer_stop, follow
from cxdemo.ui.kit.safe_image import SafeImage, accept_upload, build_picker
from cxdemo.ui.kit.shelf import move_to_shelf
from cxdemo.ui.kit.turns import check_turn, quickly
from cxdemo.ui.style.api import add_endpoints
from cxdemo.ui.style.progress import tell_estimate, tell_pair, tell_progress

OPTIONS = options_of(StyleTransferConfig)
PRESET_NAMES = {"fast": "Fast", "fine": "Fine", "paper": "Paper", "authors": "Authors' settings"}
LARGEST = int(OPTIONS["size"].maximum or 1024)  # pixels; more of an upload is never used
REFRESH = 0.3  # seconds between two updates of the page

Updates = dict[Any, Any]
Finished = list[tuple[style_gallery.Example, StyleRun]]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers write to."""

    content: SafeImage
    styles: list[SafeImage]
    weights: list[gr.Slider]
    preset: gr.Radio
    controls: dict[str, Any]
    estimate: gr.HTML
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    pair: gr.HTML
    views: gr.Tabs
    live: gr.Image
    compare: gr.ImageSlider
    position: gr.Slider
    result: gr.Image
    matched: gr.Image
    told: gr.HTML
    x: gr.Slider
    y: gr.Slider
    curve: gr.HTML
    png: gr.DownloadButton
    json: gr.DownloadButton
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.content, *self.styles, *self.weights, self.preset, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.pair, self.views, self.live, self.compare,
            self.result, self.matched, self.told, self.curve, self.png, self.json, self.state,
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Add the tab to the page that is being built."""
    shown = style_gallery.finished_examples()
    first = shown[0][1] if shown else None
    with gr.Row(elem_id="cx-style", equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_id="cx-inputs"):
            content, style, strips = _build_pickers(first)
            preset, controls, estimate, run, stop = _build_settings()
            styles, weights = _build_more_styles(style)
        with gr.Column(scale=6, min_width=320, elem_id="cx-outputs"):
            results = _build_results(first)
    advanced, upload = _build_advanced()
    controls |= advanced
    cards = _build_examples(shown)
    page = Page(
        content=content, styles=styles, weights=weights, preset=preset, controls=controls,
        estimate=estimate, run=run, stop=stop, **results,
    )  # fmt: skip
    chosen = _wire_pickers(page, strips)
    _wire_settings(page, paces_of(ctx.device), upload)
    _wire_run(page, ctx)
    _wire_inputs(page, chosen)
    _wire_views(page, ctx)
    _wire_examples(page, cards, shown)
    add_endpoints(ctx)


# ------------------------------------------------------------------------------- components


def _build_pickers(
    first: StyleRun | None,
) -> tuple[SafeImage, SafeImage, dict[Any, SafeImage]]:
    """Content, style, and the strips of pictures to start from."""
    with gr.Row(elem_id="cx-pickers", equal_height=True):
        with gr.Column(min_width=150):
            content = _picker("Content", "cx-content", value=first and first.content)
            content_strip = _strip("portrait", "photo", label="Pictures for the content")
        with gr.Column(min_width=150):
            style = _picker("Style", "cx-style-picture", value=first and first.styles[0])
            style_strip = _strip("painting", label="Paintings for the style")
    return content, style, {content_strip: content, style_strip: style}


def _build_more_styles(style: SafeImage) -> tuple[list[SafeImage], list[gr.Slider]]:
    """Two more styles, and the weight of each of the three."""
    with gr.Accordion("Blend in more styles", open=False, elem_id="cx-more-styles"):
        first = gr.Slider(0, 1, 1, step=0.05, label="Weight of the style above")
        with gr.Row():
            with gr.Column(min_width=150):
                second = _picker("Second style", "cx-style-2", "if you like")
                second_weight = gr.Slider(0, 1, 0.5, step=0.05, label="Its weight")
            with gr.Column(min_width=150):
                third = _picker("Third style", "cx-style-3", "if you like")
                third_weight = gr.Slider(0, 1, 0.5, step=0.05, label="Its weight")
    return [style, second, third], [first, second_weight, third_weight]


def _picker(
    label: str, elem_id: str, hint: str = "or choose below", *, value: Image.Image | None = None
) -> SafeImage:
    placeholder = f"Drop a {label.lower()} picture, {hint}"
    return build_picker(label, elem_id, value, height=170, placeholder=placeholder)


def _strip(*kinds: str, label: str) -> gr.HTML:
    files = examples.picture_files(*kinds)
    pictures = [examples.open_picture(path) for path in files]
    titles = [examples.title_of(path) for path in files]
    return picture_cards.build_thumbnails(
        pictures, titles, label=label, elem_id=f"cx-strip-{kinds[-1]}"
    )


def _build_settings() -> tuple[gr.Radio, dict[str, Any], gr.HTML, gr.Button, gr.Button]:
    """Presets, the simple options of the configuration, Run and Stop."""
    names = [(PRESET_NAMES.get(name, name.capitalize()), name) for name in PRESETS]
    preset = gr.Radio(names, value="fast", label="Preset", elem_id="cx-preset")
    simple = [name for name, known in OPTIONS.items() if not known.advanced]
    with gr.Row(elem_id="cx-simple"):
        controls = {name: _control(name, brief=True) for name in simple}
    with gr.Row(elem_id="cx-run-row"):
        run = gr.Button("Run", variant="primary", scale=3, min_width=140, elem_id="cx-run")
        stop = gr.Button(
            "Stop", variant="secondary", interactive=False, min_width=90, elem_id="cx-stop"
        )
    estimate = gr.HTML(elem_id="cx-estimate")
    return preset, controls, estimate, run, stop


def _build_advanced() -> tuple[dict[str, Any], gr.UploadButton]:
    """The other options, and a way to take all of them from an earlier result."""
    with gr.Accordion("Advanced", open=False, elem_id="cx-advanced"):
        with gr.Row(elem_id="cx-advanced-options"):
            controls = {n: _control(n) for n, known in OPTIONS.items() if known.advanced}
        upload = gr.UploadButton(
            "Use the settings of a result (PNG, JPEG, WebP, TIFF or JSON)",
            file_types=[*images.WRITABLE, ".json"],
            size="sm",
        )
    return controls, upload


def _control(name: str, *, brief: bool = False) -> Any:
    return control_for(OPTIONS[name], brief=brief, elem_id=f"cx-option-{name}")


def _build_results(first: StyleRun | None) -> dict[str, Any]:
    """The views of the result, the loss curve and the downloads, by their names in `Page`.

    They show a finished example from the start: an event that filled them on arrival would come
    late on a slow server, and undo what the visitor had done by then.
    """
    value = result_values(first) if first else {}
    made: dict[str, Any] = {"state": gr.State(first, time_to_live=3600)}
    made["status"] = gr.HTML(value.get("status", ""), elem_id="cx-progress")
    made["pair"] = gr.HTML(move_to_shelf(value.get("pair", "")), elem_id="cx-result-of")
    with gr.Tabs(elem_id="cx-views", overflow_behavior="wrap") as made["views"]:
        with gr.Tab("Result", id="live"):
            made["live"] = gr.Image(
                value.get("live"),
                **_shown(
                    "Result", "cx-live", format="jpeg", buttons=["fullscreen"], show_label=False
                ),
            )
        with gr.Tab("Before / after", id="compare"):
            made["compare"] = gr.ImageSlider(
                value.get("compare"),
                format="png",
                type="pil",
                interactive=False,
                show_label=False,
                buttons=["fullscreen"],
                height=420,
                elem_id="cx-compare",
            )
            made["position"] = gr.Slider(
                0, 100, 50, step=1, label="Where the two meet, %", elem_id="cx-position"
            )
        with gr.Tab("Why like this?", id="why"):
            gr.HTML(
                '<p class="cx-hint">Click a place of the result, or move the sliders with the '
                "arrow keys: the style patches it took after light up.</p>"
            )
            with gr.Row(elem_id="cx-why"):
                made["result"] = gr.Image(
                    value.get("result"), **_shown("Result: click it", "cx-why-result")
                )
                made["matched"] = gr.Image(
                    value.get("matched"), **_shown("Matched style patches", "cx-why-style")
                )
            with gr.Row():
                made["x"] = gr.Slider(0, 100, 50, step=1, label="Across, %", elem_id="cx-x")
                made["y"] = gr.Slider(0, 100, 50, step=1, label="Down, %", elem_id="cx-y")
            made["told"] = gr.HTML(elem_id="cx-why-told")
    made["curve"] = gr.HTML(value.get("curve", draw_loss_curve([], total=0)), elem_id="cx-losses")
    with gr.Row(elem_id="cx-downloads"):
        made["png"] = gr.DownloadButton(
            "Download PNG, settings inside",
            value.get("png"),
            interactive=bool(first),
            size="sm",
            elem_id="cx-png",
        )
        made["json"] = gr.DownloadButton(
            "Settings as JSON",
            value.get("json"),
            interactive=bool(first),
            size="sm",
            elem_id="cx-json",
        )
    return made


def _shown(label: str, elem_id: str, **changes: Any) -> dict[str, Any]:
    """Arguments of an image that only shows something."""
    common = {
        "label": label,
        "format": "png",
        "type": "pil",
        "interactive": False,
        "buttons": [],
        "elem_id": elem_id,
        "alt_text": label,
    }
    return common | changes


def _build_examples(shown: Finished) -> gr.HTML:
    cards = [(job.content, job.styles[0], job.image or job.content) for _, job in shown]
    gr.HTML('<h2 class="cx-heading">Finished examples, one click away</h2>', visible=bool(shown))
    titles = [example.title for example, _ in shown]
    return picture_cards.build_cards(cards, titles, label="Examples", elem_id="cx-examples")


# ------------------------------------------------------------------------------------ events


def _wire_pickers(page: Page, strips: Mapping[Any, SafeImage]) -> list[Callable[..., Any]]:
    """The events after which a picker holds another picture."""
    chosen: list[Callable[..., Any]] = []
    for index, picker in enumerate([page.content, *page.styles]):
        accepted = picker.upload(
            quickly(partial(accept_upload, long_side=LARGEST)),
            picker,
            picker,
            preprocess=False,
            api_name=f"accept_upload_{index}",
            **PRIVATE,
        )
        chosen.append(accepted.then)
    for strip, picker in strips.items():
        kinds = ("portrait", "photo") if picker is page.content else ("painting",)
        picked = strip.select(
            _pick_from(examples.picture_files(*kinds)),
            None,
            picker,
            api_name=f"pick_{kinds[-1]}",
            queue=False,
            **PRIVATE,
        )
        chosen.append(picked.then)
    return chosen


def _pick_from(files: list[Path]) -> Callable[..., Image.Image]:
    def pick(event: gr.SelectData) -> Image.Image:
        return examples.open_picture(files[int(event.index)])  # pyright: ignore[reportArgumentType]

    return pick


def _wire_settings(page: Page, paces: Paces, upload: gr.UploadButton) -> None:
    controls = page.controls
    targets = [*controls.values()]

    def choose_preset(name: str) -> Updates:
        return show_config(load_preset(name), controls)

    def load_settings(file: str) -> Updates:
        read = read_settings_file(Path(file))
        gr.Info(escape(f"The settings of the file are in place. {read.notice}".strip()))
        return show_config(read.config, controls) | show_weights(read.rest["style_weights"], page)

    def estimate(values: Mapping[Any, Any]) -> str:
        try:
            config = read_controls(values, controls)
        except ValueError as error:
            return tell_estimate(None, str(error), None)
        styles = [values[style] for style in page.styles]
        count = max(1, sum(style is not None for style in styles))
        name = PRESET_NAMES.get(values[page.preset], "")
        changed = [
            OPTIONS[k].label
            for k in OPTIONS
            if getattr(config, k) != getattr(PRESETS[values[page.preset]], k)
        ]
        seconds = paces.seconds(style_stages(config, styles=count))
        return tell_estimate(config, name, seconds, changed=changed)

    page.preset.input(
        readable(choose_preset), page.preset, targets, api_name="choose_preset", queue=False,
        **PRIVATE,
    )  # fmt: skip
    upload.upload(
        readable(load_settings),
        upload,
        [*targets, *page.weights],
        api_name="load_settings",
        **PRIVATE,
    )
    gr.on(
        [page_load(), *(control.change for control in (page.preset, *targets))],
        estimate,
        {page.preset, *targets, *page.styles},
        page.estimate,
        api_name="estimate_time",
        trigger_mode="always_last",
        queue=False,
        **PRIVATE,
    )


def show_weights(weights: Sequence[float], page: Page) -> Updates:
    """Updates that make the sliders show the weights of styles; only their ratios count."""
    largest = max(1.0, *weights)
    return dict(zip(page.weights, [round(weight / largest, 4) for weight in weights], strict=False))


def read_controls(values: Mapping[Any, Any], controls: Mapping[str, Any]) -> StyleTransferConfig:
    """The configuration that the controls show."""
    return read_config(StyleTransferConfig, {n: values[c] for n, c in controls.items()})


def _wire_run(page: Page, ctx: Context) -> None:
    def prepare(values: Mapping[Any, Any]) -> StyleRun:
        if values[page.content] is None:
            raise ValueError("Choose a content picture first: drop one, or click a small picture.")
        styles, shares = choose_styles(
            [values[style] for style in page.styles], [values[weight] for weight in page.weights]
        )
        config = read_controls(values, page.controls)
        content = values[page.content]
        check_sides(content.size, [style.size for style in styles], config)
        return StyleRun(content=content, styles=styles, shares=shares, config=config)

    def begin(values: Mapping[Any, Any]) -> Updates:
        job = prepare(values)
        check_turn()
        return {
            page.run: gr.Button("Running…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.views: gr.Tabs(selected="live"),
            page.live: job.preview(),
            page.status: tell_progress(job),
            page.pair: tell_pair(job),
            page.result: None,
            page.matched: None,
            page.told: "",
            page.state: job,
        }

    def run(job: StyleRun) -> Iterator[Updates]:
        def progress() -> Updates:
            if job.index == 1 and job.notice:
                gr.Warning(job.notice, title="Another network is used", duration=15)
            return show_progress(page, job)

        yield from follow(
            job, ctx, "style transfer", status=page.status, progress=progress,
            result=lambda: show_result(page, job), every=REFRESH,
        )  # fmt: skip

    def stop(job: StyleRun | None) -> Updates:
        return answer_stop(
            job,
            idle=lambda: {**idle(page), page.status: tell_progress(None, stopped=True)},
            progress=lambda: {
                page.stop: gr.Button(interactive=False),
                page.status: tell_progress(job, stopped=True),
            },
            result=lambda: show_result(page, job),  # pyright: ignore[reportArgumentType]
        )

    _scroll_on(page.run.click, "scroll_on_run")
    page.run.click(
        readable(begin), page.inputs, page.outputs, api_name="begin_style", **PRIVATE
    ).success(readable(run), page.state, page.outputs, api_name="run_style", **PRIVATE)
    page.stop.click(
        readable(stop), page.state, page.outputs, api_name="stop_style", queue=False, **PRIVATE
    )


def _wire_inputs(page: Page, chosen: Sequence[Callable[..., Any]]) -> None:
    def tell_whose(values: Mapping[Any, Any]) -> str:
        job = values[page.state]
        if job is None:
            return ""
        try:
            styles, shares = choose_styles(
                [values[style] for style in page.styles],
                [values[weight] for weight in page.weights],
            )
            fits = job.belongs_to(
                values[page.content], styles, shares, read_controls(values, page.controls)
            )
        except ValueError:
            fits = False
        return tell_pair(job, stale=not fits)

    inputs = {*page.inputs, page.state}
    changes = [control.change for control in (*page.weights, *page.controls.values())]
    gr.on(
        [*changes, *(picker.clear for picker in (page.content, *page.styles))],
        tell_whose,
        inputs,
        page.pair,
        api_name="tell_whose_result",
        trigger_mode="always_last",
        **PRIVATE,
    )
    for letter, event in zip(ascii_lowercase, chosen, strict=False):
        event(tell_whose, inputs, page.pair, api_name=f"tell_whose_result_{letter}", **PRIVATE)


def idle(page: Page) -> Updates:
    """The buttons as they are when nothing runs."""
    return {
        page.run: gr.Button("Run", interactive=True),
        page.stop: gr.Button(interactive=False),
    }


def show_progress(page: Page, job: StyleRun) -> Updates:
    """What is there so far."""
    return {
        page.live: job.preview(),
        page.status: tell_progress(job),
        page.curve: draw_loss_curve(job.history, total=job.total),
    }


def show_result(page: Page, job: StyleRun) -> Updates:
    """A result that can be compared, explained and downloaded, whether finished or stopped."""
    updates = {**idle(page), page.state: job, page.status: tell_progress(job, stopped=job.stopped)}
    if job.image is None:
        return updates
    values = result_values(job)
    for button, name in ((page.png, "png"), (page.json, "json")):
        updates[button] = gr.DownloadButton(value=values.pop(name), interactive=True)
    return updates | {getattr(page, name): value for name, value in values.items()}


def result_values(job: StyleRun) -> dict[str, Any]:
    """What the components show of a result, by their names in `Page`."""
    picture = job.image or job.content
    png, sidecar = job.save()
    return {
        "status": tell_progress(job, stopped=job.stopped),
        "pair": tell_pair(job),
        "live": str(png),
        "compare": (job.before(), picture),
        "result": match_overlay.enlarge(picture),
        "matched": match_overlay.mark_matches(job.styles, []),
        "told": "",
        "curve": draw_loss_curve(job.history, total=job.total),
        "png": str(png),
        "json": str(sidecar),
    }


SCROLL_TO_RESULT = """() => {
  const result = document.querySelector('#cx-outputs');
  const top = result.getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) result.scrollIntoView({behavior: 'smooth'});
}"""


def _scroll_on(event: Callable[..., Any], api_name: str) -> None:
    """Bring the result into view where it is not, as on a phone."""
    event(None, None, None, js=SCROLL_TO_RESULT, api_name=api_name, queue=False, **PRIVATE)


def _wire_views(page: Page, ctx: Context) -> None:
    def pick_place(event: gr.SelectData, picture: Image.Image) -> tuple[int, int]:
        x, y = event.index
        return round(100 * x / picture.width), round(100 * y / picture.height)

    def explain(job: StyleRun | None, x: float, y: float) -> Updates:
        if job is None:
            raise ValueError("There is no result to explain yet: press Run or choose an example.")
        place, matches, layer = job.explain(ctx, x / 100, y / 100)
        marked = match_overlay.mark_place(job.image or job.content, place)
        return {
            page.result: marked,
            page.matched: match_overlay.mark_matches(job.styles, matches),
            page.told: match_overlay.tell_matches(
                matches, layer=layer, bandwidth=job.config.style_bandwidth
            )
            + match_overlay.list_matches(matches, several_styles=len(job.styles) > 1),
        }

    page.position.input(
        lambda share: gr.ImageSlider(slider_position=share),
        page.position,
        page.compare,
        api_name="move_slider",
        trigger_mode="always_last",
        queue=False,
        **PRIVATE,
    )
    inputs, outputs = [page.state, page.x, page.y], [page.result, page.matched, page.told]
    page.result.select(
        readable(pick_place), page.result, [page.x, page.y], api_name="pick_place", **PRIVATE
    ).success(
        readable(quickly(explain)), inputs, outputs, api_name="explain_click", **PRIVATE
    )  # fmt: skip
    gr.on(
        [page.x.input, page.y.input],
        readable(quickly(explain)),
        inputs,
        outputs,
        api_name="explain_keys",
        trigger_mode="always_last",
        **PRIVATE,
    )


def _wire_examples(page: Page, cards: gr.HTML, shown: Finished) -> None:
    targets = [page.content, *page.styles, page.preset, *page.controls.values(), *page.weights]

    def choose(event: gr.SelectData) -> Updates:
        example, _ = shown[int(event.index)]  # pyright: ignore[reportArgumentType]
        job = style_gallery.open_example(example)
        return {
            **show_result(page, job),
            **show_config(job.config, page.controls),
            page.preset: example.preset,
            page.content: job.content,
            **dict(zip(page.styles, [job.styles[0], None, None], strict=True)),
            page.weights[0]: 1.0,
            page.views: gr.Tabs(selected="live"),
        }

    outputs = [*targets, *page.outputs]
    _scroll_on(cards.select, "scroll_on_example")
    cards.select(readable(choose), None, outputs, api_name="open_example", **PRIVATE)


def page_load() -> Callable[..., Any]:
    """The event of a visitor's arrival."""
    page = BeingBuilt.root_block
    if page is None:
        raise RuntimeError("A tab is built inside `with gr.Blocks()`.")
    return page.load
