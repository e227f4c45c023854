"""The conversion of LPIPS, on a small stand-in for its source."""

import io
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxdemo import checkpoints
from cxdemo.training import convert_lpips


def stored():
    rng = np.random.default_rng(0)
    layers = {
        f"Conv_{i}": {"kernel": rng.normal(size=(3, 2, 4, 5)), "bias": rng.normal(size=5)}
        for i in range(5)
    }
    heads = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": rng.normal(size=(1, 1, 5, 1))}} for i in range(5)
    }
    return {"AlexNet_0": layers, **heads}


def test_kernels_are_turned_to_torchs_order_and_kept_in_half_precision(tmp_path):
    source = stored()
    tensors = convert_lpips.name_tensors(source)
    kernel = source["AlexNet_0"]["Conv_1"]["kernel"]
    assert tensors["conv2.weight"][4, 3, 2, 1].item() == kernel[2, 1, 3, 4]
    assert (
        tensors["conv3.head"].tolist()
        == source["NetLinLayer_2"]["Conv_0"]["kernel"].ravel().tolist()
    )
    (record,) = convert_lpips.write_shard(tensors, tmp_path)
    written = load_file(tmp_path / convert_lpips.SHARD)
    assert set(record["tensors"]) == set(written)
    assert all(torch.equal(written[name], tensors[name].half()) for name in written)


def test_the_shard_is_that_of_the_manifest():
    record = checkpoints.find_checkpoint("lpips")
    assert [shard.file for shard in record.shards] == [convert_lpips.SHARD]
    assert list(record.tensors) == list(convert_lpips.name_tensors(stored()))


def test_a_pickle_that_holds_code_is_refused():
    with pytest.raises(pickle.UnpicklingError, match="arrays only"):
        convert_lpips.ArrayUnpickler(io.BytesIO(pickle.dumps(print))).load()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="expected a286e44c"):
        convert_lpips.read_sdist(tmp_path / "a.tar.gz")
