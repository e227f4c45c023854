"""Training of the face translators: which face is shown which, the terms, a run that resumes."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from cxdemo.checkpoints import FOLDER
from cxdemo.contextual import contextual_loss
from cxdemo.features import load_features
from cxdemo.networks import CascadedRefinement
from cxdemo.palette import palette_distance
from cxdemo.training import loop
from cxdemo.training.export_face import export
from cxdemo.training.face import main
from cxdemo.training.face_config import FaceTrainingConfig
from cxdemo.training.face_data import Faces, Pairs, describe, load_faces, transport_plan
from cxdemo.training.face_losses import contextual_terms, cycle_terms
from cxdemo.training.face_run import FaceRun

TINY = {
    "channels": (4, 4),
    "num_steps": 4,
    "batch_size": 2,
    "size": 32,
    "validate_every": 2,
    "num_validation": 2,
    "warmup_steps": 1,
}


@pytest.fixture
def folders(tmp_path):
    """Two folders of six faces: dark ones and light ones."""
    dice = np.random.default_rng(0)
    for name, light in (("dark", 60), ("light", 200)):
        (tmp_path / name).mkdir()
        for index in range(6):
            pixels = dice.normal(light, 25, (40, 40, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return tmp_path / "dark", tmp_path / "light"


# --------------------------------------------------------------------------------------- the data


def test_faces_are_split_and_resized(folders):
    faces = load_faces(folders[0], 32, num_validation=2, max_faces=5)
    assert faces.train.shape == (3, 3, 32, 32)
    assert faces.held.shape == (2, 3, 32, 32)
    assert float(faces.train.mean()) == pytest.approx(60 / 255, abs=0.02)


def test_a_face_that_is_not_square_is_refused(folders):
    Image.new("RGB", (40, 50)).save(folders[0] / "0.png")
    with pytest.raises(ValueError, match=r"0\.png has 40 x 50 pixels: crop them first"):
        load_faces(folders[0], 32, num_validation=2, max_faces=6)


def test_a_transport_plan_has_its_closed_form():
    # Two and two: the plan is the matrix [[a, b], [b, a]] with a / b = exp(similarity / t).
    one, other = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    plan = transport_plan(one, other, 0.1)
    odds = math.exp((0.8 - 0.6) / 0.1)
    wanted = torch.tensor([[1.0, odds], [odds, 1.0]]) / (1 + odds)
    torch.testing.assert_close(plan, wanted)


def test_a_plan_draws_every_target_as_often_as_every_other():
    torch.manual_seed(0)
    # All sources are nearest to target 0: by the nearest alone, the others would never be seen.
    sources = torch.nn.functional.normalize(torch.rand(20, 4) + torch.tensor([9.0, 0, 0, 0]), dim=1)
    plan = transport_plan(sources, torch.eye(4), 0.05)
    torch.testing.assert_close(plan.sum(dim=1), torch.ones(20))
    torch.testing.assert_close(plan.sum(dim=0), torch.full((4,), 5.0), atol=1e-3, rtol=0)
    faces = torch.zeros(20, 3, 8, 8), torch.zeros(4, 3, 8, 8)
    drawn = torch.cat([Pairs(*faces, plan=plan, seed=0).draw(step, 8)[1] for step in range(500)])
    torch.testing.assert_close(
        drawn.bincount().float() / 4000, torch.full((4,), 0.25), atol=0.03, rtol=0
    )


def test_what_all_faces_of_a_domain_share_does_not_count():
    torch.manual_seed(0)
    faces, maps = torch.rand(6, 3, 16, 16), torch.rand(6, 5, 4, 4)
    shifted = describe(faces + 0.3, maps + torch.rand(1, 5, 4, 4))
    similarities = describe(faces, maps) @ shifted.T
    torch.testing.assert_close(similarities.diagonal(), torch.ones(6))
    assert similarities.argmax(dim=1).tolist() == list(range(6))


def test_a_step_draws_the_same_faces_again():
    pairs = Pairs(torch.rand(9, 3, 8, 8), torch.rand(9, 3, 8, 8), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(pairs.draw(5, 4), pairs.draw(5, 4), strict=True))
    assert not torch.equal(pairs.draw(5, 4)[0], pairs.draw(6, 4)[0])
    assert not torch.equal(pairs.draw(5, 4)[0], pairs.draw(5, 4, process=1)[0])


# -------------------------------------------------------------------------------------- the terms


def test_the_terms_are_the_contextual_losses_weighted():
    config = FaceTrainingConfig(source_weight=0.3, palette_weight=2.0, spatial_weight=0.4)
    features = load_features("vgg16", config.target_layers, pooling="average", dtype=torch.float32)
    torch.manual_seed(0)
    made, source, target = (torch.rand(2, 3, 32, 32) for _ in range(3))
    maps, of_source, of_target = (features(image) for image in (made, source, target))
    terms = contextual_terms(made, target, features, of_source, of_target, config)
    wanted = sum(
        contextual_loss(maps[n], of_target[n], bandwidth=0.2, spatial_weight=0.4)
        for n in ("conv2_2", "conv3_2", "conv4_2")
    )
    assert float(terms["target"]) == pytest.approx(float(wanted), rel=1e-5)
    to_source = contextual_loss(maps["conv4_2"], of_source["conv4_2"], bandwidth=0.2)
    assert float(terms["source"]) == pytest.approx(0.3 * float(to_source), rel=1e-5)
    assert float(terms["palette"]) == pytest.approx(
        2 * float(palette_distance(made, target)), rel=1e-5
    )


def test_the_terms_of_the_peer_for_generators_that_do_nothing():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 1, 2, 2), 0.25)

    x, y = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    terms, made = cycle_terms(x, y, (nn.Identity(), nn.Identity()), (Constant(), Constant()))
    assert float(terms["adversarial"]) == pytest.approx(2 * 0.75**2)
    assert float(terms["cycle"]) == float(terms["identity"]) == 0
    assert torch.equal(made[0], x)


# ---------------------------------------------------------------------------------------- the run


def tiny_run(folder, folders, **changes):
    config = FaceTrainingConfig(**{**TINY, **changes})
    faces = [load_faces(f, config.size, config.num_validation, config.max_faces) for f in folders]
    return FaceRun(config, folder, *faces)


def test_a_run_that_is_killed_between_sheets_goes_on_from_its_last_step(
    folders, tmp_path, monkeypatch
):
    def killed_after_3_steps():
        if run.step == 3:
            raise KeyboardInterrupt
        return FaceRun.advance(run)

    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    run = tiny_run(tmp_path / "run", folders, method="cyclegan", validate_every=100)
    monkeypatch.setattr(run, "advance", killed_after_3_steps)
    with pytest.raises(KeyboardInterrupt):
        list(run.run())
    resumed = tiny_run(tmp_path / "run", folders, method="cyclegan", validate_every=100)
    assert resumed.step == 3
    assert resumed.cpu_seconds == run.cpu_seconds > 0


@pytest.mark.parametrize("method", ["cx", "cyclegan"])
def test_a_resumed_run_equals_an_uninterrupted_one(method, folders, tmp_path):
    whole = tiny_run(tmp_path / "whole", folders, method=method)
    assert [record["step"] for record in whole.run()] == [2, 4]
    next(tiny_run(tmp_path / "parts", folders, method=method).run())  # then the process ends
    resumed = tiny_run(tmp_path / "parts", folders, method=method)
    assert resumed.step == 2
    list(resumed.run())
    for name, module in whole.modules.items():
        other = resumed.modules[name].state_dict()
        assert all(torch.equal(value, other[key]) for key, value in module.state_dict().items())
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    for one, other in zip(*[[json.loads(line) for line in log] for log in logs], strict=True):
        assert {**one, "cpu_seconds": 0} == {**other, "cpu_seconds": 0}


def test_a_run_begins_as_the_identity_and_moves_towards_the_target(folders, tmp_path):
    run = tiny_run(tmp_path, folders, num_steps=40, validate_every=20, step_size=1e-2, decay=0.5)
    with torch.no_grad():
        before = run.averages["generator"](run.shown)
    torch.testing.assert_close(before, run.shown.clamp(1e-3, 1 - 1e-3), atol=1e-4, rtol=0)
    first, last = run.run()
    assert last["target"] + last["palette"] < first["target"] + first["palette"]
    with torch.no_grad():
        after = run.averages["generator"](run.shown)
    assert float(after.mean()) > float(before.mean()) + 0.05  # the light faces pull
    assert last["spread"] > 0
    assert {path.name for path in tmp_path.iterdir()} >= {
        "generator.safetensors", "log.jsonl", "state.pt", "validation.png",
    }  # fmt: skip


def test_the_peer_keeps_both_of_its_generators(folders, tmp_path):
    run = tiny_run(tmp_path, folders, method="cyclegan", step_size=1e-2)
    list(run.run())
    x = torch.rand(1, 3, 32, 32)
    made = []
    for name in ("generator", "back"):
        network = CascadedRefinement((4, 4))
        network.load_state_dict(load_file(tmp_path / f"{name}.safetensors"))
        made.append(network(x).detach())
        torch.testing.assert_close(made[-1], run.averages[name](x))
    assert float((made[0] - made[1]).abs().mean()) > 1e-4


def test_a_folder_of_the_other_method_is_not_continued(folders, tmp_path):
    list(tiny_run(tmp_path / "run", folders, num_steps=2).run())
    with pytest.raises(ValueError, match="a run with method cx, not cyclegan"):
        tiny_run(tmp_path / "run", folders, method="cyclegan")


def test_the_command_trains_from_two_folders(folders, tmp_path, capsys):
    flags = [
        f"--{name.replace('_', '-')}={value}" for name, value in TINY.items() if name != "channels"
    ]
    dark, light = map(str, folders)
    arguments = ["--sources", dark, "--targets", light, "--folder", str(tmp_path / "run")]
    assert main([*arguments, *flags, "--channels", "4,4", "--symmetric"]) == 0
    assert "step 4" in capsys.readouterr().out
    state = load_file(tmp_path / "run" / "generator.safetensors")
    CascadedRefinement((4, 4)).load_state_dict(state)
    with pytest.raises(ValueError, match="not the parameters of the app's Casc"):
        export(tmp_path / "run" / "generator.safetensors", "to-drawn", tmp_path)


def test_a_generator_becomes_a_checkpoint_with_all_its_tensors(tmp_path):
    from cxdemo.training.loop import save_network

    network = CascadedRefinement()
    save_network(network, tmp_path / "generator.safetensors")
    record = export(tmp_path / "generator.safetensors", "to-female", tmp_path)
    assert record["shards"][0]["file"] == "face_to_female.safetensors"
    assert record["tensors"]["last.weight"] == [3, 48, 1, 1]
    assert set(record["tensors"]) == set(network.state_dict())
    assert FOLDER.name == "checkpoints"


def test_held_back_faces_are_never_trained_on():
    faces = Faces(torch.zeros(3, 3, 8, 8), torch.ones(2, 3, 8, 8))
    pairs = Pairs(faces.train, faces.train, seed=0)
    source, target = pairs.draw(0, 50)
    assert float(pairs.sources[source].max()) == float(pairs.targets[target].max()) == 0
