"""`python -m cxdemo lab gaussians | points`: numbers on the terminal, files on disk."""

import json

import pytest
from PIL import Image

from cxdemo.__main__ import main


def test_gaussians_print_the_table_and_write_the_maps(tmp_path, capsys):
    figure = tmp_path / "maps.png"
    assert main(["lab", "gaussians", "-o", str(figure), "--bandwidth", "0.1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    row = told["similarity"][told["sigmas"].index(1.0)]
    assert row == pytest.approx([0.565, 0.44, 0.25, 0.10, 0.02, 0.01], abs=0.03)
    assert told["squared"][told["sigmas"].index(2.0)][told["mus"].index(3.0)] == 14
    with Image.open(figure) as picture:
        assert picture.width > picture.height  # two maps side by side


def test_points_write_a_gif_that_begins_alike_and_ends_apart(tmp_path, capsys):
    clip = tmp_path / "points.gif"
    flags = ["--steps", "40", "--points", "40", "--step-size", "0.1"]
    assert main(["lab", "points", "-o", str(clip), "--json", *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["config"]["steps"] == 40
    assert told["standings"]["cx"]["distinct"] > told["standings"]["nearest"]["distinct"]
    with Image.open(clip) as picture:
        panels = [
            picture.convert("RGB").crop((260 * k + 40, 60, 260 * k + 240, 280)) for k in (0, 2)
        ]
        assert count_ink(panels[0]) == pytest.approx(count_ink(panels[1]), rel=0.15)
        picture.seek(picture.n_frames - 1)
        assert picture.n_frames >= 41
    again = ["lab", "points", "-o", str(tmp_path / "again.gif"), "--settings", str(clip), "--json"]
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out)["config"] == told["config"]


def count_ink(panel):
    return sum(count for count, color in panel.getcolors(1 << 16) if min(color) < 200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["points", "-o", "x.bmp"], r"choose one of the endings \.gif, \.png, \.json"),
        (["points", "-o", "x.gif", "--target", "rign"], "Did you mean 'ring'"),
        (["gaussians", "-o", "nowhere/x.png"], "folder of nowhere/x.png does not exist"),
        (["gaussians", "-o", "x.gif"], r"\.png, \.svg, \.pdf"),
    ],
)
def test_mistakes_are_explained_and_leave_no_file(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *arguments]) != 0
    import re

    assert re.search(said, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []
