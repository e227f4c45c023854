"""Small films for tests: plain colours, and boxes of an MP4 that say something else."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image


def write_film(path, colours, *, rate=10, times=None, size=(64, 48), sound=False):
    """A film of plain colours; `times` in units of 1 / rate."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
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


def write_pictures(path, pictures, *, codec="libx264", pixels="yuv444p", rate=10, **settings):
    """A film of pictures, nearly without loss; settings are those of the codec."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options={"crf": "4"})
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = pixels
        if "a" in pixels and codec.startswith("libvpx"):
            stream.metadata["alpha_mode"] = "1"
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(
                np.asarray(picture), format={"RGB": "rgb24", "RGBA": "rgba"}[picture.mode]
            )
            file.mux(stream.encode(frame.reformat(format=pixels)))
        file.mux(stream.encode())
    return path


def write_sound(path, codec="pcm_s16le"):
    """A tenth of a second of silence."""
    with av.open(str(path), "w") as file:
        track = file.add_stream(codec, rate=8000, layout="mono")
        tone = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.int16), format="s16", layout="mono"
        )
        tone.sample_rate, tone.pts = 8000, 0
        file.mux(track.encode(tone))
        file.mux(track.encode())
    return path


def write_gif(path, colours, delays, size=(32, 32)):
    """An animated GIF of plain colours, each on show for so many milliseconds."""
    frames = [Image.new("RGB", size, colour) for colour in colours]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=delays)
    return path


def patch_box(path, kind, offset, data):
    """Writes over a place of the first box of a kind, counted from the end of its name."""
    film = path.read_bytes()
    at = film.index(kind) + 4 + offset
    path.write_bytes(film[:at] + data + film[at + len(data) :])
    return path
