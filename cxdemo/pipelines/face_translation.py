"""A face translated into another domain, at once, by a generator that CX has trained.

The generator has never seen a pair: at each step of its training it was shown a face of its own
domain and some face of the other one, and the Contextual Loss to both. No discriminator, no cycle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from cxdemo.checkpoints import load_state_dict
from cxdemo.contextual import contextual_loss
from cxdemo.features import VGGFeatures, load_features
from cxdemo.images import resize
from cxdemo.networks import CascadedRefinement
from cxdemo.spelling import suggest

SIZE = 64
"""Side of the faces that the generators were trained on, pixels."""
EYES = ((0.337, 0.47), (0.643, 0.47))
"""Where they have their eyes: shares of the side, from the left and from the top."""
SOURCE_LAYER, BANDWIDTH = "conv4_2", 0.2


@dataclass(frozen=True, kw_only=True)
class TranslatorInfo:
    """A direction in which faces are translated.

    Args:
        name: On the command line.
        label: For people.
        note: What it does, and what it cannot do.
        checkpoint: Of its generator.
    """

    name: str
    label: str
    note: str
    checkpoint: str


_KNOWN = (
    TranslatorInfo(
        name="to-drawn",
        label="Photo to drawing",
        note="Ink lines, flat skin, a pale back; pose and expression stay. Hair becomes a black "
        "cap, whatever it was. It learnt for 24 minutes, from faces that a program draws.",
        checkpoint="face-to-drawn",
    ),
    TranslatorInfo(
        name="to-female",
        label="Male to female",
        note="Long brown hair at the sides and smoother, fainter beards, as the generated faces "
        "of its training have them: their idea of female, not ours.",
        checkpoint="face-to-female",
    ),
    TranslatorInfo(
        name="to-male",
        label="Female to male",
        note="A moustache, heavier brows, shadow at the jaw, a glow at the ears; the hair stays. "
        "It is what the generated faces of its training call male, not what we do.",
        checkpoint="face-to-male",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A translated face.

    Args:
        image: (1, 3, 64, 64) in [0, 1].
        source: What went in, at that size.
        source_term: CX between the two at conv4_2, h 0.2: how much of the source was left behind.
        moved: Mean absolute change of a pixel.
        seconds: Of the generator.
    """

    image: Tensor
    source: Tensor
    source_term: float
    moved: float
    seconds: float


@dataclass(frozen=True)
class Translator:
    """A generator and the features that its result is read with."""

    info: TranslatorInfo
    network: nn.Module
    features: VGGFeatures


TRANSLATORS: dict[str, TranslatorInfo] = {info.name: info for info in _KNOWN}
"""The directions by name."""


def load_translator(
    name: str, *, device: torch.device | str = "cpu", features: VGGFeatures | None = None
) -> Translator:
    """The generator of a direction, ready to use.

    Args:
        name: Of `TRANSLATORS`.
        device: Where to compute.
        features: Of `SOURCE_LAYER` with average pooling, already loaded. None: they are loaded.

    Raises:
        ValueError: An unknown name.
        CheckpointError: Its weights cannot be had.
    """
    if name not in TRANSLATORS:
        hint = suggest(name, TRANSLATORS)
        raise ValueError(f"Unknown translation {name!r}.{hint} There are {', '.join(TRANSLATORS)}.")
    info = TRANSLATORS[name]
    network = CascadedRefinement()
    network.load_state_dict(load_state_dict(info.checkpoint).state_dict)
    network = network.to(device).eval().requires_grad_(False)
    return Translator(info, network, features or _reader(str(device)))


@cache
def _reader(device: str) -> VGGFeatures:
    return load_features("vgg16", (SOURCE_LAYER,), pooling="average", device=device)


@torch.no_grad()
def translate(face: Tensor, translator: Translator) -> Translation:
    """A face in the other domain.

    Args:
        face: An upright crop with the eyes at `EYES`, of any size.
        translator: See `load_translator`.

    Shape:
        face: (1, 3, S, S) in [0, 1].

    Raises:
        ValueError: It is not one square RGB image.

    Cost:
        About 20 ms on two cores.
    """
    if face.ndim != 4 or face.shape[:2] != (1, 3) or face.shape[2] != face.shape[3]:
        raise ValueError(
            f"Expected one square face (1, 3, S, S), got {tuple(face.shape)}: crop it."
        )
    source = face if face.shape[2] == SIZE else resize(face, (SIZE, SIZE)).clamp(0, 1)
    began = time.monotonic()
    image = translator.network(source)
    seconds = time.monotonic() - began
    x, y = (translator.features(i)[SOURCE_LAYER] for i in (image, source))
    return Translation(
        image=image,
        source=source,
        source_term=float(contextual_loss(x, y, bandwidth=BANDWIDTH)),
        moved=float((image - source).abs().mean()),
        seconds=seconds,
    )
