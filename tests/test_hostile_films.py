"""A hundred hostile films: each is a clip or one sentence, within ten seconds and a gigabyte."""

import resource
import time

import pytest
import torch
from hostile_films import hostile_films, make_bases

from cxdemo.films import FilmError
from cxdemo.images import ImageError
from cxdemo.video import read_clip

SECONDS, KILOBYTES = 10, 1_000_000


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def check(path):
    """The sentence for a film, or "" for a clip."""
    try:
        clip = read_clip(path, max_seconds=3, max_frames=36, fps=12)
    except (FilmError, ImageError) as error:
        said = str(error)
        assert "\n" not in said
        assert str(path.parent) not in said
        return said
    assert len(clip.frames) >= 2
    assert bool(torch.isfinite(clip.frames).all())
    return ""


def attack(folder, **settings):
    """How many of the films were refused."""
    refused = 0
    for name, data in hostile_films(folder, **settings):
        path = folder / name
        path.write_bytes(data)
        before, begun = peak(), time.process_time()
        refused += bool(check(path))
        assert time.process_time() - begun < SECONDS, name
        assert peak() - before < KILOBYTES, name
        path.unlink()
    return refused


def test_a_hundred_small_films_do_no_harm(tmp_path):
    refused = attack(tmp_path, seed=12, count=100)
    assert 25 <= refused <= 75  # else the generator makes too much, or too little, of the harm


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_large_films_do_no_harm(seed, tmp_path):
    attack(tmp_path, seed=seed, count=100, size=(1280, 720))


def test_the_films_that_are_harmed_are_sound(tmp_path):
    for kind, data in make_bases(tmp_path, (64, 48)).items():
        path = tmp_path / f"sound.{kind}"
        path.write_bytes(data)
        assert bool(check(path)) == (kind == "m4a"), kind
