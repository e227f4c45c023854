"""What super-resolution can be told, and which pictures it takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from cxdemo.images import ImageLimits
from cxdemo.options import check_options, option

SCALE = 4


CHECKPOINTS = ("mse", "cx", "cx-gan")


BICUBIC = "bicubic"


METHODS = (BICUBIC, *CHECKPOINTS)


LIMITS = ImageLimits(min_side=16, max_pixels=1_200_000, max_aspect=10.0)
"""What can be enlarged. The result has 16 times the pixels: 19 megapixels, which take less than a
minute on two cores for each network, and less than 2 GB of memory."""


TEST_LIMITS = ImageLimits(min_side=192, max_pixels=40_000_000, max_aspect=10.0)
"""What can be shrunk and restored: a quarter of it still has to be a picture."""


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig:
    """All that super-resolution can be told. Values are checked when it is made."""

    checkpoint: str = option(
        "cx",
        "What the network was trained for: mse is a small squared error, cx the statistics of "
        "natural texture, cx-gan these and a judge of photos.",
        label="Network",
        choices=CHECKPOINTS,
        advanced=False,
    )
    back_projection: int = option(
        2,
        "Rounds that move the result until it shrinks to exactly the small picture; 0 leaves it as "
        "the network made it. One is exact but for colours at the ends of their range.",
        label="True to the small picture",
        minimum=0,
        maximum=8,
        step=1,
    )
    tile: int = option(
        256,
        "Side of a tile, pixels of the small picture. Larger ones take more memory and less time; "
        "the result is the same.",
        label="Tile",
        minimum=32,
        maximum=1024,
        step=32,
    )

    def __post_init__(self) -> None:
        check_options(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the metadata of a PNG."""
        return asdict(self)


class Box(NamedTuple):
    """A rectangle of pixels; the ends are outside of it."""

    top: int
    left: int
    bottom: int
    right: int

    def scaled(self, scale: int) -> Box:
        """The same rectangle of a picture so many times larger."""
        return Box(*(scale * side for side in self))


def check_size(height: int, width: int) -> None:
    """Raises unless a picture of this size can be enlarged.

    Raises:
        ValueError: One sentence: what came, what is accepted, what to do.
    """
    if min(height, width) < LIMITS.min_side:
        raise ValueError(
            f"The picture is {width} × {height} pixels, but each side needs at least "
            f"{LIMITS.min_side}: choose a larger one."
        )
    if height * width > LIMITS.max_pixels:
        raise ValueError(
            f"The picture is {width} × {height} pixels, {height * width / 1e6:.1f} megapixels, but "
            f"at most {LIMITS.max_pixels / 1e6:g} can be enlarged, as the result has 16 times as "
            "many: crop it or scale it down."
        )
    if max(height, width) > LIMITS.max_aspect * min(height, width):
        raise ValueError(
            f"The picture is {width} × {height} pixels, but its long side may be at most "
            f"{LIMITS.max_aspect:g} times the short one: crop it."
        )
