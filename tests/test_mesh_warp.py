"""A picture bent after a mesh: closed forms on made-up meshes, no folds on real ones."""

import math

import pytest
import torch

from cxdemo import images
from cxdemo.examples import PICTURES
from cxdemo.faces import align, load_face_finder
from cxdemo.faces.mesh_warp import (
    INNER_LIPS,
    LOWER,
    UPPER,
    bend,
    carry_motion,
    carry_unfolded,
    fill_mouth,
    move_face,
    openness,
)
from cxdemo.video import read_clip

SIDE = 128


def mesh_of(count=468, seed=0):
    """Points of a face in the middle of a picture of 128 pixels, its mouth closed."""
    points = 64 + 24 * (torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1)
    angles = torch.linspace(0, 2 * math.pi, len(INNER_LIPS) + 1)[:-1] + math.pi / 2
    for index, angle in zip(INNER_LIPS, angles, strict=True):
        points[index] = torch.tensor([64 - 12 * math.sin(angle), 80 + 0.1 * math.cos(angle)])
    return points


def opened(mesh, height):
    """The mesh with its inner lips on an ellipse of so many pixels of half height."""
    moved = mesh.clone()
    middle = mesh[list(INNER_LIPS)].mean(dim=0)
    for index in INNER_LIPS:
        across = (mesh[index, 0] - middle[0]) / 12
        up = -1 if index in {415, 310, 311, 312, 13, 82, 81, 80, 191} else 1
        moved[index, 1] = middle[1] + up * height * (1 - across.square()).clamp_min(0).sqrt()
    return moved


def ramp():
    """x in red and y in green, as shares of the side."""
    along = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 0.5)])[None]


def test_a_still_driver_leaves_mesh_and_picture_as_they_are():
    mesh, picture = mesh_of(), ramp()
    still = carry_motion(mesh_of(seed=1).expand(3, -1, -1), mesh)
    torch.testing.assert_close(still, mesh.expand(3, -1, -1))
    torch.testing.assert_close(bend(picture, mesh, still[1]), picture, atol=1e-4, rtol=0)


def test_motion_is_turned_and_scaled_to_the_targets_face():
    """A driver twice as large and turned by 90 degrees whose mouth drops by 8 of its pixels."""
    target = mesh_of()
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    first = 2 * (target - 64) @ turn.T
    second = first.clone()
    second[LOWER] += torch.tensor([0.0, 8.0])  # down in its own picture
    _, moved = carry_motion(torch.stack([first, second]), target, turn=1.0)
    expected = target.clone()
    expected[LOWER] += torch.tensor([4.0, 0.0])  # down is to the right of the target
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)


def test_of_an_affine_move_the_asked_share_is_kept_and_of_an_expression_all():
    target = mesh_of()
    second = 1.2 * (target - 64) + 64 + torch.tensor([10.0, -6.0])
    _, moved = carry_motion(torch.stack([target, second]), target, turn=0.5)
    torch.testing.assert_close(moved, target + (second - target) / 2, atol=1e-3, rtol=0)
    face = mesh_of()
    face[UPPER, 1] -= 5
    _, moved = carry_motion(torch.stack([target, face]), target, turn=0.0)
    assert float(moved[UPPER, 1] - target[UPPER, 1]) == pytest.approx(-5, abs=0.1)


def test_the_picture_follows_the_mesh_and_its_edges_stay():
    mesh, picture = mesh_of(), ramp()
    bent = bend(picture, mesh, mesh + torch.tensor([6.0, 0.0]))
    middle = (bent - picture)[0, 0, 50:78, 50:78].mean()
    assert float(middle) == pytest.approx(-6 / SIDE, abs=0.01)
    edges = torch.cat([(bent - picture)[..., 0, :], (bent - picture)[..., :, -1]], dim=-1)
    assert float(edges.abs().max()) < 0.01


def test_an_opened_mouth_is_dark_inside_and_nowhere_else():
    mesh, picture = mesh_of(), torch.full((1, 3, SIDE, SIDE), 0.8)
    moved = opened(mesh, 8)
    assert float(openness(moved)) == pytest.approx(16 / 24, rel=0.02)
    filled = fill_mouth(picture, picture, mesh, moved)
    assert float(filled[0, 0, 80, 64]) == pytest.approx(0.45 * 0.8, abs=0.01)
    area = float(((picture - filled) / (0.8 * 0.55)).mean() * SIDE * SIDE)
    assert area == pytest.approx(math.pi * 12 * 8, rel=0.06)  # of the ellipse
    assert torch.equal(fill_mouth(picture, picture, mesh, mesh), picture)
    assert torch.equal(fill_mouth(picture, picture, moved, opened(mesh, 11)), picture)


DRAWN = "face/exemplar_drawn_woman.png"


@pytest.mark.parametrize("name", ["portrait_monalisa.jpg", "portrait_einstein_1927.jpg", DRAWN])
def test_a_picture_moved_by_the_shipped_clip_is_not_folded_and_keeps_its_shape(name):
    finder = load_face_finder()
    faces = finder.follow(read_clip(PICTURES / "face" / "clip_driver.mp4").frames[::6])
    driver = torch.stack([face.landmarks for face in faces]).float()
    image = images.to_tensor(images.load(PICTURES / name))
    crop = align(image, finder.find(image)[0], SIDE).crop
    mesh = finder.find(crop)[0].landmarks.float()
    moved = carry_unfolded(driver, mesh, SIDE)
    places = torch.cat([bend(ramp(), mesh, points)[:, :2] for points in moved])
    right, down = places.diff(dim=3)[:, :, :-1], places.diff(dim=2)[..., :-1]
    area = (right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]) * SIDE**2
    assert float((area[:, 8:-8, 8:-8] < 0).float().mean()) < 0.004
    found = [face for face in finder.follow(move_face(crop, mesh, moved)) if face]
    assert len(found) == len(moved) or name == DRAWN  # the finder knows few drawings
    apart = torch.tensor([face.eye_distance for face in found])
    assert float((apart / apart[0] - 1).abs().max()) < 0.2
