"""Controls generated from the options of a configuration, and what they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from cxdemo.options import Option

FINEST_STEP = 0.0001  # of a number that declares none
FINEST_SLIDER = 2000  # positions; more cannot be hit with a mouse, so a number is typed


def control_for(known: Option, *, brief: bool = False, elem_id: str | None = None) -> Component:
    """The control that suits an option: its label, help, range, choices and default.

    Args:
        known: The option.
        brief: Whether to leave its help out.
        elem_id: Of the control in the page.
    """
    common: dict[str, Any] = {
        "label": known.label,
        "value": known.default,
        "elem_id": elem_id,
    }
    if not brief:
        common["info"] = known.help
    if known.choices:
        several = isinstance(known.default, tuple)
        common["value"] = list(known.default) if several else known.default
        return gr.Dropdown(choices=list(known.choices), multiselect=several, **common)
    if isinstance(known.default, bool):
        return gr.Checkbox(**common)
    step = _step_of(known)
    if known.minimum is None or known.maximum is None or _is_fine(known, step):
        whole = isinstance(known.default, int)
        return gr.Number(
            minimum=known.minimum,
            maximum=known.maximum,
            step=step,
            precision=0 if whole else None,
            **common,
        )
    return gr.Slider(known.minimum, known.maximum, step=step, **common)


def show_config(config: Any, controls: Mapping[str, Any]) -> dict[Any, Any]:
    """Updates that make the controls show a configuration."""
    shown: dict[Any, Any] = {}
    for name, control in controls.items():
        value = getattr(config, name)
        shown[control] = list(value) if isinstance(value, tuple) else value
    return shown


def _step_of(known: Option) -> float:
    """Distance between two values, such that the default is one of them."""
    if known.step is None:
        return 1 if isinstance(known.default, int) else FINEST_STEP
    steps = (known.default - (known.minimum or 0)) / known.step
    on_grid = abs(steps - round(steps)) < 1e-6
    return known.step if on_grid or isinstance(known.default, float) else 1


def _is_fine(known: Option, step: float) -> bool:
    return ((known.maximum or 0) - (known.minimum or 0)) / step > FINEST_SLIDER
