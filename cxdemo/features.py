"""Features that the loss compares: named layers of a VGG network, or plain RGB patches.

An extractor takes an image (N, 3, H, W) in [0, 1] and gives a dict of maps (N, C, H', W'), one for
each layer that it was built for. Layers carry the names of Simonyan and Zisserman and are taken
after the ReLU, as the authors of the Contextual Loss do: their "conv4_2" is relu4_2.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxdemo import checkpoints
from cxdemo.spelling import suggest

Pooling = Literal["max", "average"]


class Layer(NamedTuple):
    """One convolution of a VGG network."""

    name: str
    key: str  # its parameters in torchvision's state dict, without .weight or .bias
    block: int  # 1 to 5; a 2 x 2 pooling stands between two blocks
    channels: int

    @property
    def stride(self) -> int:
        """Pixels between two positions, and the smallest side of an image it accepts."""
        return 2 ** (self.block - 1)


def _layers(depths: Sequence[int]) -> dict[str, Layer]:
    """Layers by name, from the number of convolutions of each block."""
    table: dict[str, Layer] = {}
    index = 0
    for block, (depth, channels) in enumerate(
        zip(depths, (64, 128, 256, 512, 512), strict=True), start=1
    ):
        for i in range(1, depth + 1):
            table[f"conv{block}_{i}"] = Layer(
                f"conv{block}_{i}", f"features.{index}", block, channels
            )
            index += 2  # convolution, ReLU
        index += 1  # pooling
    return table


LAYERS: dict[str, dict[str, Layer]] = {
    "vgg16": _layers((2, 2, 3, 3, 3)),
    "vgg19": _layers((2, 2, 4, 4, 4)),
}
"""Layers of each backbone, in order of depth."""


class VGGFeatures(nn.Module):
    """Named layers of a frozen VGG network, after the ReLU.

    Normalises the image as its checkpoint asks, and computes nothing deeper than the deepest layer
    wanted. Convolutions run in `dtype`, to which they are converted here and when the network moves
    to another device, never in `forward`: several threads may use it from the start. Maps come out
    in float32.

    Args:
        backbone: `"vgg16"` or `"vgg19"`.
        state_dict: Parameters under torchvision's names.
        layers: Names such as `"conv3_2"`.
        mean: Mean of the RGB channels in [0, 1] that the network was trained with.
        std: Their standard deviation.
        pooling: `"max"` as trained; `"average"` as Gatys et al. and the authors' code.
        dtype: Precision of the convolutions. None: `fastest_dtype` of the device in use.
        names: The layer behind each name under which maps come out. None: their own names.
        notice: What a person should know of the parameters, for instance that these stand in.
        shared: Convolutions by layer that another `VGGFeatures` has made ready; the state dict need
            not have their parameters.

    Shape:
        - image: (N, 3, H, W) in [0, 1], H and W at least the stride of the deepest layer.
        - returns: for each layer (N, C, H // stride, W // stride), >= 0.

    Raises:
        ValueError: An unknown layer, missing parameters, or an image that is too small.

    Source:
        Simonyan and Zisserman, arXiv:1409.1556, configurations D and E.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        state_dict: Mapping[str, Tensor],
        layers: Sequence[str],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        pooling: Pooling = "max",
        dtype: torch.dtype | None = None,
        names: Mapping[str, str] | None = None,
        notice: str | None = None,
        shared: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.notice = notice
        self.layers = check_layers(backbone, layers)
        self.names = names or {layer: layer for layer in self.layers}
        self.pooling = pooling
        self.dtype = dtype
        self._path = _path_to(backbone, self.layers)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        known = shared or {}
        self.convolutions = nn.ModuleDict(
            {
                layer.name: known.get(layer.name) or _convolution(layer, state_dict)
                for layer in self._path
            }
        )
        self._choose_dtype()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> {layer: (N, C, H', W')}."""
        self._check_image(image)
        pool = F.max_pool2d if self.pooling == "max" else F.avg_pool2d
        x = (image - self.mean) / self.std  # (N, 3, H, W)
        x = x.to(self._dtype_in_use(), memory_format=torch.channels_last)
        computed: dict[str, Tensor] = {}
        block = 1
        for layer in self._path:
            if layer.block > block:
                x = pool(x, 2)  # (N, C, H / 2, W / 2)
                block = layer.block
            x = F.relu(self.convolutions[layer.name](x))  # (N, C, H', W')
            if layer.name in self.layers:
                computed[layer.name] = x.float()
        return {name: computed[layer] for name, layer in self.names.items()}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """What `to` calls: another device may have another fastest precision."""
        super()._apply(fn, recurse)
        self._choose_dtype()
        return self

    def _choose_dtype(self) -> None:
        """Converts the convolutions to the precision of their device, if they are in another."""
        dtype = self.dtype or fastest_dtype(self.mean.device.type)
        if any(parameter.dtype != dtype for parameter in self.convolutions.parameters()):
            self.convolutions.to(dtype)

    def _dtype_in_use(self) -> torch.dtype:
        return next(self.convolutions.parameters()).dtype

    def _check_image(self, image: Tensor) -> None:
        if image.dim() != 4 or image.shape[1] != 3:
            raise ValueError(
                f"Features need RGB images (N, 3, H, W), got shape {tuple(image.shape)}."
            )
        deepest = self._path[-1]
        if min(image.shape[2:]) < deepest.stride:
            raise ValueError(
                f"{deepest.name} needs an image of at least {deepest.stride} x {deepest.stride} "
                f"pixels, got {image.shape[3]} x {image.shape[2]}. Use a larger image or an "
                "earlier layer."
            )


class PatchFeatures(nn.Module):
    """RGB patches: every k x k window of the image, as a vector of 3 k k numbers.

    The paper's experiment on misaligned crops uses 5 x 5 patches with stride 2. Places at which
    patches lie are those of an unpadded convolution.

    Args:
        size: k, pixels, >= 1.
        stride: Pixels between two patches, >= 1.

    Shape:
        - image: (N, 3, H, W) in [0, 1], H and W at least k.
        - returns: {"rgb": (N, 3 k k, (H - k) // stride + 1, (W - k) // stride + 1)} in [0, 1].

    Raises:
        ValueError: size or stride below 1, or an image smaller than a patch.

    Source:
        Mechrez et al., arXiv:1803.02077, Fig. 6.
    """

    layers = ("rgb",)

    def __init__(self, *, size: int = 5, stride: int = 2) -> None:
        super().__init__()
        if size < 1 or stride < 1:
            raise ValueError(f"size and stride must be at least 1, got {size} and {stride}.")
        self.size = size
        self.stride = stride

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> {"rgb": (N, 3 k k, H', W')}."""
        if image.dim() != 4 or image.shape[1] != 3:
            raise ValueError(
                f"Patches need RGB images (N, 3, H, W), got shape {tuple(image.shape)}."
            )
        if min(image.shape[2:]) < self.size:
            raise ValueError(
                f"{self.size} x {self.size} patches need an image of at least {self.size} x "
                f"{self.size} pixels, got {image.shape[3]} x {image.shape[2]}."
            )
        height, width = ((n - self.size) // self.stride + 1 for n in image.shape[2:])
        patches = F.unfold(image, self.size, stride=self.stride)  # (N, 3 k k, P)
        return {"rgb": patches.unflatten(2, (height, width))}  # (N, 3 k k, H', W')


def load_features(
    backbone: str,
    layers: Sequence[str],
    *,
    pooling: Pooling = "max",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    path: str | None = None,
    offline: bool | None = None,
    shared: Mapping[str, Mapping[str, nn.Module]] | None = None,
) -> VGGFeatures:
    """VGG features with the parameters of a checkpoint, on a device, ready to use.

    Reads no more tensors than the layers need. Falls back as the checkpoint says (vgg19 to vgg16)
    when its own parameters can't be had; `backbone` and `notice` of the result tell, and a layer
    that the stand-in has not is the last one of its block.

    Args:
        backbone: `"vgg16"` or `"vgg19"`.
        layers: Names such as `"conv3_2"`.
        pooling: See `VGGFeatures`.
        device: Where to compute.
        dtype: See `VGGFeatures`.
        path: A .safetensors file to use in place of the checkpoint's own sources.
        offline: Whether to leave the network alone. None: as HF_HUB_OFFLINE says.
        shared: By backbone, convolutions on this device and in this precision that need not be read
            again; see `FeatureNetworks`, which keeps them.

    Raises:
        ValueError: An unknown backbone or layer.
        CheckpointError: No parameters from any source.
    """
    asked = check_layers(backbone, layers)
    ready = shared or {}

    def list_missing(c: checkpoints.Checkpoint) -> list[str]:
        return _tensor_names(c.name, list(_stand_ins(c, asked).values()), ready.get(c.name, {}))

    loaded = checkpoints.load_with_fallback(
        backbone, tensors=list_missing, path=path, offline=offline
    )
    used = loaded.checkpoint
    names = _stand_ins(used, asked)
    with torch.device(device):
        features = VGGFeatures(
            used.name,
            loaded.state_dict,
            list(names.values()),
            mean=used.preprocessing.mean,
            std=used.preprocessing.std,
            pooling=pooling,
            dtype=dtype,
            names=names,
            notice=loaded.notice,
            shared=ready.get(used.name),
        )
    return features.eval()


class FeatureNetworks:
    """The networks of a process on one device: each convolution is loaded once and kept.

    Whoever asks for layers gets features that share the convolutions of their backbone with all
    others, whatever their layers and pooling. Only what nobody has asked for yet is read. Several
    threads may ask at once.

    Args:
        device: Where to compute.
        offline: Whether to leave the network alone. None: as HF_HUB_OFFLINE says.
    """

    def __init__(self, device: torch.device | str = "cpu", *, offline: bool | None = None) -> None:
        self.device = device
        self.offline = offline
        self._convolutions: defaultdict[str, dict[str, nn.Module]] = defaultdict(dict)
        self._made: dict[tuple[str, tuple[str, ...], str], VGGFeatures] = {}
        self._lock = threading.RLock()

    def load(
        self, backbone: str, layers: Sequence[str], *, pooling: Pooling = "max"
    ) -> VGGFeatures:
        """As `load_features`; the same object for the same layers.

        A stand-in is not kept under the name of the network that was asked for: the next call looks
        for that one again.
        """
        key = (backbone, check_layers(backbone, layers), pooling)
        with self._lock:
            if key in self._made:
                return self._made[key]
            features = load_features(
                backbone,
                layers,
                pooling=pooling,
                device=self.device,
                offline=self.offline,
                shared=self._convolutions,
            )
            self._convolutions[features.backbone] |= dict(features.convolutions.items())
            if not features.notice:
                self._made[key] = features
            return features


def check_layers(backbone: str, layers: Sequence[str]) -> tuple[str, ...]:
    """The layers in order of depth, each once.

    Raises:
        ValueError: An unknown backbone, no layer, or an unknown layer; suggests the nearest name.
    """
    if backbone not in LAYERS:
        raise ValueError(
            f"Unknown backbone {backbone!r}.{suggest(backbone, LAYERS)} "
            f"There are {', '.join(LAYERS)}."
        )
    table = LAYERS[backbone]
    for name in layers:
        if name not in table:
            raise ValueError(
                f"{backbone} has no layer {name!r}.{suggest(name, table)} "
                f"There are {', '.join(table)}."
            )
    if not layers:
        raise ValueError(f"No layer was asked for. {backbone} has {', '.join(table)}.")
    return tuple(name for name in table if name in layers)


_MEASURING = threading.Lock()


def fastest_dtype(device_type: str) -> torch.dtype:
    """bfloat16 where a convolution of this processor gains from it, else float32.

    Measured once a process (about 0.1 s on a CPU), also when several threads ask at once. bfloat16
    costs 0.4 % of accuracy a value; it has to be 1.3 times as fast to be worth that, which keeps
    the choice stable from run to run.
    """
    with _MEASURING:
        return _measure_fastest_dtype(device_type)


@cache
def _measure_fastest_dtype(device_type: str) -> torch.dtype:
    if device_type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device_type != "cpu":
        return torch.float32
    slow, fast = (_convolution_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return torch.bfloat16 if slow > 1.3 * fast else torch.float32


@torch.no_grad()
def _convolution_seconds(dtype: torch.dtype) -> float:
    """Seconds of a 3 x 3 convolution of 128 channels at 32 x 32 on the CPU, best of three."""
    x = torch.zeros(1, 128, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.zeros(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def _path_to(backbone: str, layers: Sequence[str]) -> list[Layer]:
    """All layers of the backbone up to the deepest that is wanted."""
    table = list(LAYERS[backbone].values())
    deepest = max(i for i, layer in enumerate(table) if layer.name in layers)
    return table[: deepest + 1]


def _stand_ins(checkpoint: checkpoints.Checkpoint, layers: Sequence[str]) -> dict[str, str]:
    """The layer of a checkpoint for each name: itself, or the last of its block, or the last."""
    table = LAYERS[checkpoint.name].values()
    held = [layer for layer in table if f"{layer.key}.weight" in checkpoint.tensors]
    names = {layer.name for layer in held}
    last = {layer.block: layer.name for layer in held}
    return {
        name: name if name in names else last.get(int(name[4]), held[-1].name) for name in layers
    }


def _tensor_names(
    backbone: str, layers: Sequence[str], ready: Mapping[str, nn.Module]
) -> list[str]:
    """Names of the tensors that the layers need, besides those of the layers that are ready."""
    path = [layer for layer in _path_to(backbone, layers) if layer.name not in ready]
    return [f"{layer.key}.{part}" for layer in path for part in ("weight", "bias")]


def _convolution(layer: Layer, state_dict: Mapping[str, Tensor]) -> nn.Conv2d:
    """A frozen 3 x 3 convolution with its parameters from the state dict."""
    parts = {part: f"{layer.key}.{part}" for part in ("weight", "bias")}
    missing = [name for name in parts.values() if name not in state_dict]
    if missing:
        raise ValueError(
            f"The parameters of {layer.name} are missing: {', '.join(missing)}. "
            "Use a state dict with torchvision's names."
        )
    weight = state_dict[parts["weight"]]
    convolution = nn.Conv2d(weight.shape[1], layer.channels, 3, padding=1)
    convolution.load_state_dict({part: state_dict[name] for part, name in parts.items()})
    convolution.requires_grad_(False)
    return convolution.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
