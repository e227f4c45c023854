"""The parts of the patch similarity tab that know a right answer of their own."""

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from cxdemo.figures.heat_map import blend, draw_heat_map, palette, place_colors
from cxdemo.figures.match_numbers import percent
from cxdemo.pipelines.patch_similarity import PatchSimilarity, PatchSimilarityConfig
from cxdemo.runs.match import Comparison, FeatureStore, Kept
from cxdemo.runs.match_click import show_scene
from cxdemo.ui.match import views as match_views


def test_the_colour_scale_is_cividis():
    wanted = np.array(matplotlib.colormaps["cividis"](np.arange(256)))[:, :3] * 255
    assert np.abs(palette() - wanted).max() < 7
    lightness = palette() @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[-1] - lightness[0] > 150


def test_a_heat_map_runs_from_dark_to_bright_either_way():
    values = np.array([[0.0, 0.5, 1.0, 7.0]])
    upwards = np.asarray(draw_heat_map(values, 0.0, 1.0))
    assert upwards.tolist() == [[0, 128, 255, 255]]
    downwards = np.asarray(draw_heat_map(values, 1.0, 0.0))
    assert downwards.tolist() == [[255, 128, 0, 0]]
    assert np.asarray(draw_heat_map(np.ones((2, 2)), 1.0, 1.0)).tolist() == [[0, 0], [0, 0]]


def test_places_left_and_right_above_and_below_have_colours_of_their_own():
    colors = place_colors(9, 9).astype(int)
    assert colors[4, 0, 2] - colors[4, 8, 2] > 80  # blue on the left
    light = colors @ np.array([0.299, 0.587, 0.114])
    assert (light[8] - light[0] > 60).all()
    assert len({tuple(c) for c in colors.reshape(-1, 3)}) == 81


def test_blending_keeps_the_greys_of_the_picture():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    white = Image.new("RGB", (8, 4), "white")
    assert blend(red, white, 0.0).getpixel((0, 0)) == (255, 255, 255)
    assert blend(red, white, 1.0).getpixel((7, 3)) == (255, 0, 0)
    assert blend(red, white, 0.5).size == (8, 4)


def kept(megabytes):
    return Kept(torch.zeros(0), torch.zeros(megabytes << 18), None)


def test_features_are_made_once_and_the_oldest_go_first():
    made = []
    store = FeatureStore(limit=3 << 20)

    def get(key):
        return store.get(key, lambda: made.append(key) or kept(1))

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert made == ["a", "b", "c"]
    get("d")  # c was used longest ago
    get("a")
    assert made == ["a", "b", "c", "d"]
    get("c")
    assert made[-1] == "c"


def test_two_pictures_always_fit_however_large():
    made = []
    store = FeatureStore(limit=1)
    for key in ("a", "b", "a", "b"):
        store.get(key, lambda key=key: made.append(key) or kept(1))
    assert made == ["a", "b"]


def test_the_scene_changes_with_pictures_and_features_but_not_with_the_query():
    red, blue = (Image.new("RGB", (32, 32), color) for color in ("red", "blue"))
    first = Comparison(source=red, target=blue, config=PatchSimilarityConfig())
    moved = Comparison(source=red, target=blue, config=first.config, place=(0.1, 0.2))
    assert moved.scene == first.scene
    wider = Comparison(source=red, target=blue, config=PatchSimilarityConfig(bandwidth=0.5))
    assert wider.scene == first.scene
    assert wider.key != first.key
    for other in (
        Comparison(source=blue, target=red, config=first.config),
        Comparison(source=red, target=blue, config=PatchSimilarityConfig(layer="rgb")),
        Comparison(source=red, target=blue, config=PatchSimilarityConfig(size=128)),
        Comparison(source=red, target=blue, config=PatchSimilarityConfig(asks="target")),
    ):
        assert other.scene != first.scene


def test_coverage_tells_the_hub():
    x = torch.zeros(1, 2, 2, 2)
    x[0, 0] = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    y = torch.zeros(1, 2, 2, 2)
    y[0, :, 0] = torch.tensor([[1.0, -1.0], [0.1, 0.1]])
    y[0, :, 1] = torch.tensor([[0.2, -0.2], [-1.0, 1.0]])
    survey = PatchSimilarity(x, y).survey(PatchSimilarityConfig())
    assert survey.hubs.sum() == 4
    assert int(survey.hubs.max()) == 3
    assert survey.claimed == survey.distinct == 0.5
    comparison = Comparison(
        source=Image.new("RGB", (32, 32)),
        target=Image.new("RGB", (32, 32)),
        config=PatchSimilarityConfig(),
    )
    figures = match_views.show_figures(comparison, survey)
    assert "50 %" in figures
    assert f"{survey.loss:.3f}" in figures


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "0 %"), (0.99951, "100 %"), (0.9994, "99.9 %"), (0.12345, "12.3 %")]
)
def test_percents_have_three_figures(share, said):
    assert percent(share) == said


def test_visits_keep_one_text_of_equal_pictures(ctx):
    scenes = [
        show_scene(
            Comparison(
                source=Image.new("RGB", (96, 96), "red"),
                target=Image.new("RGB", (96, 96), "blue"),
                config=PatchSimilarityConfig(layer="rgb"),
            ),
            ctx,
        )
        for _ in "ab"
    ]
    first, second = ([scene[part]["url"] for part in ("asker", "asked")] for scene in scenes)
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert first[0] != first[1]
