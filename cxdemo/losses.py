"""What the Contextual Loss is compared with: losses from pixels to distributions, one signature.

Every function takes two batches of maps, images or features, (N, C, H, W), and returns the mean of
the loss over the batch, (). `LOSSES` says of each what family it belongs to and which one
ingredient it adds; `build_loss` makes of a name a function of two images.
"""

# torch is only partly annotated; its unknown types are not our errors.
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.contextual import Distance, contextual_loss
from cxdemo.metrics import ssim
from cxdemo.networks import PatchDiscriminator
from cxdemo.spelling import suggest

Family = Literal["pixel by pixel", "features", "realism"]
Features = Callable[[Tensor], Mapping[str, Tensor]]
"""(N, 3, H, W) in [0, 1] -> maps by layer."""
Comparison = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images, (N, 3, H, W) in [0, 1] -> ()."""


def l1_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference, place by place. Its best compromise of several y is their median.

    Shape:
        x, y: (N, C, H, W). Returns ().

    Raises:
        ValueError: The shapes differ.
    """
    _check_same(x, y)
    return F.l1_loss(x, y)


def l2_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference, place by place. Its best compromise of several y is their mean.

    Shape:
        x, y: (N, C, H, W). Returns ().

    Raises:
        ValueError: The shapes differ.
    """
    _check_same(x, y)
    return F.mse_loss(x, y)


def ssim_loss(x: Tensor, y: Tensor) -> Tensor:
    """1 - SSIM of the luma: compares light, contrast and structure of 11 x 11 windows, in place.

    Shape:
        x, y: (N, 3, H, W) in [0, 1], sides of at least 11. Returns (), in [0, 2].

    Raises:
        ValueError: The shapes differ or are too small.

    Source:
        Wang et al. (2004), Eq. 13, see `cxdemo.metrics.ssim`. Not a loss of the papers.
    """
    return 1 - ssim(x, y, border=0).mean()


def perceptual_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference of features, place by place.

    Shape:
        x, y: (N, C, H, W), features such as conv4_2. Returns ().

    Raises:
        ValueError: The shapes differ.

    Source:
        Johnson, Alahi, Fei-Fei, arXiv:1603.08155, Eq. 2.
    """
    _check_same(x, y)
    return F.mse_loss(x, y)


def gram_loss(x: Tensor, y: Tensor) -> Tensor:
    """Squared difference of the Gram matrices: which features occur together, anywhere.

    G = F F^T / P over the P positions; sum (G_x - G_y)^2 / C^2, divided by 4 as the source has it.
    Positions play no part, and their numbers may differ.

    Shape:
        x: (N, C, Hx, Wx), y: (N, C, Hy, Wy). Returns ().

    Raises:
        ValueError: Batches or channels differ.

    Source:
        Gatys, Ecker, Bethge, arXiv:1508.06576, Eqs. 3 to 5.

    Deviates:
        Divides by the positions before squaring, so that maps of two sizes can be compared.
    """
    _check_channels(x, y)
    return (_gram(x) - _gram(y)).square().mean() / 4


def sliced_wasserstein_loss(
    x: Tensor, y: Tensor, *, num_projections: int = 64, generator: torch.Generator | None = None
) -> Tensor:
    """Squared Wasserstein distance of the features along random directions, averaged.

    Along one direction two samples are matched by sorting. Compares whole distributions: nothing
    is counted twice and nothing left out, wherever it stands.

    Args:
        x: Features of the generated image.
        y: Features of the target; the number of positions may differ.
        num_projections: Directions, drawn anew at each call from the unit sphere.
        generator: Of the directions, on the CPU. None: torch's own.

    Shape:
        x: (N, C, Hx, Wx), y: (N, C, Hy, Wy). Returns ().

    Raises:
        ValueError: Batches or channels differ.

    Cost:
        O(num_projections P log P).

    Source:
        Heitz, Vanhoey, Chambon, Belcour, arXiv:2006.07229, Eqs. 3 and 4.

    Deviates:
        Averages over the directions and does not multiply by their number. Positions in unequal
        numbers: the shorter sorted list is stretched by linear interpolation of its quantiles.
    """
    _check_channels(x, y)
    directions = torch.randn(num_projections, x.shape[1], generator=generator)
    directions = F.normalize(directions, dim=1).to(x)  # (K, C)
    a, b = (torch.sort(directions @ maps.flatten(2), dim=2).values for maps in (x, y))  # (N, K, P)
    length = max(a.shape[2], b.shape[2])
    return (_stretch(a, length) - _stretch(b, length)).square().mean()


def relaxed_emd_loss(x: Tensor, y: Tensor, *, chunk_size: int = 1024) -> Tensor:
    """Relaxed earth mover's distance: every feature goes to its nearest, in both directions.

    max(mean_i min_j d_ij, mean_j min_i d_ij) with the cosine distance d = 1 - cos. It is the
    Contextual Loss without context: a hard nearest neighbour, whatever else is near.

    Args:
        x: Features of the generated image.
        y: Features of the target; the number of positions may differ.
        chunk_size: Rows of x that are compared at a time.

    Shape:
        x: (N, C, Hx, Wx), y: (N, C, Hy, Wy). Returns (), in [0, 2].

    Raises:
        ValueError: Batches or channels differ.

    Cost:
        One (Px, C) x (C, Py) product; memory Px x Py when a gradient is asked for.

    Source:
        Kolkin, Salavon, Shakhnarovich (STROTSS), arXiv:1904.12785, Eqs. 3 to 5.

    Deviates:
        Uses all positions; STROTSS samples 1024.
    """
    _check_channels(x, y)
    a, b = (F.normalize(maps.flatten(2).mT, dim=2) for maps in (x, y))  # (N, P, C)
    rows: list[Tensor] = []
    columns: Tensor | None = None
    for part in a.split(chunk_size, dim=1):
        distance = 1 - part @ b.mT  # (N, R, Py)
        rows.append(distance.amin(dim=2))  # (N, R)
        nearest = distance.amin(dim=1)  # (N, Py)
        columns = nearest if columns is None else torch.minimum(columns, nearest)
    assert columns is not None  # noqa: S101  there is at least one row
    return torch.maximum(torch.cat(rows, dim=1).mean(dim=1), columns.mean(dim=1)).mean()


def cobi_loss(
    x: Tensor,
    y: Tensor,
    *,
    bandwidth: float = 0.5,
    spatial_weight: float = 0.5,
    distance: Distance = "cosine",
) -> Tensor:
    """The Contextual Loss with places put back: the distance grows with the way between positions.

    With a weight of 0 it is the Contextual Loss; with a large one each position sees only itself.

    Args:
        x: Features of the generated image.
        y: Features of the target.
        bandwidth: h of Eq. 3.
        spatial_weight: Added to d_ij for two features one image side apart.
        distance: As of `contextual_loss`.

    Shape:
        x: (N, C, Hx, Wx), y: (N, C, Hy, Wy). Returns ().

    Source:
        Zhang, Chen, Ng, Koltun, "Zoom to Learn, Learn to Zoom", arXiv:1905.05169, Eq. 4.

    Deviates:
        The paper adds the place to a nearest-neighbour distance, its code mixes two affinities
        after the softmax; here the place enters d_ij before Eq. 2, where it takes part in the
        context.
    """
    return contextual_loss(
        x, y, bandwidth=bandwidth, spatial_weight=spatial_weight, distance=distance
    )


def generator_loss(scores_fake: Tensor) -> Tensor:
    """Least squares: generated images want to score 1. Scores of any shape -> ().

    Source:
        Mao et al., arXiv:1611.04076, Eq. 2.
    """
    return (scores_fake - 1).square().mean() / 2


def discriminator_loss(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    """Least squares: real images are to score 1, generated ones 0. Scores of any shape -> ().

    Source:
        Mao et al., arXiv:1611.04076, Eq. 2.
    """
    return ((scores_real - 1).square().mean() + scores_fake.square().mean()) / 2


class AdversarialLoss:
    """A patch discriminator that learns while it judges: each call is one step of its own.

    It is asked whether patches look like those of the targets, not where they are.

    Args:
        seed: Of its first parameters.
        step_size: Of its Adam.
        device: Where to compute.

    Shape:
        x, y: (N, 3, H, W) in [0, 1], sides of at least 16. A call returns ().

    Source:
        `discriminator_loss` and `generator_loss`; `cxdemo.networks.PatchDiscriminator`.
    """

    def __init__(
        self, *, seed: int = 0, step_size: float = 1e-3, device: torch.device | str = "cpu"
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.discriminator = PatchDiscriminator().to(device)
        self.optimizer = torch.optim.Adam(
            self.discriminator.parameters(), step_size, betas=(0.5, 0.99)
        )

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Teaches the discriminator with both batches, then asks it about x."""
        if torch.is_grad_enabled():
            self.optimizer.zero_grad()
            scores = self.discriminator(torch.cat([y, x.detach()]))  # (2 N, 1, h, w)
            loss = discriminator_loss(*scores.chunk(2))
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            self.optimizer.step()
        self.discriminator.eval().requires_grad_(False)
        judged = generator_loss(self.discriminator(x))
        self.discriminator.train().requires_grad_(True)
        return judged


# ------------------------------------------------------------------------------ the table of losses


@dataclass(frozen=True, kw_only=True)
class LossInfo:
    """What a person should know of a loss.

    Args:
        name: In `LOSSES`, on the command line.
        label: For people.
        family: One of the three of the authors' account.
        ingredient: The one thing that it adds.
        sentence: What it means.
        source: Where it comes from.
        takes: Whether it compares images or the maps of an extractor.
    """

    name: str
    label: str
    family: Family
    ingredient: str
    sentence: str
    source: str
    takes: Literal["images", "maps"]


LOSSES: dict[str, LossInfo] = {
    info.name: info
    for info in (
        LossInfo(
            name="l1",
            label="L1",
            family="pixel by pixel",
            ingredient="place",
            sentence="Each pixel against the one at the same place.",
            source="least absolute deviations",
            takes="images",
        ),
        LossInfo(
            name="l2",
            label="L2",
            family="pixel by pixel",
            ingredient="place",
            sentence="The same, squared: large differences weigh more.",
            source="least squares",
            takes="images",
        ),
        LossInfo(
            name="ssim",
            label="SSIM",
            family="pixel by pixel",
            ingredient="structure",
            sentence="Light, contrast and structure of small windows, at the same place.",
            source="Wang et al. 2004",
            takes="images",
        ),
        LossInfo(
            name="perceptual",
            label="Perceptual",
            family="features",
            ingredient="features",
            sentence="A network's features instead of pixels, still at the same place.",
            source="arXiv:1603.08155",
            takes="maps",
        ),
        LossInfo(
            name="gram",
            label="Gram",
            family="features",
            ingredient="statistics",
            sentence="Which features occur together, wherever they are.",
            source="arXiv:1508.06576",
            takes="maps",
        ),
        LossInfo(
            name="sliced_wasserstein",
            label="Sliced Wasserstein",
            family="features",
            ingredient="the whole distribution",
            sentence="All features against all, sorted along random directions.",
            source="arXiv:2006.07229",
            takes="maps",
        ),
        LossInfo(
            name="relaxed_emd",
            label="Relaxed EMD",
            family="features",
            ingredient="matching",
            sentence="Each feature against its nearest, both ways.",
            source="arXiv:1904.12785",
            takes="maps",
        ),
        LossInfo(
            name="cx",
            label="Contextual",
            family="features",
            ingredient="context",
            sentence="Each feature against its nearest, compared with all others that it could be.",
            source="arXiv:1803.02077",
            takes="maps",
        ),
        LossInfo(
            name="cobi",
            label="CoBi",
            family="features",
            ingredient="place again",
            sentence="Context, and a price for the way between two places.",
            source="arXiv:1905.05169",
            takes="maps",
        ),
        LossInfo(
            name="adversarial",
            label="Adversarial",
            family="realism",
            ingredient="a learnt judge",
            sentence="A network that learns to tell patches of the two apart.",
            source="arXiv:1611.04076",
            takes="images",
        ),
    )
}
"""Every loss by name, in the order in which ingredients are added."""


def build_loss(
    name: str,
    *,
    features: Features | None = None,
    bandwidth: float = 0.5,
    spatial_weight: float = 0.5,
    distance: Distance = "cosine",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Comparison:
    """A loss of two images, by its name.

    Args:
        name: A key of `LOSSES`.
        features: Makes the maps that losses of maps compare; the sum over its layers is taken.
        bandwidth: h of "cx" and "cobi".
        spatial_weight: Of "cobi".
        distance: Of "cx" and "cobi": "l2" suits plain RGB patches, whose brightness matters.
        seed: Of the directions of "sliced_wasserstein" and the judge of "adversarial".
        device: Of that judge.

    Raises:
        ValueError: An unknown name, or a loss of maps without features.
    """
    if name not in LOSSES:
        hint = suggest(name, LOSSES)
        raise ValueError(f"Unknown loss {name!r}.{hint} There are {', '.join(LOSSES)}.")
    if name == "adversarial":
        return AdversarialLoss(seed=seed, device=device)
    if LOSSES[name].takes == "images":
        return {"l1": l1_loss, "l2": l2_loss, "ssim": ssim_loss}[name]
    if features is None:
        raise ValueError(f"{name} compares maps of features: pass `features`.")
    dice = torch.Generator().manual_seed(seed)
    table: dict[str, Comparison] = {
        "perceptual": perceptual_loss,
        "gram": gram_loss,
        "sliced_wasserstein": partial(sliced_wasserstein_loss, generator=dice),
        "relaxed_emd": relaxed_emd_loss,
        "cx": partial(contextual_loss, bandwidth=bandwidth, distance=distance),
        "cobi": partial(
            cobi_loss, bandwidth=bandwidth, spatial_weight=spatial_weight, distance=distance
        ),
    }
    return lambda x, y: _sum_layers(table[name], features(x), features(y))


def _sum_layers(compare: Comparison, x: Mapping[str, Tensor], y: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([compare(x[layer], y[layer]) for layer in x]).sum()


def _gram(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, C), per position."""
    flat = maps.flatten(2)  # (N, C, P)
    return flat @ flat.mT / flat.shape[2]


def _stretch(ordered: Tensor, length: int) -> Tensor:
    """Quantiles of sorted values, (N, K, P) -> (N, K, length)."""
    if ordered.shape[2] == length:
        return ordered
    return F.interpolate(ordered, length, mode="linear", align_corners=False)


def _check_same(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ValueError(
            f"This loss compares place by place: expected two maps of one shape, got "
            f"{tuple(x.shape)} and {tuple(y.shape)}. Resize one, or choose a loss that ignores "
            "places, such as the Contextual Loss."
        )


def _check_channels(x: Tensor, y: Tensor) -> None:
    if x.ndim != 4 or y.ndim != 4 or x.shape[:2] != y.shape[:2]:
        raise ValueError(
            f"Expected (N, C, H, W) twice with the same N and C, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}: use the same layer of both images."
        )
