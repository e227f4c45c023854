import itertools
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cxdemo.contextual import contextual_affinity, contextual_loss
from cxdemo.features import load_features
from cxdemo.hypercolumns import moved_grid
from cxdemo.images import fit_long_side, load, to_tensor
from cxdemo.palette import color_emd, match_colors, region_hues
from cxdemo.pipelines.style_transfer import (
    PRESETS,
    HypercolumnObjective,
    MapObjective,
    StyleExplanation,
    StyleTransferConfig,
    concatenate_maps,
    load_preset,
    pool_map,
    seconds_left,
    self_similarity,
    stage_work,
    structure,
    transfer_style,
)

EXAMPLES = "cxdemo/examples"


def picture(seed, height=64, width=64):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bilinear")


def small(**changes):
    return load_preset("fast", **{"size": 64, "num_steps": 12, **changes})


def on_maps(**changes):
    small_ones = {"size": 64, "num_steps": 12, "backbone": "vgg16"}
    return load_preset("paper", **{**small_ones, **changes})


def test_the_loss_falls_and_the_picture_moves_to_the_styles_colours():
    content, style = picture(0), picture(1).pow(3)
    steps = list(transfer_style(content, [style], small(num_steps=24)))
    stage = [step for step in steps if step.image.shape == steps[-1].image.shape]
    assert stage[-1].loss < 0.9 * stage[0].loss
    before, after = (
        (image.mean((2, 3)) - style.mean((2, 3))).norm() for image in (content, steps[-1].image)
    )
    assert after < 0.5 * before


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
    assert not torch.equal(last(seed=3), last(seed=4))


def test_closing_the_generator_stops_the_work():
    calls = []
    features = load_features("vgg16", small().layers)

    def counted(image):
        calls.append(1)
        return features(image)

    run = transfer_style(picture(0), [picture(1)], small(), features=counted)
    next(run)
    run.close()
    done = len(calls)
    assert list(run) == []
    assert len(calls) == done == 3  # content, style, and one step


def test_on_maps_the_objective_is_the_weighted_sum_of_its_definitions():
    content, style, image = picture(0), picture(1), picture(2)
    config = on_maps(
        style_strength=2.0, style_weight=3.0, content_weight=5.0, content_place=0.5,
        palette_weight=7.0,
    )  # fmt: skip
    features = load_features("vgg16", config.layers)
    terms = MapObjective(content, [style], [1.0], config, features)(image)
    x, c, s = (features(i) for i in (image, content, style))
    style_loss = sum(contextual_loss(x[n], s[n], bandwidth=0.2) for n in config.style_layers)
    content_loss = contextual_loss(x["conv4_2"], c["conv4_2"], bandwidth=0.1, spatial_weight=0.5)
    torch.testing.assert_close(terms["style"], 2 * 3 * style_loss)
    torch.testing.assert_close(terms["content"], 5 * content_loss)
    colors = color_emd(fit_long_side(image, 48), fit_long_side(style, 48))
    torch.testing.assert_close(terms["palette"], 2 * 7 * colors)


def objective(content, styles, config, **more):
    features = load_features("vgg16", config.layers, dtype=torch.float32)
    shares = [1 / len(styles)] * len(styles)
    return HypercolumnObjective(content, styles, shares, config, features, **more)


def test_the_content_itself_has_no_content_term_and_moving_parts_gives_one():
    content = picture(0)
    terms = objective(content, [picture(1)], small())
    assert float(terms(content)["content"]) < 1e-4
    halves = torch.cat([content[..., 32:], content[..., :32]], dim=3)
    assert float(terms(halves)["content"]) > 0.2


def test_the_content_weighs_more_at_smaller_sizes():
    config = load_preset("fast", content_weight=3.0)
    for size, expected in [(512, 3.0), (64, 12.0)]:  # (512 / 64) ** (2 / 3) is 4
        made = objective(picture(0, size, size), [picture(1)], config)
        assert made.content_weight == pytest.approx(expected)


def test_places_count_in_the_content_term_by_what_the_content_shows_there():
    """A blurred ground asks for nothing, or a style without flat tones answers with grain."""
    content = picture(0)
    content[..., 32:] = torch.linspace(0.4, 0.5, 32)  # a blurred ground beside what is shown
    whole, face = objective(content, [picture(1)], small(), faces=[(0.5, 0, 1, 1)]).similarities
    grid, pairs, _ = whole.turns[0]
    ground, shown = grid[:, 0] > 0.6, grid[:, 0] < 0.4
    assert float(pairs.mean()) == pytest.approx(1, abs=0.01)
    assert float(pairs[ground][:, ground].max()) < 0.01
    assert float(pairs[shown][:, shown].mean()) > 2
    torch.testing.assert_close(face.turns[0][1], torch.ones(1).expand_as(face.turns[0][1]))


def test_structure_is_none_where_a_picture_is_flat_and_nearly_one_on_a_checkerboard():
    half = structure(torch.full((1, 3, 72, 72), 0.3))
    assert float(half.abs().max()) < 1e-4
    board = (torch.arange(72)[:, None] + torch.arange(72)) % 2
    seen = structure(board.expand(1, 3, 72, 72).float())[..., 8:-8, 8:-8]
    torch.testing.assert_close(seen, torch.full_like(seen, 0.25 / 0.2536), atol=2e-3, rtol=0)


def test_centred_self_similarity_ignores_what_all_places_share():
    columns = torch.rand(1, 8, 1, 30, generator=torch.Generator().manual_seed(0))
    shared = torch.full((1, 8, 1, 1), 5.0)
    torch.testing.assert_close(
        self_similarity(columns, centred=True),
        self_similarity(columns + shared, centred=True),
        atol=1e-4,
        rtol=0,
    )
    assert float(self_similarity(columns + shared).min()) > 0.99  # raw, it is all they show


def test_a_change_within_a_face_counts_by_the_faces_weight():
    content = picture(0)
    changed = content.clone()
    changed[..., 16:48, 16:48] = changed[..., 16:48, 16:48].flip(3)
    box = (0.25, 0.25, 0.75, 0.75)

    def content_term(weight, boxes):
        config = small(face_weight=weight)
        return float(objective(content, [picture(1)], config, faces=boxes)(changed)["content"])

    without = content_term(0.4, [])
    assert content_term(0.0, [box]) == pytest.approx(without, rel=0.05)
    once, twice = (content_term(weight, [box]) - without for weight in (0.4, 0.8))
    assert once > 0.4 * without  # the change fills the face, and a quarter of the picture
    assert twice == pytest.approx(2 * once, rel=0.1)


def test_the_style_term_is_the_loss_of_hypercolumns_in_both_directions():
    content, style, image = picture(0), picture(1), picture(2)
    term = {}
    for symmetry in (0.0, 0.25, 1.0):
        config = small(symmetry=symmetry, style_strength=2.0, style_weight=3.0)
        term[symmetry] = objective(content, [style], config)(image)["style"]
    torch.testing.assert_close(term[0.25], 0.75 * term[0.0] + 0.25 * term[1.0])

    made = objective(content, [style], small(symmetry=0.0))
    read = []
    x = {**made.features(image), "rgb": image}
    y = {**made.features(style), "rgb": style}
    for seed in range(3):  # the same places are drawn, at random, so means of draws agree
        draw = torch.Generator().manual_seed(seed)
        grids = [moved_grid(64, 64, made.count, draw) for _ in range(2)]
        columns = [made.columns.read(m, g) for m, g in zip((x, y), grids, strict=True)]
        read.append(float(contextual_loss(*columns, bandwidth=0.2)))
    assert float(term[0.0]) / 6 == pytest.approx(sum(read) / 3, rel=0.05)


def test_a_picture_in_its_own_style_is_nearer_than_another():
    style = to_tensor(load(f"{EXAMPLES}/painting_starry_night.jpg"), long_side=96)
    photo = to_tensor(load(f"{EXAMPLES}/photo_mountain.jpg"), long_side=96)
    terms = objective(photo, [style], load_preset("fast", size=96))
    own, other = terms(style), terms(photo)
    assert float(own["style"]) < 0.8 * float(other["style"])
    assert float(own["palette"]) < 0.3 * float(other["palette"])


def test_several_styles_are_mixed_by_their_weights():
    content, styles, image = picture(0), [picture(1), picture(2)], picture(3)
    config = on_maps()
    features = load_features("vgg16", config.layers)

    def style_term(chosen, shares):
        return MapObjective(content, chosen, shares, config, features)(image)["style"]

    first, second = (style_term([style], [1.0]) for style in styles)
    torch.testing.assert_close(style_term(styles, [0.25, 0.75]), 0.25 * first + 0.75 * second)


def test_of_two_styles_the_one_that_weighs_more_gives_the_colours():
    content, red, blue = picture(0), torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    red[:, 0], blue[:, 2] = picture(1)[:, 0], picture(1)[:, 0]

    def colors(shares):
        *_, step = transfer_style(content, [red, blue], small(), style_weights=shares)
        return step.image.mean((0, 2, 3))

    mostly_red, mostly_blue = colors([0.9, 0.1]), colors([0.1, 0.9])
    assert mostly_red[0] > 2 * mostly_red[2]
    assert mostly_blue[2] > 2 * mostly_blue[0]


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


def test_grey_stays_grey_where_the_contents_colours_are_kept():
    grey = picture(0).mean(1, keepdim=True).expand(1, 3, 64, 64)
    *_, step = transfer_style(grey, [picture(1)], small(keep_colors=True))
    assert float((step.image - step.image.mean(1, keepdim=True)).abs().max()) < 1e-6


def test_a_panorama_works_or_one_sentence_tells_the_size_it_needs():
    panorama = picture(0, 100, 1600)
    with pytest.raises(ValueError, match=r"16 times as long .* 8 pixels, and 32 .* 512 or more"):
        next(transfer_style(panorama, [picture(1)], small(size=128)))
    with pytest.raises(ValueError, match="The style is 16 times"):
        next(transfer_style(picture(1), [panorama], small(size=128)))
    step = next(transfer_style(panorama, [picture(1)], small(size=512, num_steps=1)))
    assert tuple(step.image.shape) == (1, 3, 32, 512)


def test_stages_grow_and_their_steps_add_up():
    fine = PRESETS["fine"]
    assert [size for size, _ in fine.stages] == [64, 128, 256, 512]
    for steps in (1, 2, 7, 100, 333):
        stages = replace(fine, num_steps=steps).stages
        assert sum(n for _, n in stages) == steps
        assert min(n for _, n in stages) >= 1
    assert replace(fine, coarse_to_fine=False).stages == [(512, fine.num_steps)]
    # No stage is so small that a narrow picture has nothing left to lay out.
    assert [size for size, _ in fine.stages_of(0.4)] == [128, 256, 512]
    assert [size for size, _ in fine.stages_of(0.07)] == [512]


def test_the_time_left_follows_the_work_of_the_stages():
    """A fake network whose steps take as long as the model of the work says."""
    config = load_preset("fine", num_steps=40)
    work = stage_work(config, 0.75)
    total = sum(steps * each for steps, each in work)
    done = sum(steps * each for steps, each in work[:2])
    assert seconds_left(10.0, config, 0.75, sum(steps for steps, _ in work[:2])) == pytest.approx(
        10.0 * (total - done) / done
    )
    assert seconds_left(50.0, config, 0.75, 40) == 0


def test_presets_hold_the_numbers_of_their_sources():
    authors, paper = PRESETS["authors"], PRESETS["paper"]
    assert authors.style_layers == ("conv2_1", "conv3_1", "conv4_1")
    assert authors.combine == "concatenate"
    assert (authors.style_bandwidth, authors.content_bandwidth) == (0.1, 0.1)
    assert (authors.style_weight, authors.content_weight, authors.num_steps) == (1.0, 0.5, 300)
    assert authors.tv_weight == 6.5
    assert paper.style_layers == ("conv2_2", "conv3_2", "conv4_2")
    assert paper.tv_weight == paper.max_positions == 0
    assert (paper.style_bandwidth, paper.content_bandwidth) == (0.2, 0.1)
    for preset in (authors, paper):
        assert preset.backbone == "vgg19"
        assert preset.compare == "maps"
        assert preset.content_layers == ("conv4_2",)
        assert preset.palette_weight == preset.content_place == 0
        assert (preset.optimizer, preset.levels, preset.step_decay) == ("adam", 1, 1.0)


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_the_other_presets_run(preset):
    config = load_preset(preset, size=64, num_steps=4, backbone="vgg16")
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
    with pytest.raises(ValueError, match="choose the optimiser adam, or compare maps"):
        load_preset("fast", optimizer="lbfgs")


def test_an_explanation_gives_the_strongest_rows_of_the_affinity():
    stylized, style = picture(0), picture(1, 48, 64)
    config = on_maps(backbone="vgg16")
    explanation = StyleExplanation(stylized, [style], config)
    features = load_features("vgg16", ["conv4_2"])
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


def test_an_explanation_reads_the_hypercolumns_that_a_run_compares():
    explanation = StyleExplanation(picture(0, 48, 64), [picture(1)], small())
    assert explanation.grid == (48, 64)
    assert explanation.source.shape[1] == 128
    assert "conv1_2, conv2_2, conv3_2, conv4_2 and colour" in explanation.layer


def test_a_picture_explained_by_itself_matches_its_own_places():
    image = to_tensor(load(f"{EXAMPLES}/photo_cat_chelsea.jpg"))[..., :128, :128]
    explanation = StyleExplanation(image, [image], small())
    for x, y in [(0.2, 0.2), (0.5, 0.7), (0.9, 0.4)]:
        left, top, right, bottom = explanation.at(x, y, count=1)[0].box
        assert left <= x <= right
        assert top <= y <= bottom
