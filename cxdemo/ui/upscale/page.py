"""The super-resolution tab: components, and which handler each event calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context as BeingBuilt
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.gallery.upscale import EXAMPLES, UpscaleExample
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.super_resolution import METHODS, SuperResolutionConfig
from cxdemo.runs.pace import Paces, paces_of
from cxdemo.runs.upscale import NAMES, UpscaleRun, choose_methods
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.layered_image import LayeredImage, check_upload, size_of
from cxdemo.ui.kit.options_form import control_for
from cxdemo.ui.kit.run_wiring import answer_stop, follow
from cxdemo.ui.kit.turns import check_turn, is_small, quickly
from cxdemo.ui.upscale.api import add_endpoints
from cxdemo.ui.upscale.view import (
    LABELS,
    LENS_SCRIPT,
    find_problem,
    frame_width,
    page_address,
    show_lens,
    show_scores,
    tell_estimate,
    tell_progress,
)

OPTIONS = options_of(SuperResolutionConfig)
ADVANCED = [name for name, known in OPTIONS.items() if known.advanced]
REFRESH = 0.3  # seconds between two updates of the page
RUN_LABEL = "Upscale ×4"

Updates = dict[Any, Any]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The components that handlers read and write."""

    picture: LayeredImage
    methods: gr.CheckboxGroup
    test: gr.Checkbox
    controls: dict[str, Any]
    estimate: gr.HTML
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    live: gr.Image
    views: gr.Column
    compare: gr.ImageSlider
    left: gr.Radio
    right: gr.Radio
    position: gr.Slider
    scores: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    lens: gr.HTML
    example: gr.State
    state: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.methods, self.test, self.example, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        """What a run writes."""
        return [
            self.run, self.stop, self.status, self.live, self.views, self.compare, self.left,
            self.right, self.scores, self.lens, self.state, *self.downloads.values(),
        ]  # fmt: skip


def build(ctx: Context) -> None:
    """Add the tab to the page that is being built."""
    with gr.Row(elem_id="cx-sr", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_id="cx-sr-inputs"):
            inputs = _build_inputs()
        with gr.Column(scale=7, min_width=320, elem_id="cx-sr-outputs"):
            results = _build_results()
    lens = gr.HTML(elem_id="cx-sr-lens", js_on_load=LENS_SCRIPT)
    strip = inputs.pop("strip")
    page = Page(**inputs, **results, lens=lens, state=gr.State(None, time_to_live=3600))
    paces = paces_of(ctx.device)
    _wire_inputs(page, paces)
    chosen = _wire_examples(page, strip)
    _wire_run(page, ctx, chosen)
    _wire_views(page)
    add_endpoints(ctx)


# ------------------------------------------------------------------------------- components


def _build_inputs() -> dict[str, Any]:
    """The picture, what to compare, Run and Stop, by their names in `Page`; and the examples."""
    first = EXAMPLES[0]
    made: dict[str, Any] = {}
    made["picture"] = LayeredImage(
        first.open(test=False),
        label="Picture",
        format="png",
        type="pil",
        sources=["upload", "clipboard"],
        buttons=[],
        height=230,
        elem_id="cx-sr-picture",
        elem_classes="cx-picker",
        alt_text="The picture to enlarge",
        placeholder="Drop a small picture, or choose below",
    )
    made["strip"] = picture_cards.build_thumbnails(
        [example.open(test=False) for example in EXAMPLES],
        [example.title for example in EXAMPLES],
        label="Pictures to try",
        elem_id="cx-sr-strip",
    )
    made["example"] = gr.State(first)
    made["methods"] = gr.CheckboxGroup(
        [(name, method) for method, name in NAMES.items()],
        value=list(METHODS),
        label="Compare",
        elem_id="cx-sr-methods",
    )
    made["test"] = gr.Checkbox(
        label="Test me: shrink my picture first, and measure",
        info="Give it a sharp picture. It is shrunk to a quarter, restored, and compared with "
        "itself.",
        elem_id="cx-sr-test",
    )
    with gr.Row(elem_id="cx-sr-run-row", elem_classes="cx-run-row"):
        made["run"] = gr.Button(
            RUN_LABEL, variant="primary", scale=3, min_width=140, elem_id="cx-sr-run"
        )
        made["stop"] = gr.Button(
            "Stop", variant="secondary", interactive=False, min_width=90, elem_id="cx-sr-stop"
        )
    made["estimate"] = gr.HTML(elem_id="cx-sr-estimate")
    with gr.Accordion("Advanced", open=False, elem_id="cx-sr-advanced"):
        made["controls"] = {
            name: control_for(OPTIONS[name], elem_id=f"cx-sr-option-{name}") for name in ADVANCED
        }
    return made


def _build_results() -> dict[str, Any]:
    """The views of the results, the scores and the downloads, by their names in `Page`."""
    made: dict[str, Any] = {}
    made["status"] = gr.HTML(_invitation(), elem_id="cx-sr-progress")
    made["live"] = gr.Image(
        format="jpeg",
        type="pil",
        interactive=False,
        show_label=False,
        buttons=[],
        visible=False,
        elem_id="cx-sr-live",
        alt_text="The result so far",
    )
    with gr.Column(visible=False, elem_id="cx-sr-views") as made["views"]:
        with gr.Row(elem_id="cx-sr-sides"):
            made["left"] = gr.Radio([], label="Left", min_width=140, elem_id="cx-sr-left")
            made["right"] = gr.Radio([], label="Right", min_width=140, elem_id="cx-sr-right")
        made["compare"] = gr.ImageSlider(
            format="png",
            type="filepath",
            interactive=False,
            show_label=False,
            buttons=["fullscreen"],
            elem_id="cx-sr-compare",
        )
        made["position"] = gr.Slider(
            0, 100, 50, step=1, label="Where the two meet, %", elem_id="cx-sr-position"
        )
        made["scores"] = gr.HTML(elem_id="cx-sr-scores")
        with gr.Row(elem_id="cx-sr-downloads"):
            made["downloads"] = {
                method: gr.DownloadButton(
                    f"{name}, PNG", size="sm", visible=False, min_width=110,
                    elem_id=f"cx-sr-png-{method}",
                )
                for method, name in NAMES.items()
            }  # fmt: skip
    return made


def _invitation() -> str:
    return (
        '<div class="cx-sr-empty"><p><b>A small picture, four times as wide and as high.</b></p>'
        "<p>Press <i>Upscale ×4</i>, or click one of the pictures to try: it starts at once. Then "
        "move the slider between any two results, and point the magnifier at a detail.</p>"
        "<ul><li><b>Bicubic</b> only smooths between pixels.</li><li><b>Squared error</b> is a "
        "network that stays as near as it can on average: clean, and a little soft.</li><li><b>CX"
        "</b> is the same network, trained with the Contextual Loss to have the patches of real "
        "photos: texture comes back.</li><li><b>CX + GAN</b> has a judge of photos on top.</li>"
        "</ul></div>"
    )


# ------------------------------------------------------------------------------------ events


def _wire_inputs(page: Page, paces: Paces) -> None:
    def accept(payload: dict[str, Any] | None) -> Updates:
        checked = check_upload(payload)
        kept: Any = gr.skip() if checked is not None else None
        return {page.picture: kept, page.example: None}

    def estimate(payload: dict[str, Any] | None, methods: list[str], test: bool) -> str:
        return tell_estimate(size_of(payload), methods, test=test, seconds=paces.seconds)

    page.picture.upload(
        quickly(accept),
        page.picture,
        [page.picture, page.example],
        preprocess=False,
        api_name="accept_small_picture",
        **PRIVATE,
    )
    gr.on(
        [_page_load(), page.picture.change, page.methods.change, page.test.change],
        estimate,
        [page.picture, page.methods, page.test],
        page.estimate,
        preprocess=False,
        api_name="estimate_upscale",
        trigger_mode="always_last",
        queue=False,
        **PRIVATE,
    )


def _wire_run(page: Page, ctx: Context, chosen: Any) -> None:
    """Wires Run, Stop, and the choice of an example, which runs it."""

    def prepare(values: Mapping[Any, Any]) -> UpscaleRun:
        picture = values[page.picture]
        if picture is None:
            raise ValueError("Choose a small picture first: drop one, or click one below.")
        test = bool(values[page.test])
        if problem := find_problem(picture.size, test=test):
            raise ValueError(problem)
        example: UpscaleExample | None = values[page.example]
        return UpscaleRun(
            picture=picture,
            methods=choose_methods(values[page.methods]),
            config=read_config(
                SuperResolutionConfig, {n: values[c] for n, c in page.controls.items()}
            ),
            test=test,
            note=example.note if example else "",
            focus=example.focus if example else (0.5, 0.5),
        )

    def begin(values: Mapping[Any, Any]) -> Updates:
        job = prepare(values)
        if not is_small(job, ctx):
            check_turn()
        return {
            page.run: gr.Button("Working…", interactive=False),
            page.stop: gr.Button(interactive=True),
            page.state: job,
            page.status: tell_progress(job),
            page.views: gr.Column(visible=False),
            page.lens: "",
        }

    def run(job: UpscaleRun) -> Iterator[Updates]:
        yield from follow(
            job,
            ctx,
            "upscale",
            status=page.status,
            progress=lambda: show_progress(page, job),
            result=lambda: show_result(page, job),
            every=REFRESH,
            often_small=True,
        )

    def stop(job: UpscaleRun | None) -> Updates:
        return answer_stop(
            job,
            idle=lambda: {**_idle(page), page.status: tell_progress(None, stopped=True)},
            progress=lambda: {
                page.stop: gr.Button(interactive=False),
                page.status: tell_progress(job),
            },
            result=lambda: show_result(page, job),  # pyright: ignore[reportArgumentType]
        )

    inputs, outputs = page.inputs, page.outputs

    def start_on(event: Callable[..., Any], name: str) -> None:
        event(None, None, None, js=SCROLL_TO_RESULT, api_name=f"scroll_{name}", queue=False,
              **PRIVATE)  # fmt: skip
        event(readable(begin), inputs, outputs, api_name=f"begin_{name}", **PRIVATE).success(
            readable(run), page.state, outputs, api_name=f"run_{name}", **PRIVATE
        )

    start_on(page.run.click, "upscale")
    start_on(chosen.success, "upscale_example")
    page.stop.click(
        readable(stop), page.state, outputs, api_name="stop_upscale", queue=False, **PRIVATE
    )


def _wire_examples(page: Page, strip: gr.HTML) -> Any:
    """Wires the strip of examples. Returns the event of a choice."""

    def choose(event: gr.SelectData, test: bool) -> tuple[Image.Image, UpscaleExample]:
        example = EXAMPLES[int(event.index)]  # pyright: ignore[reportArgumentType]
        return example.open(test=test), example

    def switch(test: bool, example: UpscaleExample | None) -> Any:
        """An example is sharp for a test, and small without one."""
        return gr.skip() if example is None else example.open(test=test)

    chosen = strip.select(
        choose, page.test, [page.picture, page.example], api_name="pick_small_picture",
        queue=False, **PRIVATE,
    )  # fmt: skip
    page.test.input(
        switch, [page.test, page.example], page.picture, api_name="switch_test", queue=False,
        **PRIVATE,
    )  # fmt: skip
    return chosen


def _wire_views(page: Page) -> None:
    def show_pair(job: UpscaleRun | None, left: str, right: str) -> Any:
        if job is None or left not in job.files or right not in job.files:
            return gr.skip()
        return _pair(job, left, right)

    for side, radio in (("left", page.left), ("right", page.right)):
        radio.input(
            show_pair,
            [page.state, page.left, page.right],
            page.compare,
            api_name=f"choose_{side}",
            trigger_mode="always_last",
            queue=False,
            **PRIVATE,
        )
    page.position.input(
        lambda share: gr.ImageSlider(slider_position=share),
        page.position,
        page.compare,
        api_name="move_upscale_slider",
        trigger_mode="always_last",
        queue=False,
        **PRIVATE,
    )


def _idle(page: Page) -> Updates:
    """The buttons as they are when nothing runs."""
    return {
        page.run: gr.Button(RUN_LABEL, interactive=True),
        page.stop: gr.Button(interactive=False),
    }


def show_progress(page: Page, job: UpscaleRun) -> Updates:
    """What is there so far."""
    return {
        page.live: gr.Image(job.preview(), visible=True),
        page.status: tell_progress(job),
    }


def show_result(page: Page, job: UpscaleRun) -> Updates:
    """Results that can be compared, magnified and downloaded, whether all are there or not."""
    updates: Updates = {**_idle(page), page.state: job, page.status: tell_progress(job)}
    if not job.done:
        return updates
    choices = [(LABELS[name], name) for name in job.views]
    left, right = job.done[0], job.done[-1] if len(job.done) > 1 else job.views[-1]
    updates |= {
        page.live: gr.Image(visible=False),
        page.views: gr.Column(visible=True),
        page.left: gr.Radio(choices, value=left),
        page.right: gr.Radio(choices, value=right),
        page.compare: _pair(job, left, right),
        page.scores: show_scores(job),
        page.lens: frame_width(job.size) + show_lens(job, _publish(page.lens)),
    }
    for method, button in page.downloads.items():
        had = job.files.get(method)
        updates[button] = gr.DownloadButton(value=had and had.png, visible=had is not None)
    return updates


def _pair(job: UpscaleRun, left: str, right: str) -> tuple[str, str]:
    return str(job.files[left].shown), str(job.files[right].shown)


def _publish(component: gr.HTML) -> Callable[[Path], str]:
    """Copies a file to where the page may read it, until uploads and results are deleted."""

    def address(path: Path) -> str:
        return page_address(str(component.move_resource_to_block_cache(path)))

    return address


SCROLL_TO_RESULT = """() => {
  const result = document.querySelector('#cx-sr-outputs');
  const top = result.getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) result.scrollIntoView({behavior: 'smooth'});
}"""


def _page_load() -> Callable[..., Any]:
    """The event of a visitor's arrival."""
    page = BeingBuilt.root_block
    if page is None:
        raise RuntimeError("A tab is built inside `with gr.Blocks()`.")
    return page.load
