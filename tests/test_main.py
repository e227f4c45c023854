import json

import pytest
import torch
from PIL import Image

from cxdemo import __main__ as main_module
from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.networks import Upscaler
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


# ------------------------------------------------------------------------------------------- sr


@pytest.fixture
def random_network(monkeypatch):
    """`sr` with a network of its own, so that these tests need no weights."""
    torch.manual_seed(0)
    network = Upscaler(channels=4, num_blocks=1, edge_kernel=3, tail_channels=4, batch_norm=False)
    torch.nn.init.normal_(network.tail[3].weight, std=0.05)
    asked = []
    monkeypatch.setattr(main_module, "_load_upscaler", lambda name: asked.append(name) or network)
    return asked


def save_small(path, size=(30, 20), mode="RGB"):
    Image.new(mode, size, (200, 100, 50, 90)[: len(mode)]).save(path)


def test_sr_writes_a_picture_four_times_as_large(tmp_path, capsys, random_network):
    save_small(tmp_path / "a.png", mode="RGBA")
    output = tmp_path / "out.png"
    assert main(["sr", str(tmp_path / "a.png"), "-o", str(output), "--checkpoint", "mse"]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    assert random_network == ["mse"]
    with Image.open(output) as picture:
        assert (picture.size, picture.mode) == ((120, 80), "RGBA")
        assert picture.getpixel((60, 40))[3] == 90
    settings = json.loads(images.read_png_metadata(output)["cxdemo"])
    assert settings == {"checkpoint": "mse", "back_projection": 2, "tile": 256}


def test_sr_of_a_folder_names_what_it_skips_and_what_fails(tmp_path, capsys, random_network):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    save_small(source / "a.png")
    save_small(source / "b.jpg")
    save_small(source / "b.png")
    (source / "notes.txt").write_text("dear diary")
    assert main(["sr", str(source), "-o", str(output)]) == 0
    told = capsys.readouterr()
    assert sorted(p.name for p in output.iterdir()) == ["a.png", "b.jpg.png", "b.png.png"]
    assert told.err == "cxdemo: skipped notes.txt: no picture by its name\n"
    (source / "broken.jpg").write_text("no picture")
    assert main(["sr", str(source), "-o", str(output)]) == 1
    assert "broken.jpg: “broken.jpg” is a text file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["missing.jpg"], "does not exist"),
        (["README.md"], "README.md"),
        (["tests"], "holds no picture"),
        ([CAT, "--tile", "8"], "tile must lie in [32, 1024], got 8"),
        ([CAT, "--checkpoint", "esrgan"], "checkpoint must be one of mse, cx, cx-gan"),
    ],
)
def test_sr_refuses_bad_input_in_one_line(changes, message, tmp_path, capsys, random_network):
    assert main(["sr", *changes, "-o", str(tmp_path / "out.png")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.png").is_file()


def test_sr_says_that_a_picture_is_too_large_before_any_work(tmp_path, capsys, random_network):
    save_small(tmp_path / "a.png", size=(1300, 1000))
    assert main(["sr", str(tmp_path / "a.png"), "-o", str(tmp_path / "out.png")]) == 2
    assert "1300 × 1000 pixels, 1.3 megapixels, but at most 1.2" in capsys.readouterr().err
    assert random_network == []
