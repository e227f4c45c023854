"""Clips: what is written can be read again by others, frame by frame and colour by colour."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from cxdemo import video
from cxdemo.images import to_tensor
from cxdemo.video import read_clip, save_gif, save_mp4

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


def write_film(path, colours, *, rate=10, times=None, size=(64, 48), sound=False):
    """A film of plain colours; `times` in units of 1 / rate."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        track = file.add_stream("aac", rate=8000, layout="mono") if sound else None
        for index, colour in enumerate(colours):
            rgb = tuple(round(255 * c) for c in colour)
            frame = av.VideoFrame.from_image(Image.new("RGB", size, rgb))
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if track:
            tone = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono"
            )
            tone.sample_rate, tone.pts = 8000, 0
            file.mux(track.encode(tone))
            file.mux(track.encode())
    return path


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


def test_of_a_long_film_only_the_beginning_is_decoded(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", [(0.5, 0.5, 0.5)] * 600, size=(32, 32))
    decoded = []
    upright = video._upright
    monkeypatch.setattr(video, "_upright", lambda frame: decoded.append(1) or upright(frame))
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


def test_a_film_from_an_upright_phone_is_turned(tmp_path):
    """Phones write the sensor's picture and "turn it right by 90 degrees" into the track header."""
    path = tmp_path / "a.mp4"
    frame = torch.zeros(1, 3, 32, 64)
    frame[:, 0, :, :32] = 0.9  # the left half is red, which belongs on top
    save_mp4(frame.expand(3, 3, 32, 64), path, fps=10)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, 32 * one, 0, 1 << 30)
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    clip = read_clip(path)
    assert clip.frames.shape == (3, 3, 64, 32)
    assert float(clip.frames[:, 0, :28].mean()) == pytest.approx(0.9, abs=0.05)
    assert float(clip.frames[:, 0, 36:].mean()) < 0.05


def test_frames_are_shrunk_but_never_enlarged(tmp_path):
    path = write_film(tmp_path / "a.mp4", COLOURS)
    assert read_clip(path, long_side=32).frames.shape[2:] == (24, 32)
    assert read_clip(path, long_side=500).frames.shape[2:] == (48, 64)


def test_a_film_that_is_cut_off_gives_what_is_there(tmp_path):
    path = write_film(tmp_path / "a.mkv", [(i / 90, 0.3, 0.6) for i in range(90)])
    path.write_bytes(path.read_bytes()[:-1500])
    assert 10 < len(read_clip(path).frames) <= 90


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mp4", b"this is no film" * 50, "a.mp4 can't be read: it is broken"),
        ("a.gif", b"GIF89a" + bytes(40), "a.gif"),
        ("a.mp4", b"", "a.mp4 is empty"),
    ],
)
def test_what_is_no_film_is_said_in_a_sentence(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        read_clip(tmp_path / name)
    assert str(tmp_path) not in str(error.value)


def test_sound_alone_a_still_and_giants_are_refused(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as file:
        track = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        tone = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono"
        )
        tone.sample_rate = 8000
        file.mux(track.encode(tone))
    with pytest.raises(ValueError, match="only sound"):
        read_clip(tmp_path / "a.wav")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.gif")
    with pytest.raises(ValueError, match="doesn't move"):
        read_clip(tmp_path / "a.gif")
    with pytest.raises(ValueError, match=r"There is no file gone\.mp4"):
        read_clip(tmp_path / "gone.mp4")
    write_film(tmp_path / "b.mp4", COLOURS[:1], size=(5000, 2000))
    with pytest.raises(ValueError, match="5000 x 2000 pixels; at most 3840 x 2160"):
        read_clip(tmp_path / "b.mp4")
