"""The exemplar section: a short real run, its words, its pictures."""

import pytest
import torch

from cxdemo import images
from cxdemo.faces import align_box
from cxdemo.gallery.exemplar import PAIRS, PICTURES
from cxdemo.pipelines.face_exemplar import ExemplarConfig, FaceMatch
from cxdemo.runs import exemplar as exemplar_run
from cxdemo.runs.exemplar import ExemplarRun
from cxdemo.ui.face.exemplar import view as exemplar_view
from cxdemo.ui.face.exemplar.page import NOTICE


@pytest.fixture
def run():
    picture = torch.zeros(1, 3, 120, 100)
    source = align_box(picture, (10, 20, 90, 100), 64)
    target = align_box(torch.ones_like(picture), (10, 20, 90, 100), 64)
    config = ExemplarConfig(size=64, num_steps=4)
    return ExemplarRun(picture=picture, source=source, target=target, config=config)


def fade(source, target, config, **_):
    """Three steps from source to target."""
    for index in (1, 2, 3):
        image = source + index / 3 * (target - source)
        losses = {"target": 3.0 - index, "source": float(index), "palette": 0.0, "smoothness": 0.0}
        yield exemplar_run_step(index, image, losses)


def exemplar_run_step(index, image, losses):
    from cxdemo.optimize import Step

    return Step(index=index, total=3, losses=losses, image=image, seconds=float(index))


@pytest.fixture
def faded(run, ctx, monkeypatch):
    monkeypatch.setattr(exemplar_run, "transform_face", fade)
    list(run.steps(ctx))
    return run


def test_a_run_ends_with_the_last_step(faded):
    assert faded.finished
    torch.testing.assert_close(faded.result(), torch.ones(1, 3, 64, 64))  # crops are resampled
    assert "Done: 3 steps in 3 s." in exemplar_view.tell_progress(faded)


def test_a_run_can_be_stopped_and_keeps_what_there_is(run, ctx, monkeypatch):
    monkeypatch.setattr(exemplar_run, "transform_face", fade)
    steps = run.steps(ctx)
    next(steps)
    run.stopped = True
    assert list(steps) == []
    assert float(run.result().mean()) == pytest.approx(1 / 3)
    assert "Stopped after step 1 of 3" in exemplar_view.tell_progress(run)


def test_the_result_is_pasted_into_its_picture(faded):
    whole = faded.whole()
    assert whole[0, :, 60, 50].tolist() == pytest.approx([1, 1, 1])  # the middle of the crop
    assert whole[0, :, 5, 5].tolist() == [0, 0, 0]


def test_a_region_is_pasted_alone(run, ctx, monkeypatch):
    monkeypatch.setattr(exemplar_run, "transform_face", fade)
    run.config = ExemplarConfig(size=64, region="mouth")
    list(run.steps(ctx))
    whole = run.whole()
    assert whole[0, :, 76, 50].min() > 0.9  # 0.70 of the crop: the mouth of a crop by hand
    assert whole[0, :, 52, 50].max() == 0  # 0.40: between the eyes


def test_without_a_result_it_is_a_sentence(run):
    with pytest.raises(ValueError, match="There is no result yet"):
        run.result()


def test_files_carry_their_settings(faded):
    files = faded.export()
    assert '"pipeline": "face_exemplar"' in images.read_png_metadata(files["crop"])["cxdemo"]
    assert images.load(files["whole"]).size == (100, 120)


def test_the_terms_are_explained_with_their_values(faded):
    html = exemplar_view.show_losses(faded)
    assert "<b>Source 3.00</b>" in html
    assert html.count("<polyline") == 4


def test_matches_are_told_with_their_shares(faded):
    matches = [FaceMatch((0, 0, 0.25, 0.25), 0.5), FaceMatch((0.5, 0, 0.75, 0.25), 0.25)]
    html = exemplar_view.tell_matches(faded, matches, "conv4_2")
    assert "<b>50%</b> goes to place 1" in html
    assert "75% to the 2 shown" in html


def test_pairs_name_pictures_that_are_here():
    for pair in PAIRS:
        assert (PICTURES / pair.source).is_file()
        assert (PICTURES / pair.target).is_file()
    assert len({pair.name for pair in PAIRS}) == 8


def test_the_notice_names_consent():
    assert "agreed" in NOTICE
    assert "Nothing is kept" in NOTICE
