"""Facts of the exemplar that have a right number, on small real faces."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cxdemo import images
from cxdemo.contextual import contextual_loss
from cxdemo.faces import align, load_face_finder, region_mask
from cxdemo.features import load_features
from cxdemo.metrics import psnr_y
from cxdemo.pipelines.face_exemplar import (
    POOLING,
    TARGET_LAYERS,
    ExemplarConfig,
    ExemplarExplanation,
    ExemplarObjective,
    transform_face,
)

EXAMPLES = Path(__file__).parents[1] / "cxdemo" / "examples"
SIDE = 96
SHORT = ExemplarConfig(size=SIDE, num_steps=6)


@pytest.fixture(scope="module")
def features():
    return load_features("vgg16", TARGET_LAYERS, pooling=POOLING)


def face(name):
    image = images.to_tensor(images.load(EXAMPLES / name))
    return align(image, load_face_finder().find(image)[0], SIDE)


@pytest.fixture(scope="module")
def einstein():
    return face("portrait_einstein_1927.jpg")


@pytest.fixture(scope="module")
def mona_lisa():
    return face("portrait_monalisa.jpg")


def last(*args, **kwargs):
    *_, step = transform_face(*args, **kwargs)
    return step


def test_pixels_outside_the_region_stay_bit_for_bit(einstein, mona_lisa, features):
    masks = [region_mask(each, "eyes") for each in (einstein, mona_lisa)]
    step = last(
        einstein.crop, mona_lisa.crop, replace(SHORT, region="eyes"),
        source_mask=masks[0], target_mask=masks[1], features=features,
    )  # fmt: skip
    outside = (masks[0] == 0).expand_as(step.image)
    assert torch.equal(step.image[outside], einstein.crop[outside])
    assert (step.image[~outside] - einstein.crop[~outside]).abs().mean() > 0.01
    assert 0.5 < outside.float().mean() < 0.98


def test_the_objective_is_the_weighted_sum_of_its_definitions():
    """At strength 0.5 target and source weigh 1 and 1.5; CX to the target minds the place."""
    image, source, target, colored = (
        torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(4)
    )

    def pooled(picture):
        return {
            name: F.avg_pool2d(picture, side)
            for name, side in zip(TARGET_LAYERS, (2, 4), strict=True)
        }

    config = ExemplarConfig(
        size=64, num_steps=6, strength=0.5, palette_weight=7.0, tv_weight=3.0,
        target_bandwidth=0.3, source_bandwidth=0.2, target_place=2.0, source_place=0.7,
    )  # fmt: skip
    terms = ExemplarObjective(source, target, colored, config, pooled)(image)
    x, y, z = pooled(image), pooled(target), pooled(source)
    to_target = sum(
        contextual_loss(x[name], y[name], bandwidth=0.3, spatial_weight=2.0)
        for name in TARGET_LAYERS
    )
    to_source = contextual_loss(x["conv4_2"], z["conv4_2"], bandwidth=0.2, spatial_weight=0.7)
    torch.testing.assert_close(terms["target"], to_target)
    torch.testing.assert_close(terms["source"], 1.5 * to_source)

    def moments(picture):
        colors = picture.flatten(2)[0]
        return colors.mean(dim=1), torch.cov(colors, correction=0)

    def hues(picture):
        cells = F.avg_pool2d(picture, 8)
        return cells - cells.mean(dim=1, keepdim=True)

    (mean, covariance), (wanted_mean, wanted) = moments(image), moments(colored)
    palette = 3 * (mean - wanted_mean).square().mean() + (covariance - wanted).abs().mean()
    palette = palette + 20 * (hues(image) - hues(colored)).square().mean()
    torch.testing.assert_close(terms["palette"], 7 * palette)
    down, across = image.diff(dim=2).square().mean(), image.diff(dim=3).square().mean()
    torch.testing.assert_close(terms["smoothness"], 3 * (down + across))


def test_strength_zero_is_the_source(einstein, mona_lisa):
    (step,) = transform_face(einstein.crop, mona_lisa.crop, replace(SHORT, strength=0.0))
    assert torch.equal(step.image, einstein.crop)


def test_a_face_that_is_its_own_target_stays(einstein, features):
    step = last(einstein.crop, einstein.crop, SHORT, features=features)
    assert step.losses["target"] < 0.1
    assert step.losses["source"] < 0.1
    assert psnr_y(step.image, einstein.crop) > 30


def test_the_target_term_falls_and_runs_repeat(einstein, mona_lisa, features):
    config = replace(SHORT, num_steps=18)
    first, second = (
        list(transform_face(einstein.crop, mona_lisa.crop, config, features=features))
        for _ in range(2)
    )
    assert [step.index for step in first] == list(range(1, 19))
    assert torch.equal(first[-1].image, second[-1].image)
    fine = [step.losses for step in first if step.image.shape[-1] == SIDE]
    assert sum(fine[-1].values()) < sum(fine[0].values())


def test_eyes_of_the_source_prefer_eyes_of_the_target(einstein, mona_lisa, features):
    explanation = ExemplarExplanation(
        einstein.crop, mona_lisa.crop, SHORT, layer="conv3_2", features=features
    )
    assert explanation.grid == (24, 24)
    inside = [
        torch.nn.functional.adaptive_avg_pool2d(region_mask(each, "eyes"), (24, 24)).flatten()
        for each in (einstein, mona_lisa)
    ]
    rows = (inside[0] > 0.5).nonzero().flatten()
    best = explanation.affinity(rows).argmax(1)
    share = (inside[1][best] > 0.25).float().mean()
    assert share > 0.5
    assert (inside[1] > 0.25).float().mean() < 0.2  # what chance would give


def test_a_face_explains_itself_by_itself(einstein, features):
    explanation = ExemplarExplanation(einstein.crop, einstein.crop, SHORT, features=features)
    row, column = explanation.cell(0.4, 0.6)
    (best,) = explanation.at(0.4, 0.6, count=1)
    rows, columns = explanation.grid
    assert best.box[:2] == (column / columns, row / rows)
    assert best.affinity > 0.9


def test_steps_add_up_and_grow():
    sides, steps = zip(*ExemplarConfig(num_steps=50).stages, strict=True)
    assert sides == (96, 160, 256)
    assert sum(steps) == 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": torch.zeros(1, 3, 64, 48)}, "source must be a square"),
        ({"source_mask": torch.zeros(1, 1, 64, 64)}, "region of the source is empty"),
        ({"target_mask": torch.ones(1, 1, 32, 32)}, "mask of the target must be"),
    ],
)
def test_what_does_not_fit_is_a_sentence(changes, said):
    faces = {"source": torch.zeros(1, 3, 64, 64), "target": torch.zeros(1, 3, 64, 64)}
    with pytest.raises(ValueError, match=said):
        next(transform_face(**faces | changes))


def test_an_unknown_region_is_named():
    with pytest.raises(ValueError, match="Did you mean 'eyes'"):
        ExemplarConfig(region="eye")
