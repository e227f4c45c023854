from dataclasses import dataclass

import pytest

from cxdemo.options import check_options, option, options_of


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int = option(8, "Long side.", label="Size", minimum=1, maximum=16, step=1)
    kind: str = option("sum", "How.", label="Kind", choices=("sum", "mean"))
    layers: tuple[str, ...] = option(("a",), "Which.", label="Layers", choices=("a", "b"))
    plain: int = 3

    def __post_init__(self) -> None:
        check_options(self)


def test_options_carry_what_was_declared_in_order():
    known = options_of(Config)
    assert list(known) == ["size", "kind", "layers"]
    assert (known["size"].minimum, known["size"].maximum, known["size"].default) == (1, 16, 8)
    assert known["kind"].choices == ("sum", "mean")


@pytest.mark.parametrize("size", [1, 16])
def test_the_ends_of_a_range_are_inside(size):
    assert Config(size=size).size == size


@pytest.mark.parametrize("size", [0, 17, float("nan"), float("inf")])
def test_a_number_outside_its_range_is_refused(size):
    with pytest.raises(ValueError, match=r"size must lie in \[1, 16\], got"):
        Config(size=size)


@pytest.mark.parametrize("size", ["8", True, None])
def test_a_thing_that_is_no_number_is_refused(size):
    with pytest.raises(ValueError, match="size must be a number"):
        Config(size=size)


def test_a_choice_is_checked_and_the_nearest_suggested():
    with pytest.raises(ValueError, match=r"kind must be one of sum, mean, got 'maen'.*'mean'"):
        Config(kind="maen")


def test_every_member_of_a_tuple_is_checked():
    assert Config(layers=("a", "b")).layers == ("a", "b")
    with pytest.raises(ValueError, match="layers must be one of a, b, got 'c'"):
        Config(layers=("a", "c"))
