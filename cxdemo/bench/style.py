"""Time to a good picture: the default preset against the plain recipe, to the same objective.

    python -m cxdemo bench style

The plain recipe is Adam on pixels at full size from the content, in fp32, with dense autograd of
the same equations, the same network and the same weights of the terms. The preset is timed until
its own picture, evaluated outside the clock at full size, has an objective no higher than the one
that the recipe ends with.

With --peers FOLDER, ours stands beside other people's methods instead: see `style_peers`.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cxdemo import images
from cxdemo.bench import style_peers
from cxdemo.contextual import ContextualTarget
from cxdemo.features import load_features
from cxdemo.optimize import optimize_pixels
from cxdemo.pipelines.style_transfer import (
    Extractor,
    StyleObjective,
    StyleTransferConfig,
    load_preset,
    transfer_style,
)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@dataclass(frozen=True, kw_only=True)
class Run:
    """How an objective fell: seconds and objective after each step, at full size."""

    seconds: list[float]
    objectives: list[float]

    def seconds_to(self, objective: float) -> float | None:
        """When it was first reached; None: never."""
        for second, value in zip(self.seconds, self.objectives, strict=True):
            if value <= objective:
                return second
        return None


def dense_loss(
    x: Tensor, target: ContextualTarget, *, bandwidth: float, spatial_weight: float
) -> Tensor:
    """Equations 1-5 in plain autograd, with the whole (Px, Py) matrix: (1, C, H, W) -> ()."""
    centred = x.flatten(2).mT - target.mean  # (1, Px, C)
    d = 1 - torch.nn.functional.normalize(centred, dim=2) @ target.vectors.mT  # (1, Px, Py)
    d = d.clamp(min=0) + spatial_weight * torch.cdist(
        _centres(x.shape[2], x.shape[3]), _centres(*target.size)
    )
    relative = d / (d.amin(dim=2, keepdim=True) + 1e-5)
    affinity = ((1 - relative) / bandwidth).softmax(dim=2)
    return -affinity.amax(dim=1).mean(dim=1).log().mean()


def run_recipe(
    content: Tensor,
    objective: StyleObjective,
    *,
    num_steps: int,
    step_size: float,
) -> Run:
    """The plain recipe."""
    seconds: list[float] = []
    objectives: list[float] = []
    start = time.perf_counter()
    for losses, _ in optimize_pixels(
        content, objective, num_steps=num_steps, optimizer="adam", step_size=step_size, levels=1
    ):
        seconds.append(time.perf_counter() - start)
        objectives.append(sum(losses.values()))
    return Run(seconds=seconds, objectives=objectives)


def run_preset(
    content: Tensor, style: Tensor, config: StyleTransferConfig, features: Extractor
) -> Run:
    """The preset; its pictures at full size are evaluated outside the clock."""
    objective = StyleObjective(content, [style], [1.0], config, features)
    seconds: list[float] = []
    objectives: list[float] = []
    for step in transfer_style(content, [style], config, features=features):
        if step.image.shape == content.shape:
            with torch.no_grad():
                objectives.append(sum(float(t) for t in objective(step.image).values()))
            seconds.append(step.seconds)
    outside = _evaluation_seconds(objective, content)
    seconds = [s - i * outside for i, s in enumerate(seconds)]
    return Run(seconds=seconds, objectives=objectives)


def main(argv: list[str] | None = None) -> int:
    """Runs both and prints the table."""
    argv = sys.argv[1:] if argv is None else argv
    if any(word.startswith("--peers") for word in argv):
        return style_peers.main(argv)
    args = _parser().parse_args(argv)
    config = load_preset(args.preset, size=args.size)
    content = images.to_tensor(images.load(args.content))
    content = images.fit_long_side(content, config.size)
    style = images.to_tensor(images.load(args.style))
    features = load_features(
        config.backbone,
        config.layers,
        pooling=config.pooling,  # pyright: ignore[reportArgumentType]
        dtype=torch.float32,
    )
    preset = run_preset(content, style, config, features)
    print(
        f"preset {args.preset}: {config.num_steps} steps in {preset.seconds[-1]:.1f} s, "
        f"objective {preset.objectives[-1]:.3f}",
        flush=True,
    )
    dense = StyleObjective(content, [style], [1.0], config, features, loss=dense_loss)
    recipe = run_recipe(content, dense, num_steps=args.steps, step_size=args.step_size)
    print(
        f"plain recipe: {args.steps} steps in {recipe.seconds[-1]:.1f} s, "
        f"objective {recipe.objectives[-1]:.3f}"
    )
    for share in (1.0, 0.5, 0.25, 0.125):
        print("  " + _comparison(preset, recipe, round(args.steps * share)))
    return 0


def _comparison(preset: Run, recipe: Run, step: int) -> str:
    objective = recipe.objectives[step - 1]
    mine = preset.seconds_to(objective)
    theirs = recipe.seconds[step - 1]
    if mine is None:
        return f"step {step:4d}: objective {objective:.3f} in {theirs:.1f} s; preset: not reached"
    return (
        f"step {step:4d}: objective {objective:.3f} in {theirs:.1f} s; preset in {mine:.1f} s, "
        f"1/{theirs / mine:.1f} of the time"
    )


def _evaluation_seconds(objective: StyleObjective, image: Tensor) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        objective(image)
    return time.perf_counter() - start


def _centres(height: int, width: int) -> Tensor:
    """Cell centres in [0, 1], (H * W, 2)."""
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    return torch.cartesian_prod(rows, columns)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxdemo bench style", description=__doc__)
    parser.add_argument("--content", default=str(EXAMPLES / "portrait_monalisa.jpg"))
    parser.add_argument("--style", default=str(EXAMPLES / "painting_starry_night.jpg"))
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--size", type=int, default=256, help="long side, pixels")
    parser.add_argument("--steps", type=int, default=300, help="of the plain recipe")
    parser.add_argument("--step-size", type=float, default=0.02, help="of the plain recipe's Adam")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
