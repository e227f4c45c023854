import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.commands import sr
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
    settings = json.loads(images.read_settings_text(output))["config"]
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
        ([CAT, WAVE, "--style-weights", "1", "2"], "a weight for each style, got 2 for 1"),
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
    monkeypatch.setattr(sr, "_load_upscaler", lambda name: asked.append(name) or network)
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
    settings = json.loads(images.read_settings_text(output))
    assert settings["config"] == {"checkpoint": "mse", "back_projection": 2, "tile": 256}


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
    assert told.err == "cxdemo: passed over notes.txt: no picture by its name\n"
    (source / "broken.jpg").write_text("no picture")
    assert main(["sr", str(source), "-o", str(output), "--overwrite"]) == 1
    assert "broken.jpg: “broken.jpg” is a text file" in capsys.readouterr().err


def test_sr_of_a_folder_into_itself_spares_the_originals_and_its_own_results(
    tmp_path, capsys, random_network
):
    save_small(tmp_path / "a.png")
    save_small(tmp_path / "a.jfif.png")
    (tmp_path / "a.jfif.png").rename(tmp_path / "a.jfif")
    save_small(tmp_path / "b-x4.png")
    (tmp_path / "sub").mkdir()
    (tmp_path / "gone.png").symlink_to("nowhere")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    command = ["sr", str(tmp_path), "-o", str(tmp_path)]
    assert main(command) == 0
    told = capsys.readouterr()
    made = ["a.jfif-x4.png", "a.png-x4.png", "b-x4-x4.png"]
    assert sorted(Path(line).name for line in told.out.splitlines()) == made
    assert told.err.splitlines() == [
        "cxdemo: passed over gone.png: a link that leads nowhere",
        "cxdemo: passed over sub: a folder",
    ]
    first = {name: (tmp_path / name).read_bytes() for name in made}
    assert main(command) == 0  # a second time: nothing to do
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("made by this command") == 3
    assert told.err.count("exists already, --overwrite would replace it") == 3
    assert main([*command, "--overwrite", "--checkpoint", "mse"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    after = {name: (tmp_path / name).read_bytes() for name in made}
    assert all(after[name] != first[name] for name in made)  # another network's settings
    assert len(list(tmp_path.iterdir())) == 8


def test_sr_never_writes_over_its_input(tmp_path, capsys, random_network):
    save_small(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "link.png").symlink_to("a.png")
    for output in ("a.png", "link.png"):
        flags = ["-o", str(tmp_path / output), "--overwrite"]
        assert main(["sr", str(tmp_path / "a.png"), *flags]) == 2
        assert "inputs are never overwritten" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before
    assert random_network == []


def test_sr_writes_what_the_ending_says_and_reads_its_settings_back(
    tmp_path, capsys, random_network
):
    save_small(tmp_path / "a.png", mode="RGBA")
    made = tmp_path / "a.png"
    for index, ending in enumerate(("jpg", "webp", "tif")):
        output = tmp_path / f"out.{ending}"
        flags = ["--tile", "64", "--checkpoint", "mse"] if not index else ["--settings", str(made)]
        command = ["sr", str(tmp_path / "a.png"), "-o", str(output), *flags, "--json"]
        assert main(command) == 0
        told = capsys.readouterr()
        assert ("a JPEG is opaque" in told.err) == (ending == "jpg")
        said = json.loads(told.out)
        assert said["config"] == {"checkpoint": "mse", "back_projection": 2, "tile": 64}
        assert said["results"][0] | {"seconds": 0} == {
            "input": str(tmp_path / "a.png"), "file": str(output), "size": [120, 80], "seconds": 0,
        }  # fmt: skip
        with Image.open(output) as picture:
            assert picture.format == images.WRITABLE[f".{ending}"]
        made = output


def test_sr_says_before_the_work_that_a_format_is_too_small(tmp_path, capsys, random_network):
    save_small(tmp_path / "a.png", size=(4100, 210))
    assert main(["sr", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.webp")]) == 2
    assert "would have 16400 pixels, but a WEBP has at most 16383" in capsys.readouterr().err
    assert random_network == []


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
