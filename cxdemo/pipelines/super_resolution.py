"""Super-resolution: a picture at four times its size, tile by tile.

A network sees the small picture in overlapping tiles whose margin is all that a pixel can see, so
that the tiles fit without a seam. The result can then be moved, as little as possible, until it
shrinks to exactly the picture that it came from: networks may invent texture, but not colours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cxdemo.checkpoints import load_state_dict
from cxdemo.contextual import contextual_similarity
from cxdemo.features import load_features
from cxdemo.images import Canvas, ImageLimits, crop_middle, shrink, to_pil, to_tensor
from cxdemo.metrics import PerceptualDistance, load_perceptual_distance, psnr_y, ssim
from cxdemo.networks import Upscaler, compact_upscaler
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

TEST_SIDE = 1024
"""Pixels of a side that are shrunk and restored at most: enough to see and to measure."""

WINDOW, MOST_WINDOWS = 128, 2
"""Side in pixels of the windows in which CX is measured, about that of a training crop, and how
many there are at most along each axis."""

ROUNDING = 1 / 255
"""An error of the shrunk result below which nothing but rounding is left to mend."""

CX_LAYER, CX_BANDWIDTH = "conv3_3", 0.1


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


@dataclass(frozen=True, kw_only=True)
class TileStep:
    """One step of an enlargement.

    Args:
        index: Of this step, from 1.
        total: Number of steps: the tiles, and the back-projection.
        box: Where the result has changed.
        canvas: The result so far; what is still missing shows bicubic interpolation. It is the same
            object in every step.
        seconds: Since the run began.
    """

    index: int
    total: int
    box: Box
    canvas: Canvas
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Estimate from the pace so far."""
        return self.seconds * (self.total - self.index) / self.index


# ------------------------------------------------------------------------------------- enlarging


def load_upscaler(name: str, *, device: torch.device | str = "cpu") -> Upscaler:
    """The shipped network of a checkpoint, ready to use.

    Args:
        name: "mse", "cx" or "cx-gan".
        device: Where to compute.

    Raises:
        ValueError: Another name.
        CheckpointError: Its weights cannot be had.
    """
    SuperResolutionConfig(checkpoint=name)  # an unknown name ends here, with the nearest one
    network = compact_upscaler()
    network.load_state_dict(load_state_dict(f"sr-{name}").state_dict)
    return network.to(device).eval().requires_grad_(False)


def upscale(
    image: Tensor,
    network: Upscaler | None,
    config: SuperResolutionConfig | None = None,
) -> Iterator[TileStep]:
    """A picture at four times its size, one tile at a time.

    Args:
        image: The small picture.
        network: What enlarges a tile; None: bicubic interpolation, in one step.
        config: See `SuperResolutionConfig`; its checkpoint is the caller's business.

    Shape:
        image: (1, 3, H, W) in [0, 1].

    Yields:
        Every tile, then the back-projection.

    Raises:
        ValueError: The picture is too small or too large; before any work.

    Cost:
        3 bytes a pixel of the result, and the activations of one tile. The back-projection takes 8
        bytes more for a moment, and 30 (long side)² bytes.
    """
    config = config or SuperResolutionConfig()
    height, width = image.shape[2:]
    check_size(height, width)
    begun = time.monotonic()
    canvas = enlarge_bicubic(image)
    whole = Box(0, 0, *canvas.size)
    boxes = plan_tiles(height, width, config.tile) if network else []
    total = len(boxes) + (config.back_projection > 0 or network is None)
    for index, box in enumerate(boxes, start=1):
        place = box.scaled(SCALE)
        canvas.write(_upscale_tile(image, network, box), top=place.top, left=place.left)  # pyright: ignore[reportArgumentType]
        yield _step(index, total, place, canvas, begun)
    if network is not None:
        project(canvas, image, rounds=config.back_projection)
    if total > len(boxes):
        yield _step(total, total, whole, canvas, begun)


def _step(index: int, total: int, box: Box, canvas: Canvas, begun: float) -> TileStep:
    seconds = time.monotonic() - begun
    return TileStep(index=index, total=total, box=box, canvas=canvas, seconds=seconds)


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


def plan_tiles(height: int, width: int, tile: int) -> list[Box]:
    """Rectangles of nearly equal size, no side longer than `tile`, that cover a picture by rows.

    Example:
        >>> plan_tiles(10, 16, 8)[:2], len(plan_tiles(10, 16, 8))
        ([Box(top=0, left=0, bottom=5, right=8), Box(top=0, left=8, bottom=5, right=16)], 4)
    """
    rows, columns = _cut(height, tile), _cut(width, tile)
    return [Box(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _cut(length: int, longest: int) -> list[tuple[int, int]]:
    """Begin and end of equal parts, such as [(0, 5), (5, 10)]."""
    count = math.ceil(length / longest)
    ends = [round(i * length / count) for i in range(count + 1)]
    return list(pairwise(ends))


@torch.no_grad()
def _upscale_tile(image: Tensor, network: Upscaler, box: Box) -> Tensor:
    """The enlarged rectangle of a picture: (1, 3, H, W) -> (1, 3, 4 h, 4 w)."""
    margin = network.receptive_field
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    seen = image[:, :, top : box.bottom + margin, left : box.right + margin]
    large = network(seen)
    inside = Box(box.top - top, box.left - left, box.bottom - top, box.right - left).scaled(SCALE)
    return large[:, :, inside.top : inside.bottom, inside.left : inside.right]


def enlarge_bicubic(image: Tensor) -> Canvas:
    """Bicubic interpolation (Keys' kernel, a = -0.5): (1, 3, H, W) -> a canvas of (4 H, 4 W)."""
    height, width = image.shape[2:]
    size = (SCALE * width, SCALE * height)
    return Canvas(to_pil(image).resize(size, Image.Resampling.BICUBIC))


# -------------------------------------------------------------------------------- back-projection


@torch.no_grad()
def project(canvas: Canvas, low_res: Tensor, *, rounds: int = 1) -> None:
    """Moves a picture until it shrinks to `low_res`: iterated back-projection, at its limit.

    Back-projection adds the enlarged difference, x <- x + U (low_res - D x), with D the antialiased
    bicubic reduction and U bicubic interpolation, again and again. Its limit is known: the one
    correction U e with D U e = low_res - D x. D and U work on rows and columns one after the other,
    so that D U is a small matrix for each axis, well conditioned (its eigenvalues lie between 0.48
    and 1), and the limit is computed at once. On the whole picture, colour by colour: a tile would
    need a margin, and the matrices are small.

    Args:
        canvas: The picture, changed in place.
        low_res: What it should shrink to.
        rounds: How often at most; it ends earlier where only rounding was left to mend.

    Shape:
        canvas: (4 H, 4 W). low_res: (1, 3, H, W) in [0, 1].

    Source:
        Irani and Peleg, "Improving resolution by image registration" (1991).

    Deviates:
        Rounding to 256 levels and clamping to [0, 1] come after. The first leaves an error of about
        a tenth of a level; the second can leave more where light or dark is at its end, which
        another round lessens.
    """
    low_res = low_res.cpu()
    rows, columns = (torch.linalg.inv(_round_trip(length)) for length in low_res.shape[2:])
    for _ in range(rounds):
        worst = 0.0
        for index in range(3):
            large = canvas.channel(index)  # (1, 1, 4 H, 4 W)
            missing = low_res[:, index, None] - _interpolate(large, low_res.shape[2:])
            worst = max(worst, float(missing.abs().max()))
            correction = rows @ missing @ columns.T  # (1, 1, H, W)
            large += _interpolate(correction, canvas.size)
            canvas.write_channel(index, large)
        if worst < ROUNDING:
            return


def _round_trip(length: int) -> Tensor:
    """The matrix of D U along one axis: (L, L)."""
    unit = torch.eye(length)[None, None]  # (1, 1, L, L)
    large = _interpolate(unit, (SCALE * length, length))
    return _interpolate(large, (length, length))[0, 0]


def _interpolate(image: Tensor, size: Sequence[int]) -> Tensor:
    """Bicubic at another size, widened when shrinking, not clamped: linear in the image."""
    return F.interpolate(image, tuple(size), mode="bicubic", align_corners=False, antialias=True)


# ---------------------------------------------------------------------------------- transparency


def prepare_layers(
    picture: Image.Image, alpha: Image.Image | None = None
) -> tuple[Tensor, Image.Image | None]:
    """Colours to enlarge, and the enlarged opacity: bicubic, as an edge of a shape has no texture.

    Args:
        picture: RGB.
        alpha: Its opacity, mode L; None: opaque.

    Shape:
        Returns (1, 3, H, W) in [0, 1], and a picture of 4 W x 4 H or None.

    Raises:
        ValueError: The size cannot be enlarged; before any work.
    """
    check_size(picture.height, picture.width)
    colours = to_tensor(picture)
    if alpha is None:
        return colours, None
    opacity = to_tensor(alpha.convert("RGB"))[:, :1]  # (1, 1, H, W)
    size = (SCALE * picture.width, SCALE * picture.height)
    return fill_transparent(colours, opacity), alpha.resize(size, Image.Resampling.BICUBIC)


@torch.no_grad()
def fill_transparent(image: Tensor, alpha: Tensor) -> Tensor:
    """An image whose invisible pixels take the colours of the visible ones around them.

    What lies under full transparency is anything, often black, and would bleed into the edges.

    Args:
        image: Colours.
        alpha: Opacity.

    Shape:
        image: (1, 3, H, W) in [0, 1]; alpha: (1, 1, H, W) in [0, 1]. Returns (1, 3, H, W).

    Source:
        The push and pull of Gortler et al., "The Lumigraph" (1996), section 3.4.
    """
    known = (alpha > 0).to(image.dtype)  # (1, 1, H, W)
    return torch.where(known > 0, image, _pull(image * known, known))


def _pull(colour: Tensor, weight: Tensor) -> Tensor:
    """Weighted means at the finest level that has any, level by level: (1, 3, H, W)."""
    here = colour / weight.clamp_min(1e-6)
    if max(colour.shape[2:]) == 1 or bool((weight > 0).all()):
        return here
    coarse = _pull(
        F.avg_pool2d(colour, 2, ceil_mode=True, count_include_pad=False),
        F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False),
    )
    wide = F.interpolate(coarse, colour.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(weight > 0, here, wide)


# ------------------------------------------------------------------------------------ the test


class Scores(NamedTuple):
    """How near a restored picture is to the truth."""

    psnr: float  # dB, of the luma; higher is nearer
    ssim: float  # of the luma; higher is nearer
    lpips: float  # lower is nearer
    cx: float  # contextual similarity in [0, 1]; higher is nearer


HIGHER_IS_BETTER = Scores(psnr=True, ssim=True, lpips=False, cx=True)


class Judges(NamedTuple):
    """The networks that `measure` looks through."""

    distance: PerceptualDistance
    features: Callable[[Tensor], Mapping[str, Tensor]]


def load_judges(*, device: torch.device | str = "cpu") -> Judges:
    """LPIPS, and the features in which CX is measured: conv3_3 of VGG16.

    Raises:
        CheckpointError: Their weights cannot be had.
    """
    return Judges(
        load_perceptual_distance(device=device), load_features("vgg16", [CX_LAYER], device=device)
    )


def prepare_test(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The truth of a test, and the small picture to restore it from.

    The truth is the middle of the picture: sides are multiples of 4 and at most `TEST_SIDE`.

    Shape:
        picture: (1, 3, H, W) in [0, 1]. Returns (1, 3, H', W') and (1, 3, H' / 4, W' / 4), the
        latter rounded to 256 levels, as a file would have it.

    Raises:
        ValueError: The picture is too small to be shrunk.
    """
    height, width = picture.shape[2:]
    if min(height, width) < TEST_LIMITS.min_side:
        raise ValueError(
            f"The picture is {width} × {height} pixels, but a test needs at least "
            f"{TEST_LIMITS.min_side} on each side, as it is shrunk to a quarter first: choose a "
            "larger one."
        )
    rows, columns = (min(side, TEST_SIDE) // SCALE * SCALE for side in (height, width))
    truth = crop_middle(picture, (rows, columns))
    low_res = shrink(truth, SCALE)
    return truth, (low_res * 255).round() / 255


@torch.no_grad()
def measure(upscaled: Tensor, truth: Tensor, judges: Judges) -> Scores:
    """How near a picture is to the truth, in four ways.

    CX is the contextual similarity (bandwidth 0.1, conv3_3 of VGG16) of the picture to the truth,
    averaged over up to four windows of 128 pixels: in a window a patch may come from anywhere.

    Shape:
        upscaled, truth: (1, 3, H, W) in [0, 1].
    """
    return Scores(
        psnr=float(psnr_y(upscaled, truth)),
        ssim=float(ssim(upscaled, truth)),
        lpips=float(judges.distance(upscaled, truth)),
        cx=float(contextual_score(upscaled, truth, judges.features)),
    )


def compare(
    picture: Tensor,
    networks: Mapping[str, Upscaler | None],
    judges: Judges,
    config: SuperResolutionConfig | None = None,
) -> Iterator[tuple[str, Canvas, Scores]]:
    """A sharp picture is shrunk, restored by each method, and measured against itself.

    Args:
        picture: The sharp picture.
        networks: By the name of the method; None is bicubic interpolation.
        judges: See `measure`.
        config: See `SuperResolutionConfig`.

    Shape:
        picture: (1, 3, H, W) in [0, 1], sides of at least `TEST_LIMITS.min_side`.

    Yields:
        For each method its name, its result and its scores.
    """
    truth, low_res = prepare_test(picture)
    for name, network in networks.items():
        *_, last = upscale(low_res, network, config)
        yield name, last.canvas, measure(last.canvas.to_tensor().to(truth), truth, judges)


def contextual_score(
    upscaled: Tensor, truth: Tensor, features: Callable[[Tensor], Mapping[str, Tensor]]
) -> Tensor:
    """Mean contextual similarity over windows that are spread evenly: () in [0, 1].

    Shape:
        upscaled, truth: (1, 3, H, W) in [0, 1].
    """
    boxes = _windows(*truth.shape[2:])
    x, y = (
        features(torch.cat([image[:, :, b.top : b.bottom, b.left : b.right] for b in boxes]))
        for image in (upscaled, truth)
    )  # (windows, 256, 32, 32)
    return contextual_similarity(x[CX_LAYER], y[CX_LAYER], bandwidth=CX_BANDWIDTH).mean()


def _windows(height: int, width: int) -> list[Box]:
    """Up to 2 x 2 windows, each in the middle of its part of the picture."""
    return [
        Box(top, left, top + min(WINDOW, height), left + min(WINDOW, width))
        for top in _spread(height)
        for left in _spread(width)
    ]


def _spread(length: int) -> list[int]:
    """Where windows begin along an axis."""
    count = max(1, min(MOST_WINDOWS, length // WINDOW))
    return [max(0, round(length * (i + 0.5) / count - WINDOW / 2)) for i in range(count)]
