"""The habits of the field: reductions, tokens, masks, sets of targets, the module, hard numbers."""

import copy
import math
import pickle

import pytest
import torch

from cxdemo.contextual import (
    ContextualLoss,
    contextual_affinity,
    contextual_average,
    contextual_loss,
    contextual_matches,
    contextual_similarity,
    contextual_target,
)
from tests.test_contextual import dense_affinity, maps, random_mask, with_gradients


def tokens(features):
    return features.flatten(2).mT


@pytest.mark.parametrize("symmetric", [False, True])
def test_reductions_are_those_of_the_losses_of_each_image(symmetric):
    x, y = maps((3, 4), (2, 5), n=3)
    losses = contextual_loss(x, y, reduction="none", symmetric=symmetric)
    singles = [contextual_loss(x[n][None], y[n][None], symmetric=symmetric) for n in range(3)]
    torch.testing.assert_close(losses, torch.stack(singles))
    total = contextual_loss(x, y, reduction="sum", symmetric=symmetric)
    torch.testing.assert_close(total, losses.sum())


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_tokens_with_places_are_the_map(symmetric, weight):
    x, y = maps((3, 4), (2, 5), n=2)
    places = [
        torch.cartesian_prod(*((torch.arange(k).double() + 0.5) / k for k in m.shape[2:]))
        for m in (x, y)
    ]
    masks = random_mask((3, 4), n=2)[:, 0], random_mask((2, 5), n=2, seed=1)[:, 0]
    options = {"spatial_weight": weight, "symmetric": symmetric}
    wanted = contextual_loss(x, y, x_mask=masks[0], y_mask=masks[1], **options)
    got = contextual_loss(
        tokens(x),
        tokens(y),
        x_mask=masks[0].flatten(1),
        y_mask=masks[1].flatten(1),
        x_places=places[0],
        y_places=places[1].expand(2, -1, -1),
        **options,
    )
    torch.testing.assert_close(got, wanted)
    values = torch.randn(2, 3, 2, 5, dtype=torch.float64)
    wanted = contextual_average(x, y, values)
    torch.testing.assert_close(
        contextual_average(tokens(x), tokens(y), tokens(values)), tokens(wanted)
    )


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_a_set_of_targets_is_one_target_with_all_positions(weight):
    x, one = maps((3, 4), (2, 5), n=2)
    _, other = maps((1, 1), (3, 3), n=2, seed=1)
    masks = random_mask((2, 5), n=2), random_mask((3, 3), n=2, seed=1)
    target = contextual_target([one, other], mask=masks)
    places = [
        torch.cartesian_prod(*((torch.arange(k).double() + 0.5) / k for k in m.shape[2:]))
        for m in (one, other)
    ]
    together = contextual_target(
        torch.cat([tokens(one), tokens(other)], dim=1),
        mask=torch.cat([m.flatten(1) for m in masks], dim=1),
        places=torch.cat(places),
    )
    ours, wanted = (
        with_gradients(lambda a, t=t: contextual_loss(a, t, spatial_weight=weight), x)
        for t in (target, together)
    )
    for a, b in zip(ours, wanted, strict=True):
        torch.testing.assert_close(a, b)
    # What either target offers is found: each half of a shared map costs nothing for its own half.
    halves = contextual_target([one[..., :2], one[..., 2:]])
    torch.testing.assert_close(contextual_similarity(one, halves), torch.ones(2).double())
    assert contextual_matches(x, target).target_affinity.shape == (2, 19)


def test_masks_of_three_dimensions_are_those_of_four():
    x, y = maps((3, 4), (2, 5), n=2)
    mask = random_mask((2, 5), n=2)
    wanted = contextual_loss(x, y, y_mask=mask)
    torch.testing.assert_close(contextual_loss(x, y, y_mask=mask[:, 0]), wanted)


def test_what_a_mask_hides_may_be_anything():
    x, y = maps((3, 4), (2, 5), dtype=torch.float32)
    masks = random_mask((3, 4)), random_mask((2, 5), seed=1)
    options = {"x_mask": masks[0], "y_mask": masks[1]}
    wanted = with_gradients(contextual_loss, x, y, **options)
    x, y = x.masked_fill(~masks[0], math.nan), y.masked_fill(~masks[1], math.inf)
    for one, other in zip(with_gradients(contextual_loss, x, y, **options), wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("distance", ["cosine", "l1", "l2"])
def test_nan_and_infinity_are_named(which, value, distance):
    pair = dict(zip("xy", maps((3, 4), (2, 5), n=2), strict=True))
    pair[which][1, 3, 0, 1] = value
    text = rf"^{which} holds NaN or infinity in image 1 of the batch\. Look where it comes from"
    for function in (contextual_loss, contextual_matches):
        with pytest.raises(ValueError, match=text):
            function(pair["x"], pair["y"], distance=distance)


def test_distances_beyond_the_dtype_are_named():
    x, y = maps((3, 4), (2, 5), dtype=torch.float32)
    with pytest.raises(ValueError, match=r"beyond the range of their dtype.*\.double\(\)"):
        contextual_loss(1e20 * x, 1e20 * y, distance="l2")


@pytest.mark.parametrize("scale", [1e-35, 1e-25, 1e-20, 1e-10, 1e10, 1e20, 1e33])
def test_the_scale_of_single_precision_features_changes_nothing_but_the_gradients_scale(scale):
    x, y = maps((4, 5), (3, 5), dtype=torch.float32)
    wanted = with_gradients(contextual_loss, x, y)
    loss, *gradients = with_gradients(contextual_loss, scale * x, scale * y)
    torch.testing.assert_close(loss, wanted[0])
    for one, other in zip(gradients, wanted[1:], strict=True):
        close = {"rtol": 1e-3, "atol": 1e-5 * other.abs().max().item()}
        torch.testing.assert_close(one.double() * scale, other.double(), **close)


def test_the_module_shows_checks_and_keeps_its_options():
    module = ContextualLoss(bandwidth=0.2, distance="l2")
    assert repr(module) == "ContextualLoss(bandwidth=0.2, distance='l2')"
    x, y = maps((3, 4), (2, 5))
    wanted = contextual_loss(x, y, bandwidth=0.2, distance="l2")
    for twin in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):  # noqa: S301
        assert torch.equal(twin(x, y), wanted)
    override = contextual_loss(x, y, bandwidth=0.2, distance="l2", reduction="none")
    assert torch.equal(module(x, y, reduction="none"), override)
    target = contextual_target(y, distance="l2")
    assert torch.equal(module(x, pickle.loads(pickle.dumps(target))), wanted)  # noqa: S301


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bandwith": 1}, r"no option 'bandwith'\. Did you mean: bandwidth\?"),
        ({"bandwidth": 0}, r"^bandwidth must be a finite number above 0, got 0"),
        ({"distance": "cos"}, r"^distance must be one of 'cosine', 'l1', 'l2', got 'cos'"),
        ({"reduction": "max"}, r"^reduction must be one of 'mean', 'sum', 'none', got 'max'"),
        ({"claims": 0}, r"^claims and power must be at least 1, got 0 and inf"),
        ({"power": 0.5}, r"^claims and power must be at least 1, got 1 and 0\.5"),
        ({"claims": 2, "power": 2.0}, r"exclude each other"),
        ({"chunk_size": 0}, r"^chunk_size must be at least 1"),
    ],
    ids=str,
)
def test_the_module_refuses_wrong_options_when_it_is_made(options, text):
    with pytest.raises(ValueError, match=text):
        ContextualLoss(**options)


def test_tokens_without_places_are_refused_where_places_are_needed():
    x, y = (tokens(m) for m in maps((3, 4), (2, 5)))
    with pytest.raises(ValueError, match=r"tokens have none of their own\. Give x_places"):
        contextual_loss(x, y, spatial_weight=0.1)
    with pytest.raises(
        ValueError, match=r"places must be \(12, 2\) or \(1, 12, 2\).*got \(10, 2\)"
    ):
        contextual_loss(x, y, spatial_weight=0.1, x_places=torch.rand(10, 2))
    with pytest.raises(ValueError, match="at most x's 12 positions, got 13"):
        contextual_loss(x, y, claims=13)
    with pytest.raises(ValueError, match="several with the same N, C, dtype and device"):
        contextual_target([y, y[..., :3]])
    with pytest.raises(ValueError, match=r"got 0 of \[\]"):
        contextual_target([])


def test_it_trains_in_a_loop_of_accelerate():
    accelerate = pytest.importorskip("accelerate")
    torch.manual_seed(0)
    accelerator = accelerate.Accelerator(cpu=True)
    network = torch.nn.Conv2d(4, 8, 1)
    module = ContextualLoss(bandwidth=0.3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    network, optimizer, module = accelerator.prepare(network, optimizer, module)
    x, y = maps((4, 4), (4, 4), c=8, dtype=torch.float32)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = module(network(x[:, :4]), y)
        accelerator.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


# ---------------------------------------------------------------- more than one claim


@pytest.mark.parametrize("chunk_size", [None, 1, 5])
@pytest.mark.parametrize("claims", [1, 2, 7])
def test_claims_are_the_mean_of_the_largest(claims, chunk_size):
    x, y = maps((4, 5), (3, 5), n=2)
    ours = with_gradients(contextual_similarity_sum, x, y, claims=claims, chunk_size=chunk_size)

    def dense(a, b):
        return dense_affinity(a, b).topk(claims, dim=1).values.mean(dim=(1, 2)).sum()

    for one, other in zip(ours, with_gradients(dense, x, y), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("chunk_size", [None, 1, 5])
@pytest.mark.parametrize("power", [1.0, 2.0, 8.0])
def test_a_power_is_the_norm_over_the_sources(power, chunk_size):
    x, y = maps((4, 5), (3, 5), n=2)
    ours = with_gradients(contextual_similarity_sum, x, y, power=power, chunk_size=chunk_size)

    def dense(a, b):
        return dense_affinity(a, b).pow(power).sum(1).pow(1 / power).mean(1).sum()

    for one, other in zip(ours, with_gradients(dense, x, y), strict=True):
        torch.testing.assert_close(one, other)


def contextual_similarity_sum(x, y, **options):
    return contextual_similarity(x, y, **options).sum()


def test_masked_sources_claim_nothing():
    x, y = maps((4, 5), (3, 5), n=2)
    mask = random_mask((4, 5), n=2)
    affinity = contextual_affinity(x, y).where(mask.flatten(1)[:, :, None], 0)
    two = contextual_similarity(x, y, x_mask=mask, claims=2)
    torch.testing.assert_close(two, affinity.topk(2, dim=1).values.mean(dim=(1, 2)))
    norm = contextual_similarity(x, y, x_mask=mask, power=2.0)
    torch.testing.assert_close(norm, affinity.square().sum(1).sqrt().mean(1))


def test_a_power_approaches_the_maximum_and_never_rewards_a_crowd():
    x, y = maps((4, 5), (4, 5))
    hard = contextual_similarity(x, y)
    torch.testing.assert_close(contextual_similarity(x, y, power=400.0), hard, rtol=0.02, atol=0)
    for power in (1.0, 2.0, 4.0):
        crowd = y[:, :, :1, :1].expand_as(y)
        assert hard <= contextual_similarity(x, y, power=power) <= 1 + 1e-12
        assert contextual_similarity(crowd, y, power=power) <= contextual_similarity(y, y) + 1e-12
