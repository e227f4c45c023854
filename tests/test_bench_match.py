"""The benchmark's arithmetic and what it says. No test depends on a time."""

import json

import pytest

from cxdemo.bench import match
from cxdemo.bench.match import Memory, Settings


def test_growth_is_told_beside_that_of_the_positions():
    lines = list(
        match.tell_growth([Memory(1024, 2_000_000, 4_000_000), Memory(4096, 8_000_000, 0)])
    )
    assert lines[1].split() == ["1024", "-", "-", "2.0", "-", "4.0", "-"]
    assert lines[2].split() == ["4096", "4.0", "16.0", "8.0", "4.0", "0.0", "0.0"]


@pytest.mark.parametrize("what", ["ask", "survey"])
def test_memory_is_measured_in_a_process_of_its_own(what):
    assert match._peak_of(what, 48, Settings(channels=128)) > 1e6


def test_programs_get_the_figures_of_the_table(capsys, monkeypatch):
    monkeypatch.setattr(match, "_peak_of", lambda what, side, settings: 1000 * side)
    flags = ["--size", "64", "--sides", "8", "16", "--channels", "16", "--clicks", "2", "--json"]
    handled = match.main(flags, handler=lambda *_: lambda: None)
    told = json.loads(capsys.readouterr().out)
    assert handled == 0
    assert {"a click: one row", "  the whole handler"} <= set(told["seconds"])
    assert told["memory"][1] == {"positions": 256, "ask": 16_000, "survey": 16_000}


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="ask failed at -1 positions a side"):
        match._peak_of("ask", -1, Settings(channels=16))


def test_a_folder_without_pairs_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no pair"):
        match.main(["--pairs", str(tmp_path)])
