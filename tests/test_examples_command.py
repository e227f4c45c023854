"""`python -m cxdemo examples`: what is stale is known, said, and made again."""

import json
from dataclasses import replace

import pytest

from cxdemo.__main__ import main
from cxdemo.commands.examples import tell_stale
from cxdemo.gallery import kinds, made
from cxdemo.gallery.made import Result, code_key, load_record


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "content.png"
    file.write_bytes(b"a picture")
    return file


@pytest.fixture
def result(tmp_path, picture):
    file = tmp_path / "result.png"
    return Result(
        name="toys/first",
        files=(file,),
        made_of=(picture,),
        settings={"size": 8},
        code=("cxdemo.grids",),
        weights=("vgg16",),
        make=lambda ctx: file.write_text(f"made with {ctx}"),
    )


def test_a_result_is_stale_until_it_is_made_and_again_when_what_it_is_made_of_changes(
    result, picture, tmp_path, monkeypatch
):
    record = tmp_path / "made.json"
    assert result.find_fault(load_record(record)) == "has no result.png"
    result.files[0].write_text("from long ago")
    unknown = "does not say which settings and weights and code made it"
    assert result.find_fault(load_record(record)) == unknown
    result.remake("a context", file=record)
    assert result.files[0].read_text() == "made with a context"
    assert result.find_fault(load_record(record)) == ""
    other = replace(result, settings={"size": 9})
    assert other.find_fault(load_record(record)) == "is older than its settings"
    other = replace(result, code=("cxdemo.palette",))
    assert other.find_fault(load_record(record)) == "is older than its code"
    other = replace(result, weights=("vgg19",), settings={"size": 9})
    assert other.find_fault(load_record(record)) == "is older than its settings and its weights"
    picture.write_bytes(b"another picture")
    assert result.find_fault(load_record(record)) == "is older than its settings"


def test_what_others_made_stays_on_record(result, tmp_path):
    record = tmp_path / "made.json"
    result.remake(None, file=record)
    before = load_record(record)["toys/first"]
    replace(result, name="toys/second", settings={}).remake(None, file=record)
    assert load_record(record)["toys/first"] == before
    assert set(before) == {"settings", "weights", "code", "made"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules, of which one imports the other."""
    monkeypatch.setattr(made, "PACKAGE", tmp_path)
    (tmp_path / "top.py").write_text("from cxdemo.leaf import f\n\ndef g(x):\n    return f(x)\n")
    (tmp_path / "leaf.py").write_text("def f(x):\n    return x + 1\n")
    return tmp_path


def key_of_package():
    code_key.cache_clear()
    return code_key("cxdemo.top")


def test_the_code_of_a_result_is_all_that_its_modules_import_and_no_comment(package):
    before = key_of_package()
    (package / "leaf.py").write_text(
        '"""Words."""\n\ndef f(x):  # more\n    """Words."""\n\n    return x + 1\n'
    )
    (package / "other.py").write_text("y = 1\n")
    assert key_of_package() == before
    (package / "leaf.py").write_text("def f(x):\n    return x + 2\n")
    assert key_of_package() != before


def test_code_that_changes_no_picture_does_not_count(package):
    (package / "top.py").write_text("from cxdemo.options import option\n")
    before = key_of_package()
    (package / "options.py").write_text("option = 1\n")
    assert key_of_package() == before


def test_each_kind_lists_results_whose_files_are_shipped():
    results = kinds.list_results()
    assert {result.name.partition("/")[0] for result in results} == set(kinds.KINDS)
    assert len({result.name for result in results}) == len(results)
    for result in results:
        assert all(path.is_file() for path in (*result.made_of, *result.files)), result.name
        assert len(made._sources(result.code)) >= len(result.code)


def test_kinds_and_parts_of_names_choose():
    (cat,) = kinds.list_results(["style/cat"])
    assert cat.name == "style/photo_cat_chelsea__painting_great_wave"
    assert [r.name for r in kinds.list_results(["meter", "faces"])] == ["faces/found", "meter/cat"]
    with pytest.raises(ValueError, match=r"no kind of example named 'stile'. Did you mean 'style'"):
        kinds.list_results(["stile"])
    with pytest.raises(ValueError, match=r"No example of style has 'style/dig' in its name"):
        kinds.list_results(["style/dig"])


def test_the_command_makes_the_stale_ones_and_check_makes_none(
    result, tmp_path, monkeypatch, capsys
):
    fresh, record = replace(result, name="toys/fresh"), tmp_path / "made.json"
    monkeypatch.setattr(made, "RECORD", record)
    monkeypatch.setattr(Result.remake, "__kwdefaults__", {"file": record})
    monkeypatch.setattr(load_record, "__defaults__", (record,))
    fresh.remake("before")
    stale = replace(
        result, files=(tmp_path / "stale.png",), make=lambda ctx: (tmp_path / "stale.png").touch()
    )
    monkeypatch.setattr(kinds, "KINDS", {"toys": lambda: [fresh, stale]})
    assert main(["examples", "--check"]) == 1
    assert capsys.readouterr().out == "toys/first has no stale.png\n1 of 2 are up to date.\n"
    assert not stale.files[0].exists()
    assert main(["examples", "toys"]) == 0
    assert "toys/first: " in (out := capsys.readouterr().out)
    assert "toys/fresh" not in out
    assert fresh.files[0].read_text() == "made with before"
    assert main(["examples", "--check"]) == 0
    assert capsys.readouterr().out == "2 of 2 are up to date.\n"
    assert main(["examples", "--all"]) == 0
    assert "toys/fresh: " in capsys.readouterr().out
    assert fresh.files[0].read_text().startswith("made with Context(")
    assert set(json.loads(record.read_text())) == {"toys/first", "toys/fresh"}


def test_nothing_stale_is_exit_code_0(capsys):
    assert tell_stale({"style/a": ""}) == 0
    assert capsys.readouterr().out == "1 of 1 are up to date.\n"
