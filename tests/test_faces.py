"""Faces: found where they are, moved as geometry says, put back where they were."""

import math
from pathlib import Path

import pytest
import torch

from cxdemo import images
from cxdemo.faces import (
    PORTRAIT,
    REGIONS,
    Face,
    Framing,
    Square,
    align,
    align_box,
    load_face_finder,
    region_mask,
    square_of,
)
from cxdemo.faces.networks import MESH_SIDE, anchors
from cxdemo.faces.warp import invert, move, sample, scale_of, similarity

pytestmark = pytest.mark.usefixtures("one_thread")

EXAMPLES = Path("cxdemo/examples")
NOSE, CHIN, FOREHEAD = 1, 152, 10


@pytest.fixture(scope="module")
def finder():
    return load_face_finder()


def load(name):
    return images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))


@pytest.fixture(scope="module")
def astronaut():
    return load("portrait_astronaut")


@pytest.fixture(scope="module")
def face(finder, astronaut):
    (found,) = finder.find(astronaut)
    return found


# --- The networks, against the interpreter of their own files ------------------------------------


def test_the_mesh_gives_the_numbers_of_the_interpreter(finder):
    """Golden values: ai-edge-litert 2.3.0 on face_landmark.tflite, the same picture."""
    picture = images.load(EXAMPLES / "portrait_monalisa.jpg").resize((MESH_SIDE, MESH_SIDE))
    with torch.no_grad():
        points, score = finder._mesh(images.to_tensor(picture))
    assert score.item() == pytest.approx(GOLDEN_MESH_SCORE, abs=1e-3)
    for index, expected in GOLDEN_MESH.items():
        assert points[0, index].tolist() == pytest.approx(expected, abs=1e-2)


def test_the_detector_gives_the_numbers_of_the_interpreter(finder):
    picture = images.load(EXAMPLES / "portrait_monalisa.jpg").resize((128, 128))
    with torch.no_grad():
        scores, boxes = finder._detector(images.to_tensor(picture))
    best = int(scores.argmax())
    assert best == GOLDEN_ANCHOR
    assert scores[0, best].item() == pytest.approx(GOLDEN_SCORE, abs=1e-3)
    assert boxes[0, best, :8].tolist() == pytest.approx(GOLDEN_BOX, abs=1e-2)


def test_anchors_are_two_on_the_fine_and_six_on_the_coarse_grid():
    centres = anchors()
    assert centres.shape == (896, 2)
    assert centres[[0, 1, 2, 32]].tolist() == [[4, 4], [4, 4], [12, 4], [4, 12]]
    assert centres[[512, 517, 518, 512 + 48]].tolist() == [[8, 8], [8, 8], [24, 8], [8, 24]]


# --- Finding -------------------------------------------------------------------------------------


def test_the_portraits_have_their_eyes_where_people_see_them(finder):
    """To 4 pixels."""
    for name, right, left in EYES_BY_EYE:
        found = finder.find(load(name))[0]
        assert (found.eyes - torch.tensor([right, left])).abs().max() < 4, name


@pytest.mark.parametrize(
    "name", ["photo_mountain", "photo_cat_chelsea", "photo_dog", "painting_kandinsky_viii"]
)
def test_no_face_where_nobody_is(name, finder):
    assert finder.find(load(name)) == []


def test_flat_and_noisy_pictures_have_no_face(finder):
    torch.manual_seed(0)
    for image in (
        torch.zeros(1, 3, 40, 60),
        torch.ones(1, 3, 256, 256),
        torch.rand(1, 3, 300, 200),
    ):
        assert finder.find(image) == []


def test_the_largest_face_comes_first(finder):
    found = finder.find(load("portrait_einstein_1927"))
    areas = [each.area for each in found]
    assert len(found) == 2
    assert areas == sorted(areas, reverse=True)
    assert found[0].box[0] < 100 < found[1].box[0] + 30


@pytest.mark.parametrize(
    "name",
    ["portrait_curie_1927", "portrait_einstein_1927", "portrait_monalisa", "portrait_astronaut"],
)
def test_the_largest_face_of_a_portrait_is_found_without_a_search(name, finder, monkeypatch):
    picture = load(name)
    known = finder.find(picture)[0]
    monkeypatch.setattr(finder, "find", lambda _: pytest.fail("a portrait needs no search"))
    found = finder.find_largest(picture)
    assert (found.landmarks - known.landmarks).abs().max() < 0.02 * (found.box[2] - found.box[0])


def test_the_largest_face_is_that_of_the_search_where_the_portrait_is_small_or_unsure(finder):
    """A dog looks like a face at first sight; the girls' faces fill little of their picture."""
    assert finder.find_largest(load("photo_dog")) is None
    girls = load("painting_renoir_girls_at_piano")
    assert finder.find_largest(girls).box == finder.find(girls)[0].box


@pytest.mark.parametrize(
    ("angle", "scale", "shift"),
    [(0, 1, (13, -9)), (20, 1, (0, 0)), (-40, 1, (5, 3)), (0, 0.5, (0, 0))],
)
def test_landmarks_follow_the_picture(angle, scale, shift, finder, astronaut, face):
    size = round(320 * scale)
    centre = (160.0 + shift[0], 160.0 + shift[1])
    matrix = similarity(centre, 320.0, angle, size)
    moved = sample(astronaut, matrix, (size, size))
    found = finder.find(moved)[0]
    expected = move(face.landmarks, matrix)
    error = (found.landmarks - expected).norm(dim=1).mean() / (face.eye_distance * scale)
    assert error < 0.06  # of the distance between the eyes, which is 42 pixels here


def test_a_mirrored_picture_has_mirrored_eyes(finder, astronaut, face):
    found = finder.find(astronaut.flip(-1))[0]
    expected = face.eyes.flip(0) * torch.tensor([-1.0, 1.0]) + torch.tensor([320.0, 0.0])
    assert (found.eyes - expected).abs().max() < 2


def test_many_small_faces_in_a_large_picture(finder, astronaut):
    """Nine faces of 27 pixels between the eyes on 1000 x 1000, at known places."""
    size = 200
    small = sample(astronaut, similarity((160, 160), 320, 0, size), (size, size))
    image = torch.full((1, 3, 1000, 1000), 0.5)
    places = [(x, y) for y in (40, 400, 760) for x in (60, 420, 790)]
    for x, y in places:
        image[..., y : y + size, x : x + size] = small
    found = finder.find(image)
    middles = sorted(
        (round(f.eyes[:, 1].mean().item()), round(f.eyes[:, 0].mean().item())) for f in found
    )
    assert len(found) == 9
    eyes = [(y + 200 / 320 * 115, x + 200 / 320 * 166) for x, y in places]
    for (y, x), (ey, ex) in zip(sorted(middles), sorted(eyes), strict=True):
        assert abs(y - ey) < 12
        assert abs(x - ex) < 12


def test_a_face_upside_down_is_found(finder, astronaut, face):
    found = finder.find(astronaut.flip(-1, -2))
    assert len(found) == 1
    expected = 320 - face.eyes
    assert (found[0].eyes - expected).abs().max() < 5


def test_several_images_at_once_are_refused(finder):
    with pytest.raises(ValueError, match=r"one image \(1, 3, H, W\), got \(2, 3, 64, 64\)"):
        finder.find(torch.zeros(2, 3, 64, 64))


# --- Moving --------------------------------------------------------------------------------------


def test_a_square_becomes_the_crop():
    """Its corners, worked out by hand: turned by 90 degrees clockwise, twice the size."""
    matrix = similarity((10.0, 20.0), 8.0, 90.0, 16)
    points = torch.tensor([[14.0, 16.0], [14.0, 24.0], [6.0, 24.0], [10.0, 20.0]])
    expected = torch.tensor([[0.0, 0.0], [16.0, 0.0], [16.0, 16.0], [8.0, 8.0]])
    torch.testing.assert_close(move(points, matrix), expected, atol=1e-5, rtol=0)
    assert scale_of(matrix) == pytest.approx(2.0)
    torch.testing.assert_close(move(move(points, matrix), invert(matrix)), points)


def test_sampling_a_ramp_gives_the_coordinates():
    """The value of a linear picture at a point is the point itself, away from the edges."""
    x = (torch.arange(100) + 0.5) / 100
    image = torch.stack(
        [x.expand(80, 100), (torch.arange(80) + 0.5)[:, None].expand(80, 100) / 100]
    )
    matrix = similarity((50, 40), 30, 27, 40)
    found = sample(image[None], matrix, (40, 40))[0]
    grid = torch.arange(40) + 0.5
    points = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    expected = move(points, invert(matrix)).permute(2, 0, 1) / 100
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)  # a tenth of a pixel


def test_shrinking_a_fine_pattern_gives_its_mean():
    stripes = (torch.arange(512) % 2).float().expand(1, 3, 512, 512)
    found = sample(stripes, similarity((256, 256), 512, 0, 32), (32, 32))
    torch.testing.assert_close(found, torch.full_like(found, 0.5), atol=1e-5, rtol=0)


def test_outside_the_picture_it_is_mirrored():
    x = torch.arange(8).float().div(8).expand(1, 3, 8, 8)
    found = sample(x, similarity((0.0, 4.0), 8, 0, 8), (8, 8))
    assert found[0, 0, 0].tolist() == pytest.approx(
        [3 / 8, 2 / 8, 1 / 8, 0, 0, 1 / 8, 2 / 8, 3 / 8]
    )


# --- Aligning and pasting back -------------------------------------------------------------------


@pytest.mark.parametrize("framing", [PORTRAIT, Framing(apart=0.306, down=0.47)])
def test_eyes_are_level_and_where_the_framing_says(framing, astronaut, face):
    aligned = align(astronaut, face, 200, framing)
    right, left = (aligned.landmarks[list(eye)].mean(0) for eye in ((33, 133), (362, 263)))
    assert right.tolist() == pytest.approx(
        [200 * (0.5 - framing.apart / 2), 200 * framing.down], abs=0.1
    )
    assert left.tolist() == pytest.approx(
        [200 * (0.5 + framing.apart / 2), 200 * framing.down], abs=0.1
    )
    assert aligned.eye_distance == pytest.approx(200 * framing.apart, rel=1e-3)


def test_reframing_there_and_back_is_nothing():
    square, other = Square((30.0, 40.0), 50.0, 33.0), Framing(apart=0.4, down=0.3)
    back = square.reframe(PORTRAIT, other).reframe(other, PORTRAIT)
    assert back.centre == pytest.approx(square.centre)
    assert back.side == pytest.approx(50.0)


def test_a_profile_gets_a_square_as_high_as_a_frontal_face():
    """Eyes 10 apart, mouth 50 below: as if the eyes were 45 apart."""
    landmarks = torch.zeros(468, 2)
    landmarks[[33, 133]], landmarks[[362, 263]] = (
        torch.tensor([95.0, 100]),
        torch.tensor([105.0, 100]),
    )
    landmarks[[61, 291]] = torch.tensor([100.0, 150.0])
    square = square_of(Face((0, 0, 1, 1), 1.0, landmarks))
    assert square.side == pytest.approx(45 / PORTRAIT.apart)
    assert square.centre == pytest.approx((100, 100 + (0.5 - PORTRAIT.down) * square.side))


def test_pasting_the_crop_back_changes_nothing_to_see(astronaut, face):
    aligned = align(astronaut, face, 256)
    back = aligned.paste_back(astronaut, aligned.crop)
    error = (back - astronaut).abs()
    assert error.mean() < 0.001
    assert error.max() < 0.08


def test_pasting_changes_the_face_and_nothing_outside_the_square(astronaut, face):
    aligned = align(astronaut, face, 128)
    back = aligned.paste_back(astronaut, torch.zeros(1, 3, 128, 128))
    x, y = face.landmarks[NOSE].int().tolist()
    assert back[0, :, y, x].abs().max() < 1e-6
    changed = ((back - astronaut).abs().amax(1) > 0)[0].nonzero()  # rows of (y, x)
    inside = move(changed.flip(1).double() + 0.5, aligned.matrix)
    assert inside.min() >= 0
    assert inside.max() <= 128
    assert len(changed) > 5000


def test_an_empty_mask_changes_nothing_and_a_result_may_have_another_size(astronaut, face):
    aligned = align(astronaut, face, 64)
    empty = aligned.paste_back(astronaut, torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
    assert torch.equal(empty, astronaut)
    large = aligned.paste_back(astronaut, align(astronaut, face, 512).crop)
    assert (large - astronaut).abs().mean() < 0.001


def test_a_square_outside_of_the_picture_is_no_reason_to_fail(astronaut):
    aligned = align_box(astronaut, (-900, -900, -800, -800), 32)
    assert torch.equal(aligned.paste_back(astronaut, torch.zeros(1, 3, 32, 32)), astronaut)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 5, 1, 8), (0, 0, math.inf, 4)])
def test_a_box_without_a_size_is_refused(box, astronaut):
    with pytest.raises(ValueError, match="expected a box"):
        align_box(astronaut, box)


# --- Regions -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regions(astronaut, face):
    aligned = align(astronaut, face, 128)
    return aligned, {name: region_mask(aligned, name)[0, 0] for name in REGIONS}


def test_regions_share_each_pixel_among_them(regions):
    _, masks = regions
    total = sum(masks[name] for name in ("eyes", "mouth", "skin", "hair"))
    assert total.max() <= 1 + 1e-5
    assert all(mask.min() >= 0 for mask in masks.values())
    assert torch.equal(masks["all"], torch.ones(128, 128))


def test_each_part_of_the_face_is_in_its_region(regions):
    aligned, masks = regions
    spots = {"eyes": [159, 386, 105], "mouth": [13, 17, 61], "skin": [NOSE, 205, 425, 151]}
    for name, indices in spots.items():
        for x, y in aligned.landmarks[indices].int().tolist():
            assert masks[name][y, x] > 0.9, name
    x, y = (aligned.landmarks[FOREHEAD] - torch.tensor([0.0, 12.0])).int().tolist()
    assert masks["hair"][y, x] > 0.9
    x, y = (aligned.landmarks[CHIN] + torch.tensor([0.0, 8.0])).int().tolist()
    assert max(float(masks[name][y, x]) for name in ("eyes", "mouth", "skin", "hair")) == 0


def test_regions_of_a_mirrored_face_are_mirrored():
    """By hand the layout is symmetric; with landmarks, mirrored outlines give mirrored masks."""
    image = torch.zeros(1, 3, 64, 64)
    aligned = align_box(image, (0, 0, 64, 64), 64)
    for name in REGIONS:
        mask = region_mask(aligned, name)
        torch.testing.assert_close(mask, mask.flip(-1), atol=1e-4, rtol=0)
        assert mask.sum() > 50


def test_an_unknown_region_is_named(regions):
    with pytest.raises(ValueError, match=r"expected a region out of .* got 'nose'"):
        region_mask(regions[0], "nose")


# --- Values that were computed once, elsewhere ----------------------------------------------------

GOLDEN_MESH_SCORE = 12.7683
GOLDEN_MESH = {
    1: (74.73, 104.014),
    10: (77.676, 44.136),
    33: (59.669, 76.504),
    61: (74.411, 119.743),
    152: (89.821, 147.331),
    263: (112.76, 74.338),
    291: (103.03, 119.649),
    467: (113.656, 71.572),
}
GOLDEN_ANCHOR = 675
GOLDEN_SCORE = 2.2039
GOLDEN_BOX = [8.488, 6.433, 55.301, 55.29, -9.75, -3.403, 13.336, -4.088]

# Right (the person's) and left eye; crosses drawn at these places were looked at, enlarged.
EYES_BY_EYE = [
    ("portrait_astronaut", (144.0, 102.0), (187.0, 105.0)),
    ("portrait_monalisa", (79.0, 90.0), (116.0, 89.0)),
    ("portrait_einstein_1927", (83.0, 90.0), (110.0, 90.0)),
    ("portrait_curie_1927", (94.0, 82.0), (118.0, 82.0)),
]
