"""Features and a pipeline on CUDA give what they give on the CPU. `make test-gpu` runs them."""

import pytest
import torch

from cxdemo.contextual import contextual_loss
from cxdemo.features import load_features
from cxdemo.pipelines.style_transfer import load_preset, transfer_style

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def picture(seed):
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_features_equal_the_cpus():
    layers = ("conv2_2", "conv3_2")
    maps = [
        {name: m.float().cpu() for name, m in network(picture(0).to(device)).items()}
        for device in ("cpu", "cuda")
        for network in [load_features("vgg16", layers, device=device)]
    ]
    for name in layers:
        scale = maps[0][name].abs().max().item()
        torch.testing.assert_close(maps[1][name], maps[0][name], rtol=0, atol=0.01 * scale)


@pytest.mark.parametrize("options", [{"claims": 3}, {"power": 2.0}], ids=str)
def test_other_maxima_and_second_derivatives_equal_the_cpus(options):
    results = []
    for device in ("cpu", "cuda"):
        x, y = (torch.rand(2, 8, 5, 6, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
        x, y = x.double().to(device).requires_grad_(), y.double().to(device)
        (grad,) = torch.autograd.grad(contextual_loss(x, y, **options), x, create_graph=True)
        (second,) = torch.autograd.grad(grad.square().sum(), x)
        results.append((grad.detach().cpu(), second.cpu()))
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cuda, cpu, atol=1e-9, rtol=1e-6)


def test_style_transfer_runs_and_its_loss_falls():
    config = load_preset("fast", size=64, num_steps=12)
    features = load_features("vgg16", config.layers, device="cuda")
    content, style = picture(0).cuda(), picture(1).cuda()
    steps = list(transfer_style(content, [style], config, features=features))
    assert steps[-1].loss < steps[0].loss
    assert steps[-1].image.isfinite().all()
