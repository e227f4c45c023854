"""Truths against closed forms, and matches against truths."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cxdemo import images
from cxdemo.bench import geometry
from cxdemo.bench.geometry import (
    cell_centres,
    drop_hidden,
    homography_truth,
    judge,
    nearest_neighbours,
    same_place,
    see_from_right,
    shift_truth,
    surest,
)
from cxdemo.features import load_features
from cxdemo.pipelines.patch_similarity import (
    RGB,
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)

pytestmark = pytest.mark.usefixtures("one_thread")

GRAFFITI = Path(__file__).parent / "data" / "graffiti"
NAN = math.nan


def places(*pairs):
    return torch.tensor(pairs, dtype=torch.float64)


def equal(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9, equal_nan=True)


# ------------------------------------------------------------------------------ what is true


def test_the_identity_leaves_places_where_they_are_whatever_the_sizes():
    asked = cell_centres((3, 5))
    equal(homography_truth(np.eye(3), (40, 60), (40, 60))(asked), asked)
    doubled = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])  # pixel centres are integers
    equal(homography_truth(doubled, (40, 60), (80, 120))(asked), asked)


def test_a_shift_moves_places_and_loses_those_that_leave():
    shift = np.array([[1, 0, 15], [0, 1, -10], [0, 0, 1.0]])
    truth = homography_truth(shift, (40, 60), (40, 60))
    equal(truth(places((0.5, 0.5), (0.8, 0.5), (0.5, 0.2))),
          places((0.75, 0.25), (NAN, NAN), (NAN, NAN)))  # fmt: skip


def test_a_homography_at_a_point():
    """Pixel (3, 1) goes to (3 + 2 + 1, 1 + 2) / (3 / 8 + 1) = (48 / 11, 24 / 11)."""
    matrix = np.array([[1, 2, 1], [0, 1, 2], [1 / 8, 0, 1.0]])
    truth = homography_truth(matrix, (8, 8), (16, 32))
    found = truth(places((3.5 / 8, 1.5 / 8)))
    equal(found, places(((48 / 11 + 0.5) / 32, (24 / 11 + 0.5) / 16)))


def test_what_lies_behind_the_camera_has_no_match():
    matrix = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 1.0]])  # the line x = 1 is the horizon
    assert homography_truth(matrix, (4, 4), (4, 4))(places((0.9, 0.5))).isnan().all()


def test_disparities_shift_to_the_left_and_back():
    disparity = np.full((4, 8), 2.0)
    equal(shift_truth(disparity, sign=-1)(places((0.5, 0.3), (0.1, 0.3))),
          places((0.25, 0.3), (NAN, NAN)))  # fmt: skip
    equal(shift_truth(disparity, sign=1)(places((0.25, 0.3))), places((0.5, 0.3)))


def test_the_nearer_surface_hides_the_farther_one():
    left = np.array([[1.0, 1, 1, 3, np.nan, 1]])  # pixels 1 and 3 fall on pixel 0, and 0 outside
    right = see_from_right(left)
    np.testing.assert_array_equal(right, [[3, 1, np.nan, np.nan, 1, np.nan]])
    np.testing.assert_array_equal(drop_hidden(left, right), [[np.nan, np.nan, 1, 3, np.nan, 1]])


def test_a_matrix_file_must_hold_nine_numbers(tmp_path):
    assert geometry.read_matrix(GRAFFITI / "H1to3p.xml")[2, 2] == 1
    (tmp_path / "H.xml").write_text("<data> 1 2 3 </data>")
    with pytest.raises(ValueError, match=r"H\.xml must hold a 3 x 3 matrix, but has 3 numbers"):
        geometry.read_matrix(tmp_path / "H.xml")


def test_a_folder_without_pairs_says_what_a_pair_is(tmp_path):
    with pytest.raises(ValueError, match=r"holds no pair .*H1to3p\.xml, graf1\.png, graf3\.png"):
        geometry.load_pairs(tmp_path)


# ---------------------------------------------------------------------------- right or wrong


def test_two_cells_away_is_right_and_more_is_wrong():
    found = torch.arange(64).roll(2)  # two columns to the left, in rows of 8
    judged = judge(found, lambda p: p, (8, 8), (8, 8)).view(8, 8)
    assert judged[:, 2:].eq(1).all()
    assert judged[:, :2].eq(0).all()  # these went to the end of the row above
    assert judge(torch.arange(64).roll(3), lambda p: p, (8, 8), (8, 8)).sum() == 0
    assert judge(found, lambda p: p * NAN, (8, 8), (8, 8)).isnan().all()


def test_the_same_place_of_a_map_twice_as_fine():
    found = same_place((2, 2), (4, 4))
    assert found.tolist() == [5, 7, 13, 15]
    assert same_place((4, 4), (2, 2)).view(4, 4)[1].tolist() == [0, 0, 1, 1]


def test_nearest_neighbours_are_those_of_two_loops():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1, 5, *size, generator=generator) for size in ((30, 20), (4, 3)))
    indices, cosines = nearest_neighbours(x, y)
    for i in (0, 511, 512, 599):
        a = x[0, :, i // 20, i % 20]
        every = [float(torch.cosine_similarity(a, b, dim=0)) for b in y[0].flatten(1).T]
        assert cosines[i] == pytest.approx(max(every), abs=1e-6)
        assert indices[i] == every.index(max(every))


def test_the_surest_quarter_leaves_the_unknown_out():
    judged = torch.tensor([1, 0, NAN, 1, 1, 0, 0, 0, 1.0], dtype=torch.float64)
    confidence = torch.tensor([0.9, 0.8, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert surest(judged, confidence) == 0.5  # two of eight
    assert surest(judged, -confidence) == 1  # of equals the first two


@pytest.fixture(scope="module")
def graffiti():
    """A wall from two sides, at conv3_2: what is right of what each matcher says."""
    pair = geometry.load_homography_pair(
        "Graffiti", GRAFFITI / "graf1.jpg", GRAFFITI / "graf3.jpg", GRAFFITI / "H1to3p.xml"
    )
    (score,) = geometry.score_layers(pair, PatchSimilarityConfig(), ("conv3_2",))
    return score


def test_graffiti_features_beat_places_and_places_beat_chance(graffiti):
    assert graffiti.grid == (52, 64)
    assert graffiti.cosine > 4 * graffiti.same_place
    assert graffiti.choice > 4 * graffiti.same_place
    assert graffiti.same_place > 4 * graffiti.chance


def test_graffiti_the_winner_is_right_more_often_than_the_nearest_neighbour(graffiti):
    assert graffiti.winner > graffiti.asked_cosine > graffiti.same_source
    assert graffiti.winner > 0.3


def test_graffiti_the_loss_knows_better_than_the_cosine_when_it_is_right(graffiti):
    """The measured gap is 16 percent points."""
    assert graffiti.surest_winner > graffiti.surest_cosine + 0.08
    assert graffiti.surest_winner > graffiti.winner + 0.1


# -------------------------------------------------------------------------- a known shift

SHIFT = 16  # pixels: whole cells at every layer up to conv5_1
PHOTO = "cxdemo/examples/photo_cat_chelsea.jpg"  # no flat areas, whose patches are all alike
SIDES = {RGB: 96, "conv1_2": 64, "conv2_2": 96, "conv3_2": 128, "conv4_2": 192, "conv5_1": 256}
REACH = {RGB: 2, "conv1_2": 2, "conv2_2": 6, "conv3_2": 14, "conv4_2": 34, "conv5_1": 58}
"""Pixels that a feature sees beyond its own cell, to each side.

A 3 x 3 convolution adds one position, which is 1, 2, 4, 8, 16 pixels in blocks 1 to 5; a pooling
joins cells and adds nothing."""


def look(layer, picture):
    """The map of a picture, not resized, in float32: two crops give the same bits."""
    config = PatchSimilarityConfig(layer=layer, size=picture.shape[3])
    features = None
    if layer != RGB:
        features = load_features("vgg16", [layer], dtype=torch.float32)
    return extract_map(picture, config, features=features), config


def border(layer):
    """Cells at the rim of a map that see beyond the picture."""
    return math.ceil(REACH[layer] / PatchSimilarityConfig(layer=layer).stride)


@pytest.mark.parametrize("layer", REACH)
def test_a_pixel_is_seen_within_the_reach_and_no_further(layer):
    picture = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    if layer in {RGB, "conv1_2"}:
        picture = picture[..., :96, :96]
    at, stride = picture.shape[3] // 2, PatchSimilarityConfig(layer=layer).stride
    changed = picture.clone()
    changed[:, :, at, at] = 1 - changed[:, :, at, at]
    differs = (look(layer, changed)[0] - look(layer, picture)[0])[0].abs().amax(dim=0) > 0
    rows = differs.any(dim=1).nonzero().flatten()
    first, last = at - REACH[layer], at + REACH[layer]
    assert rows.min() >= first // stride
    assert rows.max() <= last // stride
    assert len(rows) >= 1


@pytest.mark.parametrize("layer", REACH)
def test_every_match_finds_a_known_shift(layer):
    """100 % inside the overlap, which is where the receptive field lies inside both pictures.

    Nearer to a rim a feature sees padding in one picture and the scene in the other.
    """
    side = SIDES[layer]
    photo = images.to_tensor(images.load(PHOTO))[..., 20:, 60:]
    source, config = look(layer, photo[..., :side, :side])
    target, _ = look(layer, photo[..., SHIFT : side + SHIFT, SHIFT : side + SHIFT])
    survey = PatchSimilarity(source, target).survey(config)
    rim, moved, cells = border(layer), SHIFT // config.stride, side // config.stride
    inside = torch.arange(rim, cells - rim - moved)  # rows and columns of the target
    here, there = (torch.cartesian_prod(axis, axis) for axis in (inside + moved, inside))
    assert len(here) >= 36
    found, truth = survey.choice[tuple(here.T)], there[:, 0] * cells + there[:, 1]
    assert found.tolist() == truth.tolist()
    # In float32 several sources may reach CX = 1: those that the target has lost compete too.
    won, mine = survey.won_affinity[tuple(there.T)], survey.choice_affinity[tuple(here.T)]
    torch.testing.assert_close(mine, won, rtol=0, atol=1e-5)
    winner = survey.winner[tuple(there.T)] == here[:, 0] * cells + here[:, 1]
    assert winner[won < 1].all()
    assert winner.float().mean() > 0.9
