"""The conversion of the face finder: names, order and shapes of what is shipped."""

import zipfile

import pytest
import torch

from cxdemo import checkpoints
from cxdemo.faces.networks import BlazeFace, FaceMesh
from cxdemo.training import convert_face_mesh


@pytest.mark.parametrize(
    ("name", "network"), [("face-detector", BlazeFace), ("face-mesh", FaceMesh)]
)
def test_the_names_of_the_file_in_order_are_all_parameters_of_the_network(name, network):
    listed = [module for _, module in convert_face_mesh.NAMES[name]()]
    assert len(listed) == len(set(listed))
    expected = {key: tuple(tensor.shape) for key, tensor in network().state_dict().items()}
    assert {key.rpartition(".")[0] for key in expected} == set(listed)
    assert dict(checkpoints.find_checkpoint(name).tensors) == expected


def test_kernels_are_turned_to_torchs_order():
    stored = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    bias = torch.zeros(2)
    plain = convert_face_mesh.to_torch("CONV_2D", "a", [stored, bias])["a.weight"]
    assert plain[1, 4, 2, 3] == stored[1, 2, 3, 4]
    deep = convert_face_mesh.to_torch("DEPTHWISE_CONV_2D", "a", [stored[:1], bias])["a.weight"]
    assert deep.shape == (5, 1, 3, 4)
    assert deep[4, 0, 2, 3] == stored[0, 2, 3, 4]
    slopes = convert_face_mesh.to_torch("PRELU", "a", [torch.arange(3).view(1, 1, 3)])
    assert slopes["a.weight"].tolist() == [0, 1, 2]


def test_a_file_with_other_layers_is_refused(monkeypatch):
    layers = [("PRELU", [torch.zeros(1, 1, 2)])]
    monkeypatch.setattr(convert_face_mesh, "read_layers", lambda content: iter(layers))
    with pytest.raises(ValueError, match="expected CONV_2D for stem, got PRELU"):
        convert_face_mesh.convert(b"", [("CONV_2D", "stem")])


def test_another_wheel_is_refused(tmp_path):
    member, sha256 = convert_face_mesh.FILES["face-mesh"]
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(member, b"other")
    with pytest.raises(ValueError, match=f"expected {sha256}"):
        convert_face_mesh.read_wheel(tmp_path / "a.whl", member, sha256)
