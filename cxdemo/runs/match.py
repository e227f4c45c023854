"""The two pictures of a visitor, and their features, which are computed once and kept."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from cxdemo import images
from cxdemo.engine.context import Context
from cxdemo.grids import cell_at
from cxdemo.pipelines.patch_similarity import (
    RGB,
    Answer,
    PatchSimilarity,
    PatchSimilarityConfig,
    Survey,
    extract_map,
    fit_picture,
)

KEPT_BYTES = 384 << 20  # of features, over all visitors
LARGEST = 512  # pixels; more of an upload is never used
HERE = (0.5, 0.5)

Place = tuple[float, float]  # shares of width and height, from the top left


class Kept(NamedTuple):
    """A picture at the size in use, and its features."""

    picture: Tensor  # (1, 3, H, W)
    features: Tensor  # (1, C, H', W')
    notice: str | None  # what a person should know of the network

    @property
    def bytes(self) -> int:
        """Of both."""
        return sum(t.numel() * t.element_size() for t in (self.picture, self.features))


class FeatureStore:
    """Features of the pictures used last, by content: the same picture is never computed twice.

    Args:
        limit: Bytes; what was used longest ago goes first.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], Kept]) -> Kept:
        """What is kept under a key, or what `make` makes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 2 and sum(k.bytes for k in self._kept.values()) > self._limit:
                self._kept.popitem(last=False)
        return made


_stores: weakref.WeakKeyDictionary[Context, FeatureStore] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def store_of(ctx: Context) -> FeatureStore:
    """The features that were computed with a context's networks."""
    with _lock:
        return _stores.setdefault(ctx, FeatureStore())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two pictures, what is compared, and where the visitor points.

    Args:
        source: A picture.
        target: A picture.
        config: Which features, which bandwidth, who asks.
        place: The place in the picture that asks.
        example: Name of the example that the pictures come from, if they do.
    """

    source: Image.Image
    target: Image.Image
    config: PatchSimilarityConfig
    place: Place = HERE
    example: str | None = None

    @property
    def asker(self) -> Image.Image:
        """The picture whose patches ask."""
        return self.source if self.config.asks == "source" else self.target

    @property
    def asked(self) -> Image.Image:
        """The other one."""
        return self.target if self.config.asks == "source" else self.source

    @property
    def titles(self) -> tuple[str, str]:
        """What the two are called, the asking one first."""
        if self.config.asks == "source":
            return "Source", "Target"
        return "Target", "Source"

    @cached_property
    def scene(self) -> str:
        """Changes with the pictures and their features, not with bandwidth, place or query."""
        config = self.config
        return "|".join(
            (
                _digest(self.asker), _digest(self.asked), config.backbone, config.layer,
                str(config.used_size), config.asks,
            )
        )  # fmt: skip

    @property
    def key(self) -> str:
        """Changes with all that a survey depends on."""
        return f"{self.scene}|{self.config.bandwidth:g}|{self.config.spatial_weight:g}"

    def kept(self, ctx: Context, picture: Image.Image) -> Kept:
        """A picture at the size in use, and its features."""
        config = self.config
        network = load_layer(ctx, config, config.layer)
        used = getattr(network, "backbone", config.backbone)  # a stand-in's are not the other's
        key = f"{_digest(picture)}|{used}|{config.layer}|{config.used_size}"

        def make() -> Kept:
            tensor = images.to_tensor(picture).to(ctx.device)
            features = extract_map(tensor, config, features=network)
            return Kept(fit_picture(tensor, config).cpu(), features, None)

        return store_of(ctx).get(key, make)._replace(notice=getattr(network, "notice", None))

    def pair(self, ctx: Context) -> PatchSimilarity:
        """The maps of the two, the asking one first."""
        return PatchSimilarity(
            self.kept(ctx, self.asker).features, self.kept(ctx, self.asked).features
        )

    def notice(self, ctx: Context) -> str | None:
        """What a person should know of the network in use."""
        return self.kept(ctx, self.asker).notice

    def ask(self, ctx: Context, *, bandwidth: float | None = None) -> Answer:
        """What the patch at the place sees."""
        pair = self.pair(ctx)
        config = self.config if bandwidth is None else replace(self.config, bandwidth=bandwidth)
        return pair.ask(cell_at(*self.place, pair.grids[0]), config)

    def survey(self, ctx: Context) -> Survey:
        """What all patches see."""
        return self.pair(ctx).survey(self.config)


def load_layer(ctx: Context, config: PatchSimilarityConfig, layer: str) -> Any:
    """The extractor of a layer; None: RGB patches need no network."""
    if layer == RGB:
        return None
    return ctx.load_features(config.backbone, (layer,), pooling="max")


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()[:20]
