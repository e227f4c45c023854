"""Examples that are one click from a finished result."""

import json
from dataclasses import replace

import pytest

from cxdemo import examples, images
from cxdemo.gallery import style as gallery
from cxdemo.gallery.style import EXAMPLES, Example
from cxdemo.pipelines.style_transfer import PRESETS
from cxdemo.ui.style.progress import tell_progress


def test_there_are_six_to_eight_and_their_pictures_exist():
    assert 6 <= len(EXAMPLES) <= 8
    for example in EXAMPLES:
        assert all(path.is_file() for path in example.pictures), example.name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_results_are_there_and_up_to_date(example):
    again = "make them again: python -m cxdemo examples style"
    assert gallery.stored_key(example) == example.key, again
    run = gallery.open_example(example)
    assert run.finished
    assert run.config == example.config
    assert len(run.history) > 10
    assert gallery.result_of(example).stat().st_size < 800_000


def test_results_are_those_of_the_finest_preset_and_say_when_they_were_made():
    for example in EXAMPLES:
        assert example.config == PRESETS["fine"]
        run = gallery.open_example(example)
        assert run.made is not None
        said = tell_progress(run)
        assert f"<b>Stored result</b>, made on {run.made}: 190 steps in {run.seconds:.0f} s" in said
        assert f"{run.image.width} × {run.image.height} px" in said


def test_key_changes_with_settings():
    example = EXAMPLES[0]
    assert replace(example, changes={"seed": 1}).key != example.key


def test_make_result_can_be_opened_again(ctx, tmp_path):
    example = replace(EXAMPLES[0], changes={"num_steps": 130, "size": 64})
    for _ in gallery.make_result(example, ctx, folder=tmp_path):
        pass
    run = gallery.open_example(example, folder=tmp_path)
    assert gallery.stored_key(example, folder=tmp_path) == example.key
    assert (run.config, run.index, run.total) == (example.config, 130, 130)
    assert max(run.image.size) == 64
    assert run.history[-1][0] == 130
    assert len(run.history) <= gallery.POINTS_KEPT + 1


def test_unreadable_results_are_left_out(tmp_path, caplog):
    example = EXAMPLES[0]
    picture = examples.open_picture(example.pictures[0])
    stored = {"config": {"no_such_option": 1}, "steps_taken": 1, "seconds": 1, "losses": []}
    images.save_png(
        picture,
        gallery.result_of(example, folder=tmp_path),
        metadata={gallery.SETTINGS_KEY: json.dumps(stored)},
    )
    assert gallery.finished_examples(folder=tmp_path) == []
    assert "holds no settings" in caplog.text


def test_titles_come_from_file_names():
    (path,) = [p for p in examples.picture_files("photo") if "city" in p.name]
    assert examples.title_of(path) == "City night"


def test_a_visitor_cannot_change_the_pictures_of_another():
    path = EXAMPLES[0].pictures[0]
    examples.open_picture(path).paste((0, 0, 0), (0, 0, 9, 9))
    assert examples.open_picture(path).getpixel((1, 1)) != (0, 0, 0)


def test_example_is_keyword_only():
    with pytest.raises(TypeError):
        Example("a", "b", "c")
