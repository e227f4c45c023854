"""Clips: what is written can be read again by others, frame by frame and colour by colour."""

import av
import pytest
import torch
from PIL import Image

from cxdemo.images import to_tensor
from cxdemo.video import save_gif, save_mp4

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
