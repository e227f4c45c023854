"""Animation and puppet as the page sees them."""

import json
from dataclasses import replace

import av
import pytest
import torch
import torch.nn.functional as F

from cxdemo.faces import load_face_finder
from cxdemo.gallery.clips import (
    ANIMATIONS,
    DRIVER,
    NEW,
    PUPPET_CAT,
    PUPPET_TRUTH,
    PUPPETS,
    open_result,
)
from cxdemo.images import resize
from cxdemo.pipelines.animation_measures import pose_accuracy, shape_distance, shape_of
from cxdemo.pipelines.face_animation import ANIMATION, PUPPET
from cxdemo.runs.clips import open_clip, open_driver, start_animation, start_puppet
from cxdemo.ui.face.clips.view import show_losses, show_strip, tell_progress
from cxdemo.video import Clip, read_clip, save_mp4

RESULT, SHOWN = slice(-256, None), slice(0, 256)  # columns of a film
FAST = {"size": 64, "num_steps": 20, "coarse_share": 1.0}


class Pooled:
    def __call__(self, image):
        strides = {"conv2_2": 2, "conv3_2": 4, "conv4_2": 8}
        return {name: F.avg_pool2d(image, stride) for name, stride in strides.items()}


@pytest.fixture
def fast_ctx(ctx):
    return replace(ctx, load_features=lambda backbone, layers, *, pooling: Pooled())


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return Clip(frames=F.interpolate(torch.rand(4, 3, 4, 4), (48, 64)), fps=8)


def test_an_animation_runs_to_its_end_and_leaves_films(fast_ctx, clip):
    run = start_animation(torch.rand(1, 3, 40, 40), clip, replace(ANIMATION, **FAST))
    assert "before the first step" in show_strip(run)
    for _ in run.steps(fast_ctx):
        pass
    assert run.finished
    files = run.export()
    with av.open(str(files["mp4"])) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 4
    assert frames[0].shape == (256, 520, 3)  # driver, a gap, result
    assert frames[0][:, 258:262].mean() > 230
    stored = json.loads(files["json"].read_text())
    assert (stored["pipeline"], stored["steps"], stored["frames"]) == ("animation", 20, 4)
    assert files["gif"].read_bytes()[:6] == b"GIF89a"


def test_a_stopped_run_shows_what_it_has_reached(fast_ctx, clip):
    run = start_animation(torch.rand(1, 3, 40, 40), clip, replace(ANIMATION, **FAST))
    for _ in run.steps(fast_ctx):
        if run.step.index == 3:
            run.stopped = True
    assert run.step.index == 3
    assert "Stopped at step 3 of 20" in tell_progress(run)
    assert "Result, step 3" in show_strip(run)
    assert run.render().shape == (4, 3, 256, 256)


def test_the_losses_are_explained_and_the_puppet_has_no_source_term(fast_ctx, clip):
    moved = start_animation(torch.rand(1, 3, 40, 40), clip, replace(ANIMATION, **FAST))
    led = start_puppet(clip, clip, clip, replace(PUPPET, **FAST))
    for run in (moved, led):
        for _ in run.steps(fast_ctx):
            run.stopped = run.step.index == 2
    assert "is what it started from still there" in show_losses(moved)
    assert "source" not in show_losses(led)


def test_the_target_is_bent_after_the_driver_and_keeps_its_details(ctx):
    """One step of hardly any size teaches nothing, so what is shown is the bent picture itself."""
    target = torch.full((1, 3, 256, 256), 0.5)
    target[..., 80:160, 80:160] = torch.rand(80, 80, generator=torch.Generator().manual_seed(0))
    target[0, 0, 0, 0] = 1.0  # the fake finder sees a face
    frames = torch.full((5, 3, 64, 64), 0.4)
    config = replace(ANIMATION, **FAST, step_size=1e-5)
    run = start_animation(target, Clip(frames=frames, fps=8), config)
    for _ in run.steps(replace(ctx, load_features=lambda *_, **__: Pooled())):
        break
    assert not run.notice
    torch.testing.assert_close(run.render(), target.expand(5, -1, -1, -1), atol=0.03, rtol=0)
    paper = start_animation(target, Clip(frames=frames, fps=8), replace(config, start="driver"))
    for _ in paper.steps(replace(ctx, load_features=lambda *_, **__: Pooled())):
        break
    torch.testing.assert_close(paper.render(), frames, atol=0.03, rtol=0)


def test_without_a_face_in_the_target_the_driver_is_where_it_starts_and_the_page_says_so(ctx):
    frames = torch.full((4, 3, 64, 64), 0.4)
    config = replace(ANIMATION, **FAST)
    run = start_animation(torch.zeros(1, 3, 64, 64), Clip(frames=frames, fps=8), config)
    for _ in run.steps(replace(ctx, load_features=lambda *_, **__: Pooled())):
        run.stopped = run.step.index == 2
    assert run.bent is None
    assert "No face was found in the target" in run.settings()["notice"]


def test_clips_that_are_no_pairs_are_refused_and_small_differences_cut(clip):
    frames = torch.rand(30, 3, 32, 32)
    long, almost = Clip(frames=frames, fps=12), Clip(frames=frames[:29], fps=12)
    assert len(start_puppet(long, almost, clip, PUPPET).driver) == 29
    with pytest.raises(ValueError, match=r"driver's clip has 30 frames \(2\.5 s\) and the puppet"):
        start_puppet(long, clip, clip, PUPPET)


def test_the_shipped_clips_are_pairs_of_three_seconds():
    clips = [open_clip(path) for path in (DRIVER, PUPPET_CAT, NEW)]
    assert [(len(c.frames), c.seconds, c.note) for c in clips] == [(36, 3.0, "")] * 3


@pytest.mark.parametrize("example", [*ANIMATIONS, *PUPPETS], ids=lambda e: e.name)
def test_each_example_has_a_film_its_settings_and_its_curves(example):
    stored = open_result(example)
    assert stored.settings["config"]["num_steps"] == example.config.num_steps
    assert stored.settings["steps"] == example.config.num_steps
    assert "polyline" in stored.show_losses()
    with av.open(str(stored.film)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 36


@pytest.mark.parametrize("example", ANIMATIONS, ids=lambda e: e.name)
def test_the_shape_of_a_shipped_animation_is_the_targets(example):
    """Measured on the film itself, where the finder sees its face."""
    film = read_clip(example.film, max_seconds=3, max_frames=36, long_side=520, fps=12).frames
    find = load_face_finder().find
    result, driver = (shape_of(film[::4, :, :, part], find) for part in (RESULT, SHOWN))
    target = shape_of(example.target(), find)
    assert shape_distance(result, target) < 0.8 * shape_distance(result, driver)


def test_what_a_visitor_reads_is_escaped():
    assert "&lt;b&gt;" in tell_progress(None, problem="<b>.mp4 is broken")


def test_the_shipped_puppet_takes_the_pose_that_was_drawn_for_each_new_frame():
    film = read_clip(PUPPETS[0].film, max_seconds=3, max_frames=36, long_side=520, fps=12).frames
    truth = open_clip(PUPPET_TRUTH).frames
    result = resize(film[..., -256:], truth.shape[2:])
    accuracy = pose_accuracy(result, truth)
    assert accuracy > 0.7
    assert accuracy == pytest.approx(open_result(PUPPETS[0]).settings["pose_accuracy"], abs=0.06)
    driver = resize(film[..., :256], truth.shape[2:])
    assert pose_accuracy(driver, truth) < 0.5  # the driver itself would not do


def test_a_driver_is_cut_around_its_face_and_refused_without_one(ctx, tmp_path):
    """The fake finder sees a face in the middle of each frame that is not black."""
    frames = torch.full((6, 3, 96, 64), 0.2)
    frames[:, 0, 16:80] = 0.9  # the middle square is red, what is above and below is not
    save_mp4(frames, tmp_path / "a.mp4", fps=12)
    clip = open_driver(tmp_path / "a.mp4", ctx)
    assert clip.frames.shape == (6, 3, 256, 256)
    assert float(clip.frames[:, 0, 8:-8].amin()) > 0.85  # an edge is a bit soft
    frames[:4] = 0
    save_mp4(frames, tmp_path / "a.mp4", fps=12)
    with pytest.raises(ValueError, match="A face was found in only 2 of the 6 frames"):
        open_driver(tmp_path / "a.mp4", ctx)
    save_mp4(frames * 0, tmp_path / "a.mp4", fps=12)
    with pytest.raises(ValueError, match="A face was found in no frame of the driver's clip"):
        open_driver(tmp_path / "a.mp4", ctx)
