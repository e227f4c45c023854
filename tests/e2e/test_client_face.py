"""The endpoints of the face modes as a program uses them, with the real networks."""

from pathlib import Path

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from cxdemo.images import load, to_tensor
from cxdemo.video import read_clip, save_mp4

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
MONA_LISA = EXAMPLES / "portrait_monalisa.jpg"
MOUNTAIN = EXAMPLES / "photo_mountain.jpg"
FACE = handle_file(str(MONA_LISA))
PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def client(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    client = Client(
        app.url, verbose=False, download_files=str(folder), httpx_kwargs={"timeout": PATIENCE}
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second of a shipped clip."""
    folder = tmp_path_factory.mktemp("clips")

    def shorten(name):
        path = folder / f"{name}.mp4"
        if not path.exists():
            whole = read_clip(EXAMPLES / "face" / path.name, long_side=96)
            save_mp4(whole.frames[:6], path, fps=12)
        return handle_file(str(path))

    return shorten


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), float)


def frames_of(path):
    with av.open(path) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def test_translate_changes_the_face_and_leaves_the_corners(client):
    whole, face, figures = client.predict(
        picture=FACE, direction="to-drawn", api_name="/face_translate"
    )
    assert read(face).shape == (256, 256, 3)
    before, after = read(MONA_LISA), read(whole)
    assert before.shape == after.shape
    assert np.array_equal(before[:8, :8], after[:8, :8])
    middle = np.s_[90:130, 90:130]
    assert np.abs(before[middle] - after[middle]).mean() > 15
    assert figures["target_term_after"] < figures["target_term_before"]


def test_exemplar_streams_the_face_and_ends_with_the_picture(client):
    job = client.submit(
        source=FACE, target=FACE, strength=1, region="mouth", size=64, num_steps=3,
        api_name="/face_exemplar",
    )  # fmt: skip
    whole, face, settings = job.result(timeout=PATIENCE)
    assert settings["steps_taken"] == 3
    assert settings["done"] == 1
    assert (settings["config"]["region"], settings["config"]["size"]) == ("mouth", 64)
    assert read(face).shape == (64, 64, 3)
    before, after = read(MONA_LISA), read(whole)
    assert np.array_equal(before[:90], after[:90])  # above the mouth nothing changes
    assert not np.array_equal(before, after)


def test_animate_gives_a_film_of_clip_and_result(client, clip):
    film, settings = client.predict(
        picture=FACE, clip=clip("clip_driver"), num_steps=20, size=64,
        api_name="/face_animate",
    )  # fmt: skip
    frames = frames_of(film)
    assert len(frames) == 6
    assert frames[0].shape == (256, 520, 3)  # clip, a gap, result
    assert (settings["pipeline"], settings["steps"], settings["done"]) == ("animation", 20, 1)


def test_puppet_gives_a_film_of_new_clip_and_puppet(client, clip):
    film, settings = client.predict(
        driver=clip("clip_driver"), puppet=clip("puppet_cat"), new=clip("clip_new"), num_steps=20,
        size=64, api_name="/face_puppet",
    )  # fmt: skip
    assert len(frames_of(film)) == 6
    assert (settings["pipeline"], settings["config"]["source_weight"]) == ("puppet", 0)


@pytest.mark.parametrize("name", ["face_exemplar", "face_animate"])
def test_without_a_face_it_is_one_sentence(client, clip, name):
    mountain = handle_file(str(MOUNTAIN))
    asked = {
        "face_exemplar": {"source": mountain, "target": mountain},
        "face_animate": {"picture": mountain, "clip": clip("clip_driver")},
    }[name]
    with pytest.raises(AppError, match=r"No face was found in the (source )?picture") as raised:
        client.predict(**asked, api_name=f"/{name}")
    assert "/" not in str(raised.value)


def test_a_driver_without_a_face_is_one_sentence(client, tmp_path):
    mountain = to_tensor(load(MOUNTAIN), long_side=160)
    save_mp4(mountain.expand(6, -1, -1, -1), tmp_path / "mountain.mp4", fps=12)
    clip = handle_file(str(tmp_path / "mountain.mp4"))
    with pytest.raises(AppError, match="A face was found in no frame of the driver's clip"):
        client.predict(picture=FACE, clip=clip, api_name="/face_animate")


def test_a_broken_clip_and_a_wrong_size_are_one_sentence(client, clip, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no film" * 999)
    broken = handle_file(str(tmp_path / "broken.mp4"))
    with pytest.raises(AppError, match=r"^“broken\.mp4” is a text file, but a film"):
        client.predict(picture=FACE, clip=broken, api_name="/face_animate")
    with pytest.raises(AppError, match="The new clip is missing"):
        client.predict(
            driver=clip("clip_driver"), puppet=clip("puppet_cat"), new=None,
            api_name="/face_puppet",
        )  # fmt: skip
