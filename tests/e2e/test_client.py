"""The endpoints as a program uses them, with the real pipeline."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import Status
from PIL import Image

from cxdemo import images
from cxdemo.images import SETTINGS_KEY

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
CONTENT = EXAMPLES / "portrait_curie_1927.jpg"
STYLE = EXAMPLES / "painting_great_wave.jpg"
PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def client(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    patient = {"timeout": PATIENCE}
    client = Client(app.url, verbose=False, download_files=str(folder), httpx_kwargs=patient)
    yield client
    client.close()


def stylize(client, content=CONTENT, **settings):
    asked = {"preset": "fast", "size": 64} | settings
    return client.submit(
        content=handle_file(str(content)),
        style=handle_file(str(STYLE)),
        api_name="/stylize",
        **asked,
    )


def test_only_the_documented_endpoints_can_be_called(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {
        "/stylize", "/explain_style", "/match", "/upscale", "/super_resolution_metrics",
        "/face_exemplar", "/face_translate", "/face_animate", "/face_puppet", "/lab_points",
        "/lab_meter",
    }  # fmt: skip


def test_result_is_painted_and_carries_its_settings(client):
    png, settings = stylize(client).result(timeout=PATIENCE)
    result, content = images.load(png), images.load(CONTENT).resize((64, 64))
    assert result.size == (64, 64)
    assert np.abs(np.asarray(result, float) - np.asarray(content, float)).mean() > 5
    stored = json.loads(images.read_png_metadata(png)[SETTINGS_KEY])
    assert stored["config"] == settings["config"]
    assert settings["config"]["size"] == 64
    assert settings["notice"] is None

    picture, answer = client.predict(
        stylized=handle_file(png), style=handle_file(str(STYLE)), x=40, y=40,
        api_name="/explain_style",
    )  # fmt: skip
    affinities = [match["affinity"] for match in answer["matches"]]
    assert affinities == sorted(affinities, reverse=True)
    assert 0 < sum(affinities) <= 1.0001
    assert images.load(picture).width >= 512


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\n0000", "is a PNG file that is damaged"),
        ("notes.jpg", b"dear diary", "is a text file, but an image was expected"),
    ],
)
def test_an_upload_that_is_no_picture_is_refused_in_a_sentence(client, tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AppError, match=said) as raised:
        stylize(client, tmp_path / name).result(timeout=PATIENCE)
    assert name in str(raised.value)
    assert "/" not in str(raised.value)


def test_a_wrong_setting_is_refused_in_a_sentence(client):
    with pytest.raises(AppError, match=r"size must lie in \[64, 1024\], got 32"):
        stylize(client, size=32).result(timeout=PATIENCE)


def test_cancel_stops_the_work_and_frees_the_place(client):
    job = stylize(client, preset="paper", size=256)
    deadline = time.monotonic() + PATIENCE
    while not job.outputs() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.outputs(), "no preview came"
    assert job.cancel()
    while job.status().code != Status.CANCELLED and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.status().code == Status.CANCELLED
    again = stylize(client)  # the only place in the queue must be free again
    while not again.outputs() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert again.outputs()
    again.cancel()


def test_a_transparent_picture_is_welcome(client, tmp_path):
    Image.new("RGBA", (40, 30), (200, 0, 0, 90)).save(tmp_path / "clear.png")
    job = stylize(client, tmp_path / "clear.png")
    png, _ = job.result(timeout=PATIENCE)
    assert images.load(png).size == (64, 48)
