"""What the load test makes of its answers. No test depends on a time."""

import json

import pytest

from cxdemo.bench import load
from cxdemo.bench.load import Answer, Record, Sample


def record(*answers, samples=(), abandoned_at=None):
    return Record(
        answers=[Answer(*answer) for answer in answers],
        samples=[Sample(*sample) for sample in samples],
        abandoned_at=abandoned_at,
    )


def reached(found):
    return [good for _, good in load.judge(found)]


def test_goals_are_reached_and_missed_by_quick_work_alone():
    good = [("click", i, 0.1, "") for i in range(19)]
    assert reached(record(*good, ("style", 0, 900.0, "the line is full"))) == [True] * 3
    assert reached(record(*good, ("upscale", 3, 2.0, ""))) == [True, True, True]
    late = [("upscale", 3, 2.0, ""), ("translate", 3, 1.6, "")]
    assert reached(record(*good, *late)) == [True, True, False]
    assert reached(record(*good, ("click", 3, 0.0, "Queue is full."))) == [False, True, True]
    assert reached(record(*(("click", 0, 0.5, ""),) * 9, *good[:8])) == [True, False, True]
    assert reached(record())[1:] == [False, False]


def test_the_longest_wait_is_that_of_whoever_waited_when_the_jobs_came():
    answers = [
        ("click", 1.0, 2.0, ""),  # was answered before
        ("click", 25.0, 6.0, ""),  # waited when they came, at 30
        ("click", 41.0, 9.0, ""),  # was asked for long after
        ("style", 31.0, 300.0, ""),
    ]
    found = record(*answers, abandoned_at=30.0)
    assert load.worst_after(found, 30.0) == 6.0
    assert reached(found)[3] is False
    assert reached(record(answers[0], answers[2], abandoned_at=30.0))[3] is True


def test_a_soak_is_flat_after_its_first_minutes():
    def samples(*memory):
        return [(2.0 * i, m, 10, 5, 3, 1) for i, m in enumerate(memory)]

    assert reached(record(samples=samples(500, 700, 900, 910, 990)))[3] is True
    assert reached(record(samples=samples(500, 700, 900, 910, 1011)))[3] is False


def test_the_table_says_what_was_asked_and_refused(tmp_path):
    found = record(
        ("click", 0, 0.2, ""), ("click", 0, 0.4, ""), ("upscale", 0, 0.0, "The line is full."),
        samples=[(0.0, 500.0, 30, 20, 4, 2), (6.0, 512.5, 31, 22, 5, 2)],
    )  # fmt: skip
    found.unfinished["style"] = 2
    lines = list(load.tell(found))
    (click,) = [line.split() for line in lines if line.startswith("click")]
    assert click == ["click", "2", "0", "0.20", "0.40", "0.40"]
    assert "refused: The line is full." in lines
    assert "style: 2 still waited or ran at the end" in lines
    assert "memory: 500.0 at first, 512.5 at the end" in lines
    load.write(found, tmp_path / "curve.csv")
    assert (tmp_path / "curve.csv").read_text().splitlines()[2] == "6.0,512.5,31,22,5,2"
    load.write(found, tmp_path / "curve.json")
    assert json.loads((tmp_path / "curve.json").read_text())["samples"][1]["threads"] == 22


@pytest.mark.parametrize("flag", [["--soak", "300"], ["--share", "9"], ["--seconds", "1"]])
def test_a_load_has_bounds(flag, capsys):
    with pytest.raises(SystemExit):
        load.main(flag)
    assert "is not in" in capsys.readouterr().err


def test_a_curve_of_another_kind_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match=r"written as \.csv or \.json"):
        load.main(["--output", "curve.png"])


def test_visits_may_leave_little_behind():
    answers = [Answer("click", 1.0, 0.1, "")]
    for left, reached in ((49.0, True), (51.0, False)):
        assert load.judge(Record(answers=answers, left=left))[-1][1] is reached
