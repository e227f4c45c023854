"""The judges of face translators: on domains and faces whose right answer is known."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cxdemo import images
from cxdemo.faces import align, load_face_finder
from cxdemo.networks import CascadedRefinement
from cxdemo.training import judge_face
from cxdemo.training.judge_face import LinearJudge, landmark_distance, statistics


@pytest.fixture(scope="module")
def finder():
    return load_face_finder()


@pytest.fixture(scope="module")
def portrait(finder):
    image = images.to_tensor(images.load(Path("cxdemo/examples/portrait_astronaut.jpg")))
    return align(image, finder.find(image)[0], 192).crop


def test_a_judge_tells_dark_from_light_and_is_half_convinced_by_half():
    torch.manual_seed(0)
    dark, light = 0.3 + 0.1 * torch.rand(40, 3, 8, 8), 0.6 + 0.1 * torch.rand(40, 3, 8, 8)
    judge = LinearJudge(lambda faces: statistics([faces]), dark[:20], light[:20])
    assert judge.share(light[20:]) == 100
    assert judge.share(dark[20:]) == 0
    assert judge.share(torch.cat([dark[20:], light[20:]])) == 50


def test_statistics_are_mean_and_deviation():
    x = torch.tensor([1.0, 3.0, 1.0, 3.0]).view(1, 1, 2, 2)
    assert statistics([x])[0].tolist() == pytest.approx([2.0, (4 / 3) ** 0.5])


def test_a_traced_face_is_the_one_that_a_search_finds(finder, portrait):
    traced, found = finder.trace(portrait), finder.find(portrait)[0]
    assert traced is not None
    assert landmark_distance(found, traced) < 3  # percent of the eyes' distance
    assert finder.trace(torch.full((1, 3, 192, 192), 0.5)) is None


def test_landmarks_moved_are_a_share_of_the_eyes_distance(finder, portrait):
    here = finder.trace(portrait)
    there = finder.trace(torch.roll(portrait, 6, dims=3))
    assert here is not None
    assert there is not None
    assert landmark_distance(here, here) == 0
    assert landmark_distance(here, there) == pytest.approx(600 / here.eye_distance, rel=0.1)


def test_the_command_prints_a_row_for_each_generator(tmp_path, capsys, portrait):
    torch.manual_seed(0)
    small = images.resize(portrait, (64, 64)).clamp(0, 1)
    for name, tint in (("sources", 1.0), ("targets", 0.4)):
        (tmp_path / name).mkdir()
        for index in range(8):
            face = (tint * small + 0.03 * torch.randn_like(small)).clamp(0, 1)
            images.save_png(face, tmp_path / name / f"{index}.png")
    save_file(CascadedRefinement().state_dict(), tmp_path / "identity.safetensors")
    assert judge_face.main([
        "--sources", str(tmp_path / "sources"), "--targets", str(tmp_path / "targets"),
        "--generators", f"same={tmp_path}/identity.safetensors", "--num-held", "4",
        "--save", str(tmp_path / "out"),
    ]) == 0  # fmt: skip
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
    source, same = ([cell.strip() for cell in row] for row in rows[2:])
    assert same[0] == "same"
    assert same[1:4] == source[1:4] == ["0.0", "0.0", "0.00"]  # the identity convinces nobody
    assert float(same[4]) < 1
    assert len(list((tmp_path / "out" / "same").iterdir())) == 4
    assert (tmp_path / "out" / "same.png").is_file()
