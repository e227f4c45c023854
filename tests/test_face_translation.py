"""Face translation with the shipped generators: what they may be told, and what they do."""

import pytest
import torch

from cxdemo import images
from cxdemo.checkpoints import FOLDER
from cxdemo.contextual import contextual_loss
from cxdemo.features import load_features
from cxdemo.pipelines.face_translation import (
    SIZE,
    TRANSLATORS,
    Translator,
    load_translator,
    translate,
)

EXAMPLES = FOLDER.parent / "cxdemo" / "examples"


@pytest.fixture(scope="module")
def portrait():
    """The Mona Lisa's face, roughly as the generators know faces."""
    picture = images.to_tensor(images.load(EXAMPLES / "portrait_monalisa.jpg"))
    side = min(picture.shape[2:])
    left = (picture.shape[3] - side) // 2
    return images.resize(picture[..., :side, left : left + side], (128, 128)).clamp(0, 1)


@pytest.fixture(scope="module", params=sorted(TRANSLATORS))
def translator(request):
    return load_translator(request.param)


def test_a_generator_changes_a_face_and_neither_keeps_nor_loses_it(translator, portrait):
    result = translate(portrait, translator)
    assert result.image.shape == (1, 3, SIZE, SIZE)
    assert 0 <= float(result.image.min()) <= float(result.image.max()) <= 1
    assert result.moved == pytest.approx(float((result.image - result.source).abs().mean()))
    assert 0.02 < result.moved < 0.5


def test_two_faces_stay_two_faces(translator):
    """A generator that has collapsed makes one picture of everything."""
    torch.manual_seed(0)
    one, two = (images.resize(torch.rand(1, 3, 8, 8), (SIZE, SIZE)).clamp(0, 1) for _ in range(2))
    a, b = (translate(face, translator).image for face in (one, two))
    assert float((a - b).abs().mean()) > 0.02


def test_the_source_term_is_the_contextual_loss_of_what_went_in_and_came_out(portrait):
    translator = load_translator("to-drawn")
    result = translate(portrait, translator)
    features = load_features("vgg16", ("conv4_2",), pooling="average")
    x, y = (features(image)["conv4_2"] for image in (result.image, result.source))
    assert result.source_term == pytest.approx(float(contextual_loss(x, y, bandwidth=0.2)), 1e-3)
    same = Translator(translator.info, torch.nn.Identity(), translator.features)
    kept = translate(portrait, same)
    assert kept.moved == 0
    assert kept.source_term < 0.02 < result.source_term


def test_a_drawing_has_a_paler_back_than_its_photo(portrait):
    result = translate(portrait, load_translator("to-drawn"))
    corners = [image[..., :12, -12:].mean() for image in (result.image, result.source)]
    assert float(corners[0]) > float(corners[1]) + 0.15


def test_what_is_wrong_is_said(portrait):
    with pytest.raises(ValueError, match="Did you mean 'to-drawn'"):
        load_translator("to-draw")
    with pytest.raises(ValueError, match="one square face"):
        translate(portrait[..., :-1], load_translator("to-drawn"))
