"""Five ways to say "in this style", on the same picture: Gram, patches, transport, context.

Each rival paints one content in one style. All start from the content, see the same network (VGG16)
at the same size, and take the same steps of the same optimiser; only the objective differs, and it
has the layers and weights of the rival's own paper. Their steps come in turn, so that all are seen
to progress side by side.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cxdemo.contextual import ContextualTarget, contextual_loss, contextual_target
from cxdemo.features import LAYERS, load_features
from cxdemo.images import fit_long_side
from cxdemo.losses import (
    gram_loss,
    perceptual_loss,
    relaxed_emd_loss,
    sliced_wasserstein_loss,
)
from cxdemo.optimize import Clock, Objective, optimize_pixels, total_variation
from cxdemo.options import check_options, option
from cxdemo.rival_losses import (
    Extractor,
    Grid,
    hypercolumns,
    moment_loss,
    mrf_loss,
    palette_loss,
    self_similarity_loss,
)

BACKBONE = "vgg16"
RIVAL_LAYERS = tuple(LAYERS[BACKBONE])
"""All of the network: one pass serves any rival, and the deepest block costs a tenth of it."""

LoadExtractor = Callable[[str], Extractor]
"""Pooling, "max" or "average" -> an extractor that gives `RIVAL_LAYERS`."""


@dataclass(frozen=True, kw_only=True)
class RivalInfo:
    """What a person should know of a rival.

    Args:
        label: Its name for people.
        family: What it does with the features, in two words.
        sentence: What that means.
        source: Where it comes from.
    """

    label: str
    family: str
    sentence: str
    source: str


RIVALS: dict[str, RivalInfo] = {
    "gram": RivalInfo(
        label="Gram",
        family="global statistics",
        sentence="Which features occur together, wherever they are.",
        source="Gatys, Ecker, Bethge, CVPR 2016",
    ),
    "sliced_wasserstein": RivalInfo(
        label="Sliced Wasserstein",
        family="global distribution",
        sentence="All features against all, sorted along random directions.",
        source="Heitz et al., CVPR 2021",
    ),
    "patches": RivalInfo(
        label="Patch matching",
        family="nearest patches",
        sentence="Each 3 × 3 block of features against the style's most similar one.",
        source="CNNMRF: Li, Wand, CVPR 2016",
    ),
    "relaxed_emd": RivalInfo(
        label="Relaxed EMD",
        family="nearest, both ways",
        sentence="Each feature against its nearest, both ways; shapes by self-similarity.",
        source="STROTSS: Kolkin, Salavon, Shakhnarovich, CVPR 2019",
    ),
    "cx": RivalInfo(
        label="Contextual",
        family="context",
        sentence="Each feature against its nearest, compared with all others that it could be.",
        source="Mechrez, Talmi, Zelnik-Manor, ECCV 2018",
    ),
}
"""The rivals by name: from global to local."""


@dataclass(frozen=True, kw_only=True)
class RivalsConfig:
    """What the comparison does."""

    rivals: tuple[str, ...] = option(
        tuple(RIVALS), "Who competes.", label="Rivals", choices=tuple(RIVALS), advanced=False
    )
    size: int = option(
        128, "Long side of the pictures, pixels.", label="Size, pixels", minimum=64, maximum=256,
        step=16, advanced=False,
    )  # fmt: skip
    num_steps: int = option(
        30, "Steps of each rival.", label="Steps", minimum=1, maximum=300, step=1, advanced=False
    )
    style_strength: float = option(
        1.0,
        "Multiplies the style of every rival; 1 is as in its paper.",
        label="Style strength",
        minimum=0.001,
        maximum=10.0,
        step=0.001,
        advanced=False,
    )
    seed: int = option(
        0, "Of the random directions of sliced Wasserstein.", label="Seed", minimum=0, maximum=9999
    )

    def __post_init__(self) -> None:
        check_options(self)
        if not self.rivals:
            raise ValueError(f"Choose at least one rival of {', '.join(RIVALS)}.")
        if len(set(self.rivals)) < len(self.rivals):
            raise ValueError(f"Name each rival once, got {', '.join(self.rivals)}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"rivals": list(self.rivals)}


@dataclass(frozen=True, kw_only=True)
class RivalStep:
    """One step of one rival.

    Args:
        rival: Its name in `RIVALS`.
        index: Of this step of its own, from 1.
        total: Steps that it takes.
        loss: Its objective before this step, as a share of that at the start.
        terms: The parts of `loss`, weighted.
        image: The picture after this step, (1, 3, H, W) in [0, 1].
        seconds: That this rival has used.
        elapsed: Since the run began.
    """

    rival: str
    index: int
    total: int
    loss: float
    terms: dict[str, float]
    image: Tensor
    seconds: float
    elapsed: float


def run_rivals(
    content: Tensor,
    style: Tensor,
    config: RivalsConfig | None = None,
    *,
    load: LoadExtractor | None = None,
) -> Iterator[RivalStep]:
    """Paints the content in the style under every rival, a step of each in turn.

    Each objective is divided by its value at the start, so that the optimiser treats all alike and
    their progress can be compared; that changes no picture's optimum.

    Args:
        content: What the picture shows.
        style: How it is painted.
        config: The settings.
        load: Gives extractors of `RIVAL_LAYERS`. None: VGG16.

    Shape:
        content, style: (1, 3, H, W) in [0, 1]; their sizes may differ.

    Yields:
        The first step of every rival, then the second of every one, and so on.

    Source:
        The comparison of Mechrez, Talmi, Zelnik-Manor, arXiv:1803.02077, section 5.1, with rivals
        that came later.
    """
    config = config or RivalsConfig()
    loaded: dict[str, Extractor] = {}
    get = load or partial(_load_vgg, device=content.device)

    def extractor(pooling: str) -> Extractor:
        if pooling not in loaded:
            loaded[pooling] = get(pooling)
        return loaded[pooling]

    start, target = (fit_long_side(picture, config.size) for picture in (content, style))
    clock = Clock()
    racers = [_race(name, start, target, config, extractor) for name in config.rivals]
    for _ in range(config.num_steps):
        for name, racer in zip(config.rivals, racers, strict=True):
            index, terms, image, seconds = next(racer)
            yield RivalStep(
                rival=name,
                index=index,
                total=config.num_steps,
                loss=sum(terms.values()),
                terms=terms,
                image=image,
                seconds=seconds,
                elapsed=clock.seconds(),
            )


def _load_vgg(pooling: str, *, device: torch.device) -> Extractor:
    return load_features(BACKBONE, RIVAL_LAYERS, pooling=pooling, device=device)  # pyright: ignore[reportArgumentType]


def _race(
    name: str, content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Iterator[tuple[int, dict[str, float], Tensor, float]]:
    """Index, terms, image and own seconds of every step of one rival."""
    clock, used = Clock(), 0.0
    objective = build_objective(name, content, style, config, load=load)
    steps = optimize_pixels(content, objective, num_steps=config.num_steps)
    for index, (terms, image) in enumerate(steps, start=1):
        used += clock.seconds()
        yield index, terms, image, used
        clock = Clock()


def build_objective(
    name: str,
    content: Tensor,
    style: Tensor,
    config: RivalsConfig,
    *,
    load: LoadExtractor | None = None,
) -> Objective:
    """The objective of a rival: (1, 3, H, W) -> its terms, which sum to 1 at the content.

    Args:
        name: A key of `RIVALS`.
        content: (1, 3, H, W) in [0, 1], at the size at which it is compared.
        style: Likewise.
        config: The settings.
        load: See `run_rivals`.
    """
    load = load or partial(_load_vgg, device=content.device)
    raw = OBJECTIVES[name](content, style, config, load)

    def weigh(image: Tensor) -> dict[str, Tensor]:
        terms = raw(image)
        return terms | {"style": config.style_strength * terms["style"]}

    with torch.no_grad():
        start = float(torch.stack([*weigh(content).values()]).sum())
    scale = 1 / max(start, 1e-6)
    return lambda image: {term: scale * value for term, value in weigh(image).items()}


# ------------------------------------------------------------------------------------- the rivals


UNIT = 1 / 57.4
"""One over 255 times the mean standard deviation of ImageNet's colours. Our VGG16 takes colours of
0..255, as the networks of Gatys and CNNMRF do; STROTSS feeds its own with colours of unit
deviation, so that its features are smaller by this."""


def gram_objective(
    content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Objective:
    """Gatys: Gram matrices of five layers, and the features of conv4_2 in place.

    Layers conv1_1, 2_1, 3_1, 4_1, 5_1, each weighted 1000 / C^2; content 1; no smoothness.

    Source:
        Gatys, Ecker, Bethge, CVPR 2016; weights, start and L-BFGS of the authors' own
        PytorchNeuralStyleTransfer, average pooling of the paper.

    Deviates:
        VGG16 for VGG19.
    """
    del config
    features = load("average")
    layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    with torch.no_grad():
        wanted, kept = features(style), features(content)["conv4_2"]

    def objective(image: Tensor) -> dict[str, Tensor]:
        maps = features(image)
        # gram_loss is a quarter of the mean square.
        styles = [4e3 / maps[n].shape[1] ** 2 * gram_loss(maps[n], wanted[n]) for n in layers]
        return {
            "style": torch.stack(styles).sum(),
            "content": perceptual_loss(maps["conv4_2"], kept),
        }

    return objective


SLICED_CONTENT = 1.0
"""Weight of the content beside sliced Wasserstein: no paper gives one for this sum."""


def sliced_objective(
    content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Objective:
    """Sliced Wasserstein: the distribution of the features of all layers down to conv5_2.

    As many directions as channels, kept for the whole run as the authors keep theirs for 64
    evaluations of L-BFGS; content conv4_2, as Gatys.

    Source:
        Heitz, Vanhoey, Chambon, Belcour, arXiv:2006.07229, and their code.

    Deviates:
        VGG16 for a VGG19 of their own. Their code makes textures and has no content term: its
        weight, `SLICED_CONTENT`, is ours, not tuned.
    """
    features = load("average")
    layers = RIVAL_LAYERS[: RIVAL_LAYERS.index("conv5_2") + 1]
    with torch.no_grad():
        wanted, kept = features(style), features(content)["conv4_2"]

    def compare(x: Tensor, y: Tensor) -> Tensor:
        dice = torch.Generator().manual_seed(config.seed)
        return sliced_wasserstein_loss(x, y, num_projections=x.shape[1], generator=dice)

    def objective(image: Tensor) -> dict[str, Tensor]:
        maps = features(image)
        styles = [compare(maps[n], wanted[n]) for n in layers]
        content_term = perceptual_loss(maps["conv4_2"], kept)
        return {"style": torch.stack(styles).sum(), "content": SLICED_CONTENT * content_term}

    return objective


def patches_objective(
    content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Objective:
    """CNNMRF: 3 x 3 patches of conv3_1 and conv4_1 drawn to the style's most similar ones.

    Patches of the style stand 2 apart, as in the authors' code; content conv4_2; smoothness.

    Source:
        Li, Wand, arXiv:1601.04589, Eqs. 1 to 3; weights of the authors' code (patches 1e-4 a layer,
        content 20, smoothness 1e-3).

    Deviates:
        Their gradient sums over a map and their content averages, so that the balance moves with
        the size; ours keeps that of their 384 pixels. One size for their three; no rotated copies,
        of which their code makes none by default either.
    """
    del config
    features = load("max")
    weights = {"conv3_1": 88.0, "conv4_1": 44.0}  # 1e-4 / 2 times the values of a map at 384 px
    smoothness = 166 * 255**2  # 1e-3 / 2 times the values at 384 px, too, which are 0..255
    with torch.no_grad():
        wanted, kept = features(style), features(content)["conv4_2"]

    def objective(image: Tensor) -> dict[str, Tensor]:
        maps = features(image)
        styles = [w * mrf_loss(maps[n], wanted[n], stride=2) for n, w in weights.items()]
        return {
            "style": torch.stack(styles).sum(),
            "content": 20 * perceptual_loss(maps["conv4_2"], kept),
            "smoothness": smoothness * total_variation(image),
        }

    return objective


def relaxed_emd_objective(
    content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Objective:
    """STROTSS: relaxed EMD, moments and palette of hypercolumns; content by self-similarity.

    (alpha content + moments + EMD + palette / alpha) with alpha 2, that of its last size.

    Source:
        Kolkin, Salavon, Shakhnarovich, arXiv:1904.12785, Eqs. 1 to 9, and the authors' code, whose
        network is VGG16.

    Deviates:
        Some 500 positions on a grid that is moved every few steps, where theirs are 1024, drawn at
        each: L-BFGS needs an objective that stays for a while. One size for their four.
    """
    del config
    features = load("max")
    grid = Grid(max(content.shape[2:]))
    alpha = 2.0

    def columns(image: Tensor) -> list[Tensor]:
        colours, *maps = hypercolumns(image, features)
        return [colours, *(UNIT * one for one in maps)]

    with torch.no_grad():
        wanted, kept = columns(style), columns(content)

    def objective(image: Tensor) -> dict[str, Tensor]:
        grid.advance()
        x, y, c = (grid.pick(maps) for maps in (columns(image), wanted, kept))
        style_term = relaxed_emd_loss(x, y) + moment_loss(x, y)
        return {
            "style": style_term + palette_loss(x[:, :3], y[:, :3]) / alpha,
            "content": alpha * self_similarity_loss(x, c),
        }

    return objective


def cx_objective(
    content: Tensor, style: Tensor, config: RivalsConfig, load: LoadExtractor
) -> Objective:
    """The Contextual Loss for both: conv2_2, 3_2 and 4_2 for the style, conv4_2 for the content.

    h 0.2 for the style, 0.1 for the content, weights 1 and 1.

    Source:
        Mechrez, Talmi, Zelnik-Manor, arXiv:1803.02077, section 5.1: the preset "paper" of our style
        transfer.

    Deviates:
        VGG16 for VGG19.
    """
    del config
    features = load("average")
    layers = ("conv2_2", "conv3_2", "conv4_2")
    with torch.no_grad():
        maps = features(style)
        wanted = {n: contextual_target(maps[n]) for n in layers}
        kept: ContextualTarget = contextual_target(features(content)["conv4_2"])

    def objective(image: Tensor) -> dict[str, Tensor]:
        maps = features(image)
        styles = [contextual_loss(maps[n], wanted[n], bandwidth=0.2) for n in layers]
        return {
            "style": torch.stack(styles).sum(),
            "content": contextual_loss(maps["conv4_2"], kept, bandwidth=0.1),
        }

    return objective


OBJECTIVES: dict[str, Callable[[Tensor, Tensor, RivalsConfig, LoadExtractor], Objective]] = {
    "gram": gram_objective,
    "sliced_wasserstein": sliced_objective,
    "patches": patches_objective,
    "relaxed_emd": relaxed_emd_objective,
    "cx": cx_objective,
}
