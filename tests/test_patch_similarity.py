"""The comparison of patches against loops over single numbers and maps whose answer is known."""

import math
from dataclasses import replace

import pytest
import torch

from cxdemo import images
from cxdemo.contextual import ContextualRows, contextual_similarity
from cxdemo.features import LAYERS, PatchFeatures
from cxdemo.pipelines.patch_similarity import (
    CELLS,
    EPS,
    LOCKED,
    RGB,
    Answer,
    PatchSimilarity,
    PatchSimilarityConfig,
    Survey,
    compare_layers,
    extract_map,
    fit_picture,
    mean_colors,
    patch_map,
    redraw,
    shuffle_pixels,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = PatchSimilarityConfig(layer=RGB, bandwidth=0.3)


def noise(*shape, seed=0):
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(seed))


def random_maps(x_grid=(4, 5), y_grid=(3, 6)):
    return noise(8, *x_grid), noise(8, *y_grid, seed=1)


def answer_of(affinity, bandwidth=0.1):
    """An answer of which only the last step, or the first, matters."""
    affinity = torch.as_tensor(affinity, dtype=torch.float32)
    return Answer(cell=(0, 0), steps=ContextualRows(*[affinity] * 4), bandwidth=bandwidth)


def survey_of(choice, winner, *, strength=None):
    choice, winner = torch.tensor(choice), torch.tensor(winner)
    one = torch.ones(choice.shape) if strength is None else torch.tensor(strength)
    return Survey(
        choice=choice, choice_affinity=one, winner=winner, won_affinity=torch.ones(winner.shape)
    )


def places(grid):
    rows, columns = grid
    return [((i // columns + 0.5) / rows, (i % columns + 0.5) / columns)
            for i in range(rows * columns)]  # fmt: skip


def oracle(x, y, *, h, weight=0.0):
    """For each x_i the lists d, r, w and CX, by loops in float64."""
    xs, ys = (z[0].double().flatten(1).T.tolist() for z in (x, y))
    mu = [sum(column) / len(ys) for column in zip(*ys, strict=True)]
    x_at, y_at = places(x.shape[2:]), places(y.shape[2:])
    rows = []
    for a, p in zip(xs, x_at, strict=True):
        d = [cosine_distance(a, b, mu) + weight * math.dist(p, q)
             for b, q in zip(ys, y_at, strict=True)]  # fmt: skip
        r = [value / (min(d) + EPS) for value in d]
        w = [math.exp((1 - value) / h) for value in r]
        rows.append((d, r, w, [value / sum(w) for value in w]))
    return rows


def cosine_distance(a, b, mu):
    a = [p - q for p, q in zip(a, mu, strict=True)]
    b = [p - q for p, q in zip(b, mu, strict=True)]
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    return 1 - dot / (math.hypot(*a) * math.hypot(*b))


# ------------------------------------------------------------------------- one patch asks


@pytest.mark.parametrize("weight", [0.0, 0.7])
@pytest.mark.parametrize("cell", [(0, 0), (2, 3), (3, 4)])
def test_the_four_maps_are_those_of_the_equations(cell, weight):
    x, y = random_maps()
    config = replace(CONFIG, spatial_weight=weight)
    answer = PatchSimilarity(x, y).ask(cell, config)
    expected = oracle(x, y, h=0.3, weight=weight)[cell[0] * 5 + cell[1]]
    for step, numbers in zip(answer.steps, expected, strict=True):
        assert step.shape == (3, 6)
        assert step.dtype == torch.float32
        assert step.flatten().tolist() == pytest.approx(numbers, abs=1e-5)
    d, _, _, cx = expected
    assert answer.nearest == pytest.approx(min(d), abs=1e-6)
    assert answer.temperature == pytest.approx(0.3 * (min(d) + EPS), abs=1e-6)
    entropy = -sum(p * math.log(p) for p in cx)
    assert answer.candidates == pytest.approx(math.exp(entropy), rel=1e-4)
    order = sorted(range(18), key=d.__getitem__)[:5]
    assert [candidate.cell for candidate in answer.best(5)] == [divmod(j, 6) for j in order]
    for candidate, j in zip(answer.best(5), order, strict=True):
        assert candidate[1:] == pytest.approx([step[j] for step in expected], abs=1e-5)


def test_candidates_are_all_of_a_uniform_row_and_one_of_a_certain_one():
    assert answer_of([[1 / 12] * 4] * 3).candidates == pytest.approx(12)
    assert answer_of([[0.0, 1, 0, 0]]).candidates == 1
    assert answer_of([[0.5, 0.5, 0, 0]]).candidates == pytest.approx(2)


def test_best_gives_no_more_than_there_are():
    answer = answer_of([[0.3, 0.1, 0.2]])
    assert [candidate.cell for candidate in answer.best(5)] == [(0, 1), (0, 2), (0, 0)]


@pytest.mark.parametrize("cell", [(-1, 0), (0, -1), (4, 0), (0, 5)])
def test_a_patch_outside_of_the_map_cannot_ask(cell):
    with pytest.raises(ValueError, match="outside of the map of 4 rows and 5 columns"):
        PatchSimilarity(*random_maps()).ask(cell, CONFIG)


# --------------------------------------------------------------------------- all patches


def test_a_survey_is_what_all_rows_say():
    x, y = random_maps()
    survey = PatchSimilarity(x, y).survey(CONFIG)
    rows = [row[3] for row in oracle(x, y, h=0.3)]
    choices = [row.index(max(row)) for row in rows]
    columns = list(zip(*rows, strict=True))
    assert survey.choice.flatten().tolist() == choices
    assert survey.choice_affinity.flatten().tolist() == pytest.approx(map_max(rows), abs=1e-5)
    assert survey.winner.flatten().tolist() == [c.index(max(c)) for c in columns]
    similarity = sum(map_max(columns)) / len(columns)
    assert survey.similarity == pytest.approx(similarity, abs=1e-5)
    assert survey.loss == pytest.approx(-math.log(similarity), abs=1e-5)
    assert survey.satisfaction == pytest.approx(sum(map_max(rows)) / len(rows), abs=1e-5)
    assert survey.hubs.flatten().tolist() == [choices.count(j) for j in range(18)]
    options = {"bandwidth": 0.3, "eps": EPS}
    assert survey.similarity == pytest.approx(float(contextual_similarity(x, y, **options)))


def map_max(lists):
    return [max(values) for values in lists]


def test_a_permutation_claims_everything_with_distinct_choices():
    y = noise(8, 4, 5)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(2))
    x = y.flatten(2)[:, :, order].view_as(y)
    survey = PatchSimilarity(x, y).survey(CONFIG)
    assert survey.choice.flatten().tolist() == order.tolist()
    assert survey.winner.flatten().tolist() == order.argsort().tolist()
    assert (survey.claimed, survey.distinct) == (1, 1)
    assert survey.hubs.eq(1).all()
    assert survey.similarity == pytest.approx(1, abs=1e-4)
    assert survey.loss == pytest.approx(0, abs=1e-4)


def test_a_map_of_one_feature_has_one_hub():
    y = noise(8, 4, 5)
    x = y[:, :, 1:2, 3:4].expand(1, 8, 3, 3)
    survey = PatchSimilarity(x, y).survey(CONFIG)
    assert survey.claimed == pytest.approx(1 / 20)
    assert survey.distinct == pytest.approx(1 / 9)
    assert survey.hubs[1, 3] == 9
    assert survey.hubs.sum() == 9


def test_the_strongest_are_mutual_sorted_and_apart():
    choice, winner = [[0, 1, 2, 2]], [[0, 1, 3, 2]]  # source 2's choice is won by source 3
    survey = survey_of(choice, winner, strength=[[0.5, 0.9, 1.0, 0.7]])
    found = survey.strongest(9)
    assert [(a, b) for a, b, _ in found] == [
        ((0, 1), (0, 1)), ((0, 3), (0, 2)), ((0, 0), (0, 0)),
    ]  # fmt: skip
    assert [strength for _, _, strength in found] == pytest.approx([0.9, 0.7, 0.5])
    assert [a for a, _, _ in survey.strongest(9, apart=1)] == [(0, 1), (0, 3)]
    assert [a for a, _, _ in survey.strongest(1)] == [(0, 1)]
    assert survey.strongest(0) == []


# -------------------------------------------------------------------------- place and colour


def test_a_locked_place_leaves_one_candidate():
    x, y = noise(8, 4, 5), noise(8, 4, 5, seed=1)
    survey = PatchSimilarity(x, y).survey(CONFIG, spatial_weight=LOCKED)
    assert survey.choice.flatten().tolist() == list(range(20))
    assert survey.winner.flatten().tolist() == list(range(20))
    assert survey.loss == 0
    free = PatchSimilarity(x, y).survey(CONFIG)
    assert free.loss > 0.1
    assert free.choice.flatten().tolist() != list(range(20))


def test_the_same_place_of_a_copy_is_no_distance_away():
    y = noise(8, 4, 5)
    assert PatchSimilarity(y, y).same_place().abs().max() < 1e-6


def test_the_same_place_is_the_diagonal_of_the_distances():
    x, y = noise(8, 4, 5), noise(8, 4, 5, seed=1)
    diagonal = [row[0][i] for i, row in enumerate(oracle(x, y, h=0.3))]
    assert PatchSimilarity(x, y).same_place().flatten().tolist() == pytest.approx(
        diagonal, abs=1e-6
    )


def test_the_same_place_on_another_grid_is_where_the_centre_falls():
    x, y = random_maps((2, 2), (4, 6))
    rows = oracle(x, y, h=0.3)
    there = [1 * 6 + 1, 1 * 6 + 4, 3 * 6 + 1, 3 * 6 + 4]
    expected = [rows[i][0][j] for i, j in enumerate(there)]
    assert PatchSimilarity(x, y).same_place().flatten().tolist() == pytest.approx(
        expected, abs=1e-6
    )


def test_blend_is_the_mean_with_the_affinities():
    x, y = random_maps()
    values = noise(3, 3, 6, seed=2)
    blended = PatchSimilarity(x, y).blend(values, CONFIG)
    colors = values[0].flatten(1).T.tolist()
    for i, row in enumerate(oracle(x, y, h=0.3)):
        mean = [sum(a * v[k] for a, v in zip(row[3], colors, strict=True)) for k in range(3)]
        assert blended[0].flatten(1)[:, i].tolist() == pytest.approx(mean, abs=1e-5)


def test_a_picture_redrawn_from_itself_is_itself():
    image = noise(3, 16, 24)
    pair = PatchSimilarity(patch_map(image), patch_map(image))
    config = replace(CONFIG, bandwidth=0.02)
    soft, hard = redraw(pair, image, pair.survey(config), config)
    assert torch.equal(hard, image)
    torch.testing.assert_close(soft, mean_colors(image, (8, 12)), rtol=0, atol=1e-5)


# -------------------------------------------------------------------------- pictures to maps


@pytest.mark.parametrize(
    ("size", "fitted"), [((100, 200), (64, 128)), ((200, 100), (128, 64)), ((50, 1000), (16, 128))]
)
def test_pictures_get_sides_of_whole_cells(size, fitted):
    config = replace(CONFIG, size=128)
    assert fit_picture(noise(3, *size), config).shape[2:] == fitted
    assert extract_map(noise(3, *size), config).shape[2:] == tuple(n // 2 for n in fitted)


@pytest.mark.parametrize("layer", [RGB, *LAYERS["vgg16"]])
@pytest.mark.parametrize("size", [64, 256, 512])
def test_no_map_has_more_than_its_share_of_cells(layer, size):
    config = replace(CONFIG, layer=layer, size=size)
    assert config.used_size <= size
    assert config.used_size // config.stride <= CELLS
    assert config.used_size == size or config.used_size == CELLS * config.stride


def test_a_cell_holds_the_window_around_its_first_pixel():
    image = noise(3, 12, 16)
    cells = patch_map(image)
    assert cells.shape == (1, 75, 6, 8)
    window = image[0, :, 4 - 2 : 4 + 3, 6 - 2 : 6 + 3]  # row 2, column 3: pixel 4, 6
    assert torch.equal(cells[0, :, 2, 3], window.flatten())
    inner = PatchFeatures(size=5, stride=2)(image)[RGB]  # without padding
    assert torch.equal(cells[:, :, 1:5, 1:7], inner)
    corner = cells[0, :, 0, 0].view(3, 5, 5)
    assert torch.equal(corner[:, 2:, 2:], image[0, :, :3, :3])
    assert torch.equal(corner[:, :3, :3], image[0, :, :1, :1].expand(3, 3, 3))


def test_mean_colors_are_those_of_the_cells():
    image = noise(3, 4, 6)
    found = mean_colors(image, (2, 3))
    assert found[0, 1, 1, 2] == pytest.approx(float(image[0, 1, 2:, 4:].mean()))


def test_shuffled_pixels_keep_their_colours():
    image = noise(3, 8, 8)
    shuffled = shuffle_pixels(image)
    assert not torch.equal(shuffled, image)
    assert torch.equal(shuffled, shuffle_pixels(image))
    pixels = [sorted(map(tuple, z[0].flatten(1).T.tolist())) for z in (image, shuffled)]
    assert pixels[0] == pixels[1]


# -------------------------------------------------------------------------- layer by layer


def test_layers_are_compared_with_their_references():
    photo = images.to_tensor(images.load("cxdemo/examples/photo_cat_chelsea.jpg"))
    photo = images.resize(photo, (64, 64))
    copy = (photo + 0.1 * noise(3, 64, 64)).clamp(0, 1)
    config = replace(CONFIG, size=64, bandwidth=0.1)
    scores = list(compare_layers(copy, photo, config, [RGB, "conv2_1"], cells=32))
    assert [score.layer for score in scores] == [RGB, "conv2_1"]
    for score in scores:
        assert score.positions == 32 * 32
        assert score.floor == 1 / 1024
        assert score.size == 64
        assert score.itself == pytest.approx(1, abs=1e-3)
        assert score.floor < score.shuffled < score.similarity - 0.1
        assert score.similarity < score.itself


def test_a_layer_without_a_name_is_refused():
    with pytest.raises(ValueError, match="conv3_2"):
        PatchSimilarityConfig(layer="conv3-2")
    with pytest.raises(ValueError, match="no layer 'conv3_4'"):
        PatchSimilarityConfig(layer="conv3_4")
