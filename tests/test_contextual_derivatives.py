"""Derivatives of every kind: second ones, torch.func, torch.compile, torch.export, meta tensors."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cxdemo.contextual import ContextualLoss, contextual_loss, contextual_similarity
from tests.test_contextual import dense_loss

CASES = [
    {},
    {"bandwidth": 0.1},
    {"distance": "l2"},
    {"distance": "l2", "spatial_weight": 2.0},
    {"spatial_weight": 0.3},
    {"symmetric": True},
    {"chunk_size": 4},
    {"claims": 2},
    {"power": 3.0},
    {"masks": True},
    {"masks": True, "power": 2.0},
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(n=2, c=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, c, 2, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(n, c, 2, 2, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()


def loss_of(case):
    options = dict(case)
    if options.pop("masks", False):
        options["x_mask"] = torch.tensor([[1, 1, 0], [1, 1, 1]]).bool().expand(2, 2, 3)
        options["y_mask"] = torch.tensor([[1, 1], [0, 1]]).bool().expand(2, 2, 2)
    return lambda x, y: contextual_loss(x, y, **options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_first_and_second_derivatives_by_finite_differences(case):
    loss = loss_of(case)
    assert gradcheck(loss, pair(), fast_mode=True)
    assert gradgradcheck(loss, pair(), fast_mode=True, atol=1e-4)


def hessian_product(loss, x, y, v):
    """By `grad` of `grad`."""
    (grad,) = torch.autograd.grad(loss(x, y), x, create_graph=True)
    return torch.autograd.grad((grad * v).sum(), x)[0]


def test_a_hessian_product_is_the_dense_one_whichever_way_it_is_asked_for():
    x, y = pair()
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = hessian_product(dense_loss, x, y, v)
    close = {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(hessian_product(contextual_loss, x, y, v), wanted, **close)
    _, product = torch.autograd.functional.hvp(lambda a: contextual_loss(a, y), x, v)
    torch.testing.assert_close(product, wanted, **close)
    (grad,) = torch.autograd.grad(contextual_loss(x, y), x, create_graph=True)
    (grad * v).sum().backward()
    torch.testing.assert_close(x.grad, wanted, **close)
    x = x.detach()
    nested = torch.func.grad(lambda a: (torch.func.grad(contextual_loss)(a, y) * v).sum())
    torch.testing.assert_close(nested(x).detach(), wanted, **close)


def test_a_third_derivative_is_the_dense_one():
    results = []
    for loss in (contextual_loss, dense_loss):
        x, y = pair(n=1)
        (first,) = torch.autograd.grad(loss(x, y), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(second.square().sum(), y)[0])
    torch.testing.assert_close(*results, rtol=1e-7, atol=1e-10)


def test_torch_func_takes_the_loss_as_it_is():
    x, y = (t.detach() for t in pair())
    (wanted,) = torch.autograd.grad(contextual_loss(x.requires_grad_(), y), x)
    x = x.detach()
    torch.testing.assert_close(torch.func.grad(contextual_loss)(x, y), wanted)
    many = torch.stack([x, -x, x + 1])
    losses = torch.stack([contextual_loss(m, y) for m in many])
    torch.testing.assert_close(torch.func.vmap(contextual_loss, (0, None))(many, y), losses)
    gradients = torch.func.vmap(torch.func.grad(contextual_loss), (0, None))(many, y)
    torch.testing.assert_close(gradients[0], wanted)
    jacobian = torch.func.jacrev(contextual_similarity)(x, y)  # (N, N, C, H, W)
    torch.testing.assert_close(jacobian[0, 1], torch.zeros_like(x[1]))
    scale = -1 / contextual_similarity(x, y) / len(x)
    torch.testing.assert_close(jacobian[0, 0] * scale[0], wanted[0])


def test_a_vmapped_mask_and_target_are_those_of_each():
    x, y = (t.detach() for t in pair())
    masks = torch.tensor([[[1, 1], [0, 1]], [[0, 1], [1, 1]]]).bool()[:, None].expand(2, 2, 2, 2)
    targets = torch.stack([y, 2 - y])

    def loss(y, mask):
        return contextual_loss(x, y, y_mask=mask, spatial_weight=0.1)

    wanted = torch.stack([loss(*pair) for pair in zip(targets, masks, strict=True)])
    torch.testing.assert_close(torch.func.vmap(loss)(targets, masks), wanted)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated:FutureWarning"
)  # PyTorch's own
def test_forward_mode_says_what_to_do():
    x, y = (t.detach() for t in pair())

    def loss(a):
        return contextual_loss(a, y)

    for ask in (
        lambda: torch.func.jvp(loss, (x,), (x,)),
        lambda: torch.func.jacfwd(loss)(x),
        lambda: torch.func.hessian(loss)(x),
    ):
        with pytest.raises(NotImplementedError, match="has no forward-mode derivative"):
            ask()


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_compiled_in_one_graph_it_is_the_same_loss(distance):
    x, y = pair()
    module = ContextualLoss(bandwidth=0.3, distance=distance, symmetric=True)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")  # needs no compiler
    for ours, plain in zip(
        (compiled(x, y), *torch.autograd.grad(compiled(x, y), (x, y))),
        (module(x, y), *torch.autograd.grad(module(x, y), (x, y))),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain)


def test_exported_it_is_the_same_loss():
    x, y = (t.detach() for t in pair())
    module = ContextualLoss(bandwidth=0.3)
    exported = torch.export.export(module, (x, y)).module()
    other = x.flip(2)
    torch.testing.assert_close(exported(other, y), module(other, y))


def test_meta_tensors_give_shapes():
    x, y = (t.detach().to("meta") for t in pair(dtype=torch.float32))
    loss = contextual_loss(x.requires_grad_(), y, reduction="none")
    assert (loss.device.type, loss.shape, loss.dtype) == ("meta", (2,), torch.float32)
    (grad,) = torch.autograd.grad(loss.sum(), x)
    assert (grad.device.type, grad.shape) == ("meta", x.shape)
