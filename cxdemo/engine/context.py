"""What the tabs are given to work with, so that a test can give them something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cxdemo.engine.background_fetch import BackgroundFetch
from cxdemo.engine.zero_gpu import DEVICE_NAME, Stream, build_stream, has_zero_gpu, stream_here
from cxdemo.optimize import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """The pipelines and the machine, as the tabs see them.

    Args:
        transfer_style: As `cxdemo.pipelines.style_transfer.transfer_style`.
        explain_style: As `cxdemo.pipelines.style_transfer.StyleExplanation`.
        load_features: As `cxdemo.features.load_features`, with the device set.
        upscale: As `cxdemo.pipelines.super_resolution.upscale`.
        load_upscaler: As `cxdemo.pipelines.super_resolution.load_upscaler`, with the device set.
        measure: As `cxdemo.pipelines.super_resolution.measure`, with the judges set.
        locate: As `cxdemo.checkpoints.locate`.
        find_faces: As `cxdemo.faces.FaceFinder.find`.
        find_largest_face: As `cxdemo.faces.FaceFinder.find_largest`.
        follow_face: As `cxdemo.faces.FaceFinder.follow`.
        translators: As `cxdemo.pipelines.face_translation.TRANSLATORS`.
        load_translator: As `cxdemo.pipelines.face_translation.load_translator`, with the device
            set.
        translate: As `cxdemo.pipelines.face_translation.translate`.
        device: Where to compute, such as "cpu" or "cuda".
        device_name: The same for people.
        fetch: VGG19 on its way from the Hub. None: it is fetched by whoever needs it.
        stream: As `cxdemo.engine.zero_gpu.stream_here`: the steps of a long run's pipeline.
    """

    transfer_style: Callable[..., Iterator[Step]]
    explain_style: Callable[..., Any]
    load_features: Callable[..., Any]
    upscale: Callable[..., Iterator[Any]]
    load_upscaler: Callable[[str], Any]
    measure: Callable[..., Any]
    locate: Callable[[str], str | None]
    find_faces: Callable[[Any], list[Any]]
    find_largest_face: Callable[[Any], Any]
    follow_face: Callable[[Any], list[Any]]
    translators: Mapping[str, Any]
    load_translator: Callable[[str], Any]
    translate: Callable[..., Any]
    device: str
    device_name: str
    fetch: BackgroundFetch | None = None
    stream: Stream = stream_here


def default_context(*, fetch: BackgroundFetch | None = None) -> Context:
    """The real pipelines on the fastest device of this machine; no weights are loaded yet.

    Args:
        fetch: What brings VGG19 while the app is in use, so that nobody waits for the Hub.
    """
    from cxdemo.checkpoints import locate
    from cxdemo.pipelines.face_translation import TRANSLATORS, translate
    from cxdemo.pipelines.style_transfer import StyleExplanation, transfer_style
    from cxdemo.pipelines.super_resolution import upscale

    device, device_name = find_device()
    finder, load_features = _remembered_finder(device), _remembered_features(device, fetch)
    return Context(
        transfer_style=transfer_style,
        explain_style=StyleExplanation,
        load_features=load_features,
        upscale=upscale,
        load_upscaler=_remembered_upscaler(device),
        measure=_remembered_judges(device, load_features),
        locate=locate,
        find_faces=lambda image: finder().find(image),
        find_largest_face=lambda image: finder().find_largest(image),
        follow_face=lambda frames: finder().follow(frames),
        translators=TRANSLATORS,
        load_translator=_remembered_translator(device, load_features),
        translate=translate,
        device=device,
        device_name=device_name,
        fetch=fetch,
        stream=build_stream() if has_zero_gpu() else stream_here,
    )


def find_device() -> tuple[str, str]:
    """The device to compute on, for torch and for people."""
    import torch

    if has_zero_gpu():  # torch says that there is CUDA, and there is none outside of `stream`
        return "cpu", DEVICE_NAME
    if torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    cores = os.cpu_count() or 1
    return "cpu", f"CPU, {cores} core{'s' if cores > 1 else ''}"


def _remembered_features(device: str, fetch: BackgroundFetch | None = None) -> Callable[..., Any]:
    """`load_features` on a device: every convolution is loaded once, whoever asks for layers.

    Where `fetch` brings a network, no call waits for the Hub: a stand-in says how far it is.
    """
    from cxdemo.features import FeatureNetworks

    networks = FeatureNetworks(device, offline=True if fetch else None)

    def load(backbone: str, layers: tuple[str, ...], *, pooling: Any) -> Any:
        features = networks.load(backbone, layers, pooling=pooling)
        if features.notice and fetch and backbone == fetch.name:
            fetch.start()
            features.notice = fetch.notice(features.backbone) or features.notice
        return features

    return load


def _remembered_upscaler(device: str) -> Callable[[str], Any]:
    """`load_upscaler` on a device, which keeps the networks; each has 1.6 MB."""
    from cxdemo.pipelines.super_resolution import load_upscaler

    return lru_cache(maxsize=None)(lambda name: load_upscaler(name, device=device))


def _remembered_judges(device: str, load_features: Callable[..., Any]) -> Callable[..., Any]:
    """`measure` on a device, with judges that are loaded once, when first needed."""
    from cxdemo.pipelines.super_resolution import CX_LAYER, load_judges, measure

    @lru_cache(maxsize=1)
    def judges() -> Any:
        features = load_features("vgg16", (CX_LAYER,), pooling="max")
        return load_judges(device=device, features=features)

    return lambda upscaled, truth: measure(upscaled, truth, judges())


def _remembered_finder(device: str) -> Callable[[], Any]:
    """The `FaceFinder` on a device, with networks that are loaded once, when first needed."""
    from cxdemo.faces import load_face_finder

    return lru_cache(maxsize=1)(lambda: load_face_finder(device))


def _remembered_translator(device: str, load_features: Callable[..., Any]) -> Callable[[str], Any]:
    """`load_translator` on a device, which keeps the networks."""
    from cxdemo.pipelines.face_translation import SOURCE_LAYER, load_translator

    @cache
    def load(name: str) -> Any:
        features = load_features("vgg16", (SOURCE_LAYER,), pooling="average")
        return load_translator(name, device=device, features=features)

    return load
