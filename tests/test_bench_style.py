"""The measures of `bench style`, on faces that are moved by a known distance."""

import json

import pytest
import torch
from PIL import Image

from cxdemo.bench import style as bench
from cxdemo.faces import Face
from cxdemo.runs.pace import Paces, Stage


class FakeFinder:
    """Finds a face where the mean of the picture says: its landmarks are a square of points."""

    def __init__(self, *found):
        self.found = iter(found)

    def find(self, image):
        return next(self.found)


def face(offset, height, width):
    """Eyes 20 % of the width apart, all landmarks moved right by some pixels."""
    landmarks = torch.rand(468, 2, generator=torch.Generator().manual_seed(0))
    landmarks[[33, 133]], landmarks[[362, 263]] = torch.tensor([0.4, 0.4]), torch.tensor([0.6, 0.4])
    landmarks = landmarks * torch.tensor([width, height]) + torch.tensor([offset, 0.0])
    return Face(box=(0, 0, 1, 1), score=1.0, landmarks=landmarks)


def test_the_distance_of_landmarks_is_in_eye_distances_whatever_the_size():
    content, stylized = torch.zeros(1, 3, 100, 200), torch.zeros(1, 3, 50, 100)
    finder = FakeFinder([face(0, 100, 200)], [face(2, 50, 100)])  # 4 pixels of the content, eyes 40
    assert bench.measure_faces(content, stylized, finder) == pytest.approx(0.1, rel=1e-4)


def test_the_nearest_face_of_the_result_counts_and_a_lost_one_is_infinitely_far():
    content = torch.zeros(1, 3, 100, 200)
    faces = [face(40, 100, 200), face(2, 100, 200)]
    assert bench.measure_faces(
        content, content, FakeFinder([face(0, 100, 200)], faces)
    ) == pytest.approx(0.05, rel=1e-4)
    lost = bench.measure_faces(content, content, FakeFinder([face(0, 100, 200)], []))
    assert lost == float("inf")
    assert bench.measure_faces(content, content, FakeFinder([])) is None


def test_grain_is_dots_that_are_everywhere_and_not_strokes_or_what_the_style_has_too():
    content = torch.full((1, 3, 256, 256), 0.5)
    content[..., :150] = torch.rand(1, 3, 256, 150, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(*2 * [torch.arange(256.0)], indexing="ij")
    dots = (0.5 + 0.2 * torch.sin(x) * torch.sin(y)).expand(1, 3, 256, 256)
    strokes = (0.5 + 0.2 * torch.sin(x)).expand(1, 3, 256, 256)
    calm = (0.5 + 0.02 * torch.sin(x) * torch.sin(y)).expand(1, 3, 256, 256)
    few = torch.where((x > 230) | (y > 200), dots, calm)  # marks, with calm ground between them
    assert bench.measure_grain(content, dots, calm) == pytest.approx(10, rel=0.02)
    assert bench.measure_grain(content, dots, dots) == pytest.approx(1, rel=0.02)
    assert bench.measure_grain(content, strokes, calm) < 0.1
    assert bench.measure_grain(content, few, calm) < 1.1


def test_the_stored_examples_grain_is_printed(tmp_path, capsys):
    dog = bench.images.load(bench.EXAMPLES / "photo_dog.jpg")
    bench.images.save_png(dog, tmp_path / "photo_dog__photo_dog.png")
    assert bench.main(["--grain", "--results", str(tmp_path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["content"], told["style"]) == ("photo_dog", "photo_dog")
    assert told["grain"] < 1  # a photo's flat grounds are calmer than the rest of it


def test_a_step_is_taken_apart_and_the_run_is_timed(capsys):
    assert bench.main(["--size", "64", "--steps", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["size"], told["steps"]) == (64, 3)
    (stage,) = told["stages"]
    assert stage["size"] == 64
    assert min(stage[part] for part in ("step", "network", "style", "content")) > 0
    row = bench.format_costs([bench.Costs(**stage | {"step": 2.0, "style": 0.5})]).splitlines()[-1]
    assert row.startswith("| 64 | 2.00 | ")
    assert row.split("|")[4].strip() == "25%"


def test_faces_that_moved_are_told_to_programs_too(tmp_path, capsys, monkeypatch):
    Image.new("RGB", (200, 100)).save(tmp_path / "photo_cat_chelsea__painting_wave.png")
    finder = FakeFinder([face(0, 300, 451)], [face(20, 100, 200)])
    monkeypatch.setattr(bench, "load_face_finder", lambda: finder)
    assert bench.main(["--faces", "--results", str(tmp_path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["content"], told["style"]) == ("photo_cat_chelsea", "painting_wave")
    assert told["moved"] == pytest.approx(0.5, rel=1e-3)  # a tenth of the width


def test_forecasts_are_compared_with_the_time_that_came():
    """The machine is half as fast as was known, and its second stage slower still."""
    stages = [Stage("style", 64, 4, 1.0), Stage("style", 128, 5, 2.0)]
    times = [2.0, 4.0, 6.0, 8.0, 14.0, 20.0, 26.0, 32.0, 38.0]
    start, after = bench.judge_estimates(stages, times, Paces({"style": 1.0}))
    assert (start.size, start.told, start.real) == (0, 14.0, 38.0)
    assert (after.size, after.real) == (64, 30.0)
    assert after.told == pytest.approx(10 * 2**0.75, rel=0.01)  # twice as slow, nearly trusted
    assert after.off == pytest.approx(after.told / 30 - 1)
