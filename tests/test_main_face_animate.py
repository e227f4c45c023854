"""python -m cxdemo face animate | puppet."""

import av
import pytest
import torch
from PIL import Image

from cxdemo.__main__ import main
from cxdemo.commands.face_animate import read_pairs
from cxdemo.commands.settings import read_result
from cxdemo.examples import PICTURES
from cxdemo.images import load, to_tensor
from cxdemo.pipelines.face_animation import AnimationConfig
from cxdemo.video import save_mp4

FAST = ["--num-steps", "20", "--size", "64", "--coarse-share", "1", "--batch-size", "1"]


@pytest.fixture
def clip(tmp_path):
    portrait = to_tensor(load(PICTURES / "portrait_astronaut.jpg"), long_side=128)
    save_mp4(portrait.expand(3, -1, -1, -1), tmp_path / "clip.mp4", fps=12)
    return str(tmp_path / "clip.mp4")


def test_a_picture_is_moved(clip, tmp_path, capsys):
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "target.png")
    output = tmp_path / "out.mp4"
    main(
        ["face", "animate", str(tmp_path / "target.png"), clip, "-o", str(output), *FAST, "--json"]
    )
    said = capsys.readouterr().out
    assert '"steps": 20' in said
    with av.open(str(output)) as film:
        assert film.streams.video[0].width == 520
        assert sum(1 for _ in film.decode(video=0)) == 3
    stored = read_result(str(output), AnimationConfig, pipeline="animation")
    assert (stored.config.size, stored.config.num_steps, stored.notice) == (64, 20, "")


def test_pairs_are_matched_by_name(tmp_path):
    for folder, names in (("a", ("1", "2", "4")), ("b", ("2", "4", "5"))):
        (tmp_path / folder).mkdir()
        for name in names:
            colour = (int(name) * 40, 0, 255 if folder == "b" else 0)
            Image.new("RGB", (20, 30), colour).save(tmp_path / folder / f"{name}.png")
    driver, puppet = read_pairs(tmp_path / "a", tmp_path / "b")
    for pair in (driver, puppet):
        reds = (pair.frames[:, 0].mean(dim=(1, 2)) * 255).tolist()
        assert reds == pytest.approx([80, 160], abs=1)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="pairs are matched by name"):
        read_pairs(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["animate", "t.png", "c.mp4", "-o", "out.avi"], "choose one of the endings .mp4, .gif"),
        (["puppet", ".", "c.mp4", "n.mp4", "-o", "out.mp4"], "both be folders"),
        (["puppet", "gone.mp4", "c.mp4", "n.mp4", "-o", "out.mp4"], "no file “gone.mp4”"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["face", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    assert code != 0
    shown = capsys.readouterr()
    assert said in f"{shown.out}{shown.err}{code}"


def test_a_driver_without_a_face_is_refused_before_any_training(tmp_path, monkeypatch, capsys):
    class NoFaces:
        device = "cpu"

        def find_faces(self, image):
            return []

        def follow_face(self, frames):
            return [None] * len(frames)

    def train(*args):
        raise AssertionError("it was trained")

    monkeypatch.setattr("cxdemo.engine.context.default_context", NoFaces)
    monkeypatch.setattr("cxdemo.runs.clips.start_animation", train)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "t.png")
    save_mp4(torch.full((4, 3, 32, 32), 0.5), tmp_path / "c.mp4", fps=12)
    try:
        code = main(["face", "animate", f"{tmp_path / 't.png'}", f"{tmp_path / 'c.mp4'}",
                     "-o", f"{tmp_path / 'out.mp4'}"])  # fmt: skip
    except SystemExit as stopped:
        code = stopped.code
    assert code != 0
    shown = capsys.readouterr()
    assert "A face was found in no frame of the driver's clip" in f"{shown.out}{shown.err}{code}"
    assert not (tmp_path / "out.mp4").exists()
