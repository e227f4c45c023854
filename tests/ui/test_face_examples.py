"""The faces of the shipped pictures: the record is that of these pictures, and of this finder."""

import pytest
import torch

from cxdemo.examples import PICTURES
from cxdemo.faces import load_face_finder
from cxdemo.faces.choice import find_in, find_largest
from cxdemo.gallery.faces import FOUND, find_known, open_example
from ui.fake_faces import FAKE_FACES
from ui.test_face_input import BLUE, RED, Image


def refuse(image):
    raise AssertionError("the finder was asked")


@pytest.mark.parametrize("name", FOUND)
def test_the_record_knows_each_picture(name):
    chosen = open_example(PICTURES / name, refuse)
    assert len(chosen.faces) >= 1
    areas = [face.area for face in chosen.faces]
    assert areas == sorted(areas, reverse=True)


def test_the_record_is_what_the_finder_finds():
    path = PICTURES / "portrait_monalisa.jpg"
    (stored,) = open_example(path, refuse).faces
    (found,) = find_in(Image.open(path).convert("RGB"), load_face_finder().find).faces
    torch.testing.assert_close(stored.landmarks, found.landmarks, atol=0.2, rtol=0)
    assert stored.box == pytest.approx(found.box, abs=0.2)


def test_a_picture_that_the_record_does_not_know_is_searched():
    chosen = open_example(PICTURES / "photo_mountain.jpg", lambda image: [])
    assert chosen.faces == ()


def test_who_cannot_place_a_crop_gets_the_largest_face_or_a_sentence():
    assert (
        find_largest(Image.new("RGB", (120, 90), RED), FAKE_FACES["find_largest_face"]).index == 0
    )
    with pytest.raises(ValueError, match="No face was found in the target picture"):
        find_largest(
            Image.new("RGB", (120, 90), BLUE),
            FAKE_FACES["find_largest_face"],
            what="target picture",
        )


def test_a_shipped_picture_is_recognised_by_its_pixels_alone():
    picture = Image.open(PICTURES / "portrait_monalisa.jpg").convert("RGB")
    assert (
        find_known(picture, refuse).faces
        == open_example(PICTURES / "portrait_monalisa.jpg", refuse).faces
    )
    picture.putpixel((0, 0), (1, 2, 3))
    assert find_known(picture, lambda image: []).faces == ()
