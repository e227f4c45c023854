"""The endpoints of super-resolution as a program uses them, with the real networks."""

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def client(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    client = Client(
        app.url, verbose=False, download_files=str(folder), httpx_kwargs={"timeout": PATIENCE}
    )
    yield client
    client.close()


def test_upscale_gives_a_png_four_times_as_large_with_its_transparency(client, tmp_path):
    Image.new("RGBA", (24, 20), (200, 100, 50, 90)).save(tmp_path / "a.png")
    job = client.submit(
        picture=handle_file(str(tmp_path / "a.png")), method="cx", api_name="/upscale"
    )
    path, settings = job.result(timeout=PATIENCE)
    with Image.open(path) as picture:
        assert (picture.size, picture.mode) == ((96, 80), "RGBA")
        assert picture.getpixel((40, 40))[3] == 90
    assert settings["config"]["checkpoint"] == "cx"
    assert settings["done"] == 1


def test_metrics_of_a_picture_by_method(client, tmp_path):
    Image.effect_noise((208, 200), 40).save(tmp_path / "a.png")
    scores = client.predict(
        picture=handle_file(str(tmp_path / "a.png")),
        methods=["bicubic", "mse"],
        api_name="/super_resolution_metrics",
    )
    assert set(scores) == {"bicubic", "mse"}
    assert set(scores["mse"]) == {"psnr", "ssim", "lpips", "cx"}
    assert 10 < scores["bicubic"]["psnr"] < 40


def test_an_animation_is_refused_in_a_sentence(client, tmp_path):
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(AppError, match="is an animation"):
        client.predict(picture=handle_file(str(tmp_path / "a.gif")), api_name="/upscale")
