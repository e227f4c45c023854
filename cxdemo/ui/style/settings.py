"""The settings of a style transfer: presets, options, an estimate, those of an earlier result."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from cxdemo import images
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig, load_preset
from cxdemo.runs.pace import paces_of, style_stages
from cxdemo.runs.style import read_settings_file
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.options_form import control_for, show_config
from cxdemo.ui.kit.page_script import PRIVATE, page_load
from cxdemo.ui.kit.run_wiring import Updates, Values, build_buttons
from cxdemo.ui.style.progress import tell_estimate
from cxdemo.ui.style.run_page import OPTIONS, Page

PRESET_NAMES = {"fast": "Fast", "fine": "Fine", "paper": "Paper", "authors": "Authors' settings"}


def build_settings() -> dict[str, Any]:
    """Presets, the simple options of the configuration, Run and Stop, by their names in `Page`."""
    names = [(PRESET_NAMES.get(name, name.capitalize()), name) for name in PRESETS]
    made: dict[str, Any] = {
        "preset": gr.Radio(names, value="fast", label="Preset", elem_id="cx-preset")
    }
    simple = [name for name, known in OPTIONS.items() if not known.advanced]
    with gr.Row(elem_id="cx-simple"):
        made["controls"] = {name: _control(name, brief=True) for name in simple}
    made |= build_buttons("cx")
    made["estimate"] = gr.HTML(elem_id="cx-estimate")
    return made


def build_advanced() -> tuple[dict[str, Any], gr.UploadButton]:
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


# ------------------------------------------------------------------------------------ events


def wire_settings(page: Page, upload: gr.UploadButton) -> None:
    """A preset, a file of settings, and the estimate of what the controls show."""

    def choose_preset(name: str) -> Updates:
        return show_config(load_preset(name), page.controls)

    def load_settings(file: str) -> Updates:
        return take_settings(page, Path(file))

    def estimate_time(values: Values) -> str:
        return estimate(page, values)

    targets = [*page.controls.values()]
    page.preset.input(
        readable(choose_preset), page.preset, targets, api_name="choose_preset", queue=False,
        **PRIVATE,
    )  # fmt: skip
    upload.upload(
        readable(load_settings), upload, [*targets, *page.weights], api_name="load_settings",
        **PRIVATE,
    )  # fmt: skip
    gr.on(
        [page_load(), *(control.change for control in (page.preset, *targets))],
        estimate_time,
        {page.preset, *targets, *page.styles},
        page.estimate,
        api_name="estimate_time",
        trigger_mode="always_last",
        queue=False,
        **PRIVATE,
    )


def take_settings(page: Page, file: Path) -> Updates:
    """Updates that make the controls show the settings of a file."""
    read = read_settings_file(file)
    gr.Info(escape(f"The settings of the file are in place. {read.notice}".strip()))
    return show_config(read.config, page.controls) | page.show_weights(read.rest["style_weights"])


def estimate(page: Page, values: Values) -> str:
    """What Run would do and how long it would take, or what is wrong with the settings."""
    try:
        config = page.read_config(values)
    except ValueError as error:
        return tell_estimate(None, str(error), None)
    count = max(1, sum(values[style] is not None for style in page.styles))
    seconds = paces_of(page.ctx.device).seconds(style_stages(config, styles=count))
    preset = values[page.preset]
    changed = _differences(config, PRESETS[preset])
    return tell_estimate(config, PRESET_NAMES.get(preset, ""), seconds, changed=changed)


def _differences(config: StyleTransferConfig, preset: StyleTransferConfig) -> list[str]:
    """Labels of the options that differ."""
    return [known.label for n, known in OPTIONS.items() if getattr(config, n) != getattr(preset, n)]
