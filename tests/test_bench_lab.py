"""The command of the lab's tables. Its experiments are tested where they stand."""

import json

import pytest
import torch

from cxdemo.bench import lab
from cxdemo.pipelines.loss_meter import Reading
from cxdemo.pipelines.misalignment import Standing

IMAGE = torch.zeros(1, 3, 2, 2)


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    standing = Standing(
        image=IMAGE, loss=1.0, psnr=20.25, best_psnr=21.5, sharpness=0.5, distinct=0.75, seconds=3.0
    )
    values = dict.fromkeys(lab.METERED, 0.125)
    meters = [("shift", [Reading(2.0, IMAGE, values)]), (lab.MIRRORED, [Reading(0, IMAGE, values)])]
    monkeypatch.setattr(lab, "race", lambda name: {"noisy crop": standing, "cx": standing})
    monkeypatch.setattr(lab, "read_meters", lambda name: iter(meters))


def test_the_command_prints_tables(capsys):
    assert lab.main(["--pictures", "photo_parrot"]) == 0
    said = capsys.readouterr().out
    assert "| noisy crop | 20.2 | 21.5 | 0.50 | 75 % |" in said
    assert "Mirrored: " in said


def test_programs_get_the_figures_and_no_pictures(capsys):
    assert lab.main(["--pictures", "photo_parrot", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["misaligned"]["photo_parrot"]["cx"]["psnr"] == 20.25
    assert told["meter"]["photo_parrot"]["shift"] == [
        {"amount": 2.0, "values": dict.fromkeys(lab.METERED, 0.125)}
    ]
    assert "image" not in json.dumps(told)
