"""The loss lab's race and meter as the page sees them."""

import json

import pytest
import torch
from PIL import Image

from cxdemo import examples, images
from cxdemo.figures.charts import draw_lines
from cxdemo.pipelines.loss_meter import CHANGES, LossMeter, MeterConfig
from cxdemo.pipelines.misalignment import MisalignmentConfig
from cxdemo.runs.meter import MeterRun
from cxdemo.runs.misaligned import MisalignedRun
from cxdemo.ui.lab.meter.page import STORED, first_run
from cxdemo.ui.lab.meter.view import show_meter
from cxdemo.ui.lab.misaligned.view import show_curves, show_race, show_table, tell_progress
from cxdemo.ui.lab.picture import PICTURES

FAST = MisalignmentConfig(crop=48, num_steps=24, losses=("l2", "cx"))


@pytest.fixture(scope="module")
def cat():
    return examples.open_picture(examples.PICTURES / "photo_cat_chelsea.jpg")


@pytest.fixture(scope="module")
def race(cat, ctx):
    run = MisalignedRun(picture=cat, config=FAST, bet="l2")
    for _ in run.steps(ctx):
        pass
    return run


# ------------------------------------------------------------------------------------- the race


def test_before_the_race_the_answer_is_hidden_and_all_stand_at_the_start(cat):
    run = MisalignedRun(picture=cat, config=FAST)
    page = show_race(run)
    assert "shown at the end" in page
    assert 'alt="The clean crop"' not in page
    assert page.count(">ready<") == 2
    assert run.winner == ""
    assert "Make your bet" in tell_progress(run)


def test_after_it_the_winner_the_bet_and_the_blur_are_named(race):
    assert race.finished
    assert race.winner == "cx"
    page = show_race(race)
    assert 'alt="The clean crop"' in page
    assert "<b>Contextual</b> is the nearest to the answer. Your bet was L2." in page
    assert "Blurred (sharpness below 0.7): L2." in page
    won = MisalignedRun(picture=race.picture, config=FAST, bet="cx", frames=race.frames)
    assert "You won your bet." in show_race(won)


def test_the_table_shows_the_measured_figures_and_marks_the_best(race):
    table = show_table(race)
    for standing in race.last.standings.values():
        assert f"{standing.psnr:.1f} dB" in table
    assert f"<b>{race.last.standings['cx'].psnr:.1f} dB</b>" in table
    assert f"<b>{race.last.standings['l2'].psnr:.1f} dB</b>" not in table


def test_the_curves_go_through_every_frame(race):
    lines = race.lines("psnr")
    assert [step for step, _ in lines["L2"]] == [0, 4, 8, 12, 16, 20, 24]
    assert lines["L2"][-1][1] == race.last.standings["l2"].psnr
    assert race.lines("loss")["Contextual"][0][1] == 1
    assert show_curves(race).count("<polyline") == 4


def test_a_stopped_race_keeps_what_there_is(cat, ctx):
    run = MisalignedRun(picture=cat, config=FAST)
    for _ in run.steps(ctx):
        run.stopped = run.last.index >= 8
    assert run.last.index == 8
    assert "Stopped at step 8 of 24" in tell_progress(run)
    assert "nearest to the answer" in show_race(run)


def test_the_files_hold_the_race_and_go_with_it(race):
    files = race.export()
    stored = json.loads(files["json"].read_text())
    assert stored["config"] == FAST.as_dict()
    assert stored["bet"] == "l2"
    assert stored["results"]["cx"]["psnr"] == race.last.standings["cx"].psnr
    with Image.open(files["gif"]) as gif:
        assert gif.n_frames >= 6
    with Image.open(files["png"]) as figure:
        assert figure.width == 5 * 198 + 6  # noisy, shifted, two losses, clean


# ------------------------------------------------------------------------------------ the meter


def test_the_section_opens_with_what_the_command_says_today(cat):
    stored = json.loads(STORED.read_text())
    config = MeterConfig(**{**stored["config"], "losses": tuple(stored["config"]["losses"])})
    assert PICTURES[0] in STORED.name
    meter = LossMeter(images.to_tensor(cat), config)
    for index in (1, 8):
        amount = stored["amounts"][index]
        values = meter.read(CHANGES["shift"].apply(meter.around, amount)).values
        for name, value in values.items():
            assert value == pytest.approx(stored["values"][name][index], abs=2e-3)


def test_a_change_that_changes_nothing_keeps_the_curves(cat):
    first = first_run()
    same = MeterRun(picture=cat, config=MeterConfig(), trick="mirror")
    assert first.measures_as(same)
    assert not first.measures_as(MeterRun(picture=cat, config=MeterConfig(bandwidth=0.2)))
    assert not first.measures_as(MeterRun(picture=cat.rotate(90), config=MeterConfig()))


def test_the_slider_chooses_copy_bars_and_marker():
    run = first_run()
    assert run.finished
    page = show_meter(run, 8)
    assert "Shift by 8 pixels" in page
    for name, value in run.readings[8].values.items():
        assert f"<td>{value:.3f}</td>" in page, name
    torch.testing.assert_close(run.readings[8].image[..., :-8], run.readings[0].image[..., 8:])


def test_a_trick_has_bars_and_no_curve(cat, ctx):
    run = MeterRun(picture=cat, config=MeterConfig(losses=("l1", "gram", "cx")), trick="shuffle")
    for _ in run.steps(ctx):
        pass
    page = show_meter(run, 4)
    assert "Patches shuffled" in page
    assert "<polyline" not in page
    assert run.readings[0].values["gram"] == pytest.approx(0, abs=1e-5)
    assert set(run.export()) == {"json", "png"}


# ------------------------------------------------------------------------------------ the lines


def test_lines_stand_where_their_values_say():
    chart = draw_lines({"a": [(0, 0.0), (10, 1.0)]}, title="t", x_label="x", y_range=(0, 2))
    (points,) = [part.split('"')[0] for part in chart.split('points="')[1:]]
    (x0, y0), (x1, y1) = [tuple(map(float, p.split(","))) for p in points.split()]
    assert (x0, x1) == (40, 630)
    assert y0 == 196
    assert y1 == pytest.approx((10 + 196) / 2)
    assert "a 1" in chart


def test_a_line_keeps_its_colour_when_others_go():
    order = ["a", "b", "c"]
    both = draw_lines({"a": [(0, 0), (1, 1)], "c": [(0, 1), (1, 0)]}, title="t", x_label="x",
                      order=order)  # fmt: skip
    assert "cx-term-2" in both
    assert "cx-term-1" not in both
    assert "as they are computed" in draw_lines({"a": [(0, 0)]}, title="t", x_label="x")
