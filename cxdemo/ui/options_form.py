"""Controls generated from the options of a configuration, and their values read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import gradio as gr
from gradio.components import Component

from cxdemo.options import Option, options_of

T = TypeVar("T")

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


def read_config(kind: type[T], values: Mapping[str, Any]) -> T:
    """A configuration from the values of controls or from JSON.

    Raises:
        ValueError: An unknown option, an empty field, or a value that the option may not take.
    """
    known = options_of(kind)
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ValueError(f"There is no setting named {', '.join(map(repr, unknown))}.")
    return kind(**{name: _typed(known[name], value) for name, value in values.items()})


def _typed(known: Option, value: Any) -> Any:
    """A value as its option's type; JSON has no tuples, and a slider may send 190.0."""
    if value is None:
        raise ValueError(f"{known.label} is empty: give it a value, such as {known.default}.")
    try:
        if isinstance(known.default, tuple):
            return tuple(value)
        if isinstance(known.default, int) and not isinstance(known.default, bool):
            return int(value)
        return type(known.default)(value)
    except (TypeError, ValueError) as error:
        message = f"{known.label} cannot be {value!r}: give it a value such as {known.default}."
        raise ValueError(message) from error


def _step_of(known: Option) -> float:
    """Distance between two values, such that the default is one of them."""
    if known.step is None:
        return 1 if isinstance(known.default, int) else FINEST_STEP
    steps = (known.default - (known.minimum or 0)) / known.step
    on_grid = abs(steps - round(steps)) < 1e-6
    return known.step if on_grid or isinstance(known.default, float) else 1


def _is_fine(known: Option, step: float) -> bool:
    return ((known.maximum or 0) - (known.minimum or 0)) / step > FINEST_SLIDER
