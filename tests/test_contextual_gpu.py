"""The core's assertions on CUDA. `make test-all` runs them where there is a GPU."""

import pytest
import torch

from cxdemo.contextual import contextual_loss, contextual_matches

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def maps(*sizes, channels=16):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, *size, generator=generator) for size in sizes]


@pytest.mark.parametrize("distance", ["cosine", "l1", "l2"])
@pytest.mark.parametrize("options", [{}, {"symmetric": True}, {"spatial_weight": 0.5}])
def test_values_and_gradients_equal_the_cpus(distance, options):
    results = []
    for device in ("cpu", "cuda"):
        x, y = (m.double().to(device).requires_grad_() for m in maps((7, 9), (8, 6)))
        loss = contextual_loss(x, y, distance=distance, chunk_size=13, **options)
        loss.backward()
        results.append([t.detach().cpu() for t in (loss, x.grad, y.grad)])
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cuda, cpu, atol=1e-9, rtol=1e-7)


def test_autocast_and_tf32_change_nothing():
    x, y = (m.cuda() for m in maps((32, 32), (32, 32), channels=64))
    exact = contextual_loss(x, y)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            rough = contextual_loss(x, y)
    finally:
        torch.set_float32_matmul_precision(before)
    torch.testing.assert_close(rough, exact)


def test_no_block_holds_all_pairs():
    x, y = (m[:1].cuda().requires_grad_() for m in maps((128, 128), (128, 128), channels=64))
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    contextual_loss(x, y, chunk_size=256).backward()
    pairs = 4 * 128**4  # bytes of one (Px, Py) matrix in fp32
    assert torch.cuda.max_memory_allocated() - before < pairs / 4


def test_a_copy_matches_itself():
    (y,) = maps((16, 16))
    matches = contextual_matches(y.cuda(), y.cuda())
    places = torch.arange(256, device="cuda").expand(2, -1)
    assert torch.equal(matches.source_of_target, places)
    assert torch.equal(matches.target_of_source, places)
