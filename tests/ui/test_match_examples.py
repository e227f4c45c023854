"""What the lessons of the examples say is true, with the real network."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from cxdemo import images
from cxdemo.gallery.match import MATCH_EXAMPLES, SHIFT, SQUARE, TURN, find_example
from cxdemo.grids import box_of, cell_at
from cxdemo.pipelines.patch_similarity import (
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)


def survey(name, layer):
    example = find_example(name)
    config = PatchSimilarityConfig(layer=layer)
    maps = [extract_map(images.to_tensor(p), config) for p in example.pictures()]
    pair = PatchSimilarity(*maps)
    return pair.survey(config), pair


def right(name, layer):
    """Share of patches that find themselves to within one cell, of those that both have."""
    found = survey(name, layer)[0].choice
    rows, columns = found.shape
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    u, v = (column + 0.5) / columns, (row + 0.5) / rows
    if name == "shifted":
        u, v = u - SHIFT / SQUARE, v - SHIFT / SQUARE
    if name == "mirrored":
        u = 1 - u
    if name == "turned":
        x, y, a = u - 0.5, v - 0.5, math.radians(TURN)
        u, v = 0.5 + x * math.cos(a) + y * math.sin(a), 0.5 - x * math.sin(a) + y * math.cos(a)
    inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
    off_rows = (found // columns + 0.5) - v * rows
    off_columns = (found % columns + 0.5) - u * columns
    near = (off_rows.abs() < 1.5) & (off_columns.abs() < 1.5)
    return float(near[inside].float().mean())


def vote(name, place, layer=None):
    """Where the patch at a place looks: place and share of the vote of its first choice."""
    example = find_example(name)
    config = PatchSimilarityConfig(**{**example.changes, **({"layer": layer} if layer else {})})
    maps = [extract_map(images.to_tensor(p), config) for p in example.pictures()]
    pair = PatchSimilarity(*maps)
    (best,) = pair.ask(cell_at(*place, pair.grids[0]), config).best(1)
    left, top, right, bottom = box_of(best.cell[0] * pair.grids[1][1] + best.cell[1], pair.grids[1])
    return ((left + right) / 2, (top + bottom) / 2), best.affinity


def distance(found, place):
    return math.dist(found[0], place)


EYES = {"right": ((0.379, 0.410), (0.361, 0.410)), "left": ((0.500, 0.410), (0.527, 0.403))}
"""Einstein's, and the Mona Lisa's: the middles between the corners that the mesh finds."""
APART = 0.166  # of hers


@pytest.mark.parametrize("side", EYES)
def test_an_eye_of_einstein_finds_the_same_eye_of_the_mona_lisa(side):
    his, hers = EYES[side]
    found = vote("faces", his)
    assert distance(found, hers) < 0.3 * APART
    assert found[1] > 0.5


def test_two_faces_open_at_an_eye():
    assert distance([find_example("faces").place], EYES["right"][0]) < 0.02


def test_the_moustache_finds_her_lips_and_colours_find_no_eye():
    assert distance(vote("faces", (0.439, 0.515)), (0.441, 0.592)) < 0.3 * APART
    found = vote("faces", EYES["right"][0], layer="conv1_2")
    assert min(distance(found, hers) for _, hers in EYES.values()) > 0.5 * APART


def test_a_cats_nose_and_eyes_find_the_dogs():
    assert distance(vote("animals", find_example("animals").place), (0.82, 0.54)) < 0.08
    for eye in ((0.385, 0.39), (0.71, 0.46)):
        assert distance(vote("animals", eye), (0.545, 0.39)) < 0.08


def test_the_abbey_finds_the_tower_and_sky_finds_sky():
    assert distance(vote("painting", find_example("painting").place), (0.87, 0.41)) < 0.08
    for sky in ((0.3, 0.15), (0.1, 0.1), (0.9, 0.2)):
        assert vote("painting", sky)[0][1] < 0.35


def test_nine_of_ten_find_themselves_in_the_shifted_copy():
    assert 0.88 < right("shifted", "conv3_2") < 0.93
    pair = survey("shifted", "conv3_2")[1]
    assert pair.same_place().mean() > 0.4


def test_deep_layers_find_mirror_images():
    assert 0.08 < right("mirrored", "conv2_2") < 0.13
    assert 0.7 < right("mirrored", "conv5_1") < 0.8


def test_deep_layers_survive_a_turn():
    assert 0.35 < right("turned", "conv2_2") < 0.5
    assert right("turned", "conv4_2") > 0.8


def test_unrelated_pictures_leave_much_unclaimed_and_have_hubs():
    found = survey("unrelated", "conv5_1")[0]
    assert 0.14 < found.claimed < 0.19
    assert 0.18 < found.hubs.max() / found.hubs.sum() < 0.25


@pytest.mark.parametrize("row", [0, 7])
def test_the_shifted_copy_is_shifted(row):
    first, second = (np.asarray(p) for p in find_example("shifted").pictures())
    assert (first[SHIFT + row, SHIFT:] == second[row, :-SHIFT]).all()


def test_examples_have_names_of_their_own_and_open_to_pictures():
    names = [example.name for example in MATCH_EXAMPLES]
    assert len(set(names)) == len(names)
    for example in MATCH_EXAMPLES:
        assert all(isinstance(p, Image.Image) for p in example.pictures())
        assert all(0 <= share <= 1 for share in example.place)
