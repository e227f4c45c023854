"""Clips: what is written can be read again by others, frame by frame and colour by colour."""

import json

import av
import numpy as np
import pytest
import torch
from PIL import Image
from small_films import write_film, write_gif

from cxdemo import films, video
from cxdemo.images import to_tensor
from cxdemo.video import read_clip, read_settings_text, save_gif, save_mp4

COLOURS = ((0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.2, 0.2, 0.9))


@pytest.fixture
def clip():
    """Three frames of one colour each, of odd size."""
    return torch.tensor(COLOURS).view(3, 3, 1, 1).expand(3, 3, 33, 47)


def test_a_gif_keeps_frames_colours_and_time(clip, tmp_path):
    save_gif(clip, tmp_path / "a.gif", fps=5)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (3, (47, 33), 0)
        for index, colour in enumerate(COLOURS):
            gif.seek(index)
            assert gif.info["duration"] == 200
            mean = to_tensor(gif.convert("RGB")).mean(dim=(0, 2, 3))
            assert mean.tolist() == pytest.approx(colour, abs=0.02)


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_a_film_carries_its_settings(clip, tmp_path, ending):
    save = {"gif": save_gif, "mp4": save_mp4}[ending]
    told = {"config": {"name": "Café \u4e2d", "curve": [0.123456789] * 3000}}  # 30 kB
    path = tmp_path / f"with.{ending}"
    save(clip, path, fps=5, settings=told)
    assert json.loads(read_settings_text(path)) == told
    bare = tmp_path / f"without.{ending}"
    save(clip, bare, fps=5)
    assert read_settings_text(bare) == ""
    assert torch.equal(read_clip(path).frames, read_clip(bare).frames)


def test_settings_of_a_damaged_film_are_a_sentence(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom" + b"\xff" * 500)
    with pytest.raises(films.FilmError, match=r"“a\.mp4” can't be read"):
        read_settings_text(path)


def test_an_mp4_keeps_frames_colours_and_time_and_becomes_even(clip, tmp_path):
    save_mp4(clip, tmp_path / "a.mp4", fps=12.5)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(12.5)
        frames = [to_tensor(frame.to_image()) for frame in file.decode(stream)]
    assert len(frames) == 3
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert frame.shape == (1, 3, 34, 48)
        assert frame.mean(dim=(0, 2, 3)).tolist() == pytest.approx(colour, abs=0.03)
        assert float(frame.std(dim=(2, 3)).max()) < 0.02  # no black border where it was made even


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(ValueError, match="T of at least 1"):
        save_gif(torch.zeros(0, 3, 8, 8), tmp_path / "a.gif", fps=5)


def colours_of(clip):
    return clip.frames.mean(dim=(2, 3)).tolist()


def test_a_film_is_read_frame_by_frame_and_its_sound_is_ignored(tmp_path):
    clip = read_clip(write_film(tmp_path / "a.mp4", COLOURS, sound=True))
    assert clip.fps == pytest.approx(10)
    assert clip.frames.shape == (3, 3, 48, 64)
    for got, wanted in zip(colours_of(clip), COLOURS, strict=True):
        assert got == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animations_are_read(kind, tmp_path):
    frames = [Image.new("RGB", (40, 30), tuple(round(255 * c) for c in rgb)) for rgb in COLOURS]
    path = tmp_path / f"a.{kind}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200, lossless=True)
    clip = read_clip(path)
    assert (clip.fps, clip.frames.shape, clip.note) == (5.0, (3, 3, 30, 40), "")
    for got, wanted in zip(colours_of(clip), COLOURS, strict=True):
        assert got == pytest.approx(wanted, abs=0.01)


def test_varying_frame_rates_are_sampled_at_even_times(tmp_path):
    """Shown from 0, 0.1 and 0.4 s: at 10 a second the second one is seen three times."""
    path = write_film(tmp_path / "a.mp4", COLOURS, times=(0, 1, 4))
    reds = [colour[0] for colour in colours_of(read_clip(path, fps=10))][:5]
    assert reds == pytest.approx([0.9, 0.1, 0.1, 0.1, 0.2], abs=0.03)


def count_decoded(monkeypatch):
    """A list that grows by one with each decoded frame."""
    decoded = []
    moment = films._moment
    monkeypatch.setattr(films, "_moment", lambda *args: decoded.append(1) or moment(*args))
    return decoded


def test_of_a_long_film_only_the_beginning_is_decoded(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", [(0.5, 0.5, 0.5)] * 600, size=(32, 32))
    decoded = count_decoded(monkeypatch)
    clip = read_clip(path, max_seconds=2, fps=5)
    assert (len(clip.frames), clip.seconds) == (10, 2.0)
    assert clip.note == "The first 2 s of 60 s are used."
    assert len(decoded) < 30


def test_few_frames_are_spread_over_the_time(tmp_path):
    ramp = [(i / 40, 0.5, 0.5) for i in range(40)]
    clip = read_clip(write_film(tmp_path / "a.mp4", ramp), max_frames=8)
    assert (len(clip.frames), clip.fps) == (8, pytest.approx(2, abs=0.02))
    reds = [colour[0] for colour in colours_of(clip)]
    assert reds == pytest.approx([i / 8 for i in range(8)], abs=0.05)


def test_frames_are_shrunk_but_never_enlarged(tmp_path):
    path = write_film(tmp_path / "a.mp4", COLOURS)
    assert read_clip(path, long_side=32).frames.shape[2:] == (24, 32)
    assert read_clip(path, long_side=500).frames.shape[2:] == (48, 64)


def test_a_film_that_is_cut_off_gives_what_is_there(tmp_path):
    path = write_film(tmp_path / "a.mkv", [(i / 90, 0.3, 0.6) for i in range(90)])
    path.write_bytes(path.read_bytes()[:-1500])
    assert 10 < len(read_clip(path).frames) <= 90


def test_the_work_is_bounded_in_pixels_over_all_frames(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", [(i / 40, 0.5, 0.5) for i in range(40)], size=(32, 32))
    monkeypatch.setattr(films, "MAX_DECODED", 32 * 32 * 20)
    decoded = count_decoded(monkeypatch)
    clip = read_clip(path)
    assert len(decoded) == 20
    assert len(clip.frames) == 19  # how long the last one is shown is not known
    assert clip.note == "The first 1.9 s of 4 s are used."


def test_frames_that_are_too_many_as_they_are_become_smaller(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", [(i / 20, 0.5, 0.5) for i in range(20)])
    monkeypatch.setattr(video, "MAX_TAKEN", 64 * 48 * 10)
    clip = read_clip(path)
    assert len(clip.frames) == 20
    assert 64 * 48 * 5 / 1.1 < 20 * clip.frames[0, 0].numel() <= 64 * 48 * 10
    assert clip.frames.shape[3] / clip.frames.shape[2] == pytest.approx(4 / 3, abs=0.03)
    reds = [colour[0] for colour in colours_of(clip)]
    assert reds == pytest.approx([i / 20 for i in range(20)], abs=0.03)


def test_a_long_gif_loses_length_and_not_its_rate(tmp_path):
    path = write_gif(tmp_path / "a.gif", [(i, 0, 0) for i in range(0, 200, 10)], delays=[40] * 20)
    clip = read_clip(path, max_frames=8)
    assert (len(clip.frames), clip.fps) == (8, pytest.approx(25))
    assert clip.note == "The first 0.32 s are used."
    assert [round(255 * c[0]) for c in colours_of(clip)] == list(range(0, 80, 10))
    whole = read_clip(path, max_frames=20, max_seconds=60)
    assert (len(whole.frames), whole.fps, whole.note) == (20, pytest.approx(25), "")


def test_the_rate_of_a_gif_is_that_of_its_shortest_frame(tmp_path):
    """A title that stays for a second, then ten frames a second."""
    path = write_gif(tmp_path / "a.gif", [(0, 0, 0), (99, 0, 0), (200, 0, 0)], [1000, 100, 100])
    clip = read_clip(path)
    assert clip.fps == pytest.approx(10)
    reds = [round(255 * colour[0]) for colour in colours_of(clip)]
    assert reds == [0] * 10 + [99, 200]


@pytest.mark.parametrize(("told", "shown"), [(0, 0.1), (10, 0.1), (20, 0.02)])
def test_gif_frames_without_a_time_are_shown_as_browsers_do(told, shown, tmp_path):
    path = write_gif(tmp_path / "a.gif", [(0, 0, 0), (99, 0, 0)], [told, told])
    assert read_clip(path).fps == pytest.approx(1 / shown)


def test_our_own_hd_film_has_its_colours_for_us_and_for_others(tmp_path):
    """Without tags players take HD for BT.709, whatever it was written as."""
    wanted = torch.tensor([220, 30, 30]) / 255
    save_mp4(wanted.view(1, 3, 1, 1).expand(2, 3, 720, 1280), tmp_path / "a.mp4", fps=5)
    got = 255 * (read_clip(tmp_path / "a.mp4").frames - wanted.view(3, 1, 1))
    assert float(got.abs().max()) <= 3
    with av.open(str(tmp_path / "a.mp4")) as file:
        frame = next(file.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        plane = np.frombuffer(frame.planes[0], np.uint8)
    brightness = (0.2126 * 220 + 0.7152 * 30 + 0.0722 * 30) / 255
    assert plane[0] == pytest.approx(16 + 219 * brightness, abs=1)
