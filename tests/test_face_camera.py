"""The square that follows a face: a disc stands for the eyes, so that its place can be measured."""

import pytest
import torch

from cxdemo.examples import PICTURES
from cxdemo.faces import Face, Framing, crop_along, load_face_finder
from cxdemo.images import load, to_tensor

FRAMING = Framing(apart=0.25, down=0.43)


def make_face(x, y, apart):
    """A frontal face whose eyes are level around (x, y)."""
    x, y = float(x), float(y)
    landmarks = torch.tensor([x, y]).repeat(468, 1)
    landmarks[[33, 133]] = torch.tensor([x - apart / 2, y])
    landmarks[[362, 263]] = torch.tensor([x + apart / 2, y])
    landmarks[[61, 291]] = torch.tensor([x, y + apart])
    return Face((x - apart, y - apart, x + apart, y + apart), 1.0, landmarks)


def film(places, apart, size=(200, 120)):
    """Frames (T, 3, H, W) with a white disc, half as wide as the eyes are apart, at each place."""
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in size), indexing="ij")
    discs = [torch.hypot(columns - x, rows - y) < apart / 4 for x, y in places]
    return torch.stack([disc.float().expand(3, -1, -1) for disc in discs])


def seen(crops):
    """Middle (x, y) and width of the disc of each crop, in shares of its side, (T, 3)."""
    places = (torch.arange(crops.shape[3]) + 0.5) / crops.shape[3]
    found = []
    for disc in crops[:, 0]:
        weight = disc / disc.sum()
        x, y = (weight.sum(0) * places).sum(), (weight.sum(1) * places).sum()
        found.append([float(x), float(y), float(2 * (disc.mean() / torch.pi) ** 0.5)])
    return torch.tensor(found)


def follow(places, apart, faces=None, size=(200, 120)):
    faces = faces or [make_face(x, y, apart) for x, y in places]
    return seen(crop_along(film(places, apart, size), faces, 96, FRAMING))


def test_a_face_in_the_top_third_comes_to_its_place():
    found = follow([(60, 40)] * 4, apart=16)
    assert found[:, :2] == pytest.approx(torch.tensor([0.5, 0.43]).expand(4, 2), abs=0.01)
    assert found[:, 2] == pytest.approx(torch.full((4,), 0.25 / 2), rel=0.1)


def test_the_square_goes_where_the_face_goes():
    found = follow([(36 + 4 * i, 60 + 8 * i) for i in range(12)], apart=16)
    assert float((found[:, 0] - 0.5).abs().max()) <= 0.11
    assert float((found[:, 1] - 0.43).abs().max()) <= 0.06


def test_small_movements_stay_in_the_picture():
    """Two pixels to each side, of a square of 64: the square stands still."""
    found = follow([(60 + (-2) ** (i % 2) * 2 / 2, 80) for i in range(8)], apart=16)
    moved = found[0::2, 0] - found[1::2, 0]
    assert moved == pytest.approx(torch.full((4,), 3 / 64), abs=0.005)


def test_a_clip_that_shows_the_face_in_its_place_is_left_as_it_is():
    places = [(50 + 16 * (i % 2), 46) for i in range(4)]
    found = follow(places, 28, size=(120, 120))
    wanted = torch.tensor(places) / 120
    assert found[:, :2] == pytest.approx(wanted, abs=0.004)


def test_where_no_face_is_seen_the_square_goes_on():
    places = [(36 + 4 * i, 60 + 8 * i) for i in range(12)]
    faces = [make_face(x, y, 16) if i in {0, 6, 11} else None for i, (x, y) in enumerate(places)]
    found = follow(places, 16, faces)
    assert float((found[:, 0] - 0.5).abs().max()) <= 0.11
    assert float((found[:, 1] - 0.43).abs().max()) <= 0.06


def test_before_the_first_and_after_the_last_face_the_square_waits():
    places = [(60, 60)] * 5
    faces = [None, None, make_face(60, 60, 16), None, None]
    assert follow(places, 16, faces)[:, 1] == pytest.approx(torch.full((5,), 0.43), abs=0.01)


def test_the_square_stays_within_the_frame():
    """A face at the very top: what lies above it must not be a mirror of the frame."""
    frames = film([(60, 10)] * 3, 16)
    frames[:, 1] = 0.2
    frames[:, 1, :4] = 1  # the frame's upper edge is green, and is seen once
    crops = crop_along(frames, [make_face(60, 10, 16)] * 3, 64, FRAMING)
    rows = (crops[0, 1].mean(1) > 0.5).nonzero().flatten().tolist()
    assert rows == [0, 1, 2, 3]


def test_a_face_is_searched_once_and_then_traced(monkeypatch):
    finder = load_face_finder()
    portrait = to_tensor(load(PICTURES / "portrait_astronaut.jpg"), long_side=200)
    frames = torch.full((4, 3, 400, 240), 0.4)
    for index in (0, 1, 2):
        frames[index, :, 10 : 10 + portrait.shape[2], 6 * index : 6 * index + 200] = portrait[0]
    searches = []
    find = finder.find
    monkeypatch.setattr(finder, "find", lambda image: searches.append(1) or find(image))
    faces = finder.follow(frames)
    assert [face is not None for face in faces] == [True, True, True, False]
    there = torch.stack([face.eyes.mean(0) for face in faces[:3]])
    assert (there[1:] - there[:-1]) == pytest.approx(torch.tensor([[6.0, 0.0]] * 2), abs=1.0)
    assert len(searches) == 2  # once for the first, once where it was lost
