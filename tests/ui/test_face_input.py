"""The face input, with a finder whose answers are known."""

import asyncio
import base64
import io
import re

import gradio as gr
import pytest
import torch
from PIL import Image

from cxdemo import images
from cxdemo.faces import Framing
from cxdemo.faces.choice import LONG_SIDE, ChosenFace, Nudge, find_in, read_face
from cxdemo.ui.face.picker import FaceInput, build_face_input
from cxdemo.ui.face.picker_view import NO_FACE, show_choice
from ui.fake_faces import fake_find

RED, YELLOW, BLUE = (255, 0, 0), (255, 255, 0), (0, 0, 255)


def choose(color, size=(120, 90)):
    return find_in(Image.new("RGB", size, color), fake_find)


def test_the_largest_face_is_chosen_and_another_can_be():
    chosen = choose(YELLOW)
    assert len(chosen.faces) == 2
    assert chosen.face is chosen.faces[0]
    other = chosen.correct(Nudge(right=10)).choose(1)
    assert other.face is chosen.faces[1]
    assert other.nudge == Nudge()
    with pytest.raises(ValueError, match="has 2 faces"):
        chosen.choose(2)


def test_the_crop_without_correction_has_the_eyes_where_they_belong():
    """Eyes 20 apart around (60, 40), worked out by hand: a side of 20 / 0.28."""
    corners = choose(RED).aligned.corners
    side = 20 / 0.28
    left, top = 60 - side / 2, 40 - 0.42 * side
    expected = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    assert corners.tolist() == [pytest.approx(corner) for corner in expected]


def test_sliders_move_turn_and_scale_the_crop():
    chosen = choose(RED)
    before = chosen.aligned.corners
    side = 20 / 0.28
    moved = chosen.correct(Nudge(right=10, down=-20)).aligned.corners
    shift = torch.tensor([0.1, -0.2], dtype=torch.float64) * side
    torch.testing.assert_close(moved, before + shift)
    large = chosen.correct(Nudge(size=200)).aligned.corners
    middle = before.mean(0)
    torch.testing.assert_close(large - middle, 2 * (before - middle))
    turned = chosen.correct(Nudge(turn=90)).aligned.corners
    torch.testing.assert_close(turned, before.roll(-1, 0))


def test_without_a_face_the_crop_is_in_the_middle():
    chosen = choose(BLUE)
    assert chosen.face is None
    corners = chosen.aligned.corners[[0, 2]].flatten().tolist()
    assert corners == pytest.approx([33.0, 18.0, 87.0, 72.0])
    assert chosen.aligned.landmarks is None


def test_a_place_is_known_when_it_was_found_or_given_by_hand():
    assert choose(RED).placed
    assert not choose(BLUE).placed
    assert choose(BLUE).correct(Nudge(down=5)).placed


def test_another_framing_has_the_same_eyes():
    chosen = choose(RED).correct(Nudge(right=5, turn=12, size=120))
    wide, near = chosen.align(100), chosen.align(100, Framing(apart=0.5, down=0.3))
    eyes = chosen.face.eyes
    for aligned, apart in ((wide, 0.28), (near, 0.5)):
        points = eyes.double() @ aligned.matrix[:, :2].T + aligned.matrix[:, 2]
        assert float((points[1] - points[0]).norm()) == pytest.approx(100 * apart / 1.2, rel=1e-4)


def test_a_large_picture_is_scaled_down_and_the_visitors_is_left_alone():
    picture = Image.new("RGB", (4000, 1000), RED)
    chosen = find_in(picture, fake_find)
    assert chosen.picture.shape == (1, 3, LONG_SIDE // 4, LONG_SIDE)
    assert picture.size == (4000, 1000)


def test_reading_without_a_choice_is_a_sentence():
    with pytest.raises(ValueError, match="Choose a picture for the source face first"):
        read_face(None, what="source face")
    picture, aligned = read_face(choose(RED), 64)
    assert picture.shape == (1, 3, 90, 120)
    assert aligned.crop.shape == (1, 3, 64, 64)


# --- What the page shows -------------------------------------------------------------------------


def test_faces_are_numbered_where_they_are_and_the_chosen_one_is_pressed():
    html = show_choice(choose(YELLOW).choose(1))
    boxes = re.findall(
        r'<button type="button" data-index="(\d)" style="([^"]+)"[^>]*pressed="(\w+)', html
    )
    assert [(i, pressed) for i, _, pressed in boxes] == [("0", "false"), ("1", "true")]
    assert boxes[0][1] == "left:33.33%;top:22.22%;width:33.33%;height:44.44%"
    assert html.count('class="cx-face-thumbs"') == 1
    assert "number 2 is used" in html


def test_one_face_needs_no_choice_and_none_says_what_to_do():
    assert "<button" not in show_choice(choose(RED))
    assert NO_FACE in show_choice(choose(BLUE))


def test_a_problem_is_shown_as_text_and_never_as_markup():
    assert "&lt;b&gt; is broken" in show_choice(None, "<b> is broken")


# --- The component -------------------------------------------------------------------------------


@pytest.fixture
def made(ctx):
    async def build():
        with gr.Blocks() as blocks:
            return blocks, build_face_input(ctx, elem_id="cx-test", label="Face")

    return asyncio.run(build())


def handler(blocks, name):
    (found,) = [f for f in blocks.fns.values() if f.api_name == name]
    return found.fn


def payload(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return {"url": f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"}


def test_a_new_picture_is_searched_and_correction_opens_only_where_it_is_needed(made):
    blocks, face_input = made
    look = handler(blocks, "find_cx_test")
    found = look(payload(Image.new("RGB", (120, 90), RED)))
    assert isinstance(found[face_input.state], ChosenFace)
    assert found[face_input.correction].open is False
    missed = look(payload(Image.new("RGB", (120, 90), BLUE)))
    assert missed[face_input.correction].open is True
    gone = look(None)
    assert gone[face_input.state] is None
    assert gone[face_input.correction].visible is False


def test_a_broken_file_is_a_sentence_and_no_face(made):
    blocks, face_input = made
    broken = {"url": "data:image/png;base64," + base64.b64encode(b"hello").decode()}
    updates = handler(blocks, "find_cx_test")(broken)
    assert updates[face_input.state] is None
    assert "is a text file, but an image was expected" in updates[face_input.view]


def test_correcting_and_resetting(made):
    blocks, face_input = made
    chosen = choose(YELLOW)
    moved, html = handler(blocks, "correct_cx_test")(chosen, 10, 0, 100, 0)
    assert moved.nudge == Nudge(right=10)
    assert "<polygon" in html
    back = handler(blocks, "reset_cx_test")(moved)
    assert back[face_input.state].nudge == Nudge()
    assert back[face_input.sliders["right"]] == 0


def test_no_event_of_it_is_public(made):
    blocks, face_input = made
    assert isinstance(face_input, FaceInput)
    assert {f.api_visibility for f in blocks.fns.values()} == {"private"}
    assert len(face_input.events) == 4


def test_a_picture_keeps_its_pixels():
    torch.manual_seed(0)
    picture = images.to_pil(torch.rand(1, 3, 40, 50))
    assert torch.equal(find_in(picture, fake_find).picture, images.to_tensor(picture))
