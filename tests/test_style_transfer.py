import itertools
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cxdemo.contextual import contextual_affinity, contextual_loss
from cxdemo.features import load_features
from cxdemo.images import load, to_tensor
from cxdemo.pipelines.style_transfer import (
    PRESETS,
    StyleExplanation,
    StyleObjective,
    StyleTransferConfig,
    concatenate_maps,
    load_preset,
    match_colors,
    pool_map,
    region_hues,
    transfer_style,
)

EXAMPLES = "cxdemo/examples"


def picture(seed, height=64, width=64):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bilinear")


def small(**changes):
    return load_preset("fast", **{"size": 64, "num_steps": 12, **changes})


def test_the_loss_falls_and_the_picture_moves_to_the_styles_colours():
    content, style = picture(0), picture(1).pow(3)
    steps = list(transfer_style(content, [style], small()))
    stage = [step for step in steps if step.image.shape == steps[-1].image.shape]
    assert stage[-1].loss < 0.9 * stage[0].loss
    before, after = (
        (image.mean((2, 3)) - style.mean((2, 3))).norm() for image in (content, steps[-1].image)
    )
    assert after < 0.3 * before


def test_steps_are_numbered_timed_and_end_at_the_configured_size():
    steps = list(transfer_style(picture(0, 64, 48), [picture(1)], small()))
    assert [step.index for step in steps] == list(range(1, 13))
    assert {step.total for step in steps} == {12}
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(steps))
    assert tuple(steps[-1].image.shape) == (1, 3, 64, 48)
    assert set(steps[0].losses) == {"style", "content", "palette", "smoothness"}
    assert 0 <= float(steps[-1].image.min()) <= float(steps[-1].image.max()) <= 1


@pytest.mark.parametrize("init", ["content", "noise"])
def test_the_same_seed_gives_the_same_pixels(init):
    def last(**changes):
        *_, step = transfer_style(picture(0), [picture(1)], small(init=init, **changes))
        return step.image

    assert torch.equal(last(seed=3), last(seed=3))
    assert torch.equal(last(seed=3), last(seed=4)) == (init == "content")


def test_closing_the_generator_stops_the_work():
    calls = []
    features = load_features("vgg16", small().layers, pooling="average")

    def counted(image):
        calls.append(1)
        return features(image)

    run = transfer_style(picture(0), [picture(1)], small(), features=counted)
    next(run)
    run.close()
    done = len(calls)
    assert list(run) == []
    assert len(calls) == done == 3  # content, style, and one step


def test_the_objective_is_the_weighted_sum_of_its_definitions():
    content, style, image = picture(0), picture(1), picture(2)
    config = small(style_strength=2.0, style_weight=3.0, content_weight=5.0)
    features = load_features("vgg16", config.layers, pooling="average")
    terms = StyleObjective(content, [style], [1.0], config, features)(image)
    x, c, s = (features(i) for i in (image, content, style))
    style_loss = sum(contextual_loss(x[n], s[n], bandwidth=0.2) for n in config.style_layers)
    content_loss = contextual_loss(x["conv4_2"], c["conv4_2"], bandwidth=0.1, spatial_weight=0.5)
    torch.testing.assert_close(terms["style"], 2 * 3 * style_loss)
    torch.testing.assert_close(terms["content"], 5 * content_loss)


def test_several_styles_are_mixed_by_their_weights():
    content, styles, image = picture(0), [picture(1), picture(2)], picture(3)
    config = small()
    features = load_features("vgg16", config.layers, pooling="average")

    def style_term(chosen, shares):
        return StyleObjective(content, chosen, shares, config, features)(image)["style"]

    first, second = (style_term([style], [1.0]) for style in styles)
    torch.testing.assert_close(style_term(styles, [0.25, 0.75]), 0.25 * first + 0.75 * second)


def test_one_style_of_weight_zero_changes_nothing():
    args = (picture(0), small(num_steps=3))
    *_, alone = transfer_style(args[0], [picture(1)], args[1])
    *_, both = transfer_style(args[0], [picture(1), picture(2)], args[1], style_weights=[2, 0])
    torch.testing.assert_close(alone.image, both.image, atol=1e-4, rtol=0)


def test_styles_and_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least one style image"):
        next(transfer_style(picture(0), []))
    with pytest.raises(ValueError, match="got 2 weights for 1 images"):
        next(transfer_style(picture(0), [picture(1)], style_weights=[1, 2]))
    with pytest.raises(ValueError, match="not all 0"):
        next(transfer_style(picture(0), [picture(1)], style_weights=[0]))


def test_kept_colours_stay_the_contents():
    content, style = picture(0), picture(1).pow(4)
    *_, step = transfer_style(content, [style], small(keep_colors=True))
    gap = (step.image.mean((2, 3)) - content.mean((2, 3))).abs().max()
    assert gap < 0.05 < (style.mean((2, 3)) - content.mean((2, 3))).abs().max()


def test_matched_colours_have_the_references_mean_and_covariance():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 40, 40) * 0.3 + 0.2
    reference = torch.rand(1, 3, 30, 50) * torch.tensor([0.3, 0.2, 0.1]).view(1, 3, 1, 1) + 0.4
    matched = match_colors(image, reference)
    torch.testing.assert_close(matched.mean((2, 3)), reference.mean((2, 3)), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        matched.flatten(2)[0].cov(), reference.flatten(2)[0].cov(), atol=2e-4, rtol=0
    )
    torch.testing.assert_close(match_colors(image, image), image, atol=1e-4, rtol=0)


def test_a_region_of_grey_has_no_hue_and_a_flat_colour_its_distance_from_grey():
    assert region_hues(torch.full((1, 3, 16, 16), 0.7)).abs().max() < 1e-6
    red = torch.tensor([0.9, 0.3, 0.3]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    expected = torch.tensor([0.4, -0.2, -0.2]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    torch.testing.assert_close(region_hues(red), expected)


def test_maps_are_concatenated_at_the_first_size_divided_by_their_channels():
    maps = [torch.full((1, 4, 8, 6), 2.0), torch.full((1, 10, 4, 3), 5.0)]
    joined = concatenate_maps(maps)
    assert joined.shape == (1, 14, 8, 6)
    assert torch.equal(joined, torch.full((1, 14, 8, 6), 0.5))


def test_a_map_is_averaged_until_it_is_small_enough():
    features = torch.rand(1, 2, 16, 12)
    assert torch.equal(pool_map(features, 0), features)
    assert torch.equal(pool_map(features, 192), features)
    torch.testing.assert_close(pool_map(features, 191), F.avg_pool2d(features, 2))


def test_stages_grow_and_their_steps_add_up():
    config = PRESETS["fast"]
    sizes = [size for size, _ in config.stages]
    assert sizes == sorted(sizes)
    assert sizes[-1] == config.size
    for steps in (1, 2, 7, 100, 333):
        stages = replace(config, num_steps=max(steps, 3)).stages
        assert sum(n for _, n in stages) == max(steps, 3)
    assert replace(config, coarse_to_fine=False).stages == [(256, 100)]


def test_presets_hold_the_numbers_of_their_sources():
    authors, paper = PRESETS["authors"], PRESETS["paper"]
    assert authors.style_layers == ("conv2_1", "conv3_1", "conv4_1")
    assert authors.combine == "concatenate"
    assert (authors.style_bandwidth, authors.content_bandwidth) == (0.1, 0.1)
    assert (authors.style_weight, authors.content_weight, authors.num_steps) == (1.0, 0.5, 300)
    assert (paper.style_bandwidth, paper.content_bandwidth) == (0.2, 0.1)
    for preset in (authors, paper):
        assert preset.palette_weight == preset.content_place == 0
        assert preset.levels == 1


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_the_other_presets_run(preset):
    config = load_preset(preset, size=64, num_steps=4)
    steps = list(transfer_style(picture(0), [picture(1)], config))
    assert steps[-1].loss < steps[0].loss


def test_a_configuration_survives_json():
    config = small(style_layers=("conv2_1", "conv3_1"), keep_colors=True)
    stored = json.loads(json.dumps(config.as_dict()))
    restored = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    assert StyleTransferConfig(**restored) == config


def test_wrong_options_are_refused_before_any_work():
    with pytest.raises(ValueError, match=r"size must lie in \[64, 1024\], got 32"):
        load_preset("fast", size=32)
    with pytest.raises(ValueError, match="vgg16 has no layer 'conv3_4'"):
        load_preset("fast", style_layers=("conv3_4",))
    with pytest.raises(ValueError, match="Unknown preset 'quick'"):
        load_preset("quick")


def test_an_explanation_gives_the_strongest_rows_of_the_affinity():
    stylized, style = picture(0), picture(1, 48, 64)
    config = small()
    explanation = StyleExplanation(stylized, [style], config)
    features = load_features("vgg16", ["conv4_2"], pooling="average")
    x, y = features(stylized)["conv4_2"], features(style)["conv4_2"]
    row, column = explanation.cell(0.6, 0.3)
    assert (row, column) == (2, 4)  # an 8 x 8 map
    affinity = contextual_affinity(x, y, bandwidth=config.style_bandwidth)[0, row * 8 + column]
    values, places = affinity.topk(3)
    matches = explanation.at(0.6, 0.3, count=3)
    assert [m.affinity for m in matches] == pytest.approx(values.tolist(), rel=1e-3)
    top, left = divmod(int(places[0]), y.shape[3])
    assert matches[0].box == pytest.approx(
        (left / y.shape[3], top / y.shape[2], (left + 1) / y.shape[3], (top + 1) / y.shape[2])
    )


def test_a_picture_explained_by_itself_matches_its_own_places():
    image = to_tensor(load(f"{EXAMPLES}/photo_cat_chelsea.jpg"))[..., :128, :128]
    explanation = StyleExplanation(image, [image], small())
    for x, y in [(0.2, 0.2), (0.5, 0.7), (0.9, 0.4)]:
        left, top, right, bottom = explanation.at(x, y, count=1)[0].box
        assert left <= x <= right
        assert top <= y <= bottom
