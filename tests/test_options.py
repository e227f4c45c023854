import json
from dataclasses import dataclass

import pytest

from cxdemo.options import (
    check_options,
    option,
    options_of,
    parse_value,
    read_config,
    read_settings,
)


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int = option(8, "Long side.", label="Size", minimum=1, maximum=16, step=1)
    kind: str = option("sum", "How.", label="Kind", choices=("sum", "mean"))
    layers: tuple[str, ...] = option(("a",), "Which.", label="Layers", choices=("a", "b"))
    share: float = option(0.5, "How much.", label="Share", minimum=0.0, maximum=1.0)
    free: float = option(0.0, "Without a range.", label="Free")
    on: bool = option(False, "Whether.", label="On")
    plain: int = 3

    def __post_init__(self) -> None:
        check_options(self)


def test_options_carry_what_was_declared_in_order():
    known = options_of(Config)
    assert list(known) == ["size", "kind", "layers", "share", "free", "on"]
    assert (known["size"].minimum, known["size"].maximum, known["size"].default) == (1, 16, 8)
    assert known["kind"].choices == ("sum", "mean")


@pytest.mark.parametrize("size", [1, 16])
def test_the_ends_of_a_range_are_inside(size):
    assert Config(size=size).size == size


@pytest.mark.parametrize("size", [0, 17, -(10**400)])
def test_a_number_outside_its_range_is_refused(size):
    with pytest.raises(ValueError, match=r"size must lie in \[1, 16\], got"):
        Config(size=size)


@pytest.mark.parametrize("share", [-0.1, 2, float("nan"), float("inf")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match=r"share must lie in \[0.0, 1.0\], got"):
        Config(share=share)


@pytest.mark.parametrize("size", ["8", True, 8.0, float("nan"), [8], {}])
def test_a_thing_that_is_no_whole_number_is_refused(size):
    with pytest.raises(ValueError, match=r"size must be a whole number in \[1, 16\], got"):
        Config(size=size)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": None}, r"size is empty: give it a whole number in \[1, 16\], such as 8"),
        ({"kind": None}, "kind is empty: give it one of sum, mean, such as sum"),
        ({"share": "0.5"}, "share must be a number in"),
        ({"share": True}, "share must be a number in"),
        ({"free": float("inf")}, "free must be a finite number, got inf"),
        ({"on": "false"}, "on must be true or false, got 'false'"),
        ({"on": 1}, "on must be true or false, got 1"),
        ({"kind": ["sum"]}, "kind must be one of sum, mean, got"),
        ({"layers": "a"}, "layers must be a list with some of a, b, got 'a'"),
        ({"layers": (1,)}, "layers must be a list with some of a, b, got 1"),
        ({"layers": None}, "layers is empty: give it a list with some of a, b, such as a"),
    ],
)
def test_types_are_strict_and_the_sentence_says_what_was_expected(values, said):
    with pytest.raises(ValueError, match=said):
        Config(**values)


def test_a_sentence_stays_short_whatever_came():
    deep: list = []
    for _ in range(50_000):
        deep = [deep]
    for hostile in ("x" * 10**6, list(range(10**4)), deep):
        for name in ("size", "kind", "layers", "on"):
            with pytest.raises(ValueError, match=f"{name} must be") as caught:
                read_config(Config, {name: hostile})
            assert len(str(caught.value)) < 250


def test_a_choice_is_checked_and_the_nearest_suggested():
    with pytest.raises(ValueError, match=r"kind must be one of sum, mean, got 'maen'.*'mean'"):
        Config(kind="maen")


def test_every_member_of_a_tuple_is_checked():
    assert Config(layers=("a", "b")).layers == ("a", "b")
    with pytest.raises(ValueError, match="layers must be one of a, b, got 'c'"):
        Config(layers=("a", "c"))


# ------------------------------------------------------------------------ reading configurations


def test_read_config_mends_what_json_and_sliders_cannot_say_and_nothing_else():
    config = read_config(Config, {"size": 12.0, "layers": ["b"], "share": 1})
    assert (config.size, config.layers, config.share) == (12, ("b",), 1.0)
    assert (type(config.size), type(config.share)) == (int, float)
    assert read_config(Config, {"kind": "mean"}, base=config) == Config(
        size=12, layers=("b",), share=1.0, kind="mean"
    )
    for wrong in ({"size": 12.5}, {"size": "12"}, {"on": 1.0}):
        with pytest.raises(ValueError, match="must be"):
            read_config(Config, wrong)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"no setting named 'sice'. Did you mean 'size'\?"):
        read_config(Config, {"sice": 4})
    with pytest.raises(ValueError, match=r"no setting named 'p', 'q'\.$"):
        read_config(Config, {"p": 1, "q": 2})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "12", 12),
        ("share", "1", 1.0),
        ("share", ".25", 0.25),
        ("on", "True", True),
        ("layers", "a, b", ("a", "b")),
        ("kind", " mean ", "mean"),
    ],
)
def test_text_becomes_the_value_that_it_says(name, text, value):
    parsed = parse_value(options_of(Config)[name], text)
    assert getattr(read_config(Config, {name: parsed}), name) == value


@pytest.mark.parametrize(("name", "text"), [("size", "wide"), ("on", "yes"), ("share", "nan")])
def test_text_that_says_no_value_is_refused_with_the_sentence_of_the_option(name, text):
    with pytest.raises(ValueError, match=f"{name} must .* got '?{text}"):
        read_config(Config, {name: parse_value(options_of(Config)[name], text)})


def test_stored_settings_come_back_with_all_else_that_is_stored():
    stored = {"pipeline": "demo", "config": {"size": 9}, "weights": [1, 2]}
    for form in (stored, json.dumps(stored), json.dumps(stored).encode()):
        read = read_settings(Config, form, pipeline="demo")
        assert read.config == Config(size=9)
        assert (read.rest["weights"], read.notice) == ([1, 2], "")


def test_options_without_a_frame_are_settings_too():
    assert read_settings(Config, '{"size": 9, "on": true}', pipeline="demo").config.size == 9


def test_a_dropped_option_is_left_out_and_named():
    read = read_settings(Config, {"config": {"size": 9, "lairs": 1}}, pipeline="demo")
    assert read.config == Config(size=9)
    assert read.notice == (
        "Some stored settings were left out. There is no setting named 'lairs'. Did you mean "
        "'layers'?"
    )


@pytest.mark.parametrize(
    "stored",
    ["", "null", "[]", "7", '"a"', "{}", '{"config": null}', '{"config": [1]}', "[" * 100_000,
     '{"config": {"lairs": 1}}', '{"a":' * 50_000, '{"config": {"size": 9}}' + " " * 10**6,
     b"\xff\xfe\x00", "1" * 5000],
)  # fmt: skip
def test_what_holds_no_settings_is_said_to(stored):
    with pytest.raises(ValueError, match=r"^This file holds no settings of demo run: choose"):
        read_settings(Config, stored, pipeline="demo_run")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ('{"config": {"share": NaN}}', "share must lie in"),
        ('{"config": {"share": Infinity}}', "share must lie in"),
        ('{"config": {"size": 1e999}}', "size must be a whole number"),
        ('{"config": {"on": "false"}}', "on must be true or false"),
        ('{"config": {"size": null}}', "size is empty"),
        ('{"config": {"size": 9}, "pipeline": "other_one"}', "settings of other one, but"),
        ('{"config": {"size": 9}, "pipeline": [1]}', "settings of .1., but"),
    ],
)
def test_wrong_values_that_are_stored_get_a_sentence(stored, said):
    with pytest.raises(ValueError, match=said):
        read_settings(Config, stored, pipeline="demo")
