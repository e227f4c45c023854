"""How near an image is to the truth: two measures of error, and one of what people see.

A squared error (`psnr_y`) and local correlation (`ssim`) compare pixel with pixel.
`PerceptualDistance` (LPIPS) compares features, and was fitted to the answers of people. The two
kinds disagree, and must: no estimate is best in both (Blau and Michaeli, arXiv:1711.06077).
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxdemo import checkpoints
from cxdemo.images import blur_inside, luma

BORDER = 4  # pixels left out at each side, as the field of super-resolution does at a scale of 4
LUMA_BLACK, LUMA_RANGE = 16 / 255, 219 / 255  # BT.601 writes luma as 16..235 of 255
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5  # pixels
SSIM_K1, SSIM_K2 = 0.01, 0.03

# Of AlexNet's five convolutions: stride and padding. A 3 x 3 maximum stands before the 2nd and 3rd.
ALEXNET = {"conv1": (4, 2), "conv2": (1, 2), "conv3": (1, 1), "conv4": (1, 1), "conv5": (1, 1)}
POOLED = ("conv2", "conv3")
SMALLEST = 32  # pixels; the shortest side that AlexNet's convolutions can take


@torch.no_grad()
def psnr_y(x: Tensor, y: Tensor, *, border: int = BORDER) -> Tensor:
    """Peak signal-to-noise ratio of the luma, in dB; higher is nearer.

    Minus the logarithm of the mean squared error: 3 dB more is half the squared error. The field
    of super-resolution measures it on BT.601's luma, 16 to 235 of 255, without the border.

    Args:
        x: Images.
        y: What they should be.
        border: Pixels left out at each side.

    Shape:
        x, y: (N, 3, H, W) in [0, 1]. Returns (N,); infinite for equal images.
    """
    _check_pair(x, y, 2 * border + 1)
    error = _inner_luma(x, border) - _inner_luma(y, border)  # (N, 1, H', W')
    return -10 * error.square().mean(dim=(1, 2, 3)).log10()  # (N,)


def ssim(x: Tensor, y: Tensor, *, border: int = BORDER) -> Tensor:
    """Structural similarity of the luma, at most 1; higher is nearer.

    The product of how well local means, contrasts and patterns agree, in windows of 11 x 11 pixels
    with Gaussian weights, averaged over all windows that lie inside of the image.

    Args:
        x: Images.
        y: What they should be.
        border: Pixels left out at each side.

    Shape:
        x, y: (N, 3, H, W) in [0, 1]. Returns (N,) in [-1, 1]; differentiable.

    Source:
        Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
        structural similarity" (2004), Eq. 13, K1 = 0.01, K2 = 0.03, sigma 1.5.
    """
    _check_pair(x, y, 2 * (border + SSIM_RADIUS) + 1)
    a, b = (_inner_luma(image, border).double() for image in (x, y))  # (N, 1, H', W')
    maps = torch.cat([a, b, a * a, b * b, a * b], dim=1)  # (N, 5, H', W')
    mean_a, mean_b, square_a, square_b, product = _window_means(maps).unbind(dim=1)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (light * structure).mean(dim=(1, 2)).to(x.dtype)  # (N, H'', W'') -> (N,)


class PerceptualDistance(nn.Module):
    """LPIPS, the distance that people see, at least 0; lower is nearer.

    The squared differences of AlexNet's unit feature vectors at five depths, weighted by channel
    and averaged over places. It hardly minds a texture moved by a pixel, and does mind a blur.

    Args:
        state_dict: conv1.weight, conv1.bias, conv1.head to conv5.head.
        mean: Mean of the RGB channels in [0, 1] that the network was trained with.
        std: Their standard deviation.

    Shape:
        - x, y: (N, 3, H, W) in [0, 1], sides of at least 32 pixels.
        - returns: (N,).

    Source:
        Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a
        Perceptual Metric", arXiv:1801.03924, Eq. 1; version 0.1 with `net="alex"`, the default.

    Deviates:
        Weights are stored in float16. On five photos against bicubic enlargements and noise, the
        package's own code with its float32 weights gave values that differ by at most
        0.00015 (values of 0.16 to 0.73).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.weights = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(value) for name, value in state_dict.items()}
        ).requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, 3, H, W) twice -> (N,)."""
        _check_pair(x, y, SMALLEST)
        terms = [
            torch.einsum("c,nchw->nhw", self.weights[f"{layer}_head"], (a - b).square())
            for layer, a, b in zip(ALEXNET, self.features(x), self.features(y), strict=True)
        ]
        return torch.stack([term.mean(dim=(1, 2)) for term in terms]).sum(dim=0)  # (5, N) -> (N,)

    def features(self, image: Tensor) -> list[Tensor]:
        """Maps of unit vectors, (N, C, H', W') each."""
        x = (image - self.mean) / self.std
        maps: list[Tensor] = []
        for layer, (stride, padding) in ALEXNET.items():
            if layer in POOLED:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = self.weights[f"{layer}_weight"], self.weights[f"{layer}_bias"]
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            maps.append(F.normalize(x, dim=1, eps=1e-10))
        return maps


def load_perceptual_distance(*, device: torch.device | str = "cpu") -> PerceptualDistance:
    """LPIPS with the weights that are shipped.

    Raises:
        CheckpointError: They cannot be had.
    """
    loaded = checkpoints.load_state_dict("lpips")
    preprocessing = loaded.checkpoint.preprocessing
    distance = PerceptualDistance(loaded.state_dict, mean=preprocessing.mean, std=preprocessing.std)
    return distance.to(device).eval()


def _inner_luma(image: Tensor, border: int) -> Tensor:
    """BT.601's luma: (N, 3, H, W) -> (N, 1, H - 2 border, W - 2 border) in [16, 235] / 255."""
    height, width = image.shape[2:]
    inside = image[:, :, border : height - border, border : width - border]
    return LUMA_BLACK + LUMA_RANGE * luma(inside)


def _window_means(maps: Tensor) -> Tensor:
    """Gaussian means over the windows inside: (N, K, H, W) -> (N, K, H - 10, W - 10)."""
    return blur_inside(maps, SSIM_SIGMA, SSIM_RADIUS)


def _check_pair(x: Tensor, y: Tensor, smallest: int) -> None:
    if x.ndim != 4 or x.shape[1] != 3 or x.shape != y.shape:
        raise ValueError(
            f"Expected two batches of RGB images of one shape (N, 3, H, W), got {tuple(x.shape)} "
            f"and {tuple(y.shape)}: resize one of them."
        )
    if min(x.shape[2:]) < smallest:
        raise ValueError(
            f"Expected sides of at least {smallest} pixels, got {x.shape[3]} x {x.shape[2]}: use a "
            "larger image."
        )
