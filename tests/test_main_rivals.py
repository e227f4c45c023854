"""python -m cxdemo lab rivals."""

import json

import pytest
from PIL import Image

from cxdemo import images
from cxdemo.__main__ import main

CAT = "cxdemo/examples/photo_cat_chelsea.jpg"
DOG = "cxdemo/examples/photo_dog.jpg"
SHORT = ["--size", "64", "--num-steps", "2", "--rivals", "gram,patches"]


def test_the_sheet_carries_the_settings_that_are_printed(tmp_path, capsys):
    output = tmp_path / "sheet.png"
    assert main(["lab", "rivals", CAT, DOG, "-o", str(output), "--json", *SHORT]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["config"]["rivals"] == ["gram", "patches"]
    assert printed["results"]["patches"]["steps"] == 2
    assert printed.pop("files") == [str(output)]
    assert json.loads(images.read_settings_text(output)) == printed
    with Image.open(output) as sheet:
        assert sheet.width == 6 + 4 * 198  # content, style and two rivals, 192 pixels each


def test_a_film_gives_its_settings_back(tmp_path, capsys):
    film, again = str(tmp_path / "a.mp4"), str(tmp_path / "b.gif")
    assert main(["lab", "rivals", CAT, DOG, "-o", film, *SHORT]) == 0
    capsys.readouterr()
    flags = ["--settings", film, "--num-steps", "1", "--json"]
    assert main(["lab", "rivals", CAT, DOG, "-o", again, *flags]) == 0
    config = json.loads(capsys.readouterr().out)["config"]
    assert (config["size"], config["num_steps"], config["rivals"]) == (64, 1, ["gram", "patches"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CAT, DOG, "-o", "out.txt"], "choose one of the endings .png, .gif, .mp4, .json"),
        ([CAT, DOG, "-o", "no/such/out.png"], "does not exist"),
        ([CAT, "none.jpg", "-o", "out.png"], "none.jpg"),
        ([CAT, DOG, "-o", "out.png", "--rivals", "grams"], "Did you mean 'gram'?"),
        ([CAT, DOG, "-o", "out.png", "--size", "8"], "size must lie in [64, 256], got 8"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(arguments, message, capsys):
    assert main(["lab", "rivals", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
