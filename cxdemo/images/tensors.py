"""Pictures to tensors and back, and what is done to images as tensors."""

# Pillow, NumPy and torch are only partly annotated; their unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from cxdemo.images.colour import to_rgb

ResizeMode = Literal["bicubic", "bilinear", "area", "nearest"]


def to_tensor(picture: Image.Image, *, long_side: int | None = None) -> Tensor:
    """A picture as a float32 tensor; modes other than RGB are treated as `load` does.

    Args:
        picture: What `load` returns, or any other picture.
        long_side: Size as in `fit_long_side`. Large photos are reduced as bytes, which takes a
            tenth of the time and of the memory.

    Shape:
        Returns (1, 3, H, W) in [0, 1], on the CPU.

    Example:
        >>> to_tensor(Image.new("RGB", (4, 2), "red"))[0, :, 0, 0]
        tensor([1., 0., 0.])
    """
    rgb = picture if picture.mode == "RGB" else to_rgb(picture)
    if long_side is not None and long_side < max(rgb.size):
        height, width = _fitted(rgb.height, rgb.width, long_side)
        rgb = rgb.resize((width, height), Image.Resampling.BICUBIC)
    levels = torch.from_numpy(np.array(rgb, dtype=np.uint8))  # (H, W, 3)
    tensor = levels.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255  # (1, 3, H, W)
    return tensor if long_side is None else fit_long_side(tensor, long_side)


def to_pil(image: Tensor) -> Image.Image:
    """A tensor as a picture: clamped to [0, 1], rounded to the nearest of 256 levels.

    `to_pil(to_tensor(picture))` is exactly `picture`.

    Shape:
        image: (1, 3, H, W) or (3, H, W), any float type, any device.

    Raises:
        ValueError: Another shape, or values that are not finite.
    """
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(
            f"Expected one RGB image of shape (3, H, W) or (1, 3, H, W), got {tuple(image.shape)}: "
            "pick one image of the batch."
        )
    values = image.detach().to("cpu", torch.float32)  # (3, H, W)
    if not torch.isfinite(values).all():
        raise ValueError(
            "Expected finite values in [0, 1], got NaN or infinity: the computation that made this "
            "image diverged; use a smaller step size."
        )
    levels = (values.clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())  # (H, W, 3)


def resize(image: Tensor, size: tuple[int, int], *, mode: ResizeMode = "bicubic") -> Tensor:
    """An image at another size, without aliasing.

    Args:
        image: Images in [0, 1].
        size: Height and width in pixels.
        mode: "bicubic" (Keys' kernel, widened when shrinking), "bilinear" (likewise), "area" (mean
            of the covered pixels) or "nearest".

    Shape:
        image: (N, 3, H, W). Returns (N, 3, *size) in [0, 1]: the overshoot of "bicubic" is clamped.
    """
    if min(size) < 1:
        raise ValueError(f"Expected a height and a width of at least 1 pixel, got {size}.")
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    if mode in {"bicubic", "bilinear"}:
        resized = F.interpolate(image, size, mode=mode, align_corners=False, antialias=True)
    else:
        resized = F.interpolate(image, size, mode="nearest-exact" if mode == "nearest" else mode)
    return resized.clamp(0, 1)


def shrink(image: Tensor, scale: int = 4) -> Tensor:
    """An image a whole number of times smaller: antialiased bicubic, as super-resolution means it.

    Shape:
        image: (N, 3, H, W) in [0, 1]. Returns (N, 3, H / scale, W / scale) in [0, 1].

    Raises:
        ValueError: A side is no multiple of the scale.
    """
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(
            f"Expected sides that are multiples of {scale}, got {width} x {height}: crop the image."
        )
    return resize(image, (height // scale, width // scale))


def fit_long_side(image: Tensor, long_side: int, *, mode: ResizeMode = "bicubic") -> Tensor:
    """An image whose longer side has `long_side` pixels; the aspect ratio is kept.

    The shorter side is rounded to the nearest pixel, and is at least 1.

    Shape:
        image: (N, 3, H, W). Returns (N, 3, H', W') with max(H', W') = long_side.

    Example:
        >>> fit_long_side(torch.zeros(1, 3, 300, 400), 256).shape
        torch.Size([1, 3, 192, 256])
    """
    height, width = image.shape[-2:]
    return resize(image, _fitted(height, width, long_side), mode=mode)


def crop_middle(image: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The middle of an image; None: its largest square. Where sides are odd, less of it at the top.

    Shape:
        image: (N, C, H, W). Returns (N, C, *size), a view.

    Raises:
        ValueError: The image is smaller.

    Example:
        >>> crop_middle(torch.arange(12.0).view(1, 1, 3, 4))[0, 0, 0]
        tensor([0., 1., 2.])
    """
    height, width = image.shape[-2:]
    rows, columns = size or (min(height, width),) * 2
    if rows > height or columns > width:
        raise ValueError(
            f"Expected an image of at least {columns} x {rows} pixels, got {width} x {height}."
        )
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[..., top : top + rows, left : left + columns]


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with mirrored borders, over 3 sigma to each side.

    Args:
        image: Any channels.
        sigma: Standard deviation in pixels.

    Shape:
        image: (N, C, H, W). Returns the same.
    """
    radius = min(math.ceil(3 * sigma), min(image.shape[-2:]) - 1)
    return blur_inside(F.pad(image, (radius,) * 4, mode="reflect"), sigma, radius)


def blur_inside(image: Tensor, sigma: float, radius: int) -> Tensor:
    """Gaussian means over the windows that lie inside an image.

    Shape:
        image: (N, C, H, W). Returns (N, C, H - 2 radius, W - 2 radius).
    """
    places = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.softmax(-(places**2) / (2 * sigma**2), dim=0)  # (2 radius + 1,), sums to 1
    channels = image.shape[1]
    column = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(image, column, groups=channels), row, groups=channels)


def _fitted(height: int, width: int, long_side: int) -> tuple[int, int]:
    if long_side < 1:
        raise ValueError(f"Expected a long side of at least 1 pixel, got {long_side}.")
    scale = long_side / max(height, width)
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


def luma(image: Tensor) -> Tensor:
    """Brightness as the eye weighs the three channels: 0.299 R + 0.587 G + 0.114 B.

    Shape:
        image: (N, 3, H, W) in [0, 1]. Returns (N, 1, H, W) in [0, 1].

    Source:
        ITU-R BT.601; the Y of YIQ and of JPEG's YCbCr.
    """
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)  # (N, 1, H, W)


def keep_luminance(stylized: Tensor, content: Tensor) -> Tensor:
    """The light and dark of `stylized` with the colours of `content`.

    In YIQ the three channels are R = Y + c_R(I, Q) and so on, so the chroma of a pixel is simply
    its RGB minus its luma, and the result is luma(stylized) + chroma(content).

    Shape:
        stylized, content: (N, 3, H, W) of equal size in [0, 1]. Returns the same.

    Source:
        Gatys, Bethge, Hertzmann, Shechtman, "Preserving Color in Neural Artistic Style Transfer"
        (2016), arXiv:1606.05897, luminance-only transfer.

    Deviates:
        A sum outside [0, 1] is not clipped, which would change luma and hue, but its chroma is
        scaled down until it fits: the luma of the result is always exactly that of `stylized`.
    """
    if stylized.shape != content.shape:
        raise ValueError(
            f"Expected two images of one shape, got {tuple(stylized.shape)} and "
            f"{tuple(content.shape)}: resize one of them."
        )
    light = luma(stylized)  # (N, 1, H, W)
    chroma = content - luma(content)  # (N, 3, H, W)
    room = torch.where(chroma > 0, 1 - light, light)  # distance to the face of the RGB cube
    fits = (room / chroma.abs().clamp_min(1e-8)).clamp(0, 1).amin(dim=1, keepdim=True)
    return (light + fits * chroma).clamp(0, 1)


class Canvas:
    """A large picture as bytes, written piece by piece: a quarter of the memory of a tensor.

    Args:
        picture: What it shows at first.

    Attributes:
        levels: (H, W, 3), uint8.
    """

    def __init__(self, picture: Image.Image) -> None:
        self.levels: NDArray[np.uint8] = np.array(picture.convert("RGB"))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.levels.shape[0], self.levels.shape[1]

    def write(self, image: Tensor, *, top: int, left: int) -> None:
        """Puts an image (1, 3, h, w) at a place: clamped to [0, 1], rounded to 256 levels."""
        height, width = image.shape[-2:]
        self.levels[top : top + height, left : left + width] = np.asarray(to_pil(image))

    def channel(self, index: int) -> Tensor:
        """One colour of all of it, (1, 1, H, W) in [0, 1]."""
        return torch.from_numpy(self.levels[..., index].astype(np.float32))[None, None] / 255

    def write_channel(self, index: int, values: Tensor) -> None:
        """Replaces one colour by (1, 1, H, W): clamped to [0, 1], rounded to 256 levels."""
        self.levels[..., index] = (values[0, 0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()

    def to_tensor(self) -> Tensor:
        """All of it, (1, 3, H, W) in [0, 1]: twelve bytes a pixel."""
        return to_tensor(self.to_pil())

    def to_pil(self, alpha: Image.Image | None = None) -> Image.Image:
        """The picture; with an opacity (mode L, of its size), an RGBA one."""
        picture = Image.fromarray(self.levels)
        if alpha is not None:
            picture.putalpha(alpha)
        return picture

    def preview(self, long_side: int) -> Image.Image:
        """A small copy whose long side is at most `long_side` pixels."""
        picture = Image.fromarray(self.levels)
        picture.thumbnail((long_side, long_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return picture


def contact_sheet(
    rows: Sequence[Sequence[Tensor]], *, labels: Sequence[str] = (), gap: int = 4
) -> Image.Image:
    """Images side by side on white, one inner list a row, with a label above each column.

    Shape:
        rows: lists of (1, 3, H, W) or (3, H, W); each image sits at the top left of its cell.
    """
    pictures = [[to_pil(image) for image in row] for row in rows]
    cell_width = gap + max(picture.width for row in pictures for picture in row)
    header = 20 if labels else 0
    height = header + gap + sum(gap + max(picture.height for picture in row) for row in pictures)
    columns = max(len(row) for row in pictures)
    sheet = Image.new("RGB", (gap + columns * cell_width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(labels):
        draw.text((gap + column * cell_width, gap), label, "black", ImageFont.load_default(size=13))
    top = header + gap
    for row in pictures:
        for column, picture in enumerate(row):
            sheet.paste(picture, (gap + column * cell_width, top))
        top += gap + max(picture.height for picture in row)
    return sheet
