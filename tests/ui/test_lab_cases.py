"""What the panels of the special cases are told."""

from dataclasses import replace

import pytest
from torch.nn import functional as F

from cxdemo.ui.lab.cases import kl, place


@pytest.fixture
def case(ctx):
    def load(backbone, layers, *, pooling):
        return lambda image: {layers[0]: F.pixel_unshuffle(image, 4)}

    return place._remembered(replace(ctx, load_features=load))


def test_the_shifted_copy_is_found_again_until_place_counts(case):
    shown = place.show_place(case("photo_parrot", 8))
    first, last = shown["steps"][0], shown["steps"][-1]
    assert first["weight"] == 0
    assert first["voted"] < 0.3 * shown["perceptual"]
    assert last["voted"] == pytest.approx(shown["perceptual"], rel=0.02)
    assert last["loss"] < 0.02 < first["loss"]
    assert last["own"] > 0.98


def test_without_a_shift_all_agree_that_nothing_differs(case):
    shown = place.show_place(case("photo_coffee", 0))
    assert shown["perceptual"] == pytest.approx(0, abs=1e-5)
    assert all(step["loss"] < 1e-3 for step in shown["steps"])


def test_the_sentence_gives_the_measured_correlation():
    curve, amounts, moments, goal = kl.compute_kl("smiley", "cx")
    assert len(amounts) == len(moments) == len(curve.losses)
    assert f"{curve.correlation:.2f}" in kl.tell_kl(curve, "cx")
    assert curve.correlation > 0.9
    assert moments[0].shape == goal.shape
