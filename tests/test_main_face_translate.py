"""`python -m cxdemo face translate` with a stand-in for the generator."""

from dataclasses import replace

import pytest
import torch

from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.engine import context
from cxdemo.pipelines.face_translation import Translation

MONA_LISA = "cxdemo/examples/portrait_monalisa.jpg"


@pytest.fixture(autouse=True)
def black_generator(monkeypatch):
    real = context.default_context()

    def translate(face, translator):
        image = torch.zeros(1, 3, 64, 64)
        return Translation(image=image, source=image, source_term=2.0, moved=0.25, seconds=0.01)

    fake = replace(
        real,
        translate=translate,
        load_translator=lambda name: name,
        load_upscaler=lambda name: lambda x: torch.nn.functional.interpolate(x, scale_factor=4),
    )
    monkeypatch.setattr(context, "default_context", lambda: fake)


def test_the_face_is_replaced_in_its_picture(tmp_path, capsys):
    file = tmp_path / "a.png"
    assert main(["face", "translate", MONA_LISA, "-o", str(file), "--to", "to-drawn"]) == 0
    before, after = images.to_tensor(images.load(MONA_LISA)), images.to_tensor(images.load(file))
    assert after.shape == before.shape
    assert after[0, :, 105, 100].max() == 0  # between nose and cheek
    assert (after[..., :10, :] - before[..., :10, :]).abs().max() < 0.005
    assert "1 found, face 1 translated" in capsys.readouterr().out


def test_the_crop_alone(tmp_path):
    file = tmp_path / "a.png"
    main(["face", "translate", MONA_LISA, "-o", str(file), "--to", "to-drawn", "--crop"])
    assert images.load(file).size == (256, 256)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cxdemo/examples/photo_mountain.jpg"], "No face was found in photo_mountain.jpg"),
        ([MONA_LISA, "--face", "3"], "This picture has 1 faces"),
    ],
)
def test_problems_are_sentences(arguments, said, tmp_path, capsys):
    file = tmp_path / "a.png"
    assert main(["face", "translate", *arguments, "-o", str(file), "--to", "to-drawn"]) != 0
    assert said in capsys.readouterr().err
    assert not file.exists()


def test_the_ending_is_checked_before_anything_is_computed(tmp_path, capsys):
    assert main(
        ["face", "translate", MONA_LISA, "-o", str(tmp_path / "a.bmp"), "--to", "to-female"]
    )
    assert "choose one of the endings .png, .jpg" in capsys.readouterr().err
