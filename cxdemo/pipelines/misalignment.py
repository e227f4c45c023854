"""Clean one noisy crop, given clean crops that are shifted at random: the papers' argument.

A loss that compares place by place averages the shifts into a blur. The Contextual Loss does not
care where things are: it keeps what the noisy crop shows where it shows it, with the patches of the
clean ones. Every loss starts from the same noisy crop and takes the same steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from cxdemo.contextual import contextual_matches
from cxdemo.features import PatchFeatures, VGGFeatures, load_features
from cxdemo.images import crop_middle, fit_long_side
from cxdemo.losses import LOSSES, Comparison, build_loss
from cxdemo.options import check_options, option

VGG_LAYERS = ("conv2_2", "conv3_2")
STEP_SIZE = 0.02
"""Of Adam, in pixel values; constant for half of the steps, then falling to nothing."""
SCENE = 1.9
"""Long side of the scene in crops: how much of the picture a crop shows."""


@dataclass(frozen=True, kw_only=True)
class MisalignmentConfig:
    """What the experiment does."""

    losses: tuple[str, ...] = option(
        ("l1", "l2", "cx"), "The losses that compete.", label="Losses", choices=tuple(LOSSES),
        advanced=False,
    )  # fmt: skip
    shift: int = option(
        10, "Largest shift of a clean crop, pixels, in each direction.", label="Shift, pixels",
        minimum=0, maximum=16, advanced=False,
    )  # fmt: skip
    noise: float = option(
        0.15, "Standard deviation of the noise, of a range of [0, 1].", label="Noise",
        minimum=0.0, maximum=0.4, step=0.01, advanced=False,
    )  # fmt: skip
    num_targets: int = option(
        8, "Number of clean, shifted crops.", label="Clean crops", minimum=1, maximum=24,
        advanced=False,
    )  # fmt: skip
    bandwidth: float = option(
        0.1, "h of the Contextual Loss: small asks for one clear match.", label="h",
        minimum=0.05, maximum=1.0, step=0.05, advanced=False,
    )  # fmt: skip
    features: str = option(
        "rgb", "What losses of features compare: RGB patches, as the paper, or VGG16.",
        label="Features", choices=("rgb", "vgg16"),
    )  # fmt: skip
    patch_size: int = option(
        5, "Side of an RGB patch, pixels; patches stand 2 pixels apart.", label="Patch, pixels",
        minimum=2, maximum=9,
    )  # fmt: skip
    crop: int = option(
        96, "Side of the crops, pixels.", label="Crop, pixels", minimum=48, maximum=128, step=16
    )
    num_steps: int = option(
        120, "Steps of each loss.", label="Steps", minimum=8, maximum=400, step=8
    )
    spatial_weight: float = option(
        1.0, "Price of distance in CoBi.", label="CoBi: weight of places", minimum=0.0, maximum=5.0,
        step=0.1,
    )  # fmt: skip
    seed: int = option(0, "Of the shifts and the noise.", label="Seed", minimum=0, maximum=9999)

    def __post_init__(self) -> None:
        """Raises ValueError for a value that an option may not take."""
        check_options(self)
        if not self.losses:
            raise ValueError("Choose at least one loss.")
        if len(set(self.losses)) < len(self.losses):
            raise ValueError(f"Name each loss once, got {', '.join(self.losses)}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"losses": list(self.losses)}


@dataclass(frozen=True)
class Scene:
    """A noisy crop, and clean ones of what is around it.

    Args:
        noisy: (1, 3, S, S), where every loss starts.
        clean: (1, 3, S, S), the same place without noise; no loss sees it.
        around: (1, 3, S + 2 s, S + 2 s), clean, the crop in its middle.
        targets: Clean crops (1, 3, S, S), shifted.
        shifts: Their shifts, (rows, columns), in [-s, s].
    """

    noisy: Tensor
    clean: Tensor
    around: Tensor
    targets: list[Tensor]
    shifts: list[tuple[int, int]]


@dataclass(frozen=True)
class Standing:
    """Where a loss stands.

    Args:
        image: (1, 3, S, S) in [0, 1].
        loss: Its value at the last step.
        psnr: Against the clean crop, dB.
        best_psnr: The best against any shift of it, dB.
        sharpness: Energy of the gradient, of that of the clean crop; noise counts as well.
        distinct: Share of the clean crop's patches that are the nearest to some patch, in [0, 1].
        seconds: Spent in this loss.
    """

    image: Tensor
    loss: float
    psnr: float
    best_psnr: float
    sharpness: float
    distinct: float
    seconds: float

    @property
    def figures(self) -> dict[str, float]:
        """All but the image."""
        return {name: value for name, value in vars(self).items() if name != "image"}


@dataclass(frozen=True)
class Frame:
    """All losses after the same number of steps.

    Args:
        index: Steps so far.
        total: Steps of the whole run.
        standings: By the name of the loss.
        seconds: Since the run began.
    """

    index: int
    total: int
    standings: dict[str, Standing]
    seconds: float


def make_scene(image: Tensor, config: MisalignmentConfig) -> Scene:
    """The crops of an experiment: from the middle of the picture, which is shrunk for it.

    Shape:
        image: (1, 3, H, W) in [0, 1].

    Raises:
        ValueError: The picture is too small or too narrow.
    """
    side = config.crop + 2 * config.shift
    scaled = fit_long_side(image, max(round(SCENE * config.crop), side)).clamp(0, 1)
    if min(scaled.shape[2:]) < side:  # a wide or high picture: its short side decides
        longer = max(image.shape[2:]) / min(image.shape[2:])
        scaled = fit_long_side(image, -int(-side * longer // 1)).clamp(0, 1)
    if min(image.shape[2:]) < side or min(scaled.shape[2:]) < side:
        raise ValueError(
            f"The picture has {image.shape[3]} x {image.shape[2]} pixels, but crops of "
            f"{config.crop} that move by {config.shift} need {side} x {side}: choose a larger "
            "picture, a smaller crop or a smaller shift."
        )
    around = crop_middle(scaled, (side, side))
    dice = torch.Generator().manual_seed(config.seed)
    draws = torch.randint(-config.shift, config.shift + 1, (config.num_targets, 2), generator=dice)
    shifts = [(int(a), int(b)) for a, b in draws]
    clean = shifted(around, (0, 0), config)
    noise = torch.randn(clean.shape, generator=dice).to(clean)
    noisy = (clean + config.noise * noise).clamp(0, 1)
    return Scene(noisy, clean, around, [shifted(around, s, config) for s in shifts], shifts)


def shifted(around: Tensor, shift: tuple[int, int], config: MisalignmentConfig) -> Tensor:
    """The crop that lies `shift` (rows, columns) away from the middle, (1, 3, S, S)."""
    top, left = (config.shift + way for way in shift)
    return around[..., top : top + config.crop, left : left + config.crop]


def run_misalignment(
    image: Tensor,
    config: MisalignmentConfig | None = None,
    *,
    vgg: VGGFeatures | None = None,
    frame_every: int = 4,
) -> Iterator[Frame]:
    """Runs all losses side by side; yields a frame now and then, the last one at the end.

    Args:
        image: (1, 3, H, W) in [0, 1].
        config: The settings.
        vgg: Features with `VGG_LAYERS`, where they are needed; None: loaded.
        frame_every: Steps between two frames.

    Raises:
        ValueError: As of `make_scene`.

    Cost:
        The first frame shows the start. Eight steps of CX on RGB patches of a 96 pixels crop take
        half a second on two cores.

    Source:
        Mechrez, Talmi, Zelnik-Manor, arXiv:1803.02077, Fig. 6: pixels optimised under
        CX of RGB patches, 5 x 5, stride 2. Noise, size, h and steps are not stated there.

    Deviates:
        Compares RGB patches by their squared difference, not by the cosine: the cosine of centred
        patches does not see contrast, and overdoes it. Adam.
    """
    config = config or MisalignmentConfig()
    scene = make_scene(image, config)
    began = time.monotonic()
    racers = {name: _Racer(name, scene, config, vgg) for name in config.losses}
    yield _frame(0, racers, scene, config, began)
    for index in range(1, config.num_steps + 1):
        target = scene.targets[(index - 1) % len(scene.targets)]
        for racer in racers.values():
            racer.step(target, _step_size_at(index, config.num_steps))
        if index % frame_every == 0 or index == config.num_steps:
            yield _frame(index, racers, scene, config, began)


class _Racer:
    """The pixels under one loss."""

    def __init__(
        self, name: str, scene: Scene, config: MisalignmentConfig, vgg: VGGFeatures | None
    ) -> None:
        self.pixels = scene.noisy.clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.pixels], STEP_SIZE)
        self.compare = _comparison(name, config, vgg, scene.noisy.device)
        self.loss, self.seconds = 0.0, 0.0

    def step(self, target: Tensor, step_size: float) -> None:
        began = time.monotonic()
        self.optimizer.param_groups[0]["lr"] = step_size
        self.optimizer.zero_grad()
        loss = self.compare(self.pixels, target)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.pixels.clamp_(0, 1)
        self.loss = float(loss.detach())
        self.seconds += time.monotonic() - began


def _comparison(
    name: str, config: MisalignmentConfig, vgg: VGGFeatures | None, device: torch.device
) -> Comparison:
    """A loss on what it compares: the perceptual loss always takes VGG, others as asked."""
    features: Callable[[Tensor], Any] | None = None
    rgb = config.features == "rgb" and name != "perceptual"
    if LOSSES[name].takes == "maps":
        if rgb:
            features = PatchFeatures(size=config.patch_size, stride=2)
        else:
            features = vgg or load_features("vgg16", VGG_LAYERS, device=device)
    return build_loss(
        name,
        features=features,
        bandwidth=config.bandwidth,
        spatial_weight=config.spatial_weight,
        distance="l2" if rgb else "cosine",
        seed=config.seed,
        device=device,
    )


def _step_size_at(index: int, total: int) -> float:
    return STEP_SIZE * min(1.0, 2 * (1 - (index - 1) / total))


def _frame(
    index: int,
    racers: dict[str, _Racer],
    scene: Scene,
    config: MisalignmentConfig,
    began: float,
) -> Frame:
    standings = {
        name: judge(racer.pixels.detach().clone(), scene, config, racer.loss, racer.seconds)
        for name, racer in racers.items()
    }
    return Frame(index, config.num_steps, standings, time.monotonic() - began)


# ---------------------------------------------------------------------------------- the judgement


@torch.no_grad()
def judge(
    image: Tensor, scene: Scene, config: MisalignmentConfig, loss: float = 0.0, seconds: float = 0.0
) -> Standing:
    """Measures an image against the clean crop, (1, 3, S, S)."""
    patches = PatchFeatures(size=config.patch_size, stride=2)
    return Standing(
        image=image,
        loss=loss,
        psnr=_decibels(float((image - scene.clean).square().mean())),
        best_psnr=_decibels(float(shifted_errors(image, scene.around).min())),
        sharpness=gradient_energy(image) / gradient_energy(scene.clean),
        distinct=distinct_share(patches(image)["rgb"], patches(scene.clean)["rgb"]),
        seconds=seconds,
    )


def gradient_energy(image: Tensor) -> float:
    """Mean squared difference of neighbouring pixels, down and across; 0 for a flat image."""
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    across = (image[..., 1:] - image[..., :-1]).square().mean()
    return float(down + across)


def shifted_errors(image: Tensor, around: Tensor) -> Tensor:
    """Mean squared error against every crop of what is around.

    |x - t|^2 = |x|^2 - 2 <x, t> + |t|^2, the last two for all shifts as correlations.

    Shape:
        - image: (1, 3, S, S); around: (1, 3, S + 2 s, S + 2 s).
        - returns: (2 s + 1, 2 s + 1), the shift 0 in the middle.
    """
    x, t = image.double(), around.double()
    products = _correlate(t, x)  # (2 s + 1, 2 s + 1)
    energies = _correlate(t.square(), torch.ones_like(x))  # likewise
    return ((x.square().sum() - 2 * products + energies) / x.numel()).clamp_min(0)


def _correlate(t: Tensor, x: Tensor) -> Tensor:
    """Products of x with every part of t of its size, by Fourier transforms."""
    size = t.shape[2:]
    spectrum = torch.fft.rfft2(t) * torch.fft.rfft2(x, s=size).conj()
    sums = torch.fft.irfft2(spectrum, s=size).sum(dim=(0, 1))  # (H, W), cyclic
    return sums[: t.shape[2] - x.shape[2] + 1, : t.shape[3] - x.shape[3] + 1]


def distinct_share(x: Tensor, y: Tensor) -> float:
    """Share of the positions of y that are the nearest of some position of x, in [0, 1].

    The "one-to-one" matches of Zhang et al., arXiv:1905.05169, section 4.2, of all positions of y.
    """
    nearest = contextual_matches(x, y, distance="l2").target_of_source  # (1, Px)
    return nearest.unique().numel() / (y.shape[2] * y.shape[3])


def _decibels(error: float) -> float:
    return float(-10 * torch.log10(torch.tensor(max(error, 1e-10))))
