"""Where results of the command line go: inputs are safe, files are whole, names are free."""

import os
import stat
from functools import partial
from pathlib import Path

import pytest

from cxdemo.commands import outputs
from cxdemo.commands.outputs import (
    ExistsError,
    Output,
    OutputError,
    choose_output,
    identities,
    name_results,
    place_in,
)

ENDINGS = (".png", ".jpg")
choose = partial(choose_output, endings=ENDINGS, usual="result.png")


def write_text(text):
    return lambda path: path.write_text(text)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------- inputs are safe


@pytest.mark.parametrize("given", ["a.png", "./a.png", "sub/../a.png", "link.png", "hard.png"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_refused_under_every_name_that_leads_to_it(here, given, overwrite):
    Path("a.png").write_text("mine")
    Path("sub").mkdir()
    Path("link.png").symlink_to("a.png")
    os.link("a.png", "hard.png")
    for name in ("a.png", "link.png", str(here / "a.png")):
        with pytest.raises(OutputError, match="is an input, and inputs are never overwritten"):
            choose(given, inputs=["b.png", name], overwrite=overwrite)


def test_an_input_is_refused_through_a_link_to_its_folder(here):
    (here / "real").mkdir()
    (here / "real" / "result.png").write_text("mine")
    Path("other").symlink_to("real")
    for given in ("other", "other/", "other/result.png"):
        with pytest.raises(OutputError, match="is an input"):
            choose(given, inputs=["real/result.png"], overwrite=True)
        with pytest.raises(OutputError, match="is an input"):
            choose(given, inputs=["real"], overwrite=True)  # a folder whose files are read


def test_a_disk_that_ignores_case_leads_to_the_input_too(monkeypatch):
    Path("a.png").write_text("mine")
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **k: real(Path(str(self).lower()), **k))
    with pytest.raises(OutputError, match=r"A\.PNG is an input"):
        choose("A.PNG", inputs=["a.png"])


# ------------------------------------------------------------------------- what is there already


def test_what_exists_is_replaced_only_when_that_was_asked_for():
    Path("a.png").write_text("old")
    Path("a.png").chmod(0o640)
    with pytest.raises(ExistsError, match=r"a\.png exists already: add --overwrite"):
        choose("a.png")
    output = choose("a.png", overwrite=True)
    assert Path("a.png").read_text() == "old"
    assert output.write(write_text("new")) == Path("a.png")
    assert Path("a.png").read_text() == "new"
    assert stat.S_IMODE(Path("a.png").stat().st_mode) == 0o640


def test_who_reads_the_old_file_meanwhile_reads_all_of_it():
    Path("a.png").write_text("old and long")
    with Path("a.png").open() as reader:
        choose("a.png", overwrite=True).write(write_text("new"))
        assert reader.read() == "old and long"


def test_a_link_is_something_that_exists_and_stays_a_link():
    Path("target.dat").write_text("old")
    Path("a.png").symlink_to("target.dat")
    Path("b.png").symlink_to("nowhere")
    for name in ("a.png", "b.png"):
        with pytest.raises(ExistsError):
            choose(name)
    choose("a.png", overwrite=True).write(write_text("new"))
    assert Path("a.png").is_symlink()
    assert Path("target.dat").read_text() == "new"


def test_what_came_in_the_meantime_is_kept_and_the_result_too(monkeypatch):
    for no_links in (False, True):
        if no_links:
            refuse = lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links"))  # noqa: E731
            monkeypatch.setattr(os, "link", refuse)
        name = f"a{no_links}.png"
        output = choose(name)
        Path(name).write_text("theirs")
        Path(f"a{no_links}-2.png").write_text("theirs too")
        written = output.write(write_text("mine"))
        assert written == Path(f"a{no_links}-3.png")
        assert written.read_text() == "mine"
        assert Path(name).read_text() == "theirs"


def test_a_thing_that_is_no_file_is_refused():
    os.mkfifo("pipe.png")
    with pytest.raises(OutputError, match="is no file that could be replaced"):
        choose("pipe.png", overwrite=True)


# ----------------------------------------------------------------------------- folders, endings


def test_a_folder_means_a_file_in_it():
    Path("out").mkdir()
    Path("tricky.png").mkdir()
    assert choose("out").path == Path("out/result.png")
    assert choose("tricky.png").path == Path("tricky.png/result.png")
    output = choose("new/")
    assert output.path == Path("new/result.png")
    assert not Path("new").exists()  # until there is something to put in it
    assert output.write(write_text("new")).read_text() == "new"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "name of the output is empty"),
        ("a", "a: choose one of the endings .png, .jpg"),
        ("a.bmp", "a.bmp: choose one of the endings"),
        ("a.png.txt", "choose one of the endings"),
        ("no/a.png", "The folder of no/a.png does not exist. Create it first"),
        ("no/new/", "The folder of no/new does not exist"),
        ("file.png/a.png", "The folder of file.png/a.png is a file"),
        ("file.png/", "file.png is a file, but a folder was expected"),
        ("a" * 300 + ".png", "the name is too long"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(given, said):
    Path("file.png").write_text("")
    before = sorted(Path().iterdir())
    with pytest.raises(OutputError, match=said):
        choose(given)
    assert sorted(Path().iterdir()) == before


def test_a_folder_that_cannot_be_written_to_is_said_before_the_work(monkeypatch):
    def refuse(self, **_):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    for given in ("a.png", "new/"):
        with pytest.raises(
            OutputError, match=r"Nothing can be written in .*: the disk can only be"
        ):
            choose(given)


# --------------------------------------------------------------------------------- whole or not


@pytest.mark.parametrize("existed", [False, True])
def test_a_full_disk_leaves_everything_as_it_was_and_gives_a_sentence(existed, here):
    def fill(path):
        path.write_text("half of a pic")
        raise OSError(28, "No space left on device", str(path))

    if existed:
        Path("a.png").write_text("old")
    with pytest.raises(OutputError, match=r"^a.png could not be written: the disk is full. Noth"):
        choose("a.png", overwrite=existed).write(fill)
    assert [p.name for p in here.iterdir()] == ["a.png"] * existed
    assert not existed or Path("a.png").read_text() == "old"


def test_an_interruption_leaves_everything_as_it_was(here):
    def interrupt(path):
        path.write_text("half")
        assert Path("a.png").read_text() == "old"
        raise KeyboardInterrupt

    Path("a.png").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        choose("a.png", overwrite=True).write(interrupt)
    assert Path("a.png").read_text() == "old"
    assert [p.name for p in here.iterdir()] == ["a.png"]


def test_a_new_file_has_the_permissions_of_any_new_file():
    Path("usual").touch()
    file = choose("a.png").write(write_text("new"))
    assert file.stat().st_mode == Path("usual").stat().st_mode


def test_a_file_is_on_the_disk_before_it_has_its_name(monkeypatch):
    order = []
    monkeypatch.setattr(outputs, "_flush", lambda path: order.append(Path("a.png").exists()))
    choose("a.png").write(write_text("new"))
    assert order == [False]


# ---------------------------------------------------------------------------------------- names


def test_no_two_results_share_a_name_even_where_case_does_not_count():
    sources = [Path(n) for n in ("a.jpg", "a.jpg.webp", "a.png", "b.PNG", "B.png", "c.tif",
                                 "e\u0301.jpg", "\u00e9.png", "straße.png",
                                 "STRASSE.jpg")]  # fmt: skip
    names = name_results(sources, ending=".png")
    assert [names[path] for path in sources] == [
        "a.jpg.png", "a.jpg-2.png", "a.png.png", "b.PNG.png", "B.png-2.png", "c.png",
        "e\u0301.jpg.png", "\u00e9.png.png", "straße.png.png", "STRASSE.jpg.png",
    ]  # fmt: skip
    assert len({outputs._folded(name) for name in names.values()}) == len(sources)


def test_names_beside_the_sources_are_marked_and_leave_taken_ones_alone():
    sources = [Path("a.png"), Path("b.jpg")]
    names = name_results(sources, ending=".png", mark="-x4", taken=["a.png", "A-X4.png"])
    assert list(names.values()) == ["a-x4-2.png", "b-x4.png"]


def test_a_place_in_a_folder_is_checked_as_any_other(here):
    for name in ("a.png", "b.png"):
        Path(name).write_text("mine")
    inputs = identities(["a.png"])
    with pytest.raises(OutputError, match="is an input"):
        place_in(here, "a.png", inputs=inputs, overwrite=True)
    with pytest.raises(ExistsError):
        place_in(here, "b.png", inputs=inputs, overwrite=False)
    assert place_in(here, "c.png", inputs=inputs, overwrite=False) == Output(path=here / "c.png")
