import copy
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
import torch.nn.functional as F
import torchvision

from cxdemo import checkpoints
from cxdemo.features import (
    LAYERS,
    FeatureNetworks,
    PatchFeatures,
    VGGFeatures,
    check_layers,
    fastest_dtype,
    load_features,
)

# Place of each ReLU in torchvision's `features`, written down by hand from its layer list.
RELU = {
    "vgg16": {"conv1_1": 1, "conv1_2": 3, "conv2_2": 8, "conv3_2": 13, "conv3_3": 15},
    "vgg19": {"conv1_1": 1, "conv2_2": 8, "conv3_4": 17, "conv4_2": 22, "conv5_4": 35},
}


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
def test_layers_equal_torchvisions_own_network(backbone):
    torch.manual_seed(0)
    network = getattr(torchvision.models, backbone)(weights=None).features.eval()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    state = {f"features.{name}": value for name, value in network.state_dict().items()}
    features = VGGFeatures(
        backbone, state, list(RELU[backbone]), mean=mean, std=std, dtype=torch.float32
    )
    image = torch.rand(2, 3, 48, 33)
    x = torchvision.transforms.functional.normalize(image, mean, std)
    expected = {}
    with torch.no_grad():
        for place, module in enumerate(network):
            # its ReLUs work in place, hence the copies
            x = module(x.clone())
            expected |= {name: x for name, i in RELU[backbone].items() if i == place}
        got = features(image)
    assert list(got) == list(RELU[backbone])
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, atol=1e-5, rtol=1e-4)


def test_average_pooling_halves_by_the_mean():
    state = identity_state("vgg16", 2)
    features = VGGFeatures(
        "vgg16",
        state,
        ["conv1_2", "conv2_1"],
        mean=[0] * 3,
        std=[1] * 3,
        pooling="average",
        dtype=torch.float32,
    )
    maps = features(torch.rand(1, 3, 16, 16))
    torch.testing.assert_close(maps["conv2_1"][:, :64], F.avg_pool2d(maps["conv1_2"], 2))


def identity_state(backbone, blocks):
    """Convolutions that hand each channel on unchanged."""
    state, channels = {}, 3
    for layer in LAYERS[backbone].values():
        if layer.block <= blocks:
            weight = torch.zeros(layer.channels, channels, 3, 3)
            for i in range(min(layer.channels, channels)):
                weight[i, i, 1, 1] = 1
            state[f"{layer.key}.weight"] = weight
            state[f"{layer.key}.bias"] = torch.zeros(layer.channels)
            channels = layer.channels
    return state


def test_nothing_deeper_than_asked_is_built_or_read():
    features = load_features("vgg16", ["conv2_1"])
    assert list(features.convolutions) == ["conv1_1", "conv1_2", "conv2_1"]


def test_parameters_are_frozen_and_the_image_gets_a_gradient():
    features = load_features("vgg16", ["conv2_1"])
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    features(image)["conv2_1"].sum().backward()
    assert not any(p.requires_grad for p in features.parameters())
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize(("layer", "side"), [("conv1_1", 1), ("conv3_2", 4), ("conv4_2", 8)])
def test_the_smallest_image_works_and_a_smaller_one_is_refused_with_the_number(layer, side):
    features = load_features("vgg16", [layer])
    assert features(torch.rand(1, 3, side, side))[layer].shape[2:] == (1, 1)
    if side > 1:
        with pytest.raises(ValueError, match=f"{layer} needs an image of at least {side} x {side}"):
            features(torch.rand(1, 3, side - 1, 2 * side))


def test_errors_name_what_there_is():
    with pytest.raises(ValueError, match=r"Unknown backbone 'vgg61'. Did you mean 'vgg1"):
        check_layers("vgg61", ["conv1_1"])
    with pytest.raises(ValueError, match=r"vgg16 has no layer 'conv3_4'. Did you mean 'conv3_3'|_"):
        check_layers("vgg16", ["conv3_4"])
    with pytest.raises(ValueError, match="No layer was asked for"):
        check_layers("vgg16", [])
    with pytest.raises(ValueError, match=r"parameters of conv1_1 are missing: features\.0\.weight"):
        VGGFeatures("vgg16", {}, ["conv1_1"], mean=[0] * 3, std=[1] * 3)
    with pytest.raises(ValueError, match=r"RGB images \(N, 3, H, W\), got shape \(1, 1, 8, 8\)"):
        load_features("vgg16", ["conv1_1"])(torch.rand(1, 1, 8, 8))


def test_layers_come_out_in_order_of_depth_each_once():
    assert check_layers("vgg19", ["conv4_2", "conv1_1", "conv4_2"]) == ("conv1_1", "conv4_2")


def test_a_stand_in_answers_under_the_names_that_were_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    features = load_features("vgg19", ["conv3_4", "conv4_2"])
    if features.backbone == "vgg19":  # this machine holds the network: nothing stands in
        return
    maps = features(torch.rand(1, 3, 32, 32))
    assert features.notice is not None
    assert "vgg16 is used instead" in features.notice
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        "conv3_4": (1, 256, 8, 8),
        "conv4_2": (1, 512, 4, 4),
    }
    own = load_features("vgg16", ["conv3_3"])
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(features(image)["conv3_4"], own(image)["conv3_3"])


def test_bfloat16_stays_near_float32():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    exact, rough = (
        load_features("vgg16", ["conv4_2"], dtype=dtype)(image)["conv4_2"]
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rough.dtype == torch.float32
    error = (rough - exact).norm() / exact.norm()
    assert 1e-5 < error < 0.05
    assert fastest_dtype("cpu") in (torch.float32, torch.bfloat16)


def test_threads_that_use_a_cold_network_at_once_agree_with_one_thread():
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    cold = load_features("vgg16", ["conv3_2"], dtype=torch.bfloat16)
    before = {name: (p.dtype, p.data_ptr()) for name, p in cold.named_parameters()}
    assert {dtype for dtype, _ in before.values()} == {torch.bfloat16}
    together = Barrier(6)

    def use(_):
        together.wait()
        with torch.no_grad():
            return cold(image)["conv3_2"]

    with ThreadPoolExecutor(6) as threads:
        maps = list(threads.map(use, range(6)))
    with torch.no_grad():
        alone = load_features("vgg16", ["conv3_2"], dtype=torch.bfloat16)(image)["conv3_2"]
    assert all(torch.equal(each, alone) for each in maps)
    # Nothing was converted in use: who converts is seen by whoever computes at that moment.
    assert {name: (p.dtype, p.data_ptr()) for name, p in cold.named_parameters()} == before


def test_a_network_that_moves_takes_the_precision_of_its_new_device(monkeypatch):
    monkeypatch.setattr("cxdemo.features.fastest_dtype", lambda kind: DTYPES[kind])
    features = load_features("vgg16", ["conv1_1"])
    moved = copy.deepcopy(features).to("meta")
    assert {p.dtype for p in features.convolutions.parameters()} == {torch.float32}
    assert {p.dtype for p in moved.convolutions.parameters()} == {torch.bfloat16}


DTYPES = {"cpu": torch.float32, "meta": torch.bfloat16}


def test_networks_share_each_convolution_whatever_layers_and_pooling_are_asked(monkeypatch):
    read = []
    load = checkpoints.load_with_fallback

    def watch(name, *, tensors, **options):
        loaded = load(name, tensors=tensors, **options)
        read.extend(loaded.state_dict)
        return loaded

    monkeypatch.setattr("cxdemo.checkpoints.load_with_fallback", watch)
    networks = FeatureNetworks()
    shallow = networks.load("vgg16", ["conv2_1"])
    deep = networks.load("vgg16", ["conv3_1", "conv1_2"], pooling="average")
    assert networks.load("vgg16", ["conv2_1"]) is shallow
    assert deep.convolutions["conv2_1"] is shallow.convolutions["conv2_1"]
    assert len(read) == len(set(read)) == 2 * 5  # conv1_1 to conv3_1, each once
    image = torch.rand(1, 3, 32, 32)
    alone = load_features("vgg16", ["conv3_1", "conv1_2"], pooling="average")
    torch.testing.assert_close(deep(image), alone(image))
    assert list(shallow(image)) == ["conv2_1"]


def test_threads_that_ask_for_layers_at_once_get_one_network():
    networks, together = FeatureNetworks(), Barrier(6)
    asked = ["conv1_1", "conv2_2", "conv3_1"] * 2

    def ask(layer):
        together.wait()
        return networks.load("vgg16", [layer]).convolutions["conv1_1"]

    with ThreadPoolExecutor(6) as threads:
        assert len(set(map(id, threads.map(ask, asked)))) == 1


def test_a_stand_in_shares_the_network_that_it_is_and_is_looked_past_the_next_time(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path))
    networks = FeatureNetworks(offline=True)
    own = networks.load("vgg16", ["conv2_1"])
    stand_in = networks.load("vgg19", ["conv2_1"])
    assert stand_in.notice is not None
    assert stand_in.convolutions["conv2_1"] is own.convolutions["conv2_1"]
    assert networks.load("vgg19", ["conv2_1"]) is not stand_in


def test_patches_are_windows_of_the_image():
    image = torch.rand(2, 3, 11, 14)
    maps = PatchFeatures(size=5, stride=2)(image)["rgb"]
    assert maps.shape == (2, 75, 4, 5)
    for row, column in [(0, 0), (3, 4), (1, 2)]:
        window = image[:, :, 2 * row : 2 * row + 5, 2 * column : 2 * column + 5]
        assert torch.equal(maps[:, :, row, column], window.flatten(1))


def test_patches_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"at least 5 x 5 pixels, got 4 x 9"):
        PatchFeatures(size=5)(torch.rand(1, 3, 9, 4))
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 2"):
        PatchFeatures(size=0, stride=2)
