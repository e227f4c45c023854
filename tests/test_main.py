import json

import pytest
from PIL import Image

from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.options import options_of
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig

CAT = "cxdemo/examples/photo_cat_chelsea.jpg"
WAVE = "cxdemo/examples/painting_great_wave.jpg"


def test_style_writes_a_picture_that_carries_its_settings(tmp_path, capsys):
    output = tmp_path / "out.png"
    flags = ["--size", "64", "--num-steps", "3", "--style-strength", "1.5", "--keep-colors"]
    assert main(["style", CAT, WAVE, "-o", str(output), *flags]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    with Image.open(output) as picture:
        assert picture.size == (64, 43)
    settings = json.loads(images.read_png_metadata(output)["cxdemo"])
    assert settings["style_strength"] == 1.5
    assert settings["keep_colors"] is True
    assert settings["content_weight"] == PRESETS["fast"].content_weight


def test_every_option_is_a_flag(capsys):
    with pytest.raises(SystemExit):
        main(["style", "--help"])
    text = capsys.readouterr().out
    for name in options_of(StyleTransferConfig):
        assert "--" + name.replace("_", "-") in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["missing.jpg", WAVE], "does not exist"),
        (["README.md", WAVE], "README.md"),
        ([CAT, WAVE, "--size", "8"], "size must lie in [64, 1024], got 8"),
        ([CAT, WAVE, "--style-layers", "conv9_9"], "style_layers must be one of"),
        ([CAT, WAVE, "--style-weights", "1", "2"], "got 2 weights for 1 images"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(changes, message, tmp_path, capsys):
    assert main(["style", *changes, "-o", str(tmp_path / "out.png")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_a_missing_folder_is_said_before_any_work(tmp_path, capsys):
    assert main(["style", CAT, WAVE, "-o", str(tmp_path / "no" / "out.png")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_fetch_without_the_hub_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if main(["fetch", "vgg19"]) == 0:  # this machine holds it already
        return
    error = capsys.readouterr().err
    assert "vgg19" in error
    assert error.count("\n") == 1
