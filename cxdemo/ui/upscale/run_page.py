"""The components of the super-resolution tab, and what they show of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo.gallery.upscale import UpscaleExample
from cxdemo.options import read_config
from cxdemo.pipelines.super_resolution import SuperResolutionConfig
from cxdemo.runs.upscale import UpscaleRun, choose_methods
from cxdemo.ui.kit.layered_image import LayeredImage
from cxdemo.ui.kit.run_wiring import RunPage, Updates, Values
from cxdemo.ui.upscale.lens import frame_width, page_address, show_lens
from cxdemo.ui.upscale.view import LABELS, find_problem, show_scores, tell_progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(RunPage[UpscaleRun]):
    """The components, and what they show of an enlargement."""

    name, what, place = "upscale", "upscale", "#cx-sr-outputs"
    often_small = True
    ready, busy, again = "Upscale ×4", "Working…", "Upscale ×4"

    picture: LayeredImage
    methods: gr.CheckboxGroup
    test: gr.Checkbox
    controls: dict[str, Any]
    estimate: gr.HTML
    live: gr.Image
    views: gr.Column
    compare: gr.ImageSlider
    left: gr.Radio
    right: gr.Radio
    scores: gr.HTML
    lens: gr.HTML
    example: gr.State

    @property
    def inputs(self) -> set[Any]:
        """What a run reads."""
        return {self.picture, self.methods, self.test, self.example, *self.controls.values()}

    @property
    def shown(self) -> list[Any]:
        """The views of the results."""
        return [
            self.live, self.views, self.compare, self.left, self.right, self.scores, self.lens
        ]  # fmt: skip

    def prepare(self, values: Values) -> UpscaleRun:
        """The enlargement that the page asks for."""
        picture, test = values[self.picture], bool(values[self.test])
        if picture is None:
            raise ValueError("Choose a small picture first: drop one, or click one below.")
        if problem := find_problem(picture.size, test=test):
            raise ValueError(problem)
        settings = {name: values[control] for name, control in self.controls.items()}
        example: UpscaleExample | None = values[self.example]
        return UpscaleRun(
            picture=picture,
            methods=choose_methods(values[self.methods]),
            config=read_config(SuperResolutionConfig, settings),
            test=test,
            note=example.note if example else "",
            focus=example.focus if example else (0.5, 0.5),
        )

    def tell(self, run: UpscaleRun) -> str:
        """A bar with method, tile and times."""
        return tell_progress(run)

    def tell_unbegun(self) -> Updates:
        """That there was nothing to stop."""
        return {self.status: tell_progress(None, stopped=True)}

    def begun(self, run: UpscaleRun) -> Updates:
        """Nothing of an earlier result."""
        del run
        return {self.views: gr.Column(visible=False), self.lens: ""}

    def progress(self, run: UpscaleRun, *extras: Any) -> Updates:
        """What there is so far."""
        del extras
        return {self.live: gr.Image(run.preview(), visible=True)}

    def result(self, run: UpscaleRun, *extras: Any) -> Updates:
        """Results that can be compared and magnified, whether all are there or not."""
        del extras
        if not run.done:
            return {}
        choices = [(LABELS[name], name) for name in run.views]
        left, right = run.done[0], run.done[-1] if len(run.done) > 1 else run.views[-1]
        return {
            self.live: gr.Image(visible=False),
            self.views: gr.Column(visible=True),
            self.left: gr.Radio(choices, value=left),
            self.right: gr.Radio(choices, value=right),
            self.compare: open_pair(run, left, right),
            self.scores: show_scores(run),
            self.lens: frame_width(run.size) + show_lens(run, self._publish),
        }

    def _publish(self, path: Path) -> str:
        """Copies a file to where the page may read it, until uploads and results are deleted."""
        return page_address(str(self.lens.move_resource_to_block_cache(path)))


def open_pair(run: UpscaleRun, left: str, right: str) -> tuple[str, str]:
    """Files of two results, to be looked at side by side."""
    return str(run.files[left].shown), str(run.files[right].shown)
