"""`python -m cxdemo face exemplar`, short and small."""

import json

import pytest

from cxdemo import images
from cxdemo.__main__ import main

MONA_LISA = "cxdemo/examples/portrait_monalisa.jpg"
EINSTEIN = "cxdemo/examples/portrait_einstein_1927.jpg"
SMALL = ["--size", "64", "--num-steps", "3"]


def test_strength_zero_gives_the_picture_back(tmp_path):
    file = tmp_path / "a.png"
    assert main(["face", "exemplar", MONA_LISA, EINSTEIN, "-o", str(file), "--strength", "0"]) == 0
    before, after = images.to_tensor(images.load(MONA_LISA)), images.to_tensor(images.load(file))
    assert (after - before)[..., :5, :5].abs().max() < 0.005
    assert (after - before).abs().mean() < 0.02  # the crop was resampled twice


def test_the_crop_alone_with_its_settings(tmp_path, capsys):
    file = tmp_path / "a.png"
    assert main(["face", "exemplar", MONA_LISA, EINSTEIN, "-o", str(file), "--crop-only", *SMALL,
                 "--region", "mouth"]) == 0  # fmt: skip
    assert images.load(file).size == (64, 64)
    settings = json.loads(images.read_png_metadata(file)["cxdemo"])
    assert settings["config"]["region"] == "mouth"
    assert settings["steps_taken"] == 3
    assert "3 steps in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--region", "nose"], "region must be one of all, eyes, mouth, skin, hair"),
        (["--strength", "2"], "strength must lie in [0.0, 1.0]"),
        (["--source-face", "7"], "This picture has 1 faces"),
    ],
)
def test_problems_are_sentences(arguments, said, tmp_path, capsys):
    file = tmp_path / "a.png"
    assert main(["face", "exemplar", MONA_LISA, EINSTEIN, "-o", str(file), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not file.exists()
