"""What the lessons of the examples say is true, with the real network."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from cxdemo import images
from cxdemo.pipelines.patch_similarity import (
    PatchSimilarity,
    PatchSimilarityConfig,
    extract_map,
)
from cxdemo.ui.match_examples import MATCH_EXAMPLES, SHIFT, SQUARE, TURN, find_example


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


def test_more_than_four_of_five_find_themselves_in_the_shifted_copy():
    assert right("shifted", "conv3_2") > 0.8
    pair = survey("shifted", "conv3_2")[1]
    assert pair.same_place().mean() > 0.4


def test_deep_layers_find_mirror_images_four_times_as_often():
    assert 3 < right("mirrored", "conv4_2") / right("mirrored", "conv2_2") < 5


def test_deep_layers_survive_a_turn():
    assert right("turned", "conv2_2") < 0.2
    assert right("turned", "conv4_2") > 0.5


def test_deep_layers_see_through_noise():
    assert right("noisy", "conv2_2") < 0.3
    assert right("noisy", "conv4_2") > 0.55


def test_unrelated_pictures_leave_much_unclaimed_and_have_hubs():
    found = survey("unrelated", "conv3_2")[0]
    assert found.claimed < 0.35
    assert found.hubs.max() > 100


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
