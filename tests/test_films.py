"""Films as people see them: upright, over white, square pixels, right colours; or one sentence."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from small_films import patch_box, write_film, write_gif, write_pictures, write_sound

from cxdemo.films import FilmError
from cxdemo.images import ImageError
from cxdemo.video import read_clip

GREEN, RED = (0, 255, 0), (200, 40, 40)


def levels(frame):
    """(3, H, W) in [0, 1] -> (H, W, 3) in 0 to 255, whole numbers with a sign."""
    return (255 * frame).round().to(torch.int32).permute(1, 2, 0).numpy()


def disc(colour=RED, hidden=GREEN, side=96):
    """A disc whose surroundings are transparent and have a colour that must not be seen."""
    picture = Image.new("RGBA", (side, side), (*hidden, 0))
    ImageDraw.Draw(picture).ellipse((12, 12, side - 12, side - 12), fill=(*colour, 255))
    return picture


def test_a_transparent_webm_lies_on_white_and_has_no_rim_of_hidden_colour(tmp_path):
    path = write_pictures(tmp_path / "a.webm", [disc()] * 3, codec="libvpx-vp9", pixels="yuva420p")
    seen = levels(read_clip(path).frames[1])
    assert (seen[:6] >= 254).all()
    assert np.abs(seen[40:56, 40:56] - RED).max() <= 6
    greenness = seen[..., 1] - np.maximum(seen[..., 0], seen[..., 2])
    assert greenness.max() <= 4


def test_a_transparent_film_that_is_shrunk_has_no_rim_either(tmp_path):
    path = write_pictures(tmp_path / "a.mkv", [disc()] * 3, codec="ffv1", pixels="bgra")
    seen = levels(read_clip(path, long_side=33).frames[1])
    assert seen.shape == (33, 33, 3)
    assert (seen[..., 1] - np.maximum(seen[..., 0], seen[..., 2])).max() <= 1


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_transparent_animations_lie_on_white(kind, tmp_path):
    frames = [disc(), disc((180, 40, 90))]
    if kind == "gif":
        frames = [to_palette(frame) for frame in frames]
    path = tmp_path / f"a.{kind}"
    extra = (
        {"transparency": 0, "disposal": 2} if kind == "gif" else {"lossless": True, "exact": True}
    )
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **extra)
    clip = read_clip(path)
    for frame, colour in zip(clip.frames, (RED, (180, 40, 90)), strict=True):
        seen = levels(frame)
        assert (seen[:6] == 255).all()
        assert np.abs(seen[40:56, 40:56] - colour).max() <= 1
        assert (seen[..., 1] - np.maximum(seen[..., 0], seen[..., 2])).max() <= 1


def to_palette(picture):
    """A disc as a palette picture; colour 0 is the hidden one."""
    indices = picture.getchannel("A").point(lambda level: int(level > 0)).convert("P")
    indices.putpalette([*GREEN, *picture.getpixel((48, 48))[:3]])
    return indices


# ------------------------------------------------------------------------------ how it is laid

CORNERS = {"red": (230, 20, 20), "blue": (20, 20, 230), "grey": (128, 128, 128)}


def corners():
    """Red at the top left, blue at the top right, grey below; twice as wide as high."""
    picture = Image.new("RGB", (64, 32), CORNERS["grey"])
    picture.paste(CORNERS["red"], (0, 0, 32, 16))
    picture.paste(CORNERS["blue"], (32, 0, 64, 16))
    return picture


# (a, b, c, d), in which (x, y) goes to (a x + c y, b x + d y); where red and blue come to lie
MATRICES = {
    (1, 0, 0, 1): ("top left", "top right"),
    (-1, 0, 0, 1): ("top right", "top left"),
    (1, 0, 0, -1): ("bottom left", "bottom right"),
    (-1, 0, 0, -1): ("bottom right", "bottom left"),
    (0, 1, -1, 0): ("top right", "bottom right"),
    (0, -1, 1, 0): ("bottom left", "top left"),
    (0, 1, 1, 0): ("top left", "bottom left"),
    (0, -1, -1, 0): ("bottom right", "top right"),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_eight_display_matrices_are_followed(matrix, tmp_path):
    path = write_pictures(tmp_path / "a.mp4", [corners()] * 3)
    a, b, c, d = (value * 65536 for value in matrix)
    patch_box(path, b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))
    seen = levels(read_clip(path).frames[0])
    assert seen.shape[:2] == ((64, 32) if matrix[0] == 0 else (32, 64))
    height, width = (length // 2 for length in seen.shape[:2])
    for name, place in zip(("red", "blue"), MATRICES[matrix], strict=True):
        top, left = height * ("bottom" in place), width * ("right" in place)
        part = seen[top + 3 : top + height - 3, left + 3 : left + width - 3]
        assert np.abs(part - CORNERS[name]).max() <= 4, place


@pytest.mark.parametrize(("shape", "size"), [(Fraction(2), (64, 64)), (Fraction(8, 9), (28, 64))])
def test_pixels_become_square(shape, size, tmp_path):
    picture = Image.new("RGB", (32, 64))
    path = write_pictures(tmp_path / "a.mp4", [picture] * 3, sample_aspect_ratio=shape)
    assert read_clip(path).frames.shape[2:] == size[::-1]
    assert read_clip(path, long_side=32).frames.shape[2:] == (32, size[0] // 2)


def test_pixels_of_a_turned_film_become_square_before_it_is_turned(tmp_path):
    path = write_pictures(tmp_path / "a.mp4", [corners()] * 3, sample_aspect_ratio=Fraction(2))
    one = 65536
    patch_box(path, b"tkhd", 40, struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30))
    assert read_clip(path).frames.shape[2:] == (128, 32)


def test_an_absurd_pixel_shape_is_not_believed(tmp_path):
    shape = Fraction(500)
    path = write_pictures(
        tmp_path / "a.mp4", [Image.new("RGB", (32, 64))] * 3, sample_aspect_ratio=shape
    )
    assert read_clip(path).frames.shape[2:] == (64, 32)


def test_a_film_whose_size_changes_keeps_the_first_size(tmp_path):
    for name, size in (("a.ts", (64, 48)), ("b.ts", (32, 32))):
        write_film(tmp_path / name, [(0.2, 0.4, 0.6)] * 5, size=size)
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join((tmp_path / name).read_bytes() for name in ("a.ts", "b.ts")))
    clip = read_clip(both)
    assert clip.frames.shape[2:] == (48, 64)
    assert len(clip.frames) >= 9


# ------------------------------------------------------------------------------------- colours

# FFmpeg's number, and the shares of red and blue in brightness
COEFFICIENTS = {
    "bt709": (1, 0.2126, 0.0722), "bt601": (6, 0.299, 0.114), "pal": (5, 0.299, 0.114),
    "bt2020": (9, 0.2627, 0.0593), "smpte240m": (7, 0.212, 0.087),
}  # fmt: skip
COLOURS = [(220, 30, 30), (30, 200, 60), (40, 60, 210), (255, 255, 255), (0, 0, 0), (90, 90, 90)]


def yuv_of(colour, matrix, *, full):
    """A colour as the standard's definition makes Y, U and V of it."""
    _, kr, kb = COEFFICIENTS[matrix]
    r, g, b = (value / 255 for value in colour)
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    if full:
        return round(255 * y), round(128 + 255 * u), round(128 + 255 * v)
    return round(16 + 219 * y), round(128 + 224 * u), round(128 + 224 * v)


def write_yuv(path, matrix, *, full=False, size=(64, 48), tag=True, codec="ffv1"):
    """A film of plain colours whose planes are known, one colour a frame."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if tag:
            stream.codec_context.colorspace = COEFFICIENTS[matrix][0]
            stream.codec_context.color_range = 2 if full else 1
        for index, colour in enumerate(COLOURS):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, level in zip(frame.planes, yuv_of(colour, matrix, full=full), strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            if tag:
                frame.colorspace, frame.color_range = COEFFICIENTS[matrix][0], 2 if full else 1
            frame.pts, frame.time_base = index, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def worst(clip):
    """The largest error of any colour, in levels."""
    assert len(clip.frames) == len(COLOURS)
    return max(
        int(np.abs(levels(frame) - colour).max())
        for frame, colour in zip(clip.frames, COLOURS, strict=True)
    )


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", COEFFICIENTS)
def test_tags_of_matrix_and_range_are_honoured(matrix, full, tmp_path):
    assert worst(read_clip(write_yuv(tmp_path / "a.mkv", matrix, full=full))) <= 2
    assert worst(read_clip(tmp_path / "a.mkv", long_side=40)) <= 2


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((1280, 720), "bt709"), ((720, 1280), "bt709"), ((64, 48), "bt601"), ((720, 576), "bt601")],
)
def test_without_tags_hd_is_bt709_and_the_rest_bt601(size, matrix, tmp_path):
    path = write_yuv(tmp_path / "a.mp4", matrix, size=size, tag=False, codec="libx264")
    assert worst(read_clip(path, long_side=100)) <= 3


# ---------------------------------------------------------------------------- what is refused


def one_frame(folder):
    return write_film(folder / "one.mp4", [(0.5, 0.5, 0.5)])


def renamed_still(folder):
    Image.new("RGB", (64, 64)).save(folder / "still.jpg")
    return (folder / "still.jpg").rename(folder / "still.mp4")


def still_gif(folder):
    Image.new("RGB", (32, 32)).save(folder / "still.gif")
    return folder / "still.gif"


def absurd_gif(folder):
    path = write_gif(folder / "absurd.gif", [(0, 0, 0), (99, 0, 0)], [100, 100])
    data = path.read_bytes()
    path.write_bytes(data[:6] + b"\xff\xff\xff\xff" + data[10:])
    return path


def absurd_frame_in_a_gif(folder):
    """The header says 32 x 32, a frame says 9000 x 9000."""
    path = write_gif(folder / "inside.gif", [(0, 0, 0), (99, 0, 0)], [100, 100])
    data = path.read_bytes()
    at = data.rindex(b"\x2c\0\0\0\0\x20\0\x20\0")
    path.write_bytes(data[: at + 5] + struct.pack("<HH", 9000, 9000) + data[at + 9 :])
    return path


def text(folder, name, content):
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def svg(folder):
    return text(folder, "svg.mp4", '<svg xmlns="http://www.w3.org/2000/svg"/>')


def playlist(folder):
    """Names another film, which must not be opened."""
    write_film(folder / "other.ts", [(0.5, 0.5, 0.5)] * 5)
    return text(folder, "a.mp4", "#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")


def concatenation(folder):
    write_film(folder / "other.ts", [(0.5, 0.5, 0.5)] * 5)
    return text(folder, "a.mp4", "ffconcat version 1.0\nfile other.ts\n")


def cover_alone(folder):
    """Music with a picture of its cover."""
    with av.open(str(folder / "cover.mp4"), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        track = file.add_stream("aac", rate=8000, layout="mono")
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        tone.sample_rate, tone.pts = 8000, 0
        file.mux(cover.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64)))))
        file.mux(cover.encode())
        file.mux(track.encode(tone))
        file.mux(track.encode())
    return folder / "cover.mp4"


def giant(folder):
    picture = Image.new("RGB", (5000, 2000))
    return write_pictures(folder / "giant.mp4", [picture], codec="mjpeg", pixels="yuvj420p")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (one_frame, "“one.mp4” has only one frame, but a film was expected: choose an MP4"),
        (renamed_still, "“still.mp4” is a still picture (JPEG), but a film was expected"),
        (still_gif, "“still.gif” is a still picture (GIF)"),
        (absurd_gif, "“absurd.gif” has 4295 megapixels, but at most 8.29 are accepted"),
        (absurd_frame_in_a_gif, "“inside.gif” has 81 megapixels, but at most 8.29"),
        (svg, "“svg.mp4” is an SVG drawing, but a film was expected"),
        (playlist, "“a.mp4” is a text file, but a film was expected"),
        (concatenation, "“a.mp4” is a text file, but a film was expected"),
        (cover_alone, "“cover.mp4” has no pictures, only sound"),
        (giant, "“giant.mp4” is 5000 × 2000 pixels, but at most 3840 × 2160"),
        (lambda f: write_sound(f / "a.wav"), "“a.wav” is a sound file, but a film was expected"),
        (lambda f: text(f, "a.mp4", ""), "“a.mp4” is an empty file of 0 bytes"),
        (lambda f: text(f, "a.mp4", "no film" * 99), "“a.mp4” is a text file"),
        (lambda f: f / "gone.mp4", "There is no file “gone.mp4”"),
        (lambda f: f, "There is no file"),
    ],
)
def test_what_is_no_film_is_refused_in_one_sentence(make, said, tmp_path):
    path = make(tmp_path)
    with pytest.raises((FilmError, ImageError)) as refused:
        read_clip(path)
    assert said in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    assert "\n" not in str(refused.value)


# ------------------------------------------------------------------- time, and what is damaged


def test_a_broken_time_base_is_not_believed(tmp_path):
    """A track that counts whole seconds: 20 frames would last hours, and all but one be cut."""
    path = write_film(tmp_path / "a.mp4", [(i / 20, 0.5, 0.5) for i in range(20)])
    patch_box(path, b"mdhd", 12, struct.pack(">I", 0))
    clip = read_clip(path)
    assert (clip.fps, clip.note) == (pytest.approx(10), "")
    reds = clip.frames[:, 0].mean(dim=(1, 2)).tolist()
    assert reds == pytest.approx([i / 20 for i in range(20)], abs=0.03)
    assert read_clip(path, max_seconds=0.5).note == "The first 0.5 s of 2 s are used."


def test_sound_that_is_longer_does_not_lengthen_the_film(tmp_path):
    path = write_film(tmp_path / "a.mp4", [(0.5, 0.5, 0.5)] * 6, sound=True)  # 0.6 s, sound 1 s
    assert read_clip(path, max_seconds=0.3).note == "The first 0.3 s of 0.6 s are used."


def test_damaged_packets_are_left_out_and_said(tmp_path):
    path = write_pictures(tmp_path / "a.avi", [disc().convert("RGB")] * 8, codec="png",
                          pixels="rgb24")  # fmt: skip
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data[at : at + 4] == b"\x89PNG"]
    data[starts[3] : starts[3] + 60] = bytes(60)
    path.write_bytes(data)
    clip = read_clip(path)
    assert len(clip.frames) >= 7
    assert clip.note == "A part of the film is damaged and was left out."
    assert np.abs(levels(clip.frames[-1])[44:52, 44:52] - RED).max() < 25
