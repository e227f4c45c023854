import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import cxdemo
from cxdemo import checkpoints, images
from cxdemo.__main__ import main
from cxdemo.commands import sr
from cxdemo.engine import context
from cxdemo.networks import Upscaler
from cxdemo.optimize import Step
from cxdemo.options import options_of
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig
from cxdemo.runs.style import read_settings_file

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


@pytest.fixture
def fake_style(monkeypatch):
    """`style` with a pipeline that answers at once, on a machine that has no VGG19."""
    seen = []

    def transfer(content, styles, config, *, style_weights, features):
        seen.append((config, list(style_weights)))
        yield Step(index=1, total=1, losses={"style": 2.0, "content": 1.0}, image=content,
                   seconds=0.5)  # fmt: skip

    def load(backbone, layers, *, pooling):
        notice = None if backbone == "vgg16" else "vgg19 cannot be had. vgg16 is used instead."
        return SimpleNamespace(backbone="vgg16", notice=notice)

    real = context.default_context()
    fake = replace(real, transfer_style=transfer, load_features=load, device="cpu")
    monkeypatch.setattr(context, "default_context", lambda: fake)
    return seen


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
def test_settings_of_a_result_come_back_here_and_in_the_app(tmp_path, caplog, fake_style, ending):
    first, second = (str(tmp_path / f"{name}.{ending}") for name in "ab")
    weights = ["--style-weights", "2", "1"]
    flags = ["--backbone", "vgg19", "--size", "96", "--preset", "paper", *weights]
    assert main(["style", CAT, WAVE, CAT, "-o", first, *flags]) == 0
    assert "vgg16 is used instead" in caplog.text
    painted, weights = fake_style[0]
    assert (painted.size, painted.backbone, weights) == (96, "vgg16", [2.0, 1.0])
    read = read_settings_file(Path(first))  # what the app's upload does
    assert (read.config, read.rest["style_weights"]) == (painted, weights)
    assert main(["style", CAT, WAVE, CAT, "-o", second, "--settings", first, "--seed", "3"]) == 0
    assert fake_style[1] == (replace(painted, seed=3), weights)


def test_settings_of_a_json_file_and_of_another_number_of_styles(tmp_path, capsys, fake_style):
    result = str(tmp_path / "a.png")
    assert main(["style", CAT, WAVE, CAT, "-o", result, "--style-weights", "3,1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["loss"], told["losses"], told["files"]) == (
        3.0, {"style": 2.0, "content": 1.0}, [result],
    )  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(told | {"config": {"sizes": 1, "size": 80}}))
    flags = ["-o", str(tmp_path / "b.png"), "--settings", str(tmp_path / "a.json")]
    assert main(["style", CAT, WAVE, *flags]) == 0
    assert fake_style[1][0].size == 80
    assert fake_style[1][1] == [1.0]
    told = capsys.readouterr().err
    assert "a.json: Some stored settings were left out. There is no setting named 'sizes'" in told
    assert "2 styles and this one has 1: its weights are left out" in told


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
        ([CAT, WAVE, "--style-weights", "-1"], "style_weights must lie in [0.0, 1000.0], got -1.0"),
        ([CAT, WAVE, "--style-weights", "nan"], "style_weights must lie in"),
        ([CAT, WAVE, "--style-weights", "0"], "style_weights must hold a weight above 0"),
        ([CAT, WAVE, "--style-weights", "much"], "style_weights must be a list, each of a number"),
        ([CAT, WAVE, "--size", "wide"], "size must be a whole number in [64, 1024], got 'wide'"),
        ([CAT, WAVE, "--size", "96.5"], "size must be a whole number in [64, 1024], got 96.5"),
        ([CAT, WAVE, "--style-strength", "nan"], "style_strength must lie in [0.0, 4.0], got nan"),
        ([CAT, WAVE, "--settings", CAT], "holds no settings of style transfer"),
        ([CAT, WAVE, "--settings", "README.md"], "holds no settings of style transfer"),
        ([CAT, WAVE, "--settings", "gone.png"], "does not exist"),
        ([CAT, WAVE, "--settings", CAT, "--preset", "fast"], "two starting points"),
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


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    declared = re.search(r'^version = "(.+)"$', Path("pyproject.toml").read_text(), re.MULTILINE)
    assert capsys.readouterr().out == f"cxdemo {cxdemo.__version__}\n"
    assert declared is None or declared[1] == cxdemo.__version__


@pytest.fixture(params=["missing", "a file", "broken", "null", "half a record"])
def broken_checkpoints(request, tmp_path, monkeypatch):
    """A folder checkpoints/ that nothing can be had from."""
    folder = tmp_path / "checkpoints"
    texts = {"broken": "{", "null": "null", "half a record": '{"vgg16": {"shards": []}}'}
    if request.param == "a file":
        folder.write_text("")
    elif request.param in texts:
        folder.mkdir()
        (folder / "manifest.json").write_text(texts[request.param])
    sources = replace(checkpoints.DEFAULT_SOURCES, folder=folder)
    monkeypatch.setattr(checkpoints.load_manifest, "__defaults__", (folder,))
    monkeypatch.setattr(checkpoints.find_checkpoint, "__kwdefaults__", {"folder": folder})
    for function in (checkpoints.fetch_checkpoint, checkpoints.load_with_fallback):
        known = {**function.__kwdefaults__, "sources": sources}
        monkeypatch.setattr(function, "__kwdefaults__", known)


def test_without_checkpoints_help_works_and_all_else_is_one_sentence(
    broken_checkpoints, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stopped:
        main(["fetch", "--help"])
    assert stopped.value.code == 0
    capsys.readouterr()
    for command in (["fetch"], ["style", CAT, WAVE, "-o", str(tmp_path / "a.png")]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert re.match(r"cxdemo: checkpoints/manifest.json (cannot be read|is broken)", error)
        assert error.endswith("get the folder checkpoints/ of this version of cxdemo again.\n")
        assert error.count("\n") == 1
        assert str(tmp_path) not in error


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
