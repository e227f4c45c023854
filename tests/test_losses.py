"""The losses that the Contextual Loss is compared with, against closed forms and brute force."""

import math

import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import structural_similarity

from cxdemo.contextual import contextual_loss
from cxdemo.features import PatchFeatures
from cxdemo.images import luma
from cxdemo.losses import (
    LOSSES,
    AdversarialLoss,
    build_loss,
    cobi_loss,
    discriminator_loss,
    generator_loss,
    gram_loss,
    l1_loss,
    l2_loss,
    perceptual_loss,
    relaxed_emd_loss,
    sliced_wasserstein_loss,
    ssim_loss,
)

OF_MAPS = [name for name, info in LOSSES.items() if info.takes == "maps"]


@pytest.fixture
def maps():
    torch.manual_seed(0)
    return torch.rand(2, 5, 4, 6, dtype=torch.float64), torch.rand(2, 5, 4, 6, dtype=torch.float64)


def shuffled(maps):
    order = torch.randperm(maps.shape[2] * maps.shape[3])
    return maps.flatten(2)[..., order].unflatten(2, maps.shape[2:])


def test_pixel_losses_have_their_closed_forms():
    x, y = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    x[0, 0, 0, 0] = 0.6  # one value of twelve
    assert float(l1_loss(x, y)) == pytest.approx(0.6 / 12)
    assert float(l2_loss(x, y)) == pytest.approx(0.36 / 12)
    assert float(perceptual_loss(x, y)) == pytest.approx(0.36 / 12)


def test_l1_prefers_the_median_and_l2_the_mean():
    """Why several shifted targets become a blur."""
    targets = torch.tensor([0.0, 0.1, 0.8]).view(3, 1, 1, 1)
    guesses = torch.linspace(0, 1, 101)
    best = {}
    for loss in (l1_loss, l2_loss):
        values = [float(loss(g.view(1, 1, 1, 1).expand(3, 1, 1, 1), targets)) for g in guesses]
        best[loss] = float(guesses[values.index(min(values))])
    assert best[l1_loss] == pytest.approx(0.1)
    assert best[l2_loss] == pytest.approx(0.3)


def test_ssim_is_that_of_scikit_image():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 24, 32)
    y = (x + 0.2 * torch.randn_like(x)).clamp(0, 1)
    a, b = (16 / 255 + 219 / 255 * luma(i)[0, 0].double().numpy() for i in (x, y))
    wanted = structural_similarity(
        a,
        b,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert float(ssim_loss(x, y)) == pytest.approx(1 - wanted, abs=1e-5)
    assert float(ssim_loss(x, x)) == pytest.approx(0, abs=1e-6)


def test_gram_of_a_hand_made_map():
    x = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])  # C = 2, P = 2: G = [[5, 1], [1, 2]]
    y = torch.zeros(1, 2, 1, 1)
    assert float(gram_loss(x, y)) == pytest.approx((25 + 1 + 1 + 4) / 4 / 4)


def test_gram_wasserstein_emd_and_cx_do_not_see_where_things_are(maps):
    x, y = maps
    torch.manual_seed(1)
    moved = shuffled(x)
    for loss in (gram_loss, relaxed_emd_loss, contextual_loss):
        torch.testing.assert_close(loss(moved, y), loss(x, y), atol=1e-12, rtol=1e-9)
    values = [
        sliced_wasserstein_loss(z, y, generator=torch.Generator().manual_seed(3))
        for z in (x, moved)
    ]
    torch.testing.assert_close(*values, atol=1e-12, rtol=1e-9)
    assert float(sliced_wasserstein_loss(x, moved)) == pytest.approx(0, abs=1e-12)
    assert float(l1_loss(x, moved)) > 0.1


def test_sliced_wasserstein_of_a_moved_cloud_is_the_length_of_the_move_by_direction():
    """Along u a cloud moved by v moves by <u, v>; the mean of <u, v>^2 is |v|^2 / C."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    move = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64).view(1, 3, 1, 1)
    loss = sliced_wasserstein_loss(x, x + move, num_projections=20_000)
    assert float(loss) == pytest.approx(6 / 3, rel=0.03)


def test_sliced_wasserstein_compares_different_numbers_of_positions():
    x = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    y = x.repeat_interleave(4, dim=3)  # the same law, four times as many positions
    unrelated = y + 1
    assert float(sliced_wasserstein_loss(x, y)) < 0.05
    assert float(sliced_wasserstein_loss(x, unrelated)) > 0.9


def test_relaxed_emd_is_that_of_loops(maps):
    x, y = maps
    wanted = []
    for a, b in zip(x.flatten(2), y.flatten(2), strict=True):
        d = [[1 - float(F.cosine_similarity(p, q, dim=0)) for q in b.T] for p in a.T]
        there = sum(min(row) for row in d) / len(d)
        back = sum(min(row[j] for row in d) for j in range(len(d[0]))) / len(d[0])
        wanted.append(max(there, back))
    for chunk_size in (1, 7, 1000):
        got = relaxed_emd_loss(x, y, chunk_size=chunk_size)
        assert float(got) == pytest.approx(sum(wanted) / 2, rel=1e-9)


def test_cobi_without_weight_is_the_contextual_loss_and_with_it_minds_places(maps):
    x, _ = maps
    torch.manual_seed(1)
    moved = shuffled(x)
    assert float(cobi_loss(moved, x, spatial_weight=0)) == float(contextual_loss(moved, x))
    assert float(cobi_loss(moved, x, spatial_weight=1.0)) > float(contextual_loss(moved, x)) + 0.1


def test_least_squares_adversaries():
    assert float(generator_loss(torch.tensor([1.0, 0.0]))) == pytest.approx(0.25)
    assert float(
        discriminator_loss(torch.tensor([1.0, 0.5]), torch.tensor([0.0, 1.0]))
    ) == pytest.approx((0.125 + 0.5) / 2)
    ones, zeros = torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    assert float(discriminator_loss(ones, zeros)) == 0
    assert float(discriminator_loss(zeros, ones)) == 1
    assert float(generator_loss(ones)) == 0


def test_the_judge_learns_to_tell_noise_from_flat_colour():
    torch.manual_seed(0)
    flat = torch.full((1, 3, 32, 32), 0.5)
    judge = AdversarialLoss(seed=0)
    for _ in range(60):
        judge(torch.rand(1, 3, 32, 32), flat)
    with torch.no_grad():
        real, fake = judge(flat, flat), judge(torch.rand(1, 3, 32, 32), flat)
    assert float(real) < 0.25 * float(fake)


def test_the_judge_leaves_the_random_numbers_of_others_alone_and_is_the_same_each_time():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, two = AdversarialLoss(seed=1), AdversarialLoss(seed=1)
    assert torch.equal(torch.rand(3), wanted)
    x = torch.rand(1, 3, 16, 16)
    assert float(one(x, x)) == float(two(x, x))


@pytest.mark.parametrize("loss", [l1_loss, l2_loss, gram_loss, relaxed_emd_loss, cobi_loss])
def test_gradients_are_right(loss):
    torch.manual_seed(2)
    x = torch.rand(1, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    y = torch.rand(1, 3, 2, 3, dtype=torch.float64)
    torch.autograd.gradcheck(lambda z: loss(z, y), (x,))


def test_gradients_of_sliced_wasserstein_and_ssim_are_right():
    torch.manual_seed(2)
    x = torch.rand(1, 3, 11, 12, dtype=torch.float64, requires_grad=True)
    y = torch.rand(1, 3, 11, 12, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda z: sliced_wasserstein_loss(
            z, y, num_projections=3, generator=torch.Generator().manual_seed(0)
        ),
        (x,),
    )
    torch.autograd.gradcheck(lambda z: ssim_loss(z, y), (x,))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_by_name_pulls_an_image_towards_its_target(name):
    """A step against the gradient makes each loss smaller; and an image is its own best match."""
    torch.manual_seed(0)
    y = F.interpolate(torch.rand(1, 3, 8, 8), (32, 32), mode="bicubic").clamp(0, 1)
    x = (y + 0.1 * torch.randn_like(y)).clamp(0, 1).requires_grad_()
    features = PatchFeatures(size=3, stride=2)
    loss = build_loss(name, features=features, bandwidth=0.2, seed=1)
    before = loss(x, y)
    before.backward()
    assert math.isfinite(float(before.detach()))
    step = 1e-2 * x.grad / x.grad.norm()
    again = build_loss(name, features=features, bandwidth=0.2, seed=1)
    with torch.no_grad():
        after = again(x - step, y)
        if name == "adversarial":  # its judge has learnt one step by then; the old one decides
            after = loss(x - step, y)
            before = loss(x, y)
        assert float(after) < float(before)


def test_what_is_wrong_is_said():
    a, b = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 5, 5)
    with pytest.raises(ValueError, match="place by place"):
        l1_loss(a, b)
    with pytest.raises(ValueError, match="same N and C"):
        gram_loss(a, torch.rand(1, 4, 4, 4))
    with pytest.raises(ValueError, match="Did you mean 'perceptual'"):
        build_loss("perceptal")
    with pytest.raises(ValueError, match="pass `features`"):
        build_loss("cx")


def test_the_table_tells_each_family_and_ingredient():
    assert {info.family for info in LOSSES.values()} == {"pixel by pixel", "features", "realism"}
    assert OF_MAPS == ["perceptual", "gram", "sliced_wasserstein", "relaxed_emd", "cx", "cobi"]
    assert all(info.sentence.endswith(".") and info.source for info in LOSSES.values())
