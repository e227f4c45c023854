"""The two networks that find faces, converted from the PyPI package mediapipe 0.10.21.

That package carries Google's BlazeFace (short range) and FaceMesh as TensorFlow Lite files in
float16. Later ones, from 0.10.30 on, carry no models. Their tensors become one safetensors file
each, in float16 as well, so that nothing is lost.

Run once, with a reader of such files beside the app's own requirements:

    pip install tflite
    pip download --no-deps --python-version 3.11 --only-binary :all: mediapipe==0.10.21
    python -m cxdemo.training.convert_face_mesh --wheel mediapipe-0.10.21-*.whl --out checkpoints/

It prints the `shards` and the `tensors` of the records in `checkpoints/manifest.json`.
"""

import argparse
import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

FILES = {
    "face-detector": (
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face-mesh": (
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
}
METADATA = {"format": "pt", "source": "mediapipe 0.10.21 on PyPI", "license": "Apache-2.0"}


def detector_names() -> list[tuple[str, str]]:
    """(operation, module) in the order of the file."""
    names = [("CONV_2D", "stem")]
    for i in range(11):
        names += _block(f"fine.{i}")
    for i in range(5):
        names += _block(f"coarse.{i}")
    heads = ("fine_scores", "coarse_scores", "fine_boxes", "coarse_boxes")
    return names + [("CONV_2D", head) for head in heads]


def mesh_names() -> list[tuple[str, str]]:
    """(operation, module) in the order of the file, whose two branches alternate at the end."""
    names = [("CONV_2D", "stem"), ("PRELU", "stem_act")]
    for i in range(14):
        names += [*_block(f"trunk.{i}"), ("PRELU", f"trunk.{i}.act")]
    for i in range(2):
        names += [*_block(f"points.{i}"), ("PRELU", f"points.{i}.act")]
    pairs = [
        ("DEPTHWISE_CONV_2D", "score.0.depthwise", "points.2.depthwise"),
        ("CONV_2D", "score.0.pointwise", "points.2.pointwise"),
        ("PRELU", "score.0.act", "points.2.act"),
        ("CONV_2D", "score.1", "points.3"),
        ("PRELU", "score.2", "points.4"),
        ("DEPTHWISE_CONV_2D", "score.3.depthwise", "points.5.depthwise"),
        ("CONV_2D", "score.3.pointwise", "points.5.pointwise"),
        ("PRELU", "score.3.act", "points.5.act"),
        ("CONV_2D", "score.4", "points.6"),
    ]
    return names + [(kind, name) for kind, *both in pairs for name in both]


def _block(name: str) -> list[tuple[str, str]]:
    return [("DEPTHWISE_CONV_2D", f"{name}.depthwise"), ("CONV_2D", f"{name}.pointwise")]


NAMES = {"face-detector": detector_names, "face-mesh": mesh_names}


def read_layers(content: bytes) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """The parameters of each convolution and PReLU of a file, in its order, as (kind, tensors)."""
    import tflite  # pyright: ignore[reportMissingImports] - only this script needs it

    kinds = {code: name for name, code in vars(tflite.BuiltinOperator).items()}
    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    unpacked: dict[int, int] = {}  # float32 tensor: the float16 tensor that it is made of
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        if kind == "DEQUANTIZE":
            unpacked[int(operator.Outputs(0))] = inputs[0]
        elif kind in {"CONV_2D", "DEPTHWISE_CONV_2D", "PRELU"}:
            yield kind, [_read_tensor(model, graph, unpacked[index]) for index in inputs[1:]]


def _read_tensor(model: Any, graph: Any, index: int) -> torch.Tensor:
    """A float16 tensor of the file."""
    tensor = graph.Tensors(index)
    values = model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.float16)
    return torch.from_numpy(values.reshape(tensor.ShapeAsNumpy()).copy())


def to_torch(kind: str, name: str, stored: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Parameters of a layer in torch's order.

    A kernel is (out, height, width, in) in the file, a depthwise one (1, height, width, channels),
    a PReLU's slopes (1, 1, channels).
    """
    if kind == "PRELU":
        return {f"{name}.weight": stored[0].flatten()}
    order = (3, 0, 1, 2) if kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    weight = stored[0].permute(*order).contiguous()
    return {f"{name}.weight": weight, f"{name}.bias": stored[1]}


def convert(content: bytes, names: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """All parameters of a file under the names of the modules.

    Raises:
        ValueError: The file has other layers than expected.
    """
    tensors: dict[str, torch.Tensor] = {}
    for (expected, name), (kind, stored) in zip(names, read_layers(content), strict=True):
        if kind != expected:
            raise ValueError(f"expected {expected} for {name}, got {kind}")
        tensors |= to_torch(kind, name, stored)
    return tensors


def read_wheel(wheel: Path, member: str, sha256: str) -> bytes:
    """A file of the wheel.

    Raises:
        ValueError: It is not the one that was examined.
    """
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{member} has sha256 {found}, expected {sha256} (mediapipe 0.10.21)")
    return content


def write_shard(tensors: dict[str, torch.Tensor], file: Path) -> dict[str, object]:
    """Record of the file written, as the manifest lists it."""
    save_file(tensors, file, METADATA)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"file": file.name, "sha256": sha256, "tensors": list(tensors)}


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, required=True, help="mediapipe 0.10.21")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    records: dict[str, object] = {}
    for name, (member, sha256) in FILES.items():
        tensors = convert(read_wheel(arguments.wheel, member, sha256), NAMES[name]())
        shard = write_shard(tensors, arguments.out / f"{name}.safetensors")
        shapes = {key: list(tensor.shape) for key, tensor in tensors.items()}
        records[name] = {"shards": [shard], "tensors": shapes}
    with zipfile.ZipFile(arguments.wheel) as archive:
        (license_file,) = [n for n in archive.namelist() if n.endswith("dist-info/LICENSE")]
        (arguments.out / "LICENSE-mediapipe.txt").write_bytes(archive.read(license_file))
    print(json.dumps(records, indent=2))


if __name__ == "__main__":
    main()
