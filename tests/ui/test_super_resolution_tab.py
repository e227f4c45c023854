"""The super-resolution tab's wiring, with networks that answer at once."""

import io
import json
import re
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from cxdemo import images
from cxdemo.gallery.upscale import EXAMPLES
from cxdemo.images import SETTINGS_KEY
from cxdemo.pipelines.super_resolution import METHODS, Scores, SuperResolutionConfig
from cxdemo.runs.upscale import UpscaleRun
from cxdemo.ui.kit.layered_image import LayeredImage
from cxdemo.ui.upscale import page as super_resolution
from cxdemo.ui.upscale import view as upscale_view
from ui.fake_pipeline import build_demo


class Driver:
    """Calls the tab's handlers as the page would, and keeps what the components show."""

    def __init__(self, demo):
        self.demo = demo
        self.events = {f.api_name: f for f in self.demo.fns.values()}
        self.values = {c: c.value for c in self.events["begin_upscale"].inputs}
        (self.example,) = [c for c in self.values if isinstance(c, gr.State)]
        self.set(picture=EXAMPLES[0].open(test=False)).values[self.example] = None
        self.shown = {}

    def find(self, name):
        (found,) = [b for b in self.demo.blocks.values() if b.elem_id == f"cx-sr-{name}"]
        return found

    def set(self, **values):
        for name, value in values.items():
            self.values[self.find(name.replace("_", "-"))] = value
        return self

    def run(self, limit=None):
        begun = self.events["begin_upscale"].fn(self.values)
        self.shown |= begun
        steps = [begun]
        for i, update in enumerate(self.events["run_upscale"].fn(self.state())):
            self.shown |= update
            steps.append(update)
            if limit is not None and i >= limit:
                break
        return steps

    def html(self, name):
        return self.shown[self.find(name)]

    def state(self):
        (state,) = [v for c, v in self.shown.items() if isinstance(c, gr.State)]
        return state


@pytest.fixture(scope="module")
def shared_demo(ctx):
    return build_demo(ctx)


@pytest.fixture
def driver(shared_demo):
    return Driver(shared_demo).set(picture=Image.new("RGB", (40, 24), (200, 150, 100)))


def test_run_streams_and_ends_with_results_of_each_method(driver):
    steps = driver.run()
    assert "Preparing" in steps[0][driver.find("progress")]
    assert "tile 1 of 1" in steps[1][driver.find("progress")]
    assert steps[1][driver.find("live")].visible is True
    assert "Done" in driver.html("progress")
    assert "160 × 96 px · 4 methods" in driver.html("progress")
    assert driver.html("views").visible is True
    assert driver.html("run").interactive is True
    assert driver.html("stop").interactive is False
    assert driver.html("scores") == ""
    for method in METHODS:
        path = driver.html(f"png-{method}").value["path"]
        assert images.load(path).size == (160, 96)
        stored = json.loads(images.read_png_metadata(path)[SETTINGS_KEY])
        assert stored["config"]["checkpoint"] == method


def test_the_sides_of_the_slider_can_be_any_two_results(driver):
    driver.values[driver.find("option-back_projection")] = 0
    driver.run()
    left, right = driver.html("left"), driver.html("right")
    assert [value for _, value in left.choices] == list(METHODS)
    assert (left.value, right.value) == ("bicubic", "cx-gan")
    job = driver.state()
    pair = driver.events["choose_left"].fn(job, "mse", "cx")
    assert pair == (str(job.files["mse"].shown), str(job.files["cx"].shown))
    a, b = (np.asarray(images.load(path), float) for path in pair)
    assert a.mean() > b.mean()  # as the networks were asked to
    assert driver.events["choose_right"].fn(None, "mse", "cx") == gr.skip()


def test_the_magnifier_has_a_view_of_each_result_and_of_the_small_pixels(driver):
    driver.run()
    html = driver.html("lens")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", html) == [
        "Small picture", "Bicubic", "Squared error", "CX", "CX + GAN",
    ]  # fmt: skip
    assert 'data-width="160" data-height="96"' in html
    sources = re.findall(r'data-src="gradio_api/file=(.*?)"', html)
    assert len(sources) == 5
    small = np.asarray(images.load(sources[0]))
    assert (small[:4, :4] == small[0, 0]).all()


def test_only_what_is_ticked_is_made(driver):
    driver.set(methods=["cx", "bicubic"]).run()
    assert driver.state().done == ["bicubic", "cx"]
    assert driver.html("png-mse").visible is False
    with pytest.raises(gr.Error, match="Tick at least one"):
        driver.set(methods=[]).run()


def test_a_test_measures_against_the_truth(driver):
    torn = Image.effect_noise((210, 203), 60).convert("RGB")
    driver.set(picture=torn, test=True).run()
    assert driver.state().size == (208, 200)
    html = driver.html("scores")
    rows = re.findall(r'<th scope="row">(.*?)</th>', html)
    assert rows == ["Bicubic", "Squared error", "CX", "CX + GAN"]
    assert html.count("<td><b>") == 4
    assert 'aria-label="higher is better">↑' in html
    assert 'aria-label="lower is better">↓' in html
    assert "loses PSNR to bicubic" in html
    assert "The truth" in driver.html("lens")
    assert [value for _, value in driver.html("left").choices][-1] == "truth"


def test_transparency_is_kept(driver):
    picture = Image.new("RGBA", (40, 24), (200, 150, 100, 255))
    picture.putpixel((3, 3), (0, 0, 0, 0))
    driver.set(picture=picture).run()
    with Image.open(driver.html("png-cx").value["path"]) as result:
        assert result.mode == "RGBA"
        assert result.getpixel((14, 14))[3] < 128
        assert result.getpixel((14, 14))[0] > 150  # no black comes in


def test_stop_keeps_what_is_finished(driver, monkeypatch):
    monkeypatch.setattr(super_resolution.Page, "every", 0.0)
    driver.run(limit=1)
    update = driver.events["stop_upscale"].fn(driver.state())
    driver.shown |= update
    assert "Stopped" in driver.html("progress")
    assert "finished: Bicubic" in driver.html("progress")
    assert driver.html("run").interactive is True
    assert driver.events["stop_upscale"].fn(None)[driver.find("run")].interactive is True


@pytest.mark.parametrize(
    ("size", "test", "said"),
    [
        (None, False, "Choose a small picture first"),
        ((1300, 1000), False, "at most 1.2 can be enlarged"),
        ((12, 40), False, "at least 16"),
        ((180, 300), True, "a test needs at least 192"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(driver, store, size, test, said):
    driver.set(picture=size and Image.new("RGB", size), test=test)
    with pytest.raises(gr.Error, match=said):
        driver.events["begin_upscale"].fn(driver.values)
    if size and min(size) >= 16:  # else the upload was refused already
        estimate = driver.events["estimate_upscale"].fn(save(store, size), ["cx"], test)
        assert "cx-long" in estimate
        assert said in estimate


def save(store, size):
    """A picture as the page sends it."""
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, "PNG")
    return {"path": store("a.png", buffer.getvalue())}


def test_the_estimate_says_sizes_and_time(driver, store):
    estimate = driver.events["estimate_upscale"].fn
    assert "300 × 200 → 1200 × 800 pixels, about 4 s here" in estimate(
        save(store, (300, 200)), ["bicubic", "mse", "cx"], False
    )
    told = estimate(save(store, (3000, 2003)), ["cx"], True)
    assert "Its middle, 1024 × 1024, is shrunk to 256 × 256" in told
    for nothing in (None, {"path": store("b.png", b"no picture")}):
        assert "1.2 megapixels" in estimate(nothing, ["cx"], False)


def test_a_failing_network_becomes_a_sentence_and_frees_the_page(ctx):
    def load(name):
        raise ValueError("no weights <here>")

    driver = Driver(build_demo(replace(ctx, load_upscaler=load)))
    with pytest.raises(gr.Error, match="no weights &lt;here&gt;"):
        driver.run()
    assert driver.html("run").interactive is True
    assert driver.state().done == ["bicubic"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_examples_are_there_in_both_sizes(example):
    small, sharp = example.open(test=False), example.open(test=True)
    assert 60 <= min(small.size) <= max(small.size) <= 260
    assert min(sharp.size) >= 192
    assert example.path.name in (example.path.parent / "LICENSES.md").read_text(encoding="utf-8")


def test_choosing_an_example_takes_its_note_along(driver):
    event = gr.SelectData(None, {"index": 6, "value": None})
    picture, example = driver.events["pick_small_picture"].fn(event, False)
    assert picture.size == example.open(test=False).size
    driver.values[driver.example] = example
    driver.set(picture=picture).run()
    assert "cannot do: know a face" in driver.html("progress")
    assert driver.events["switch_test"].fn(True, example).size == (220, 220)


def test_uploads_are_checked(driver, tmp_path, store):
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    accept = driver.events["accept_small_picture"].fn
    with pytest.warns(
        UserWarning, match="is an animation, but a still"
    ):  # a toast, outside of a request
        update = accept({"path": store(tmp_path / "a.gif")})
    assert update[driver.find("picture")] is None
    frames[0].save(tmp_path / "b.png")
    assert accept({"path": store(tmp_path / "b.png")})[driver.find("picture")] == gr.skip()
    with pytest.raises(gr.Error, match="is an animation, but a still"):
        LayeredImage().preprocess(ImageData(path=store(tmp_path / "a.gif")))
    assert LayeredImage().get_block_name() == "image"


def test_upscale_streams_progress_and_ends_with_a_png(driver):
    picture = Image.new("RGB", (40, 24), "red")
    *before, last = driver.events["upscale"].fn(picture, "mse", 0)
    assert all(path is None and settings["done"] <= 1 for path, settings in before)
    path, settings = last
    assert settings["config"] == {"checkpoint": "mse", "back_projection": 0, "tile": 256}
    assert path.endswith(".png")
    with pytest.raises(gr.Error, match=r"method must be one of bicubic, mse, cx, cx-gan"):
        list(driver.events["upscale"].fn(picture, "esrgan"))
    with pytest.raises(gr.Error, match="needs a picture"):
        list(driver.events["upscale"].fn(None))


def test_metrics_come_by_method(driver):
    *_, found = driver.events["super_resolution_metrics"].fn(Image.new("RGB", (200, 200)), ["cx"])
    assert found == {"cx": {"psnr": 0.0, "ssim": 1.0, "lpips": 0.0, "cx": 1.0}}


def test_large_results_are_shown_smaller_and_downloaded_whole():
    run = UpscaleRun(
        picture=Image.new("RGB", (20, 20)), methods=["cx"], config=SuperResolutionConfig()
    )
    run.files["cx"] = run._save("cx", Image.new("RGB", (3000, 1000), "red"))
    files = run.files["cx"]
    assert [images.load(path).size for path in files[:3]] == [
        (3000, 1000), (3000, 1000), (2048, 683),
    ]  # fmt: skip
    assert files.size == (3000, 1000)
    assert files.png.suffix == ".png"


def test_the_best_of_each_measure():
    scores = {"bicubic": Scores(30.0, 0.9, 0.4, 0.3), "cx": Scores(28.0, 0.8, 0.2, 0.5)}
    best = [upscale_view.best_method(scores, key) for key in Scores._fields]
    assert best == ["bicubic", "bicubic", "cx", "cx"]
