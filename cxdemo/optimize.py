"""Optimise the pixels of an image, one step at a time.

The image is written as a Laplacian pyramid: details by octave, and a small picture of the rest. A
step on the small picture moves large areas at once, a step on the details moves single pixels, so
colours settle in a few steps. The two finest octaves hold grey alone: the eye hardly sees colour
there, and networks leave coloured speckle. One level is plain pixels, in full colour.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

OptimizerName = Literal["lbfgs", "adam"]

Objective = Callable[[Tensor], dict[str, Tensor]]
"""(1, 3, H, W) -> named terms, (), whose sum is minimised."""


GREY_OCTAVES = 2
"""Finest octaves of a pyramid without colour: details of up to about 8 pixels."""


GAIN = 0.7
"""What a step on one octave weighs against the next finer one; 0.7 fell faster than 1 and 1.4."""


LONGEST_STEP = 0.03
"""Root mean square of the longest step of L-BFGS, in pixel values."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a pipeline: what a progress bar, a preview and a test want to know.

    Args:
        index: Of this step, from 1.
        total: Number of steps of the whole run.
        losses: Each term of the objective, weighted, before this step; their sum is minimised.
        image: The picture after this step, (1, 3, H, W) in [0, 1].
        seconds: Since the run began.
        estimate: Seconds that are left, where the pipeline knows what its steps cost.
    """

    index: int
    total: int
    losses: dict[str, float]
    image: Tensor
    seconds: float
    estimate: float | None = None

    def with_image(self, image: Tensor) -> Step:
        """The same step with another picture, (1, 3, H, W) in [0, 1]."""
        return replace(self, image=image)

    @property
    def loss(self) -> float:
        """The objective."""
        return sum(self.losses.values())

    @property
    def seconds_left(self) -> float:
        """Seconds that are left: the pipeline's estimate, or else from the pace so far."""
        if self.estimate is not None:
            return self.estimate
        return self.seconds * (self.total - self.index) / self.index


def optimize_pixels(
    image: Tensor,
    objective: Objective,
    *,
    num_steps: int,
    optimizer: OptimizerName = "lbfgs",
    step_size: float = 0.02,
    step_decay: float = 1.0,
    levels: int = 5,
) -> Iterator[tuple[dict[str, float], Tensor]]:
    """Minimise an objective over the pixels of an image, on its Laplacian pyramid.

    L-BFGS moves each coefficient as far as its gradient asks, where Adam moves all alike and so
    writes noise into places that the objective hardly sees. It evaluates the objective once a step.

    Args:
        image: Where to start. (1, 3, H, W) in [0, 1].
        objective: Its terms; called with an image whose values may leave [0, 1] a little.
        num_steps: Steps to take.
        optimizer: `"lbfgs"`, or `"adam"` as in the papers.
        step_size: Of Adam, in units of pixel values; L-BFGS finds its own.
        step_decay: Share of the step size left for the last step, reached along a half cosine; 1
            keeps it constant. What samples at random settles as its steps grow small.
        levels: Of the pyramid; 1 is plain pixels.

    Yields:
        The terms before a step, and the image after it, (1, 3, H, W) in [0, 1].
    """
    pyramid = [p.requires_grad_() for p in _scale(to_pyramid(image.detach(), levels), 1 / GAIN)]
    stepper = _build_optimizer(optimizer, pyramid, step_size)
    terms: dict[str, Tensor] = {}

    def evaluate() -> Tensor:
        stepper.zero_grad()
        current = from_pyramid(_scale(pyramid, GAIN))
        terms.update(objective(current))
        total = torch.stack([*terms.values(), _outside(current)]).sum()
        total.backward()
        return total

    for index in range(num_steps):
        _set_step_size(stepper, step_size * _decay(index / num_steps, step_decay), optimizer)
        before = [level.detach().clone() for level in pyramid]
        stepper.step(evaluate)  # pyright: ignore[reportCallIssue, reportArgumentType]
        _limit_step(stepper, pyramid, before)
        with torch.no_grad():
            now = from_pyramid(_scale(pyramid, GAIN)).clamp(0, 1)
        yield {name: float(term.detach()) for name, term in terms.items()}, now


def _decay(progress: float, left: float) -> float:
    """1 at the start, `left` at the end, along a half cosine."""
    return left + (1 - left) * (1 + math.cos(math.pi * progress)) / 2


def _set_step_size(stepper: torch.optim.Optimizer, value: float, name: OptimizerName) -> None:
    if name == "adam":
        for group in stepper.param_groups:
            group["lr"] = value


def _build_optimizer(
    name: OptimizerName, parameters: list[Tensor], step_size: float
) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(parameters, lr=step_size)
    return torch.optim.LBFGS(
        parameters, max_iter=1, history_size=20, tolerance_grad=0, tolerance_change=0
    )


@torch.no_grad()
def _limit_step(
    stepper: torch.optim.Optimizer, pyramid: list[Tensor], before: list[Tensor]
) -> None:
    """Shortens a step of L-BFGS that is longer than `LONGEST_STEP`: no line search guards it."""
    state = stepper.state[pyramid[0]]
    if "t" not in state:
        return  # Adam, whose steps have a length of their own
    moves = [now - then for now, then in zip(pyramid, before, strict=True)]
    length = torch.cat([move.flatten() for move in moves]).square().mean().sqrt()
    factor = (LONGEST_STEP / length.clamp_min(1e-12)).clamp_max(1)
    for level, then, move in zip(pyramid, before, moves, strict=True):
        level.copy_(then + factor * move)
    state["t"] = state["t"] * factor  # so that its next curvature pair sees the step that was made


def _scale(pyramid: list[Tensor], gain: float) -> list[Tensor]:
    """Each level times gain ^ octave: a gain below 1 makes an optimiser care for fine detail."""
    return [level * gain**octave for octave, level in enumerate(pyramid)]


def to_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """(N, 3, H, W) -> details from fine to coarse, and the rest.

    Their `from_pyramid` is the image, but for the colour of its finest details: those of the first
    `GREY_OCTAVES` are (N, 1, H, W). Stops early when a side would fall below 4 pixels.
    """
    pyramid: list[Tensor] = []
    for octave in range(levels - 1):
        height, width = image.shape[2:]
        if min(height, width) < 8:
            break
        small = _resize(image, ((height + 1) // 2, (width + 1) // 2))
        detail = image - _resize(small, (height, width))
        pyramid.append(_grey(detail) if octave < GREY_OCTAVES else detail)
        image = small
    return [level.clone() for level in (*pyramid, image)]


def from_pyramid(pyramid: list[Tensor]) -> Tensor:
    """The image of a pyramid, (N, 3, H, W)."""
    image = pyramid[-1]
    for detail in reversed(pyramid[:-1]):
        image = _resize(image, (detail.shape[2], detail.shape[3])) + detail
    return image


def carry_change(image: Tensor, start: Tensor, larger_start: Tensor) -> Tensor:
    """What was changed at one size, put on the start of a larger one: its details stay sharp.

    Shape:
        - image, start: (N, 3, h, w) in [0, 1].
        - larger_start: (N, 3, H, W) in [0, 1]; returns its shape, clamped to [0, 1].
    """
    return (larger_start + enlarge(image - start, larger_start)).clamp(0, 1)


def add_octave(image: Tensor, like: Tensor) -> Tensor:
    """The image plus the finest octave of another of its size, (N, 3, H, W)."""
    height, width = like.shape[2:]
    small = _resize(like, ((height + 1) // 2, (width + 1) // 2))
    return image + like - _resize(small, (height, width))


def enlarge(image: Tensor, like: Tensor) -> Tensor:
    """The image at the height and width of another, bicubic."""
    size = (like.shape[2], like.shape[3])
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False)


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, down plus across: (N, 3, H, W) -> ()."""
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    across = (image[..., :, 1:] - image[..., :, :-1]).square().mean()
    return down + across


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start


def _grey(detail: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W), the mean of the channels."""
    return detail.mean(dim=1, keepdim=True)


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


def _outside(image: Tensor) -> Tensor:
    """What keeps values in [0, 1] where a clamp would stop the gradient."""
    return 100 * (image - image.clamp(0, 1)).square().mean()
