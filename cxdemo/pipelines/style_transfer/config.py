"""What a style transfer can be told, and the named settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from cxdemo.features import LAYERS, check_layers
from cxdemo.options import check_options, option

Stage = tuple[int, int]  # long side in pixels, steps

COARSEST = 64  # pixels of the long side at which a transfer starts
SHORTEST = 48  # pixels of the short side below which a size is left out
SHARES = (6, 5, 4)  # of the steps, from the coarsest size on; finer ones count as the last


@dataclass(frozen=True, kw_only=True)
class StyleTransferConfig:
    """All that a style transfer can be told. Values are checked when it is made."""

    style_strength: float = option(
        1.0,
        "How far the style is taken. It multiplies the style's and the palette's terms.",
        label="Style strength",
        minimum=0.0,
        maximum=4.0,
        step=0.1,
        advanced=False,
    )
    keep_colors: bool = option(
        False,
        "Gives the style the colours of the content first, so that only its brush is taken.",
        label="Keep the content's colours",
        advanced=False,
    )
    size: int = option(
        256,
        "Long side of the result, in pixels.",
        label="Size",
        minimum=64,
        maximum=1024,
        step=32,
        advanced=False,
    )
    num_steps: int = option(
        140, "Steps over all sizes.", label="Steps", minimum=1, maximum=2000, step=10
    )
    coarse_to_fine: bool = option(
        True,
        "Starts small and finishes at full size. Off: all steps are made at full size.",
        label="Coarse to fine",
    )
    init: str = option(
        "content", "What to start from.", label="Start from", choices=("content", "noise")
    )
    seed: int = option(
        0,
        "Seed of the sampled positions, and of the noise where it is the start.",
        label="Seed",
        minimum=0,
        maximum=2**31 - 1,
        step=1,
    )
    backbone: str = option(
        "vgg16",
        "Network whose features are compared. The papers used vgg19.",
        label="Backbone",
        choices=tuple(LAYERS),
    )
    compare: str = option(
        "hypercolumns",
        "What is compared: hypercolumns (colours and all style layers read at sampled positions, "
        "as one feature), or maps (every layer by itself, at all its positions, as in the paper).",
        label="Compare",
        choices=("hypercolumns", "maps"),
    )
    style_layers: tuple[str, ...] = option(
        ("conv1_2", "conv2_2", "conv3_2", "conv4_2"),
        "Layers that take the style.",
        label="Style layers",
        choices=tuple(LAYERS["vgg19"]),
    )
    content_layers: tuple[str, ...] = option(
        ("conv3_2", "conv4_2", "conv5_1"),
        "Layers that keep the content.",
        label="Content layers",
        choices=tuple(LAYERS["vgg19"]),
    )
    num_positions: int = option(
        3072,
        "Positions sampled from pictures of 512 pixels; smaller pictures get fewer. "
        "Hypercolumns only.",
        label="Sampled positions",
        minimum=64,
        maximum=16384,
        step=64,
    )
    style_bandwidth: float = option(
        0.2,
        "h of the style term. A smaller one asks for clearer matches.",
        label="Bandwidth h, style",
        minimum=0.01,
        maximum=2.0,
        step=0.01,
    )
    symmetry: float = option(
        0.5,
        "Share of the opposite direction in the style term: 0 asks that every patch of the style "
        "finds a place, as in the paper; 1 that every place finds a patch. Hypercolumns only.",
        label="Symmetry",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
    )
    style_weight: float = option(
        1.0, "Weight of the style term.", label="Style weight", minimum=0.0, maximum=100.0, step=0.1
    )
    content_weight: float = option(
        1.5,
        "Weight of the content term; with hypercolumns that at 512 pixels, and more at smaller "
        "sizes, where the picture is laid out.",
        label="Content weight",
        minimum=0.0,
        maximum=100.0,
        step=0.1,
    )
    face_weight: float = option(
        0.8,
        "Weight, within the content term, of each face that is found. Hypercolumns only.",
        label="Care for faces",
        minimum=0.0,
        maximum=10.0,
        step=0.1,
    )
    palette_weight: float = option(
        6.0,
        "Weight of a term that the paper has not: a relaxed earth mover's distance of the colours. "
        "Features hardly see absolute colour. With it, the start is the content recoloured.",
        label="Palette weight",
        minimum=0.0,
        maximum=1000.0,
        step=1.0,
    )
    tv_weight: float = option(
        0.0,
        "Weight of the total variation, the mean squared difference of neighbouring pixels.",
        label="Smoothness",
        minimum=0.0,
        maximum=1000.0,
        step=1.0,
    )
    combine: str = option(
        "sum",
        "Maps only: one loss for each style layer, summed; or, as in the authors' reply, the "
        "layers resized, divided by their channels and concatenated into one.",
        label="Combine layers",
        choices=("sum", "concatenate"),
    )
    content_bandwidth: float = option(
        0.1,
        "Maps only: h of the content term.",
        label="Bandwidth h, content",
        minimum=0.01,
        maximum=2.0,
        step=0.01,
    )
    content_place: float = option(
        0.0,
        "Maps only: keeps the content in place; added to its distances for two features one image "
        "side apart. 0 is the paper.",
        label="Content in place",
        minimum=0.0,
        maximum=10.0,
        step=0.1,
    )
    max_positions: int = option(
        4225,
        "Maps only: larger maps are averaged down to this many positions; 0 never does. The "
        "authors draw 65 x 65 positions at random.",
        label="Positions of a map",
        minimum=0,
        maximum=1024 * 1024,
        step=1,
    )
    pooling: str = option(
        "max",
        "Pooling of the network. It was trained with max; the authors' code averages.",
        label="Pooling",
        choices=("average", "max"),
    )
    optimizer: str = option(
        "adam",
        "Adam as in the papers, or L-BFGS, which needs an objective that stays the same: maps.",
        label="Optimiser",
        choices=("lbfgs", "adam"),
    )
    levels: int = option(
        5,
        "Levels of the Laplacian pyramid that is optimised; 1 is plain pixels.",
        label="Levels",
        minimum=1,
        maximum=8,
    )
    step_size: float = option(
        0.012,
        "Adam's step size at the coarsest size, in pixel values. L-BFGS chooses its own.",
        label="Step size",
        minimum=0.0001,
        maximum=1.0,
        step=0.0001,
    )
    step_decay: float = option(
        0.03,
        "Share of Adam's step size that is left at the end of each size; 1 keeps it constant.",
        label="Step size at the end",
        minimum=0.0,
        maximum=1.0,
        step=0.01,
    )

    def __post_init__(self) -> None:
        check_options(self)
        check_layers(self.backbone, self.layers)
        if self.compare == "hypercolumns" and self.optimizer == "lbfgs":
            raise ValueError(
                "L-BFGS needs an objective that stays the same, and sampled positions change at "
                "every step: choose the optimiser adam, or compare maps."
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are computed."""
        return tuple(dict.fromkeys((*self.style_layers, *self.content_layers)))

    @property
    def stages(self) -> list[Stage]:
        """The stages of a picture of usual sides; see `stages_of`."""
        return self.stages_of(0.75)

    def stages_of(self, aspect: float) -> list[Stage]:
        """Long side and steps of each stage, coarse first; the steps add up to num_steps.

        Args:
            aspect: Short side of the picture by its long side, in (0, 1].
        """
        sizes = [self.size]
        while self.coarse_to_fine and _is_large_enough(sizes[0] / 2, aspect):
            sizes.insert(0, round(sizes[0] / 2))
        sizes = sizes[-self.num_steps :]  # each has at least one step
        weights = [SHARES[min(i, len(SHARES) - 1)] for i in range(len(sizes))]
        steps = [max(1, self.num_steps * w // sum(weights)) for w in weights]
        steps[0] += self.num_steps - sum(steps)
        return list(zip(sizes, steps, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the metadata of a PNG."""
        return asdict(self)


def _is_large_enough(long_side: float, aspect: float) -> bool:
    return long_side >= COARSEST and long_side * aspect >= SHORTEST


PRESETS: dict[str, StyleTransferConfig] = {
    "fast": StyleTransferConfig(),
    "fine": StyleTransferConfig(size=512, num_steps=190),
    "paper": StyleTransferConfig(
        num_steps=300,
        backbone="vgg19",
        compare="maps",
        style_layers=("conv2_2", "conv3_2", "conv4_2"),
        content_layers=("conv4_2",),
        content_weight=1.0,
        palette_weight=0.0,
        max_positions=0,
        coarse_to_fine=False,
        levels=1,
        step_size=0.02,
        step_decay=1.0,
    ),
    "authors": StyleTransferConfig(
        num_steps=300,
        backbone="vgg19",
        compare="maps",
        style_layers=("conv2_1", "conv3_1", "conv4_1"),
        content_layers=("conv4_2",),
        combine="concatenate",
        style_bandwidth=0.1,
        content_weight=0.5,
        palette_weight=0.0,
        tv_weight=6.5,
        pooling="average",
        coarse_to_fine=False,
        levels=1,
        step_size=0.02,
        step_decay=1.0,
    ),
}
"""Named settings. `paper`: layers and h as far as known; `authors`: their reply in issue 2 of their
repository (step 5 and total variation 1e-4 for pixels in 0..255)."""


def load_preset(name: str, **changes: Any) -> StyleTransferConfig:
    """A preset, with some of its options changed.

    Raises:
        ValueError: An unknown preset, or a value that an option may not take.
    """
    if name not in PRESETS:
        raise ValueError(f"Unknown preset {name!r}. There are {', '.join(PRESETS)}.")
    return replace(PRESETS[name], **changes)
