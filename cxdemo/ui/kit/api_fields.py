"""The fields of endpoints for programs: an option's declaration is their type, range and check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.data_classes import JsonData

from cxdemo.options import Option, check_value, mend_value
from cxdemo.ui.kit.safe_image import WithoutStub

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
ACROSS, DOWN = (
    Option(name=name, default=50.0, minimum=0.0, maximum=100.0, label=label, help=said)
    for name, label, said in (
        ("x", "x, %", "Percent of the width, from the left."),
        ("y", "y, %", "Percent of the height, from the top."),
    )
)
_BLOCKS = {bool: "checkbox", int: "number", float: "number", str: "textbox"}


class ApiField(gr.JSON, metaclass=WithoutStub):
    """A value as a program sent it; its handler reads it, with the sentences of the option.

    Args:
        known: What the API's page says of it.
        value: Its default there. None: the option's own.
    """

    is_template = True

    def __init__(self, known: Option, value: Any = None) -> None:
        self.known = known
        value = known.default if value is None else value
        super().__init__(
            list(value) if isinstance(value, tuple) else value, label=known.label, visible=False
        )

    def get_block_name(self) -> str:
        """What the API's page calls it. It is never shown."""
        return _BLOCKS.get(type(self.known.default), "textbox")

    def get_config(self, cls: Any = None) -> dict[str, Any]:
        """What the page is told of it: that it is hidden, for one."""
        return super().get_config(cls or gr.JSON)

    def preprocess(self, payload: Any) -> Any:
        """What was sent, whatever it is."""
        return payload.root if isinstance(payload, JsonData) else payload

    def postprocess(self, value: Any) -> Any:
        """The default, as JSON."""
        return JsonData(root=value)

    def api_info(self) -> dict[str, Any]:
        """Its JSON schema: type, range and choices."""
        return schema_of(self.known)

    def example_payload(self) -> Any:
        """A value that works."""
        return self.value

    def example_value(self) -> Any:
        """A value that works."""
        return self.value


def fields_of(options: Mapping[str, Option], names: tuple[str, ...], base: Any = None) -> list[Any]:
    """A field for each of the named options.

    Args:
        options: By name.
        names: Which, in the order of the endpoint's arguments.
        base: A configuration that has other defaults.
    """
    return [
        ApiField(options[name], None if base is None else getattr(base, name)) for name in names
    ]


def read_value(known: Option, value: Any) -> Any:
    """A value that a program sent for an option.

    Raises:
        ValueError: It is one that the option may not take: what was expected, what came.
    """
    mended = mend_value(known, value)
    check_value(known, mended)
    return mended


def schema_of(known: Option) -> dict[str, Any]:
    """The JSON schema of an option."""
    several = isinstance(known.default, tuple)
    sample = (known.default[0] if known.default else "") if several else known.default
    schema: dict[str, Any] = {"type": _TYPES[type(sample)]}
    if known.choices:
        schema["enum"] = list(known.choices)
    for word, bound in (("minimum", known.minimum), ("maximum", known.maximum)):
        if bound is not None:
            schema[word] = bound
    if several:
        schema = {"type": "array", "items": schema}
    said = _say_range(known)
    return schema | {"description": f"{known.help} {said}".strip(), "additional_description": said}


def _say_range(known: Option) -> str:
    if known.choices:
        return f"One of {', '.join(known.choices)}."
    if known.minimum is None or known.maximum is None:
        return ""
    return f"From {known.minimum:g} to {known.maximum:g}."
