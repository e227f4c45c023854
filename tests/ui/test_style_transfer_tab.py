"""The tab's wiring, with pipelines that answer at once."""

import io
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from cxdemo import images
from cxdemo.options import options_of
from cxdemo.pipelines.style_transfer import PRESETS, StyleTransferConfig
from cxdemo.runs.style import read_settings
from ui.fake_pipeline import build_demo, fake_transfer


class Driver:
    """Calls the tab's handlers as the page would, and keeps what the components show."""

    def __init__(self, ctx):
        self.demo = build_demo(ctx)
        self.events = {f.api_name: f for f in self.demo.fns.values()}
        self.values = {c: c.value for c in self.events["begin_style"].inputs}
        self.shown = {}

    def find(self, elem_id):
        (found,) = [b for b in self.demo.blocks.values() if b.elem_id == elem_id]
        return found

    def set(self, **values):
        for name, value in values.items():
            self.values[self.find("cx-" + name.replace("_", "-"))] = value
        return self

    def option(self, **values):
        for name, value in values.items():
            self.values[self.find(f"cx-option-{name}")] = value
        return self

    def run(self, limit=None):
        begun = self.events["begin_style"].fn(self.values)
        self.shown |= begun
        steps = [begun]
        for i, update in enumerate(self.events["run_style"].fn(self.state())):
            self.shown |= update
            steps.append(update)
            if limit is not None and i >= limit:
                break
        return steps

    def state(self):
        (state,) = [v for c, v in self.shown.items() if isinstance(c, gr.State)]
        return state

    def html(self, elem_id):
        return self.shown[self.find(elem_id)]


@pytest.fixture
def driver(ctx, content, style):
    driver = Driver(ctx).set(content=content, style_picture=style)
    return driver.option(size=64, num_steps=4)


def test_advanced_controls_are_the_options_with_their_ranges(ctx):
    driver = Driver(ctx)
    for name, known in options_of(StyleTransferConfig).items():
        control = driver.find(f"cx-option-{name}")
        assert control.label == known.label
        assert getattr(control, "minimum", None) == known.minimum
        assert getattr(control, "maximum", None) == known.maximum
        if known.choices:
            assert [value for _, value in control.choices] == list(known.choices)
        default = list(known.default) if isinstance(known.default, tuple) else known.default
        assert control.value == default


def test_a_slider_can_hold_every_preset(ctx):
    driver = Driver(ctx)
    for name in options_of(StyleTransferConfig):
        control = driver.find(f"cx-option-{name}")
        for preset in PRESETS.values():
            if isinstance(control, gr.Slider) and isinstance(getattr(preset, name), int):
                steps = (getattr(preset, name) - control.minimum) / control.step
                assert steps == round(steps), name


def test_run_shows_the_content_at_once_then_a_result(driver, content):
    steps = driver.run()
    first = steps[0][driver.find("cx-live")]
    assert first.size == (512, 341)
    assert "Done" in driver.html("cx-progress")
    assert "4 steps" in driver.html("cx-progress")
    before, after = driver.html("cx-compare")
    assert before.size == after.size == (64, 43)
    assert "<svg" in driver.html("cx-losses")
    assert driver.html("cx-stop").interactive is False
    assert driver.html("cx-run").value == "Run"


def test_progress_tells_step_times_and_loss(driver):
    driver.run(limit=0)
    text = driver.html("cx-progress")
    for part in ("step 1 of 4", "s elapsed", " s left", "loss 2.00"):
        assert part in text.replace("<b>", "").replace("</b>", "")


def test_downloads_hold_the_settings_that_make_it_again(driver):
    driver.option(content_bandwidth=0.3, style_layers=["conv2_2", "conv3_1"]).run()
    png, sidecar = (driver.html(name).value["path"] for name in ("cx-png", "cx-json"))
    used = driver.state().config
    assert used.style_layers == ("conv2_2", "conv3_1")
    read = read_settings(images.read_settings_text(png))
    assert (read.config, read.rest["style_weights"]) == (used, [1.0])
    assert json.loads(Path(sidecar).read_text())["config"]["content_bandwidth"] == 0.3
    load = driver.events["load_settings"].fn
    for path in (png, sidecar):
        assert load(path)[driver.find("cx-option-content_bandwidth")] == 0.3


def test_settings_are_refused_when_the_file_holds_none(driver, tmp_path):
    file = tmp_path / "other.json"
    file.write_text('{"a": 1}')
    with pytest.raises(gr.Error, match="holds no settings"):
        driver.events["load_settings"].fn(str(file))


def test_weights_of_styles_come_back_as_shares_that_the_sliders_can_show(driver, tmp_path):
    for name, weights, shown in (("a", [2, 1], [1.0, 0.5]), ("b", [0.4, 0.2], [0.4, 0.2])):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"config": {"size": 96}, "style_weights": weights}))
        updates = driver.events["load_settings"].fn(str(file))
        sliders = [c for c in updates if (c.label or "").lower().startswith(("weight of", "its w"))]
        assert [updates[slider] for slider in sliders] == shown


def test_settings_of_results_from_before_hypercolumns_still_load():
    old = {
        "size": 256, "num_steps": 100, "style_layers": ["conv3_2", "conv4_2"],
        "content_layers": ["conv4_2"], "content_place": 0.5, "palette_weight": 20.0,
        "pooling": "average", "optimizer": "lbfgs", "step_size": 0.02,
    }  # fmt: skip
    config = read_settings(json.dumps({"config": old, "style_weights": [1.0]})).config
    assert (config.compare, config.optimizer, config.content_place) == ("maps", "lbfgs", 0.5)
    assert read_settings({"config": {"size": 96}}).config.compare == "hypercolumns"
    with pytest.raises(ValueError, match="holds no settings"):
        read_settings("[" * 100_000)


@pytest.mark.parametrize("weights", ["[-1]", "[NaN]", "[0]", '"1"', "[true]", "null", "7"])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"style_weights (must|is empty)"):
        read_settings('{"config": {"size": 96}, "style_weights": ' + weights + "}")


def test_stop_is_answered_at_once_and_the_run_shows_its_result(driver):
    run = driver.events["run_style"].fn
    driver.shown |= driver.events["begin_style"].fn(driver.values)
    steps = run(driver.state())
    driver.shown |= next(steps)
    answer = driver.events["stop_style"].fn(driver.state())
    assert "Stopped" in answer[driver.find("cx-progress")]
    assert answer[driver.find("cx-stop")].interactive is False
    assert driver.find("cx-png") not in answer  # the files are the run's to write
    (end,) = list(steps)
    assert "Stopped" in end[driver.find("cx-progress")]
    assert end[driver.find("cx-png")].interactive is True
    assert end[driver.find("cx-run")].interactive is True


def test_stop_of_a_run_whose_page_was_lost_shows_its_result(driver):
    driver.run(limit=0)
    driver.shown |= driver.events["stop_style"].fn(driver.state())
    assert "Stopped" in driver.html("cx-progress")
    assert driver.html("cx-png").interactive is True
    assert driver.html("cx-run").interactive is True
    explained = driver.events["explain_keys"].fn(driver.state(), 10, 10)
    assert "cx-matches" in explained[driver.find("cx-why-told")]


def test_stop_before_the_first_step_leaves_the_page_usable(driver):
    update = driver.events["stop_style"].fn(None)
    assert update[driver.find("cx-run")].interactive is True
    driver.shown |= driver.events["begin_style"].fn(driver.values)
    driver.events["stop_style"].fn(driver.state())
    (end,) = list(driver.events["run_style"].fn(driver.state()))
    assert end[driver.find("cx-run")].interactive is True
    assert "cx-png" not in {c.elem_id for c in end}


def test_run_again_after_stop(driver):
    driver.run(limit=0)
    driver.events["stop_style"].fn(driver.state())
    driver.run()
    assert "Done" in driver.html("cx-progress")


def test_explanation_marks_place_and_patches(driver):
    driver.run()
    update = driver.events["explain_click"].fn(driver.state(), 60, 30)
    told = update[driver.find("cx-why-told")]
    assert told.count("<li>") == 5
    assert "50.0%" in told
    assert "conv4_2" in told
    plain = driver.html("cx-why-result")
    assert update[driver.find("cx-why-result")].size == plain.size
    assert update[driver.find("cx-why-result")].tobytes() != plain.tobytes()


def test_a_click_becomes_percent(driver):
    event = gr.SelectData(None, {"index": [30, 5], "value": None})
    picture = Image.new("RGB", (60, 50))
    assert driver.events["pick_place"].fn(event, picture) == (50, 10)


def test_nothing_to_explain_is_said(driver):
    with pytest.raises(gr.Error, match="no result to explain"):
        driver.events["explain_click"].fn(None, 50, 50)


def test_missing_pictures_are_said_before_anything_runs(ctx, style):
    driver = Driver(ctx).set(content=None, style_picture=None)
    begin = driver.events["begin_style"].fn
    with pytest.raises(gr.Error, match="Choose a content picture"):
        begin(driver.values)
    driver.set(content=style)
    with pytest.raises(gr.Error, match="Choose a style picture"):
        begin(driver.values)


def test_a_picture_that_is_too_narrow_is_said_before_anything_runs(driver, style):
    driver.set(content=style.resize((1600, 100))).option(size=256)
    with pytest.raises(gr.Error, match=r"16 times as long .* size of 512 or more"):
        driver.events["begin_style"].fn(driver.values)


def test_a_result_says_which_pictures_it_is_of_and_when_they_changed(driver, content, style):
    driver.run()
    told = driver.html("cx-result-of")
    assert told.count("<img") == 2
    assert "cx-stale" not in told
    driver.values |= {c: v for c, v in driver.shown.items() if isinstance(c, gr.State)}
    tell = driver.events["tell_whose_result"].fn
    assert "cx-stale" not in tell(driver.values)

    buffer = io.BytesIO()
    content.save(buffer, "WEBP", quality=90)  # what a page may hand back
    driver.set(content=Image.open(buffer).convert("RGB"))
    assert "cx-stale" not in tell(driver.values)
    for changes in ({"content": style}, {"style_picture": content}):
        driver.set(**changes)
        stale = tell(driver.values)
        assert "cx-stale" in stale
        assert stale.count("<img") == 2
        assert "Press Run" in stale
        driver.set(content=content, style_picture=style)
    driver.option(style_strength=2.0)
    assert "cx-stale" in tell(driver.values)
    driver.option(size="nonsense")
    assert "cx-stale" in tell(driver.values)


def test_a_new_run_no_longer_explains_the_old_pictures(driver):
    driver.run()
    driver.shown |= driver.events["begin_style"].fn(driver.values)
    for name in ("cx-why-result", "cx-why-style"):
        assert driver.html(name) is None
    assert driver.html("cx-why-told") == ""


def test_several_styles_with_weights_reach_the_pipeline(ctx, content, style):
    seen = {}

    def transfer(content, styles, config, *, style_weights=None, features=None):
        seen.update(styles=len(styles), weights=style_weights)
        yield from fake_transfer(content, styles, config)

    driver = Driver(replace(ctx, transfer_style=transfer)).option(num_steps=2, size=64)
    driver.set(content=content, style_picture=style, style_2=style, style_3=None).run()
    assert seen == {"styles": 2, "weights": [1, 0.5]}


def test_vgg16_stands_in_for_vgg19_and_the_page_says_so(ctx_without_vgg19, content, style):
    driver = Driver(ctx_without_vgg19).set(content=content, style_picture=style)
    driver.option(backbone="vgg19", num_steps=2, size=64)
    with pytest.warns(UserWarning, match="vgg16 is used instead"):  # a toast, outside of a request
        driver.run()
    text = driver.html("cx-progress")
    assert "vgg19 cannot be had: the Hub did not answer. vgg16 is used instead." in text
    assert driver.state().config.backbone == "vgg16"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("style <b>too</b> large"), "style &lt;b&gt;too"),
        (RuntimeError("secret /path"), "Something went wrong on the server"),
        (RuntimeError("CUDA out of memory"), "choose a smaller size"),
    ],
)
def test_a_failing_pipeline_becomes_a_sentence(ctx, content, style, error, said):
    def transfer(*args, **kwargs):
        yield from fake_transfer(*args, **kwargs)
        raise error

    driver = Driver(replace(ctx, transfer_style=transfer)).option(num_steps=2, size=64)
    driver.set(content=content, style_picture=style)
    with pytest.raises(gr.Error) as raised:
        driver.run()
    assert said in raised.value.message
    assert "secret" not in raised.value.message
    assert driver.html("cx-run").interactive is True


def test_presets_fill_the_controls(driver):
    update = driver.events["choose_preset"].fn("authors")
    assert update[driver.find("cx-option-combine")] == "concatenate"
    assert update[driver.find("cx-option-style_layers")] == list(PRESETS["authors"].style_layers)


def test_long_runs_are_announced(driver):
    driver.option(
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in PRESETS["paper"].as_dict().items()
        }
    )
    driver.option(size=512)
    text = driver.events["estimate_time"].fn(driver.values)
    assert "cx-long" in text
    assert "minutes" in text or "hours" in text
    driver.option(size=None)
    assert "size is empty" in driver.events["estimate_time"].fn(driver.values)


def test_upload_that_is_no_picture_empties_the_picker(driver, tmp_path, store):
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    with pytest.warns(UserWarning, match="is a text file"):  # a toast, outside of a request
        assert driver.events["accept_upload_0"].fn({"path": store(bad)}) is None
    good = tmp_path / "good.png"
    Image.new("RGB", (3000, 1500), "red").save(good)
    assert driver.events["accept_upload_0"].fn({"path": store(good)}).size == (1024, 512)


def test_stylize_streams_and_ends_with_a_png(driver, content, style):
    for path, settings in driver.events["stylize"].fn(content, style, "fast", 1.0, 64, 0, False):
        if settings["steps_taken"] == PRESETS["fast"].num_steps:  # its file lives until the next
            assert images.load(path).size == (64, 43)
    assert settings["config"]["size"] == 64
    with pytest.raises(gr.Error, match="preset must be one of"):
        list(driver.events["stylize"].fn(content, style, "fats"))
    with pytest.raises(gr.Error, match="two pictures"):
        list(driver.events["stylize"].fn(content, None))


@pytest.mark.parametrize(
    ("preset", "asked", "made"),
    [
        ("fine", (), 512),
        ("fast", (1.0, 0), 256),
        ("fine", (1.0, None), 512),
        ("fine", (1.0, 96), 96),
    ],
)
def test_stylize_takes_the_presets_size_unless_one_is_named(
    driver, content, style, preset, asked, made
):
    run = driver.events["stylize"].fn(content, style, preset, *asked)
    _, settings = next(run)
    run.close()
    assert settings["config"]["size"] == made


def test_explain_style_answers_with_boxes(driver, content, style):
    picture, answer = driver.events["explain_style"].fn(content, style, 100, 0)
    assert picture.width >= style.width
    assert answer["place"] == [0.75, 0.0, 1.0, 0.25]
    assert [round(m["affinity"], 3) for m in answer["matches"]][:2] == [0.5, 0.25]
