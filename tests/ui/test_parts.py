"""The small parts of the page, each on its own."""

import base64
import io

import gradio as gr
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from cxdemo.figures import overlay as match_overlay
from cxdemo.figures.charts import MOST_POINTS, draw_loss_curve
from cxdemo.pipelines.style_transfer import PRESETS, StyleMatch, load_preset
from cxdemo.runs import pace
from cxdemo.ui.kit import picture_cards
from cxdemo.ui.kit.errors import UNEXPECTED, readable
from cxdemo.ui.kit.safe_image import SafeImage

# ------------------------------------------------------------------------------ safe_image


def test_safe_image_reads_upright_rgb(tmp_path, store):
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    Image.new("CMYK", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    picture = SafeImage().preprocess(ImageData(path=store(tmp_path / "a.jpg")))
    assert (picture.mode, picture.size) == ("RGB", (20, 40))


def test_safe_image_takes_data_urls_and_nothing():
    buffer = io.BytesIO()
    Image.new("RGB", (20, 30), "red").save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert SafeImage().preprocess(ImageData(url=url)).size == (20, 30)
    assert SafeImage().preprocess(None) is None


def test_safe_image_says_what_is_wrong(store):
    path = store("<b>.png", b"%PDF-1.4")
    with pytest.raises(gr.Error, match=r"&lt;b&gt;\.png” is a PDF document") as raised:
        SafeImage().preprocess(ImageData(path=path))
    assert path.rpartition("/")[0] not in raised.value.message
    with pytest.raises(gr.Error, match="arrived damaged"):
        SafeImage().preprocess(ImageData(url="data:image/png;base64,???"))


def test_safe_image_is_drawn_by_gradios_own_front_end_and_writes_no_stub():
    import inspect
    from pathlib import Path

    assert SafeImage().get_block_name() == "image"
    assert not Path(inspect.getfile(SafeImage)).with_suffix(".pyi").exists()


# ---------------------------------------------------------------------------------- errors


def test_errors_are_sentences_and_results_pass():
    assert readable(lambda: 3)() == 3

    @readable
    def broken():
        raise KeyError("/secret")

    with pytest.raises(gr.Error) as raised:
        broken()
    assert raised.value.message == UNEXPECTED


def test_errors_inside_a_generator_come_after_what_it_gave():
    @readable
    def two():
        yield 1
        raise ValueError("stop here")

    steps = two()
    assert next(steps) == 1
    with pytest.raises(gr.Error, match="stop here"):
        next(steps)


# ------------------------------------------------------------------------------------ pace


def work(config, **more):
    return sum(stage.steps * stage.work for stage in pace.style_stages(config, **more))


def test_work_grows_with_size_and_steps_and_styles():
    small, large = (work(load_preset("fast", size=size)) for size in (128, 256))
    assert 1.2 < large / small < 16
    config = PRESETS["fast"]
    assert work(config, styles=2) > work(config)
    assert work(PRESETS["paper"]) > 3 * work(config)
    assert sum(stage.steps for stage in pace.style_stages(config)) == config.num_steps


def test_a_pace_is_learnt_by_kind_and_size():
    small, large = pace.Stage("a", 64, 10, 2.0), pace.Stage("a", 256, 10, 32.0)
    paces = pace.Paces({"b": 3.0})
    assert paces.seconds([small]) is None
    assert paces.seconds([small._replace(kind="b")]) == 60.0
    paces.observe(small, 5, 0.1)  # too short to say anything
    assert paces.seconds([small]) is None
    paces.observe(small, 5, 20.0)  # 2 s for a unit of work
    assert paces.seconds([small]) == pytest.approx(40.0)
    assert paces.seconds([large]) == pytest.approx(640.0)  # the nearest size that was measured
    paces.observe(large, 5, 160.0)  # 1 s for a unit
    assert paces.seconds([small, large]) == pytest.approx(40.0 + 320.0)
    paces = pace.Paces({"a": 0.5})
    paces.observe(small, 5, 20.0)
    near, far = small._replace(size=100), small._replace(size=200)
    assert paces.seconds([near]) == 40.0
    assert paces.seconds([far]) == 10.0  # small ones tell little: much of theirs is preparation
    assert pace.paces_of("cuda").seconds([small]) is None


def test_a_forecast_starts_with_what_was_measured_and_follows_its_own_run():
    now = [0.0]
    stages = [pace.Stage("a", 64, 4, 1.0), pace.Stage("a", 256, 4, 8.0)]
    paces = pace.Paces()
    for stage, seconds in zip(stages, (4.0, 40.0), strict=True):
        paces.observe(stage, 4, seconds)  # 1 s and 10 s a step
    forecast = pace.Forecast(stages, paces, clock=lambda: now[0])
    assert forecast.left() == pytest.approx(44.0)
    taken = 0
    for seconds in (7.0, 2.0, 2.0, 2.0):  # twice as slow as before; the first one prepares
        now[0] += seconds
        taken += 1
        forecast.step(taken)
    assert forecast.left() == pytest.approx(80.0)
    for seconds in (30.0, 25.0, 25.0):
        now[0] += seconds
        taken += 1
        forecast.step(taken)
    assert forecast.left() == pytest.approx(25.0)
    now[0] += 25.0
    forecast.step(8)
    forecast.close()
    assert forecast.left() == 0
    assert paces.seconds(stages) == pytest.approx(4 * 1.5 + 4 * 17.5)  # half old, half new


def test_a_small_stage_that_is_slow_says_less_of_larger_ones_until_these_were_measured():
    """A network's first small steps were three times as slow, its large ones as expected."""
    now = [0.0]
    stages = [pace.Stage("a", size, 4, 1.0) for size in (63, 127, 255)]
    paces = pace.Paces({"a": 1.0})
    forecast = pace.Forecast(stages, paces, clock=lambda: now[0])
    for taken in range(1, 5):
        now[0] += 3.0
        forecast.step(taken)
    assert forecast.left() == pytest.approx(4 * 3**0.75 + 4 * 3**0.5625)
    for stage in stages:
        paces.observe(stage, 4, 4.0)
    forecast = pace.Forecast(stages, paces, clock=lambda: now[0])
    for taken in range(1, 5):
        now[0] += 3.0
        forecast.step(taken)
    assert forecast.left() == pytest.approx(8 * 3.0)


def test_a_forecast_without_any_measurement_follows_the_work():
    now = [0.0]
    stages = [pace.Stage("a", 64, 4, 1.0), pace.Stage("a", 256, 4, 8.0)]
    forecast = pace.Forecast(stages, pace.Paces(), clock=lambda: now[0])
    assert forecast.left() is None
    for taken in (1, 2, 3):
        now[0] += 1.0
        forecast.step(taken)
    assert forecast.left() == pytest.approx(1 + 4 * 8)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(2, "about 10 s"), (52, "about 50 s"), (1000, "about 17 minutes"), (9000, "about 2.5 hours")],
)
def test_durations_are_no_more_precise_than_they_are(seconds, said):
    assert pace.say_duration(seconds) == said


# ------------------------------------------------------------------------------ loss_curve


def test_loss_curve_has_a_line_a_term_and_says_its_values():
    history = [(i, {"style": 4.0 / i, "<x>": 1.0}) for i in range(1, 1001)]
    svg = draw_loss_curve(history, total=1000)
    assert svg.count("<polyline") == 2
    assert "&lt;x&gt;" in svg
    assert "<x>" not in svg
    assert 'aria-label="Losses at step 1000 of 1000: style 0.004' in svg
    points = svg.split('points="')[1].split('"')[0].split()
    assert len(points) <= MOST_POINTS + 1
    assert points[-1].startswith("632.0,")  # the last step touches the right end
    assert "<svg" not in draw_loss_curve(history[:1], total=10)


# --------------------------------------------------------------------------- match_overlay


def test_boxes_lie_where_the_matches_are():
    style = Image.new("RGB", (72, 36), "black")
    match = StyleMatch(0, (0.5, 0.5, 0.75, 1.0), 0.4)
    marked = match_overlay.mark_matches([style], [match])
    assert marked.size == (720, 360)
    orange = (0xE6, 0x9F, 0x00)
    assert marked.getpixel((361, 250)) == orange  # left edge of the box
    assert marked.getpixel((200, 250)) == (0, 0, 0)


def test_second_style_is_beside_the_first():
    styles = [Image.new("RGB", (50, 50), color) for color in ("red", "blue")]
    match = StyleMatch(1, (0.0, 0.0, 1.0, 1.0), 0.4)
    marked = match_overlay.mark_matches(styles, [match])
    assert marked.size == (1450, 720)
    assert marked.getpixel((10, 360)) == (255, 0, 0)
    assert marked.getpixel((1090, 360)) == (0, 0, 255)


def test_matches_are_told_in_words():
    matches = [StyleMatch(0, (0, 0, 1, 1), 0.42), StyleMatch(1, (0, 0, 1, 1), 0.1)]
    assert "<b>42%</b> goes to patch 1, 52% to the 2 shown" in match_overlay.tell_matches(
        matches, layer="conv4_2", bandwidth=0.2
    )
    assert "style 2" in match_overlay.list_matches(matches, several_styles=True)


# --------------------------------------------------------------------------- picture_cards


def test_thumbnails_are_buttons_with_escaped_names():
    strip = picture_cards.build_thumbnails(
        [Image.new("RGB", (30, 50))], ['"quoted" <b>'], label="Pictures", elem_id="x"
    )
    assert 'data-index="0"' in strip.value
    assert "&quot;quoted&quot; &lt;b&gt;" in strip.value
    assert "data:" not in strip.value
