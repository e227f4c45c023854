"""The translation section, with a generator that paints black or white."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cxdemo import images
from cxdemo.faces.choice import find_in
from cxdemo.pipelines.face_translation import Translation
from cxdemo.runs.face_domain import measure_target, open_domain
from cxdemo.runs.translate import FRAMING, figures_of, translate_face
from cxdemo.ui.face.translate import NOTICE, show_report
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
    html = show_report(translate_face(ctx, chosen, "to-male"), None)
    assert "No faces of this domain are shipped" in html
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


@pytest.fixture
def seeing_ctx(ctx):
    """Features are the pixels of square cells, of two sizes."""

    def load(backbone, layers, *, pooling):
        return lambda image: {
            name: F.pixel_unshuffle(image, side) for name, side in zip(layers, (8, 16), strict=True)
        }

    return replace(ctx, load_features=load)


@pytest.mark.parametrize("domain", ["drawn", "female", "male"])
def test_a_domain_is_shown_by_16_small_faces(domain):
    assert open_domain(f"to-{domain}").shape == (16, 3, 64, 64)


def test_the_target_term_is_zero_at_a_face_of_the_domain(seeing_ctx):
    faces = open_domain("to-female")
    made = Translation(
        image=faces[5:6], source=torch.rand(1, 3, 64, 64), source_term=1.0, moved=0.5, seconds=0.02
    )
    term = measure_target(seeing_ctx, made, "to-female")
    assert term.after == pytest.approx(0, abs=1e-3)
    assert term.before > 0.5
    assert torch.equal(images.to_tensor(term.nearest), faces[5:6])
    assert measure_target(seeing_ctx, made, "to-mars") is None


def test_the_figures_are_those_of_the_report(seeing_ctx, chosen):
    made = translate_face(seeing_ctx, chosen, "to-male")
    term = measure_target(seeing_ctx, made.translation, "to-male")
    figures = figures_of(made, term)
    assert figures["source_term"] == 1.25
    shown = f"{figures['target_term_before']:.2f} → {figures['target_term_after']:.2f}"
    assert shown in show_report(made, term)
