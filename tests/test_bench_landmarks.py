"""Landmarks carried from face to face: the arithmetic in closed form, the order of the layers."""

import math

import pytest
import torch

from cxdemo import images
from cxdemo.bench import landmarks
from cxdemo.bench.landmarks import LEFT, MIDDLE, POINTS, RIGHT, Portrait
from cxdemo.faces import Face, load_face_finder
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig

pytestmark = pytest.mark.usefixtures("one_thread")

NAN = math.nan


def places(*pairs):
    return torch.tensor(pairs, dtype=torch.float64)


def test_a_point_keeps_its_offset_from_the_centre_of_its_cell():
    """Cell (0, 1) of 2 x 2 is matched with cell (3, 0) of 4 x 4, whose centre is (1/8, 7/8)."""
    matches = torch.tensor([0, 12, 0, 0])
    found = landmarks.carry(places((0.8, 0.2), (NAN, NAN)), matches, (2, 2), (4, 4))
    torch.testing.assert_close(
        found, places((0.125 + 0.05, 0.875 - 0.05), (NAN, NAN)), equal_nan=True
    )


def portrait(where, unit):
    return Portrait(name="", image=torch.zeros(1, 3, 8, 8), places=where, unit=unit)


def test_errors_are_in_eye_distances_of_the_face_that_is_reached():
    source = portrait(places((0.5, 0.5), (0.1, 0.1), (NAN, NAN)), 0.1)
    target = portrait(places((0.5, 0.6), (NAN, NAN), (0.2, 0.2)), 0.4)
    assert landmarks.same_place_errors(source, target).tolist() == pytest.approx([0.25])
    assert landmarks.same_place_errors(target, source).tolist() == pytest.approx([1.0])


def test_figures_are_of_all_points_together():
    found = landmarks.score([torch.tensor([0.1, 0.3]), torch.tensor([0.35, 0.5, 2.0])])
    assert found == pytest.approx((1 / 5, 3 / 5, 0.35))


def turned(degrees, tilt=0.0):
    """A ball with a nose, seen from a side: POINTS at -60 to 60 degrees around it."""
    flat = torch.zeros(468, 3)
    for points, sign in ((RIGHT, -1.0), (LEFT, 1.0)):
        for k, index in enumerate(points):
            angle = sign * math.radians(20 + 4 * k)
            flat[index] = torch.tensor([math.sin(angle), -0.4 + 0.1 * k, math.cos(angle)])
    for k, index in enumerate(MIDDLE):
        flat[index] = torch.tensor([0.0, -0.7 + 0.2 * k, 1.0])
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    seen = torch.stack([c * flat[:, 0] - s * flat[:, 2], flat[:, 1]], dim=1)
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    seen = 100 + 50 * seen @ torch.tensor([[c, s], [-s, c]])
    return Face((0, 0, 200, 200), 1.0, seen)


@pytest.mark.parametrize("tilt", [0.0, 40.0])
def test_what_a_turned_head_hides_is_left_out(tilt):
    frontal, side = (landmarks.is_seen(turned(angle, tilt)) for angle in (0, 75))
    assert frontal.all()
    hidden = {POINTS[int(i)] for i in (~side).nonzero()}
    assert len(hidden) >= 8
    assert hidden < set(RIGHT)  # it turned the person's right side away


@pytest.fixture(scope="module")
def portraits():
    """Two photos and a painting."""
    finder = load_face_finder()
    found = []
    for name in ("portrait_astronaut", "portrait_einstein_1927", "portrait_monalisa"):
        picture = images.to_tensor(images.load(landmarks.EXAMPLES / f"{name}.jpg"))
        found.append(landmarks.crop_portrait(name, picture, finder.find(picture)[0]))
    return found


def test_a_crop_holds_its_face_and_five_eye_distances(portraits):
    for each in portraits:
        assert each.unit == pytest.approx(0.2)
        right, left = (each.places[list(map(POINTS.index, eye))].mean(dim=0) for eye in
                       ((33, 133), (362, 263)))  # fmt: skip
        assert float((left - right).norm()) == pytest.approx(0.2, rel=1e-3)
        assert float(each.places[POINTS.index(152), 1]) > float(right[1]) + 0.2  # the chin


def test_deeper_layers_carry_more_landmarks(portraits):
    """conv5_1 > conv4_2 > conv3_2, both ways; the whole table is in GEOMETRY.md."""
    shallow, middle, deep = (
        landmarks.score_layer(portraits, PatchSimilarityConfig(layer=layer))
        for layer in ("conv3_2", "conv4_2", "conv5_1")
    )
    for way in ("choice", "winner"):
        few, more, most = (getattr(each, way) for each in (shallow, middle, deep))
        assert few.right + 0.05 < more.right < most.right - 0.05
        assert few.median > more.median > most.median
    assert deep.choice.right > 0.5
