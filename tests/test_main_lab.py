"""The lab from the command line: files, figures, and sentences for what is wrong."""

import json

import av
import pytest
from PIL import Image

from cxdemo.__main__ import main
from cxdemo.checkpoints import FOLDER
from cxdemo.images import read_png_metadata

CAT = str(FOLDER.parent / "cxdemo" / "examples" / "photo_cat_chelsea.jpg")
QUICK = ["--crop", "48", "--num-steps", "8"]


def test_the_experiment_writes_an_animation_with_a_frame_for_every_fourth_step(tmp_path, capsys):
    out = tmp_path / "race.gif"
    assert main(["lab", "misaligned", CAT, "-o", str(out), *QUICK]) == 0
    with Image.open(out) as gif:
        assert gif.n_frames >= 3  # equal frames at the end are one, that stays
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[1:4]] == ["L1", "L2", "Contextual"]
    assert said[-1] == str(out)


def test_the_experiment_writes_a_film_and_a_figure_that_carries_its_settings(tmp_path, capsys):
    film, figure = tmp_path / "race.mp4", tmp_path / "race.png"
    flags = [*QUICK, "--losses", "l2,cx", "--seed", "3"]
    assert main(["lab", "misaligned", CAT, "-o", str(film), *flags]) == 0
    with av.open(str(film)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 3 + 16  # the last stays for two seconds
    assert main(["lab", "misaligned", CAT, "-o", str(figure), *flags, "--json"]) == 0
    stored = json.loads(read_png_metadata(figure)["cxdemo"])
    assert stored["config"]["losses"] == ["l2", "cx"]
    assert stored["config"]["seed"] == 3
    printed = json.loads(capsys.readouterr().out.split("race.mp4\n")[1])
    assert printed["results"]["cx"]["psnr"] == stored["results"]["cx"]["psnr"]


def test_the_meter_prints_its_readings_and_draws_them(tmp_path, capsys):
    out = tmp_path / "meter.png"
    flags = ["--losses", "l1,gram", "--change", "noise"]
    assert main(["lab", "meter", CAT, "-o", str(out), *flags]) == 0
    with Image.open(out) as figure:
        assert min(figure.size) > 600
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["Noise", "0", "0.08", "0.16", "0.24", "0.32"]
    assert rows[1][:2] == ["L1", "0.000"]
    assert [float(cell) for cell in rows[1][1:]] == sorted(float(cell) for cell in rows[1][1:])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["misaligned", CAT, "-o", "race.txt"],
            "choose one of the endings .gif, .mp4, .png, .json",
        ),
        (["misaligned", CAT, "-o", "/nowhere/race.gif"], "does not exist"),
        (["misaligned", "none.jpg", "-o", "race.gif"], "none.jpg"),
        (["misaligned", CAT, "-o", "race.gif", "--losses", "cxx"], "Did you mean 'cx'"),
        (["misaligned", CAT, "-o", "race.gif", "--shift", "99"], "shift must lie in"),
        (
            ["meter", CAT, "-o", "meter.gif", "--losses", "l1"],
            "choose one of the endings .png, .svg, .pdf",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
