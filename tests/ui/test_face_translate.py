"""The translation section, with a generator that paints black or white."""

import pytest
import torch
from PIL import Image

from cxdemo.ui.face_choice import find_in
from cxdemo.ui.face_translate import FRAMING, NOTICE, show_report, translate_face
from ui.fake_faces import fake_find


@pytest.fixture
def chosen():
    return find_in(Image.new("RGB", (200, 160), (255, 0, 0)), fake_find)


def test_the_generator_gets_the_eyes_where_its_training_had_them(ctx, chosen):
    made = translate_face(ctx, chosen, "to-male")
    assert made.before.shape == (1, 3, 256, 256)
    aligned = chosen.align(256, FRAMING)
    right, left = (aligned.landmarks[i] / 256 for i in (33, 263))
    assert right.tolist() == pytest.approx([0.347, 0.47], abs=0.002)
    assert left.tolist() == pytest.approx([0.653, 0.47], abs=0.002)


def test_the_result_is_pasted_over_the_face_and_fades_at_the_edge(ctx, chosen):
    made = translate_face(ctx, chosen, "to-male")
    assert torch.equal(made.after, torch.zeros(1, 3, 256, 256))
    assert made.whole[0, :, 45, 100].tolist() == [0, 0, 0]
    assert made.whole[0, :, 150, 10].tolist() == [1, 0, 0]
    assert made.whole[0, 0].unique().numel() > 10  # a soft edge


def test_directions_differ(ctx, chosen):
    white = translate_face(ctx, chosen, "to-female").after
    assert white.mean() > 0.7  # the fake enlarger takes a fifth of the light


def test_without_a_face_it_is_a_sentence(ctx):
    with pytest.raises(ValueError, match="Choose a picture for the face first"):
        translate_face(ctx, None, "to-male")


def test_the_report_has_the_figures_of_the_pipeline(ctx, chosen):
    html = show_report(translate_face(ctx, chosen, "to-male"))
    assert "<b>1.25</b>" in html
    assert "<b>50 %</b>" in html
    assert "<b>20 ms</b>" in html


def test_the_notice_names_consent_and_the_training(demo):
    assert "agreed" in NOTICE
    assert "no real person was in their training" in NOTICE
    assert "Nothing is kept" in NOTICE
    shown = [
        b.value for b in demo.blocks.values() if getattr(b, "elem_id", "") == "cx-translate-notice"
    ]
    assert len(shown) == 1
    assert NOTICE in shown[0]


def test_every_direction_can_be_chosen(demo, ctx):
    (radio,) = [
        b for b in demo.blocks.values() if getattr(b, "elem_id", "") == "cx-translate-direction"
    ]
    assert [value for _, value in radio.choices] == list(ctx.translators)
