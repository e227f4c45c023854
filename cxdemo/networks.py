"""Networks that turn an image into an image, and one that judges them. Nothing is loaded here.

The upscalers are of SRResNet's family: every convolution but the last few works at the small size,
and two pixel shuffles lead to four times that size. They predict what bicubic interpolation lacks,
so that one that has learnt nothing is bicubic interpolation.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Upscaler(nn.Module):
    """An image at four times its size: bicubic interpolation plus what a network adds to it.

    Build one with `compact_upscaler` or `srresnet`.

    Args:
        channels: Of the residual blocks.
        num_blocks: Residual blocks, two 3 x 3 convolutions each.
        edge_kernel: Side of the first kernel, odd.
        tail_channels: Between the two pixel shuffles.
        batch_norm: Whether the blocks normalise over the batch, as SRResNet does.

    Shape:
        - low_res: (N, 3, H, W) in [0, 1].
        - returns: (N, 3, 4 H, 4 W), not clamped: it may overshoot [0, 1] a little.

    Source:
        Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
        Network", arXiv:1609.04802, section 2.1 (SRResNet). Without normalisation: Lim et al.,
        "Enhanced Deep Residual Networks", arXiv:1707.02921.

    Deviates:
        Adds its output to the bicubic interpolation, and starts there: the last kernel is zero.
        The last convolution stands before the second pixel shuffle, where it costs a quarter.
        ReLU in place of PReLU.
    """

    scale = 4

    def __init__(
        self,
        *,
        channels: int,
        num_blocks: int,
        edge_kernel: int,
        tail_channels: int,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, edge_kernel, padding=edge_kernel // 2)
        self.body = nn.Sequential(
            *(_ResidualBlock(channels, batch_norm) for _ in range(num_blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.tail = nn.Sequential(
            nn.Conv2d(channels, 4 * tail_channels, 3, padding=1),
            nn.PixelShuffle(2),  # (N, 4 T, H, W) -> (N, T, 2 H, 2 W)
            nn.ReLU(),
            nn.Conv2d(tail_channels, 4 * 3, 3, padding=1),
            nn.PixelShuffle(2),  # (N, 12, 2 H, 2 W) -> (N, 3, 4 H, 4 W)
        )
        self.receptive_field = _receptive_field(edge_kernel, num_blocks)
        """Pixels of `low_res` around a tile that decide it: a margin that makes tiling exact."""
        self._start_at_bicubic()

    def forward(self, low_res: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, 4 H, 4 W)."""
        shallow = F.relu(self.head(low_res - 0.5))  # (N, C, H, W)
        deep = shallow + self.body(shallow)  # (N, C, H, W)
        return upscale_bicubic(low_res, self.scale) + self.tail(deep)

    def _start_at_bicubic(self) -> None:
        """A last kernel of zeros, and a kernel before the first shuffle that leaves no grid."""
        first, last = self.tail[0], self.tail[3]
        nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]
        start_without_grid(first, factor=2)  # pyright: ignore[reportArgumentType]


def compact_upscaler() -> Upscaler:
    """The upscaler that is shipped, for two CPU cores: 8 blocks of 48 channels, 0.40 M parameters.

    Cost:
        27 GMAC for 256 x 256 -> 1024 x 1024: half a second on two cores.
    """
    return Upscaler(
        channels=48, num_blocks=8, edge_kernel=3, tail_channels=24, batch_norm=False
    ).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def srresnet() -> Upscaler:
    """The papers' upscaler, for a GPU: 16 blocks of 64 channels with batch normalisation.

    Deviates:
        See `Upscaler`. Its last kernel is 3 x 3 where SRResNet's is 9 x 9.
    """
    return Upscaler(channels=64, num_blocks=16, edge_kernel=9, tail_channels=64, batch_norm=True)


def upscale_bicubic(low_res: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation, Keys' kernel with a = -0.5 as in Pillow; not clamped.

    Shape:
        low_res: (N, C, H, W). Returns (N, C, scale H, scale W).
    """
    height, width = low_res.shape[-2:]
    size = (height * scale, width * scale)
    # Of torch's two bicubic kernels the one that can antialias has a = -0.5; the other, -0.75.
    return F.interpolate(low_res, size, mode="bicubic", align_corners=False, antialias=True)


@torch.no_grad()
def start_without_grid(convolution: nn.Conv2d, *, factor: int) -> None:
    """Initialises a convolution before a pixel shuffle so that its output has no checkerboard.

    The factor² kernels that fill one block of pixels start equal, and the shuffled map is then a
    nearest-neighbour enlargement.

    Source:
        Aitken et al., "Checkerboard artifact free sub-pixel convolution", arXiv:1707.02937 (ICNR).
    """
    copies = factor * factor
    kernels = convolution.weight[::copies].clone()  # (O / factor^2, I, k, k)
    convolution.weight.copy_(kernels.repeat_interleave(copies, dim=0))
    if convolution.bias is not None:
        convolution.bias.copy_(convolution.bias[::copies].clone().repeat_interleave(copies))


class CascadedRefinement(nn.Module):
    """An image drawn from coarse to fine, by looking at the input at each size: the papers' CRN.

    Level by level: the features of the level before at twice the size, beside the input shrunk to
    that size, through two convolutions. It starts as the identity: what it has learnt is added to
    the logit of the input, and the last kernel is zero.

    Args:
        channels: Of each level, the coarsest first; K levels halve the size K - 1 times.

    Shape:
        - image: (N, 3, H, W) in [0, 1], H and W multiples of 2^(K - 1).
        - returns: (N, 3, H, W) in (0, 1).

    Source:
        Chen and Koltun, "Photographic Image Synthesis with Cascaded Refinement Networks",
        arXiv:1707.09405, as the generator of arXiv:1803.02077, section 4.

    Deviates:
        Fewer channels and levels, for two CPU cores. Adds to the input's logit, where the papers'
        network starts from nothing: from there the Contextual Loss alone led to one mean image.
        Interpolates with pixel centres aligned, not corners.
    """

    def __init__(self, channels: Sequence[int] = (64, 64, 64, 64, 48)) -> None:
        super().__init__()
        before = [0, *channels[:-1]]
        self.levels = nn.ModuleList(
            _RefinementLevel(narrow + 3, wide)
            for narrow, wide in zip(before, channels, strict=True)
        )
        self.last = nn.Conv2d(channels[-1], 3, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H, W)."""
        return torch.sigmoid(torch.logit(image, eps=1e-3) + self.change(image))

    def change(self, image: Tensor) -> Tensor:
        """What is added to the logit, (N, 3, H, W) -> (N, 3, H, W)."""
        features: Tensor | None = None
        for level, shrink in zip(self.levels, reversed(range(len(self.levels))), strict=True):
            small = F.avg_pool2d(image, 2**shrink)  # (N, 3, h, w): an area's mean
            if features is not None:
                features = F.interpolate(features, small.shape[-2:], mode="bilinear")
                small = torch.cat([features, small], dim=1)  # (N, C + 3, h, w)
            features = level(small)
        return self.last(features)


class PatchDiscriminator(nn.Module):
    """A score for every patch of 38 x 38 pixels: high where it looks like a photo.

    Args:
        channels: Of the first layer; they double with each halving of the size.

    Shape:
        - image: (N, 3, H, W) in [0, 1], H and W at least 16.
        - returns: (N, 1, H // 8, W // 8) for multiples of 8, unbounded.

    Source:
        Isola et al., arXiv:1611.07004, section 3.2.2 (a 70 x 70 PatchGAN has one layer more).

    Deviates:
        Spectral instead of batch normalisation (Miyato et al., arXiv:1802.05957): the score of an
        image then does not depend on the others of its batch, which are few on a small machine.
    """

    def __init__(self, *, channels: int = 32) -> None:
        super().__init__()
        widths = (3, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1)))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1, H / 8, W / 8)."""
        return self.layers(2 * image - 1)


class _RefinementLevel(nn.Sequential):
    """Two convolutions, each normalised over channels and places; leaky ReLU of slope 0.2."""

    def __init__(self, narrow: int, wide: int) -> None:
        layers: list[nn.Module] = []
        for inputs in (narrow, wide):
            layers += [nn.Conv2d(inputs, wide, 3, padding=1), nn.GroupNorm(1, wide)]
            layers += [nn.LeakyReLU(0.2)]
        super().__init__(*layers)


class _ResidualBlock(nn.Module):
    """x + convolution(ReLU(convolution(x))), normalised over the batch if asked."""

    def __init__(self, channels: int, batch_norm: bool) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)]
        norms = [nn.BatchNorm2d(channels) if batch_norm else nn.Identity() for _ in range(2)]
        self.layers = nn.Sequential(convolutions[0], norms[0], nn.ReLU(), convolutions[1], norms[1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x + self.layers(x)


def _receptive_field(edge_kernel: int, num_blocks: int) -> int:
    """Radius in pixels of the small image, of the convolutions; bicubic's own 2 is smaller."""
    convolutions = 2 * num_blocks + 1 + 1  # blocks, end of the body, start of the tail
    return edge_kernel // 2 + convolutions + math.ceil(1 / 2)  # the last works at twice the size
