"""The endpoint of the patch comparison as a program uses it, with the real network."""

import math
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
SOURCE = EXAMPLES / "portrait_einstein_1927.jpg"
TARGET = EXAMPLES / "portrait_monalisa.jpg"


@pytest.fixture(scope="module")
def client(app):
    client = Client(app.url, verbose=False, httpx_kwargs={"timeout": 120})
    yield client
    client.close()


def match(client, **settings):
    pictures = {"source": handle_file(str(SOURCE)), "target": handle_file(str(TARGET))}
    return client.predict(**pictures, **settings, api_name="/match")


def test_an_eye_finds_an_eye(client):
    answer = match(client, x=42, y=42, layer="conv4_2", bandwidth=0.1)
    assert answer["cell"] == [13, 13]
    assert answer["grids"] == [[32, 32], [32, 32]]
    best = answer["best"]
    assert best[0]["cell"][0] == 13  # the row of her eyes
    assert 11 <= best[0]["cell"][1] <= 14  # and her right one
    measure = answer["nearest_distance"] + 1e-5
    for candidate in best:
        assert candidate["relative"] == pytest.approx(candidate["distance"] / measure, rel=1e-4)
        wanted = math.exp((1 - candidate["relative"]) / 0.1)
        assert candidate["weight"] == pytest.approx(wanted, rel=1e-4)
    assert answer["contextual_loss"] == pytest.approx(-math.log(answer["contextual_similarity"]))


def test_what_cannot_be_asked_is_said_in_a_sentence(client):
    with pytest.raises(AppError, match="x must lie in"):
        match(client, x=420)
    with pytest.raises(AppError, match="conv4_2"):
        match(client, layer="conv4_22")
