"""Options declared once: a dataclass field knows its help, range and choices.

Validation, command-line flags, sliders and the texts of errors all read the same declaration.
"""

# pyright: strict, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is known of one field of a configuration.

    Args:
        name: Of the field; the flag is the same with dashes.
        default: Its value when nothing is said.
        help: One sentence, with units.
        label: What a person reads beside the control.
        minimum: Smallest value of a number.
        maximum: Largest value of a number.
        step: Distance between two values of a slider.
        choices: The values it may take; of a tuple, its members.
        advanced: Hidden at first in the user interface.
    """

    name: str
    default: Any
    help: str
    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = True


def option(
    default: Any,
    help: str,  # noqa: A002  the word of argparse, in whose place it stands
    *,
    label: str,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    choices: Sequence[str] = (),
    advanced: bool = True,
) -> Any:
    """A dataclass field that carries an `Option`."""
    known = {
        "help": help,
        "label": label,
        "minimum": minimum,
        "maximum": maximum,
        "step": step,
        "choices": tuple(choices),
        "advanced": advanced,
    }
    return field(default=default, metadata=known)


def options_of(config: Any) -> dict[str, Option]:
    """The options of a configuration class or object, by name, in order."""
    return {f.name: _describe(f) for f in fields(config) if "help" in f.metadata}


def check_options(config: Any) -> None:
    """Raises unless every option of a configuration has a value that it may take.

    Raises:
        ValueError: The first that has not: what was expected, what came, the nearest choice.
    """
    for name, known in options_of(config).items():
        value = getattr(config, name)
        for member in value if isinstance(value, tuple) else (value,):
            _check_choice(known, member)
            _check_range(known, member)


def _describe(declared: Field[Any]) -> Option:
    if declared.default is MISSING:
        raise TypeError(f"Option {declared.name} needs a default.")
    metadata: Mapping[str, Any] = declared.metadata
    return Option(name=declared.name, default=declared.default, **metadata)


def _check_choice(known: Option, value: Any) -> None:
    if not known.choices or value in known.choices:
        return
    close = get_close_matches(str(value), known.choices, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"{known.name} must be one of {', '.join(known.choices)}, got {value!r}.{hint}"
    )


def _check_range(known: Option, value: Any) -> None:
    low, high = known.minimum, known.maximum
    if low is None and high is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{known.name} must be a number, got {value!r}.")
    # A comparison with NaN is false, so that NaN fails too.
    if not (low is None or value >= low) or not (high is None or value <= high):
        raise ValueError(f"{known.name} must lie in [{low}, {high}], got {value}.")
