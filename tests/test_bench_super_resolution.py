"""The comparison of upscalers: the peers' format, the table, and what is measured."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cxdemo.bench import super_resolution as bench
from cxdemo.bench.upscaler_peers import LayersModel, load_peers


def layer(kind, name, *inputs, **config):
    nodes = [[[name, 0, 0, {}] for name in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}


def test_a_layers_model_computes_what_its_graph_says(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)  # HWIO
    bias = np.array([0.1, 0.2, 0.3], np.float32)
    layers = [
        layer("InputLayer", "in"),
        layer("Conv2D", "a", "in"),
        layer("Activation", "b", "a", activation="relu"),
        layer("Add", "c", "b", "in"),
        layer("UpSampling2D", "d", "c", size=[4, 4]),
    ]
    weights = [{"name": "a/kernel", "shape": [3, 3, 3, 3]}, {"name": "a/bias", "shape": [3]}]
    model = {
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"paths": ["w.bin"], "weights": weights}],
    }
    (tmp_path / "model.json").write_text(json.dumps(model))
    np.concatenate([kernel.ravel(), bias]).tofile(tmp_path / "w.bin")
    image = torch.rand(1, 3, 5, 6)
    oihw = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    small = F.relu(F.conv2d(image, oihw, torch.from_numpy(bias), padding=1)) + image
    expected = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3).clamp(0, 1)
    assert torch.allclose(LayersModel(tmp_path / "model.json")(image), expected, atol=1e-6)


def test_peers_that_are_not_there_are_left_out_with_a_sentence_each(tmp_path, capsys):
    assert load_peers(tmp_path) == {}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("is left out: " in line for line in lines)


def test_low_frequencies_hold_colours_and_no_texture():
    truth = torch.full((1, 3, 64, 64), 0.5)
    checkerboard = 0.2 * (-1.0) ** (torch.arange(64).view(64, 1) + torch.arange(64))
    assert bench.low_frequency_psnr(truth + checkerboard, truth) > 80
    # A tenth of the range of 219 of 255 levels.
    expected = -20 * np.log10(0.1 * 219 / 255)
    assert bench.low_frequency_psnr(truth + 0.1, truth) == pytest.approx(expected, abs=0.01)


def test_the_table_has_means_and_the_largest_memory():
    rows = {"a": [{"psnr": 20.0, "memory": 5e0}, {"psnr": 30.0, "memory": 7e0}]}
    assert bench.format_table(rows).splitlines()[-1] == "| a | 25.00 | 7 |"


def test_the_crop_shows_the_most_detail():
    truth = torch.full((1, 3, 400, 400), 0.5)
    truth[..., 230:390:2, 200:360] = 1.0
    top, left = bench.busiest_crop(truth)
    assert abs(top - 230) <= 8
    assert abs(left - 200) <= 8


def test_the_command_prints_a_row_for_each_method(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((200, 200), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    sheet = tmp_path / "sheet.png"
    assert bench.main(["--photos", str(tmp_path), "--sheet", str(sheet)]) == 0
    table = [line.split("|") for line in capsys.readouterr().out.splitlines()]
    assert [row[1].strip() for row in table[2:]] == ["bicubic", "lanczos", "mse", "cx", "cx-gan"]
    with Image.open(sheet) as picture:
        assert picture.width == 4 + 6 * (4 + bench.CELL)
    sheet.unlink()  # else it is one more photo
    flags = ["--photos", str(tmp_path), "--methods", "bicubic", "--json"]
    assert bench.main(flags) == 0
    told = json.loads(capsys.readouterr().out)
    assert f"{told['bicubic'][0]['psnr']:.2f}" == table[2][2].strip()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="found none"):
        bench.main(["--photos", str(empty)])
