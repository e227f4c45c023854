"""Options declared once: a dataclass field knows its help, range and choices.

Validation, command-line flags, sliders and the texts of errors all read the same declaration, and
a configuration is read from flags, forms, addresses and stored settings in one way.
"""

# pyright: strict, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from reprlib import Repr
from typing import Any, Generic, TypeVar, cast

from cxdemo.spelling import suggest

T = TypeVar("T")

LARGEST_SETTINGS = 1_000_000  # characters of stored settings


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
        check_value(known, getattr(config, name))


def check_value(known: Option, value: Any) -> None:
    """Raises unless an option may take a value.

    Types are strict: a whole number is an int, True is no number and "false" is not False. A number
    with decimals may also be an int.

    Raises:
        ValueError: What was expected, what came, the nearest choice.
    """
    if not _is_list(known):
        _check_member(known, known.default, value)
        return
    if not isinstance(value, tuple):
        raise _wrong_type(known, value)
    for member in cast("tuple[Any, ...]", value):
        _check_member(known, _sample(known), member)


# ------------------------------------------------------------------------ reading configurations


def read_config(kind: type[T], values: Mapping[str, Any], *, base: T | None = None) -> T:
    """A configuration from the values of flags, of a form's controls, or of JSON.

    JSON has no tuples, and a slider may send 190.0 for 190: a list becomes a tuple, a number with
    nothing after its point a whole one. Nothing else is converted.

    Args:
        kind: Class of the configuration.
        values: By name of the option; an option without one keeps its default.
        base: Where the defaults are taken from. None: the declaration.

    Raises:
        ValueError: An unknown option (the nearest one is named), an empty field, or a value that
            the option may not take.

    Example:
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     size: int = option(8, "Long side.", label="Size", minimum=1, maximum=16)
        ...     def __post_init__(self): check_options(self)
        >>> read_config(Config, {"size": 9.0})
        Config(size=9)
        >>> read_config(Config, {"sice": 9})
        Traceback (most recent call last):
        ValueError: There is no setting named 'sice'. Did you mean 'size'?
    """
    known = options_of(kind)
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ValueError(_name_unknown(unknown, known))
    read = {name: mend_value(known[name], value) for name, value in values.items()}
    return kind(**read) if base is None else replace(cast("Any", base), **read)


def mend_value(known: Option, value: Any) -> Any:
    """A value as its option's type where JSON or a slider could not say it; else unchanged."""
    if _is_list(known) and isinstance(value, list):
        return tuple(_mend_number(_sample(known), member) for member in cast("list[Any]", value))
    return _mend_number(known.default, value)


def parse_value(known: Option, text: str) -> Any:
    """A value from the text of a flag or of an address; what it cannot be stays text.

    `read_config` refuses such text with the sentence of the option.
    """
    if _is_list(known):
        return tuple(_parse_member(_sample(known), part.strip()) for part in text.split(","))
    return _parse_member(known.default, text.strip())


@dataclass(frozen=True, kw_only=True)
class StoredSettings(Generic[T]):
    """What a result says about how it was made.

    Attributes:
        config: The configuration.
        rest: All else that is stored, by name and unchecked: weights of styles, figures, a place.
        notice: Which stored options no longer exist and were left out, in a sentence. "": none.
    """

    config: T
    rest: Mapping[str, Any]
    notice: str = ""


def read_settings(
    kind: type[T], stored: str | bytes | Mapping[str, Any], *, pipeline: str
) -> StoredSettings[T]:
    """Settings as results store them: strict about every value, patient with old names.

    An option that the configuration does not have (any more) is left out, and the notice says so.
    The command line once stored the options alone, without the frame around them; such results
    are read too.

    Args:
        kind: Class of the configuration.
        stored: JSON, or what it says.
        pipeline: Whose settings are wanted, such as "style_transfer".

    Raises:
        ValueError: It is something else, settings of another pipeline, or a value is wrong.
    """
    settings = _parse_settings(stored, pipeline)
    known = options_of(kind)
    values = settings.get("config")
    if "config" not in settings and any(name in known for name in settings):
        values, settings = settings, cast("Mapping[str, Any]", {})
    if not isinstance(values, Mapping):
        raise _no_settings(pipeline)
    values = cast("Mapping[str, Any]", values)
    found = settings.get("pipeline", pipeline)
    if found != pipeline:
        raise ValueError(
            f"These are settings of {_words(found)}, but settings of {_words(pipeline)} were "
            "expected: choose another result."
        )
    unknown = [name for name in values if name not in known]
    if values and len(unknown) == len(values):
        raise _no_settings(pipeline)
    config = read_config(kind, {name: v for name, v in values.items() if name in known})
    rest = {name: value for name, value in settings.items() if name != "config"}
    notice = f"Some stored settings were left out. {_name_unknown(unknown, known)}"
    return StoredSettings(config=config, rest=rest, notice=notice if unknown else "")


def _parse_settings(stored: str | bytes | Mapping[str, Any], pipeline: str) -> Mapping[str, Any]:
    if isinstance(stored, Mapping):
        return stored
    try:
        if len(stored) > LARGEST_SETTINGS:
            raise ValueError("too long")
        settings = json.loads(stored)
    except (ValueError, RecursionError) as error:  # a thousand brackets are a recursion
        raise _no_settings(pipeline) from error
    if not isinstance(settings, dict):
        raise _no_settings(pipeline)
    return cast("dict[str, Any]", settings)


def _no_settings(pipeline: str) -> ValueError:
    return ValueError(
        f"This file holds no settings of {_words(pipeline)}: choose a picture or a JSON file that "
        "was made with it."
    )


def _words(pipeline: object) -> str:
    return pipeline.replace("_", " ")[:60] if isinstance(pipeline, str) else _shown(pipeline)


def _name_unknown(unknown: Sequence[str], known: Iterable[str]) -> str:
    names = ", ".join(_shown(name) for name in unknown[:5])
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    hint = suggest(unknown[0], known) if len(unknown) == 1 else ""
    return f"There is no setting named {names}{more}.{hint}"


def _sample(known: Option) -> Any:
    """A value of the type that the members of a tuple have; names where the default has none."""
    return known.default[0] if known.default else ""


def _mend_number(default: Any, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if type(default) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(default) is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    return value


def _parse_member(default: Any, text: str) -> Any:
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


# --------------------------------------------------------------------------------------- checks


def _describe(declared: Field[Any]) -> Option:
    if declared.default is MISSING:
        raise TypeError(f"Option {declared.name} needs a default.")
    metadata: Mapping[str, Any] = declared.metadata
    return Option(name=declared.name, default=declared.default, **metadata)


def _check_member(known: Option, sample: Any, value: Any) -> None:
    if known.choices and isinstance(value, str):
        _check_choice(known, value)
    elif not _has_type(sample, value):
        raise _wrong_type(known, value)
    elif not isinstance(value, bool | str):
        _check_range(known, value)


def _has_type(sample: Any, value: Any) -> bool:
    if isinstance(sample, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(sample)


def _wrong_type(known: Option, value: Any) -> ValueError:
    if value is None:
        given = ", ".join(map(str, known.default)) if _is_list(known) else known.default
        return ValueError(f"{known.name} is empty: give it {_expected(known)}, such as {given}.")
    return ValueError(f"{known.name} must be {_expected(known)}, got {_shown(value)}.")


def _is_list(known: Option) -> bool:
    return isinstance(known.default, tuple)


def _expected(known: Option) -> str:
    """What an option may be, in words."""
    if known.choices:
        names = ", ".join(known.choices)
        return f"a list with some of {names}" if _is_list(known) else f"one of {names}"
    sample = _sample(known) if _is_list(known) else known.default
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    kind = words[type(sample)]
    if known.minimum is not None and known.maximum is not None:
        kind += f" in [{known.minimum}, {known.maximum}]"
    return f"a list, each of {kind}" if _is_list(known) else kind


def _shown(value: object) -> str:
    """A value as it may stand in a sentence: short, however long or deep it is."""
    brief = Repr()
    brief.maxstring = brief.maxother = 60
    return brief.repr(value)


def _check_choice(known: Option, value: str) -> None:
    if value in known.choices:
        return
    raise ValueError(
        f"{known.name} must be one of {', '.join(known.choices)}, got {_shown(value)}."
        + suggest(value, known.choices)
    )


def _check_range(known: Option, value: float) -> None:
    low, high = known.minimum, known.maximum
    # A comparison with NaN is false, so that NaN fails too.
    if not (low is None or value >= low) or not (high is None or value <= high):
        raise ValueError(f"{known.name} must lie in {_range(low, high)}, got {_shown(value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{known.name} must be a finite number, got {value}.")


def _range(low: float | None, high: float | None) -> str:
    return f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
