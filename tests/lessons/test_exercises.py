"""The exercise sheet's answers are right."""

import math
import re

import pytest
import torch

from cxdemo.contextual import contextual_affinity, contextual_loss
from cxdemo.lessons import exercises
from cxdemo.lessons.texts import LANGUAGES
from cxdemo.pipelines.loss_toys import to_map


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_exercise_has_an_answer_and_every_number_is_filled_in(language):
    sheet = exercises.show_sheet(language)
    assert sheet.count("<li>") == 2 * exercises.COUNT
    assert not re.search(r"\{\w+\}|\[\[", sheet)
    assert f'lang="{language}"' in sheet


@pytest.mark.parametrize(("bandwidth", "name"), [(0.5, "share"), (1.0, "wide")])
def test_votes_by_hand_are_the_cores(bandwidth, name):
    y = to_map(torch.tensor([[1.0], [2.0], [3.0]]))
    votes = contextual_affinity(to_map(torch.zeros(1, 1)), y, bandwidth=bandwidth, distance="l1")
    said = [float(v) for v in exercises.work_out()[name].split(", ")]
    assert said == pytest.approx(votes.flatten().tolist(), abs=1e-3)


def test_the_matrix_by_hand():
    said = exercises.work_out()
    assert said["idle"] == "x2"  # (0.9, 0.4, 0.6) are x1's, x3's and x3's
    assert float(said["similarity"]) == pytest.approx((0.9 + 0.4 + 0.6) / 3, abs=1e-3)
    assert float(said["loss"]) == pytest.approx(-math.log((0.9 + 0.4 + 0.6) / 3), abs=1e-3)


def test_the_highest_loss_is_log_six():
    one = torch.zeros(1, 1, 1, 1)
    six = torch.ones(1, 1, 2, 3)
    loss = contextual_loss(one, six, distance="l2")
    assert float(exercises.work_out()["highest"]) == pytest.approx(float(loss), abs=5e-3)


def test_the_place_blinds_the_loss_and_brings_the_perceptual_one():
    said = {
        name: float(v)
        for name, v in exercises.work_out().items()
        if name[:4] in ("loss", "vote", "perc")
    }
    assert said["loss_5"] > 2 * said["loss_0"] > said["loss_100"] == 0
    assert said["voted_100"] == said["perceptual"]


def test_the_command_prints_a_sheet(capsys):
    exercises.main(["--lang", "zh"])
    assert "练习" in capsys.readouterr().out
