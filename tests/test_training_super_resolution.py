"""Training of the upscalers: data, losses with known values, and a run that can be stopped."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cxdemo.images import blur
from cxdemo.networks import Upscaler
from cxdemo.training import loop, upscaler_run
from cxdemo.training.export_upscaler import export
from cxdemo.training.loop import save_network, step_size_at, update_average
from cxdemo.training.photos import (
    LARGE,
    Crops,
    Degradation,
    compress_jpeg,
    degrade,
    list_photos,
    load_photo,
    split_photos,
)
from cxdemo.training.records import write_record
from cxdemo.training.upscaler_config import PHASES, TrainingConfig
from cxdemo.training.upscaler_losses import (
    feature_distance,
    low_frequency_loss,
    phase_loss,
    upscaler_losses,
)
from cxdemo.training.upscaler_run import Run

CLEAN = Degradation(share=0.0)
DIRTY = Degradation(share=1.0)


def smooth_image(size=64):
    torch.manual_seed(0)
    return F.interpolate(torch.rand(1, 3, 6, 6), (size, size), mode="bilinear")


# ------------------------------------------------------------------------------------- the data


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    dice = np.random.default_rng(0)
    for i in range(5):
        coarse = Image.fromarray(dice.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        coarse.resize((72, 64), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return list_photos(folder)


def test_a_folder_without_photos_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"Expected pictures .* found none"):
        list_photos(tmp_path)


def test_held_back_photos_are_spread_and_not_trained_on(photos):
    train, validation = split_photos(photos, 2)
    assert [path.name for path in validation] == ["1.png", "3.png"]
    assert not set(train) & set(validation)
    assert sorted([*train, *validation]) == photos
    with pytest.raises(ValueError, match="add photos"):
        split_photos(photos, 5)


def test_a_large_photo_is_halved(tmp_path):
    Image.new("RGB", (LARGE, 10), (10, 20, 30)).save(tmp_path / "a.png")
    photo = load_photo(tmp_path / "a.png")
    assert photo.shape == (3, 5, LARGE // 2)
    assert photo[:, 0, 0].tolist() == [10, 20, 30]


def test_the_clean_degradation_is_pillows_bicubic_reduction():
    levels = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    low_res = degrade(levels.float() / 255, CLEAN, random.Random(0))
    picture = Image.fromarray(levels[0].permute(1, 2, 0).to(torch.uint8).numpy())
    expected = np.asarray(picture.resize((8, 8), Image.Resampling.BICUBIC)).astype(np.float32)
    assert np.abs(low_res[0].permute(1, 2, 0).numpy() * 255 - expected).max() <= 1.01


@pytest.mark.parametrize("degradation", [CLEAN, DIRTY])
def test_a_degradation_keeps_the_mean(degradation):
    image = smooth_image()
    low_res = degrade(image, degradation, random.Random(1))
    assert low_res.shape == (1, 3, 16, 16)
    assert (low_res.mean() - image.mean()).abs() < 0.006


def test_a_blur_keeps_constants_and_turns_a_point_into_a_gaussian():
    assert torch.allclose(blur(torch.full((1, 2, 20, 20), 0.3), 3.0), torch.tensor(0.3))
    point = torch.zeros(1, 1, 31, 31)
    point[..., 15, 15] = 1
    spread = blur(point, 2.0)[0, 0]
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    assert float(spread[15, 17] / spread[15, 15]) == pytest.approx(math.exp(-0.5), rel=1e-5)


def test_a_jpeg_of_high_quality_is_near_and_one_of_low_quality_is_not():
    image = smooth_image()
    assert (compress_jpeg(image, 95) - image).abs().mean() < 0.01
    assert (compress_jpeg(image, 2) - image).abs().mean() > 0.03


def test_a_batch_is_a_function_of_its_seed(photos):
    crops = Crops([load_photo(path) for path in photos], size=32, degradation=DIRTY)
    low_res, high_res = crops.draw(3, "7")
    assert low_res.shape == (3, 3, 8, 8)
    assert high_res.shape == (3, 3, 32, 32)
    assert all(map(torch.equal, (low_res, high_res), crops.draw(3, "7")))
    assert not torch.equal(high_res, crops.draw(3, "8")[1])
    with pytest.raises(ValueError, match="at least 128 x 128"):
        Crops([load_photo(path) for path in photos], size=128, degradation=CLEAN)


# ------------------------------------------------------------------------------------- the losses


def test_low_frequency_loss_ignores_fine_texture_and_counts_colours():
    x = smooth_image()
    checkerboard = 0.1 * (-1.0) ** torch.arange(64).view(64, 1) * (-1.0) ** torch.arange(64)
    assert float(low_frequency_loss(x, x)) == 0
    assert float(low_frequency_loss(x + checkerboard, x)) < 1e-8
    assert float(low_frequency_loss(x + 0.1, x)) == pytest.approx(0.01, rel=1e-4)


def test_phase_loss_sees_a_pattern_of_the_grid_that_low_frequencies_do_not():
    x = torch.full((1, 3, 64, 64), 0.5)
    cell = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    pattern = 0.1 * (cell.T * cell).tile(16, 16)  # (64, 64), period 4, mean 0
    assert float(low_frequency_loss(x + pattern, x)) < 1e-7
    assert float(phase_loss(x + pattern, x)) == pytest.approx(0.01, rel=1e-4)


def test_phase_loss_hardly_sees_irregular_texture():
    torch.manual_seed(0)
    x = torch.full((1, 3, 256, 256), 0.5)
    noise = 0.1 * torch.randn(1, 3, 256, 256)
    # White noise of variance v after a Gaussian of sigma s has v / (4 pi s^2).
    expected = 0.01 / (4 * math.pi * 1.5**2)
    assert float(phase_loss(x + noise, x)) == pytest.approx(expected, rel=0.1)


def test_a_distance_of_features_is_a_share_and_has_no_scale():
    y = smooth_image()

    def features(image):
        return {"small": 1000 * image, "large": 0.01 * image}

    assert float(feature_distance(1.1 * y, y, features)) == pytest.approx(0.01, rel=1e-4)
    assert float(feature_distance(y, y, features)) == 0
    # Place by place: the same colours elsewhere are far, and the offset cuts both pictures.
    assert float(feature_distance(y.flip(3), y, features)) > 0.05
    cut = 1.1 * y
    cut[..., :3, :] = 9
    assert float(feature_distance(cut, y, features, (3, 0))) == pytest.approx(0.01, rel=1e-4)


def test_every_phase_has_the_terms_of_its_name():
    x, y = smooth_image(), smooth_image().flip(2)
    judge = torch.nn.Conv2d(3, 1, 1)

    def features(image):
        return {"rgb": F.avg_pool2d(image, 8)}

    terms = {
        phase: set(upscaler_losses(x, y, config, features, judge))
        for phase, config in PHASES.items()
    }
    assert terms["mse"] == {"mse"}
    assert terms["cx"] == {"mse", "low_frequency", "phase", "cx"}
    assert terms["cx-gan"] == terms["cx"] | {"gan"}
    assert terms["srgan"] == {"perceptual", "gan"}
    assert terms["perceptual"] == {"l1", "perceptual"}
    losses = upscaler_losses(x, y, PHASES["mse"], None, None)
    assert float(losses["mse"]) == pytest.approx(float((x - y).square().mean()))


# ------------------------------------------------------------------------------------- the run


def test_the_running_average_has_its_closed_form():
    average, network = (torch.nn.Linear(1, 1, bias=False).requires_grad_(False) for _ in range(2))
    torch.nn.init.zeros_(average.weight)
    torch.nn.init.ones_(network.weight)
    late = 10**9
    for _ in range(5):
        update_average(average, network, step=late, decay=0.9)
    assert float(average.weight) == pytest.approx(1 - 0.9**5, rel=1e-5)
    update_average(average, network, step=0, decay=0.9)  # d = 0.1
    assert float(average.weight) == pytest.approx(1 - 0.1 * 0.9**5, rel=1e-5)


def test_the_step_size_rises_and_falls_to_zero():
    config = TrainingConfig(num_steps=100, warmup_steps=10)
    assert step_size_at(0, config.num_steps, config.warmup_steps) == 0.1
    assert step_size_at(55, config.num_steps, config.warmup_steps) == pytest.approx(0.5)
    assert step_size_at(1000, config.num_steps, config.warmup_steps) == 0


TINY = {
    "num_steps": 4,
    "batch_size": 1,
    "crop_size": 32,
    "validate_every": 2,
    "num_validation": 1,
    "warmup_steps": 1,
}


@pytest.fixture
def tiny_network(monkeypatch):
    def build():
        return Upscaler(channels=4, num_blocks=1, edge_kernel=3, tail_channels=2, batch_norm=False)

    monkeypatch.setitem(upscaler_run.NETWORKS, "compact", build)


def tiny_run(folder, photos, phase, **changes):
    config = PHASES[phase].__class__(**{**vars(PHASES[phase]), **TINY, **changes})
    return Run(config, folder, photos)


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.parametrize("phase", ["mse", "cx-gan"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(phase, photos, tmp_path):
    whole = tiny_run(tmp_path / "whole", photos, phase)
    assert [record["step"] for record in whole.run()] == [2, 4]
    stopped = tiny_run(tmp_path / "parts", photos, phase).run()
    next(stopped)  # two steps, then the process ends
    resumed = tiny_run(tmp_path / "parts", photos, phase)
    assert resumed.step == 2
    list(resumed.run())
    for name in ("average", "network", "discriminator"):
        if getattr(whole, name) is not None:
            expected, found = (getattr(run, name).state_dict() for run in (whole, resumed))
            assert all(torch.equal(expected[key], found[key]) for key in expected), name
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    for one, other in zip(*[[json.loads(line) for line in log] for log in logs], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.usefixtures("tiny_network")
def test_a_run_that_is_killed_between_validations_goes_on_from_its_last_step(
    photos, tmp_path, monkeypatch
):
    def killed_after_3_steps():
        if run.step == 3:
            raise KeyboardInterrupt
        return Run.advance(run)

    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    run = tiny_run(tmp_path, photos, "mse", validate_every=100)
    monkeypatch.setattr(run, "advance", killed_after_3_steps)
    with pytest.raises(KeyboardInterrupt):
        list(run.run())
    assert not (tmp_path / "log.jsonl").exists()
    resumed = tiny_run(tmp_path, photos, "mse", validate_every=100)
    assert resumed.step == 3
    assert [record["step"] for record in resumed.run()] == [4]


@pytest.mark.usefixtures("tiny_network")
def test_a_run_leaves_pictures_and_its_best_parameters(photos, tmp_path):
    run = tiny_run(tmp_path, photos, "mse")
    records = list(run.run())
    assert -run.best == max(record["psnr_y"] for record in records)
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors",
        "log.jsonl",
        "state.pt",
        "validation.png",
    }
    with pytest.raises(ValueError, match="a run with phase mse, not cx"):
        tiny_run(tmp_path, photos, "cx")


def test_only_the_compact_upscaler_becomes_a_checkpoint(tmp_path):
    from cxdemo.networks import compact_upscaler

    network = compact_upscaler()
    save_network(network, tmp_path / "best.safetensors")
    record = export(tmp_path / "best.safetensors", "cx-gan", tmp_path)
    assert record["shards"][0]["file"] == "sr_cx_gan.safetensors"
    assert record["tensors"]["head.weight"] == [48, 3, 3, 3]
    write_record(tmp_path / "manifest.json", "sr-cx-gan", record)
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"sr-cx-gan": record}
    assert '"head.weight": [48, 3, 3, 3],' in (tmp_path / "manifest.json").read_text()
    save_network(torch.nn.Linear(1, 1), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not the parameters of the app's Upsc"):
        export(tmp_path / "other.safetensors", "cx", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["mse", "cx-gan"])
def test_two_processes_train_one_network(phase, photos, tmp_path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--master-port", str(random.randint(20000, 40000))),
        *("-m", "cxdemo.training.super_resolution", "--phase", phase),
        *("--photos", str(photos[0].parent), "--folder", str(tmp_path)),
    ]
    for name, value in TINY.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parent.parent
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2  # one writes, not both
