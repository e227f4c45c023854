"""The core against closed forms, published numbers, brute force and finite differences."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from cxdemo import contextual
from cxdemo.contextual import (
    ContextualLoss,
    contextual_affinity,
    contextual_average,
    contextual_loss,
    contextual_matches,
    contextual_rows,
    contextual_similarity,
    contextual_target,
)

pytestmark = pytest.mark.usefixtures("one_thread")

DISTANCES = ("cosine", "l1", "l2")
HALVES = [torch.float16, torch.bfloat16]


# ---------------------------------------------------------------- what to compare with


def maps(x_size, y_size, *, n=1, c=16, seed=0, dtype=torch.float64):
    """Two random maps; C = 16 is wide enough that the loss does not saturate at small h."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, c, *x_size, generator=generator, dtype=torch.float64)
    y = torch.randn(n, c, *y_size, generator=generator, dtype=torch.float64)
    return x.to(dtype), y.to(dtype)


def as_map(vectors):
    """(P, C) -> (1, C, 1, P): a list of features as a map of one row."""
    return torch.as_tensor(np.asarray(vectors)).T[None, :, None]


def random_mask(size, *, n=1, seed=0):
    """About two thirds True, at least one of each kind."""
    mask = torch.rand(n, 1, *size, generator=torch.Generator().manual_seed(seed)) < 0.67
    mask[:, :, 0, 0] = True
    mask[:, :, -1, -1] = False
    return mask


def kept(features, mask, n):
    """The features of image n that its mask keeps, as a map of one row."""
    return features[n][:, mask[n, 0]][None, :, None]


def oracle_rows(x, y, *, h=0.5, distance="cosine", eps=1e-5, weight=0.0, masks=(None, None)):
    """d, r, w and CX of one image by three nested loops over lists of floats, and nothing else."""
    xs, ys = as_lists(x), as_lists(y)
    keep_y = [True] * len(ys) if masks[1] is None else masks[1].flatten().tolist()
    counted = [features for features, keep in zip(ys, keep_y, strict=True) if keep]
    mu = [sum(column) / len(counted) for column in zip(*counted, strict=True)]
    steps = []
    for i, a in enumerate(xs):
        d = []
        for j, b in enumerate(ys):
            apart = math.dist(place(i, x.shape[2:]), place(j, y.shape[2:]))
            d.append(oracle_distance(a, b, mu, distance) + weight * apart)
        least = min(value for value, keep in zip(d, keep_y, strict=True) if keep) + eps
        r = [value / least for value in d]
        w = [math.exp((1 - v) / h) if k else 0.0 for v, k in zip(r, keep_y, strict=True)]
        steps.append((d, r, w, [value / sum(w) for value in w]))
    return steps


def oracle_affinity(x, y, **options):
    return [row[3] for row in oracle_rows(x, y, **options)]


def oracle_distance(a, b, mu, distance):
    a = [p - q for p, q in zip(a, mu, strict=True)]
    b = [p - q for p, q in zip(b, mu, strict=True)]
    if distance == "l1":
        return sum(abs(p - q) for p, q in zip(a, b, strict=True))
    if distance == "l2":
        return sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    return 1 - dot / (math.hypot(*a) * math.hypot(*b))


def oracle_similarity(x, y, *, masks=(None, None), **options):
    matrix = oracle_affinity(x, y, masks=masks, **options)
    if masks[0] is not None:
        keep_x = masks[0].flatten().tolist()
        matrix = [row for row, keep in zip(matrix, keep_x, strict=True) if keep]
    best = [max(column) for column in zip(*matrix, strict=True)]
    if masks[1] is not None:
        keep_y = masks[1].flatten().tolist()
        best = [value for value, keep in zip(best, keep_y, strict=True) if keep]
    return sum(best) / len(best)


def as_lists(features):
    return features[0].flatten(1).T.tolist()  # (C, H, W) -> P lists of C numbers


def place(position, size):
    """The centre of a cell of a map whose sides are both 1 long."""
    row, column = divmod(position, size[1])
    return (row + 0.5) / size[0], (column + 0.5) / size[1]


def dense_affinity(x, y, *, bandwidth=0.5, distance="cosine", eps=1e-5, places=None):
    """Eqs. 2-4 with plain autograd on every (N, Px, Py) tensor."""
    x, y = x.flatten(2).mT, y.flatten(2).mT  # (N, P, C)
    mu = y.mean(1, keepdim=True)
    x, y = x - mu, y - mu
    if distance == "cosine":
        d = 1 - F.normalize(x, dim=2) @ F.normalize(y, dim=2).mT
    else:
        apart = x[:, :, None] - y[:, None]  # (N, Px, Py, C)
        d = apart.abs().sum(3) if distance == "l1" else apart.square().sum(3)
    d = d.clamp(min=0)
    if places is not None:
        d = d + places
    return (-d / (bandwidth * (d.min(2, keepdim=True).values + eps))).softmax(2)


def dense_loss(x, y, **options):
    return -dense_affinity(x, y, **options).max(1).values.mean(1).log().mean()


def dense_places(x_size, y_size, weight):
    """The (Px, Py) matrix that a spatial weight adds to the distances."""
    x_places = [place(i, x_size) for i in range(math.prod(x_size))]
    y_places = [place(j, y_size) for j in range(math.prod(y_size))]
    rows = [[weight * math.dist(p, q) for q in y_places] for p in x_places]
    return torch.tensor(rows, dtype=torch.float64)


def with_gradients(loss, *inputs, **options):
    """The loss and its gradients by the inputs."""
    inputs = [t.detach().clone().requires_grad_() for t in inputs]
    value = loss(*inputs, **options)
    return value.detach(), *torch.autograd.grad(value, inputs)


PRODUCTS = {getattr(torch.ops.aten, name) for name in ("mm", "addmm", "addmm_", "bmm", "baddbmm")}


SOFTMAXES = {torch.ops.aten._softmax.default, torch.ops.aten.softmax.int_out}
OPERATORS = {op._opoverload: op._init_fn for op in (contextual._claim_op, contextual._pull_back_op)}


class Recorder(TorchDispatchMode):
    """Sees every operation, those inside of the core's operators too.

    The largest output, the elements of softmaxes, what products get.
    """

    def __init__(self, precision=None):
        super().__init__()
        self.largest = 0
        self.softmax = 0
        self.products = set()
        self.precision = precision

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in OPERATORS:
            with self:
                return OPERATORS[func](*args)
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        if func in SOFTMAXES:
            self.softmax += out.numel()
        if func.overloadpacket in PRODUCTS and self.precision is not None:
            self.products.add((self.precision(), out.dtype))
        return out


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize("h", [0.005, 0.1, 0.5, 10])
@pytest.mark.parametrize("distance", DISTANCES)
def test_one_source_feature_costs_log_of_the_targets(h, distance):
    x, y = maps((1, 1), (3, 5))
    loss = contextual_loss(x, y, bandwidth=h, distance=distance)
    assert loss.item() == pytest.approx(math.log(15), abs=1e-12)


@pytest.mark.parametrize("h", [0.005, 0.1, 0.5])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_target_claims_all_of_itself(h, distance, dtype):
    _, y = maps((1, 1), (6, 7), n=2, dtype=dtype)
    similarity = contextual_similarity(y, y, bandwidth=h, distance=distance)
    torch.testing.assert_close(similarity, torch.ones(2, dtype=dtype), rtol=0, atol=1e-6)


def test_a_perfect_match_costs_zero_and_not_minus_zero():
    _, y = maps((1, 1), (3, 4))
    assert str(contextual_loss(y, y).item()) == "0.0"


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_shifted_copy_costs_nothing(distance):
    x, _ = maps((9, 9), (1, 1), dtype=torch.float32)
    assert contextual_loss(x.roll((4, -3), (2, 3)), x, distance=distance).item() < 1e-6


def test_a_huge_bandwidth_has_no_preference():
    x, y = maps((3, 3), (4, 5), n=2)
    similarity = contextual_similarity(x, y, bandwidth=1e7)
    torch.testing.assert_close(similarity, torch.full((2,), 1 / 20).double(), rtol=1e-5, atol=0)


def test_one_target_is_always_claimed():
    x, y = maps((3, 3), (1, 1))
    assert contextual_loss(x, y).item() == 0


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 64)])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -1234.5, 1e-6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES])
def test_constant_maps_cost_log_of_the_targets(size, value, dtype):
    y = torch.linspace(0.5, 1, 8).mul(value).to(dtype)[None, :, None, None].expand(1, 8, *size)
    x, _ = maps((3, 4), (1, 1), c=8, dtype=dtype)
    for source in (x, y[:, :, :1, :1].expand(1, 8, 2, 2)):
        loss = contextual_loss(source, y)
        assert loss.item() == pytest.approx(math.log(math.prod(size)), abs=1e-6)


@pytest.mark.parametrize("h", [0.1, 0.5, 1])
@pytest.mark.parametrize(
    ("distance", "angle", "near", "far"),
    [
        ("cosine", math.pi / 3, 0.5, 1.5),  # 1 -+ cos 60 degrees
        ("l1", 0, 0.6, 1.4),  # 1 -+ 0.4
        ("l2", 0, 0.36, 1.96),  # their squares
    ],
)
def test_two_against_two_is_a_logistic_function(h, distance, angle, near, far):
    # Targets at +-1, sources at an angle and its mirror image: each claims one target.
    y = as_map([[1.0, 0.0], [-1.0, 0.0]])
    a = [0.4 * math.cos(angle), 0.4 * math.sin(angle)]
    x = as_map([a, [-a[0], a[1]]])
    expected = 1 / (1 + math.exp(-(far - near) / (h * (near + 1e-5))))
    similarity = contextual_similarity(x, y, bandwidth=h, distance=distance)
    assert similarity.item() == pytest.approx(expected, rel=1e-12)


def test_eps_is_added_to_the_nearest_distance():
    y = as_map([[1.0, 0.0], [-1.0, 0.0]])
    expected = 1 / (1 + math.exp(-2 / (0.5 * 0.25)))  # d = 0 and 2, eps = 0.25
    similarity = contextual_similarity(y, y, eps=0.25)
    assert similarity.item() == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------- published and kept numbers

PIXELS = np.array([[231, 76, 60], [46, 204, 113], [52, 152, 219]]) / 255
PALE_PIXELS = np.array([[245, 183, 177], [171, 235, 198], [174, 214, 241]]) / 255


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_published_value_of_three_pixels(order):
    # S-aiueo32/contextual_loss_pytorch, doc/small_example.ipynb: CX at h = 0.1
    x, y = as_map(PIXELS), as_map(PALE_PIXELS[list(order)])
    similarity = contextual_similarity(x, y, bandwidth=0.1)
    assert similarity.item() == pytest.approx(0.9878605414928291, rel=1e-13)


def pair_of(state, px, py, draw):
    random = np.random.RandomState(state)
    return as_map(getattr(random, draw)(px, 3)), as_map(getattr(random, draw)(py, 3))


VECTORS = {  # losses at h = 0.1, 0.2, 0.5, 1 by a NumPy program that shares no code with this one
    "A": (
        pair_of(0, 4, 5, "randn"),
        (0.916290731185135, 0.916282072286952, 0.915286589776232, 0.912080974182231),
    ),
    "B": (
        pair_of(1, 6, 6, "randn"),
        (0.405465108108165, 0.405465119901825, 0.405758265735896, 0.413740917380280),
    ),
    "C": (
        pair_of(2, 6, 4, "rand"),
        (0.693146361074737, 0.692453269943760, 0.655103150810218, 0.605290440625887),
    ),
    "G": (
        (as_map(PIXELS), as_map(PALE_PIXELS)),
        (0.012213743532391, 0.055791693380329, 0.127729279144930, 0.217281649784407),
    ),
}


@pytest.mark.parametrize("case", VECTORS)
@pytest.mark.parametrize(("index", "h"), [*enumerate((0.1, 0.2, 0.5, 1))])
def test_vectors_of_an_independent_program(case, index, h):
    (x, y), losses = VECTORS[case]
    assert contextual_loss(x, y, bandwidth=h).item() == pytest.approx(losses[index], abs=2e-15)


def test_batch_vector_centres_each_image_by_its_own_mean():
    # The mean of the whole batch would give 0.221265550982 and 0.526280631066.
    random = np.random.RandomState(5)
    x, y = (torch.as_tensor(random.rand(2, 3, p))[:, :, None] for p in (6, 4))
    losses = -contextual_similarity(x, y).log()
    assert losses.tolist() == pytest.approx([0.444026219780, 0.910747414470], abs=1e-12)


# ---------------------------------------------------------------- brute force


@pytest.mark.parametrize("h", [0.1, 0.5, 1])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("sizes", [((3, 4), (2, 5)), ((1, 5), (4, 2))])
@pytest.mark.parametrize("masked", [(False, False), (True, False), (False, True), (True, True)])
def test_equals_the_triple_loop(h, distance, weight, sizes, masked):
    x, y = maps(*sizes, seed=3)
    masks = [
        random_mask(size, seed=k) if m else None
        for k, (size, m) in enumerate(zip(sizes, masked, strict=True))
    ]
    expected = oracle_similarity(x, y, h=h, distance=distance, weight=weight, masks=masks)
    options = {"bandwidth": h, "distance": distance, "spatial_weight": weight}
    similarity = contextual_similarity(x, y, x_mask=masks[0], y_mask=masks[1], **options)
    assert similarity.item() == pytest.approx(expected, rel=1e-10)
    rows = oracle_affinity(x, y, h=h, distance=distance, weight=weight, masks=(None, masks[1]))
    affinity = contextual_affinity(x, y, y_mask=masks[1], **options)[0]
    expected = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(affinity, expected, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- gradients

GRADIENT_CASES = [
    {"bandwidth": 0.1},
    {"bandwidth": 0.5},
    {"bandwidth": 1.0},
    {"bandwidth": 0.5, "eps": 0.1},
    {"bandwidth": 0.5, "distance": "l1"},
    {"bandwidth": 0.5, "distance": "l2"},
    {"bandwidth": 0.5, "spatial_weight": 0.4},
    {"bandwidth": 0.5, "distance": "l2", "spatial_weight": 5.0},
    {"bandwidth": 0.5, "symmetric": True},
    {"bandwidth": 0.5, "masks": True},
    {"bandwidth": 0.5, "distance": "l2", "masks": True, "spatial_weight": 1.0, "symmetric": True},
    {"bandwidth": 0.5, "chunk_size": 2},
]


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_gradients_by_finite_differences(case):
    options = dict(case)
    x, y = maps((3, 2), (2, 4), n=2, seed=1)
    if options.pop("masks", False):
        options["x_mask"] = random_mask((3, 2), n=2, seed=2)
        options["y_mask"] = random_mask((2, 4), n=2, seed=3)
    inputs = (x.requires_grad_(), y.requires_grad_())
    check = {"atol": 1e-6, "rtol": 1e-4, "fast_mode": True}  # along random directions
    assert gradcheck(lambda a, b: contextual_loss(a, b, **options), inputs, **check)


def test_every_single_derivative_by_finite_differences():
    x, y = maps((2, 1), (1, 3), c=5)
    assert gradcheck(contextual_loss, (x.requires_grad_(), y.requires_grad_()))


@pytest.mark.parametrize("masked", [False, True])
def test_affinity_gradients_by_finite_differences(masked):
    x, y = maps((2, 2), (2, 3), n=2, c=4)
    mask = random_mask((2, 3), n=2) if masked else None
    inputs = (x.requires_grad_(), y.requires_grad_())
    options = {"rows": torch.tensor([2, 0]), "y_mask": mask}
    assert gradcheck(lambda a, b: contextual_affinity(a, b, **options), inputs, fast_mode=True)


@pytest.mark.parametrize("h", [0.1, 0.5, 1])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-4)], ids=str
)
def test_gradients_equal_dense_autograd(h, distance, weight, dtype, tolerance):
    x, y = maps((7, 6), (5, 9), n=3, dtype=dtype)
    places = dense_places((7, 6), (5, 9), weight)
    options = {"bandwidth": h, "distance": distance}
    ours = with_gradients(contextual_loss, x, y, spatial_weight=weight, **options)
    dense = with_gradients(dense_loss, x.double(), y.double(), places=places, **options)
    for one, other in zip(ours, dense, strict=True):
        scale = other.abs().max().item()
        torch.testing.assert_close(one.double(), other, rtol=0, atol=tolerance * scale)


def test_gradients_of_a_near_copy_where_nearly_every_row_wins():
    x, y = maps((6, 6), (6, 6), seed=4)
    x = y + 0.5 * x
    ours = with_gradients(contextual_loss, x, y, bandwidth=0.5)
    dense = with_gradients(dense_loss, x, y, bandwidth=0.5)
    assert contextual_matches(x, y).source_of_target.unique().numel() > 20
    for one, other in zip(ours, dense, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_each_side_gets_its_gradient_whether_or_not_the_other_wants_one():
    x, y = maps((4, 4), (3, 5))
    _, grad_x, grad_y = with_gradients(contextual_loss, x, y)
    (only_x,) = with_gradients(lambda a: contextual_loss(a, y), x)[1:]
    (only_y,) = with_gradients(lambda b: contextual_loss(x, b), y)[1:]
    torch.testing.assert_close(only_x, grad_x, rtol=0, atol=0)
    torch.testing.assert_close(only_y, grad_y, rtol=0, atol=0)


def test_the_upstream_gradient_scales_and_separates_the_images():
    x, y = maps((4, 4), (3, 5), n=3)
    weights = torch.tensor([1.0, 0.0, -2.0]).double()
    (grad,) = with_gradients(lambda a: (contextual_similarity(a, y) * weights).sum(), x)[1:]
    for n in range(3):
        one, target = x[n : n + 1], y[n : n + 1]
        single = with_gradients(lambda a, b=target: contextual_similarity(a, b).sum(), one)[1]
        torch.testing.assert_close(grad[n : n + 1], weights[n] * single, rtol=1e-10, atol=1e-14)


# ---------------------------------------------------------------- blocks of rows


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 6, 29, 30, 31, 1000])
@pytest.mark.parametrize("distance", DISTANCES)
def test_blocks_change_nothing(chunk_size, distance):
    x, y = maps((5, 6), (4, 7), n=2)
    options = {
        "distance": distance,
        "spatial_weight": 0.2,
        "x_mask": random_mask((5, 6), n=2),
        "y_mask": random_mask((4, 7), n=2, seed=1),
    }
    whole = with_gradients(contextual_loss, x, y, chunk_size=30, **options)
    blocks = with_gradients(contextual_loss, x, y, chunk_size=chunk_size, **options)
    for one, other in zip(blocks, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    matches = contextual_matches(x, y, chunk_size=chunk_size, **options)
    for one, other in zip(matches, contextual_matches(x, y, **options), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


EVERYTHING = [
    *({"distance": distance} for distance in DISTANCES),
    {"spatial_weight": 0.2},
    {"symmetric": True},
    {"x_mask": random_mask((20, 21)), "y_mask": random_mask((18, 24))},
]


@pytest.mark.parametrize("options", EVERYTHING, ids="+".join)
def test_no_tensor_of_all_pairs_is_ever_made_or_saved(options):
    x, y = (t.requires_grad_() for t in maps((20, 21), (18, 24), c=4, dtype=torch.float32))
    saved = []

    def save(tensor):
        saved.append(tensor.numel())
        return tensor

    with Recorder() as recorder:
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            loss = contextual_loss(x, y, chunk_size=40, **options)
        loss.backward()
    # A block of chunk_size rows, of 181 440 pairs; kept for backward: features, C numbers each.
    assert recorder.largest <= 40 * 432
    assert 0 < max(saved) <= 4 * 432


@pytest.mark.parametrize("n", [1, 3])
def test_the_chosen_blocks_keep_to_their_budget(n):
    x, y = maps((48, 48), (48, 48), n=n, c=2, dtype=torch.float32)
    with Recorder() as recorder:
        contextual_loss(x.requires_grad_(), y).backward()
    assert recorder.largest * 4 <= contextual._BLOCK_BYTES["cpu"] < n * 2304**2 * 4


@pytest.mark.parametrize("chunk_size", [3, 64])
def test_backward_recomputes_the_winning_rows_alone(chunk_size):
    x, y = maps((12, 10), (11, 13), n=3)
    winner = contextual_matches(x, y).source_of_target
    rows = 3 * max(len(image.unique()) for image in winner)  # the others are filled up to it
    with Recorder() as forward:
        loss = contextual_loss(x.requires_grad_(), y, chunk_size=chunk_size)
    with Recorder() as backward:
        loss.backward()
    assert forward.softmax == 3 * 120 * 143
    assert backward.softmax == rows * 143 < forward.softmax


def test_rows_that_win_nothing_get_no_gradient():
    x, y = maps((12, 10), (11, 13))
    won = torch.zeros(120, dtype=torch.bool)
    won[contextual_matches(x, y).source_of_target[0]] = True
    grad = with_gradients(lambda a: contextual_loss(a, y), x)[1].flatten(2)[0]  # (C, Px)
    torch.testing.assert_close(grad.abs().sum(0) > 0, won)


# ---------------------------------------------------------------- invariances


@st.composite
def pairs(draw, square=False):
    side = st.integers(1, 4)
    sizes = [(draw(side), draw(side)) for _ in range(2)]
    seed = draw(st.integers(0, 10_000))
    return maps(sizes[0], sizes[0] if square else sizes[1], n=draw(st.integers(1, 2)), seed=seed)


OPTIONS = st.fixed_dictionaries(
    {"bandwidth": st.sampled_from([0.05, 0.1, 0.5, 2.0]), "distance": st.sampled_from(DISTANCES)}
)
SEEDS = st.integers(0, 1000)
many = settings(deadline=None, max_examples=30, derandomize=True)


def shuffled(features, seed):
    order = torch.randperm(features[0, 0].numel(), generator=torch.Generator().manual_seed(seed))
    return features.flatten(2)[:, :, order].unflatten(2, features.shape[2:])


def same(one, other, **tolerance):
    torch.testing.assert_close(one, other, **{"rtol": 1e-8, "atol": 1e-10, **tolerance})


@many
@given(pairs(), OPTIONS, SEEDS)
def test_the_order_of_either_side_is_ignored(pair, options, seed):
    x, y = pair
    loss = contextual_loss(x, y, **options)
    same(contextual_loss(shuffled(x, seed), y, **options), loss)
    same(contextual_loss(x, shuffled(y, seed), **options), loss)


@many
@given(pairs(square=True), SEEDS)
def test_a_shuffled_copy_costs_nothing(pair, seed):
    assert contextual_loss(shuffled(pair[1], seed), pair[1]).item() < 1e-8


@many
@given(pairs(), OPTIONS)
def test_the_loss_keeps_to_its_bounds(pair, options):
    x, y = pair
    px, py = x[0, 0].numel(), y[0, 0].numel()
    loss = contextual_loss(x, y, **options).item()
    assert max(0, math.log(py / px)) - 1e-9 <= loss <= math.log(py) + 1e-9


@many
@given(pairs(), st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_cosine_ignores_scale_and_a_common_offset(pair, scale, offset):
    x, y = pair
    if y[0, 0].numel() == 1:
        return  # the one target is the mean itself: no direction to keep
    loss = contextual_loss(x, y)
    same(contextual_loss(scale * x, scale * y), loss)
    same(contextual_loss(x + offset, y + offset), loss)
    same(contextual_loss((x - x.mean()) / 3, (y - x.mean()) / 3), loss)


@many
@given(pairs(), SEEDS)
def test_cosine_and_l2_ignore_a_rotation_of_the_channels(pair, seed):
    x, y = pair
    rotation, _ = torch.linalg.qr(maps((1, 16), (1, 1), seed=seed)[0][0, :, 0])
    for distance in ("cosine", "l2"):
        turned = [torch.einsum("dc,nchw->ndhw", rotation, t) for t in (x, y)]
        same(contextual_loss(*turned, distance=distance), contextual_loss(x, y, distance=distance))


@many
@given(pairs(), OPTIONS, st.floats(0.01, 3))
def test_places_ignore_a_mirror_and_a_transposition(pair, options, weight):
    x, y = pair
    loss = contextual_loss(x, y, spatial_weight=weight, **options)
    for change in (lambda t: t.flip(2), lambda t: t.flip(3), lambda t: t.mT):
        same(contextual_loss(change(x), change(y), spatial_weight=weight, **options), loss)


@many
@given(pairs(), OPTIONS)
def test_a_batch_is_a_loop_of_singles(pair, options):
    x, y = pair
    singles = [contextual_loss(x[n][None], y[n][None], **options) for n in range(len(x))]
    same(contextual_loss(x, y, **options), torch.stack(singles).mean())


@many
@given(pairs(), OPTIONS)
def test_symmetric_is_the_mean_of_both_directions(pair, options):
    x, y = pair
    both = (contextual_loss(x, y, **options) + contextual_loss(y, x, **options)) / 2
    same(contextual_loss(x, y, symmetric=True, **options), both)


def test_not_symmetric_by_default():
    x, y = maps((3, 4), (4, 3))
    assert abs(contextual_loss(x, y) - contextual_loss(y, x)).item() > 0.01


def test_symmetric_with_masks_places_and_a_precomputed_target():
    x, y = maps((3, 4), (4, 5), n=2)
    masks = random_mask((3, 4), n=2), random_mask((4, 5), n=2, seed=1)
    options = {"spatial_weight": 0.3, "distance": "l2"}
    there = contextual_loss(x, y, x_mask=masks[0], y_mask=masks[1], **options)
    back = contextual_loss(y, x, x_mask=masks[1], y_mask=masks[0], **options)
    target = contextual_target(y, mask=masks[1], distance="l2")
    both = contextual_loss(x, target, x_mask=masks[0], symmetric=True, **options)
    same(both, (there + back) / 2)


def test_places_prefer_the_near_and_ignore_the_units_of_the_map():
    # Two equal targets: without places a tie, with places the nearer one wins.
    x = torch.eye(2).double()[None, :, None]  # (1, 2, 1, 2): features e1, e2
    y = torch.eye(2).double()[[0, 1, 0, 1]].T[None, :, None]  # (1, 2, 1, 4): e1, e2, e1, e2
    tie = contextual_affinity(x, y)[0]
    assert tie[0].tolist() == pytest.approx([0.5, 0, 0.5, 0])
    near = contextual_affinity(x, y, spatial_weight=0.1)[0]
    # Places 0.25 and 0.75 against 0.125, 0.375, 0.625, 0.875: 0.125 and 0.375 from e1's.
    odds = math.exp(-0.1 * (0.375 - 0.125) / (0.5 * (0.1 * 0.125 + 1e-5)))
    assert near[0, 2].item() / near[0, 0].item() == pytest.approx(odds)


def test_places_are_exact_in_single_precision():
    # An expanded square would put 5e-4 between equal places, fifty times eps.
    x, y = maps((30, 20), (30, 20), dtype=torch.float32)
    options = {"spatial_weight": 10.0}
    single = with_gradients(contextual_loss, x, y, **options)
    double = with_gradients(contextual_loss, x.double(), y.double(), **options)
    for one, other in zip(single, double, strict=True):
        tolerance = 2e-6 * other.abs().max().item()
        torch.testing.assert_close(one.double(), other, rtol=0, atol=tolerance)


# ---------------------------------------------------------------- affinity and matches


def test_affinity_rows_sum_to_one():
    x, y = maps((3, 4), (5, 2), n=2, dtype=torch.float32)
    for mask in (None, random_mask((5, 2), n=2)):
        affinity = contextual_affinity(x, y, y_mask=mask)
        assert affinity.shape == (2, 12, 10)
        torch.testing.assert_close(affinity.sum(2), torch.ones(2, 12))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_affinity_picks_the_rows_asked_for(dtype, weight):
    x, y = maps((3, 4), (5, 2), n=2)
    rows = torch.tensor([7, 0, 7, 11], dtype=dtype)
    everything = contextual_affinity(x, y, spatial_weight=weight)
    same(contextual_affinity(x, y, rows=rows, spatial_weight=weight), everything[:, rows.long()])
    assert contextual_affinity(x, y, rows=rows[:0]).shape == (2, 0, 10)


@pytest.mark.parametrize("weight", [0.0, 0.7])
@pytest.mark.parametrize("distance", DISTANCES)
def test_rows_are_the_four_steps_of_the_oracle(distance, weight):
    x, y = maps((3, 4), (5, 2))
    rows = torch.tensor([7, 0, 11])
    options = {"distance": distance, "eps": 1e-3}
    steps = contextual_rows(x, y, rows=rows, bandwidth=0.3, spatial_weight=weight, **options)
    expected = oracle_rows(x, y, h=0.3, weight=weight, **options)
    for k, step in enumerate(steps):
        wanted = torch.tensor([expected[i][k] for i in rows.tolist()], dtype=torch.float64)
        torch.testing.assert_close(step[0], wanted, rtol=1e-9, atol=1e-12)


def test_rows_hide_masked_targets():
    x, y = maps((3, 4), (5, 2))
    mask = random_mask((5, 2))
    steps = contextual_rows(x, y, rows=torch.tensor([4]), y_mask=mask)
    hidden = ~mask.flatten()
    assert steps.distance[0, 0, hidden].isinf().all()
    assert not steps.weight[0, 0, hidden].any()
    assert not steps.affinity[0, 0, hidden].any()
    visible = torch.tensor(oracle_affinity(x, y, masks=(None, mask))[4]).double()
    torch.testing.assert_close(steps.affinity[0, 0], visible, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_average_of_values_is_the_affinity_times_the_values(distance):
    x, y = maps((3, 4), (5, 2), n=2)
    values = torch.randn(2, 3, 5, 2, dtype=torch.float64)
    options = {"distance": distance, "bandwidth": 0.2, "spatial_weight": 0.3}
    wanted = torch.einsum("nij,nvj->nvi", contextual_affinity(x, y, **options), values.flatten(2))
    blocks = contextual_average(x, y, values, chunk_size=5, **options)
    same(blocks, wanted.unflatten(2, (3, 4)))
    one = torch.full((2, 1, 5, 2), 7.0, dtype=torch.float64)
    same(contextual_average(x, y, one, **options), torch.full((2, 1, 3, 4), 7.0).double())


def test_the_average_leaves_masked_targets_out():
    x, y = maps((3, 4), (5, 2))
    mask = random_mask((5, 2))
    hidden = (~mask).double() * 1e6
    assert not contextual_average(x, y, hidden, y_mask=mask).any()


def test_values_must_belong_to_the_targets():
    x, y = maps((3, 4), (5, 2))
    with pytest.raises(ValueError, match="one for each position of y"):
        contextual_average(x, y, x)


def test_affinity_counts_positions_row_by_row():
    x, y = maps((3, 4), (3, 4))
    x = torch.zeros_like(x)
    x[:, :, 1, 2] = y[:, :, 2, 3]
    affinity = contextual_affinity(x, y, rows=torch.tensor([1 * 4 + 2]))
    assert affinity[0, 0].argmax().item() == 2 * 4 + 3


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_affinity_and_matches_equal_the_dense_ones(distance, dtype):
    x, y = maps((5, 6), (4, 7), n=2, dtype=dtype)
    dense = dense_affinity(x, y, bandwidth=0.3, distance=distance)  # (N, Px, Py)
    options = {"bandwidth": 0.3, "distance": distance}
    tolerance = {"rtol": 1e-3 if dtype is torch.float32 else 1e-9, "atol": 1e-7}
    same(contextual_affinity(x, y, **options), dense, **tolerance)
    matches = contextual_matches(x, y, chunk_size=7, **options)
    assert torch.equal(matches.source_of_target, dense.argmax(1))
    assert torch.equal(matches.target_of_source, dense.argmax(2))
    same(matches.target_affinity, dense.amax(1), **tolerance)
    same(matches.source_affinity, dense.amax(2), **tolerance)


def test_matches_of_the_rolled_map_undo_the_roll():
    x, _ = maps((4, 5), (1, 1))
    places = torch.arange(20).view(4, 5)
    matches = contextual_matches(x.roll((1, 2), (2, 3)), x)
    assert torch.equal(matches.source_of_target[0].view(4, 5), places.roll((-1, -2), (0, 1)))
    assert torch.equal(matches.target_of_source[0].view(4, 5), places.roll((1, 2), (0, 1)))
    same(matches.target_affinity, torch.ones(1, 20).double())
    same(matches.source_affinity, torch.ones(1, 20).double())


def test_matches_avoid_masked_positions_and_give_them_no_affinity():
    x, y = maps((4, 5), (5, 4), n=2)
    x_mask, y_mask = random_mask((4, 5), n=2), random_mask((5, 4), n=2, seed=1)
    matches = contextual_matches(x, y, x_mask=x_mask, y_mask=y_mask, chunk_size=3)
    keep_x, keep_y = x_mask.flatten(1), y_mask.flatten(1)
    assert keep_x.gather(1, matches.source_of_target)[keep_y].all()
    assert keep_y.gather(1, matches.target_of_source)[keep_x].all()
    for affinity, keep in (
        (matches.target_affinity, keep_y),
        (matches.source_affinity, keep_x),
    ):
        assert torch.equal(affinity > 0, keep)


def test_matches_agree_with_the_similarity():
    x, y = maps((4, 5), (5, 4), n=2)
    options = {"x_mask": random_mask((4, 5), n=2), "spatial_weight": 0.2}
    matches = contextual_matches(x.requires_grad_(), y, **options)
    same(matches.target_affinity.mean(1), contextual_similarity(x, y, **options).detach())
    assert not matches.target_affinity.requires_grad


# ---------------------------------------------------------------- masks, targets, the module


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_masks_leave_the_loss_of_what_they_keep(distance, chunk_size):
    x, y = maps((4, 5), (3, 6), n=2)
    x_mask, y_mask = random_mask((4, 5), n=2), random_mask((3, 6), n=2, seed=1)
    options = {"distance": distance, "chunk_size": chunk_size}
    ours = with_gradients(contextual_loss, x, y, x_mask=x_mask, y_mask=y_mask, **options)

    def subsets(a, b):
        losses = [
            dense_loss(kept(a, x_mask, n), kept(b, y_mask, n), distance=distance) for n in range(2)
        ]
        return torch.stack(losses).mean()

    for one, other in zip(ours, with_gradients(subsets, x, y), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_whole_block_of_masked_rows_is_skipped():
    x, y = maps((6, 2), (3, 3))
    mask = torch.zeros(1, 1, 6, 2, dtype=torch.bool)
    mask[:, :, 4:] = True
    ours = with_gradients(lambda a: contextual_loss(a, y, x_mask=mask, chunk_size=2), x)
    part = with_gradients(lambda a: contextual_loss(a[:, :, 4:], y), x)
    for one, other in zip(ours, part, strict=True):
        torch.testing.assert_close(one, other)


def test_a_masked_twin_of_the_nearest_target_gets_no_gradient():
    x, y = maps((2, 2), (2, 3))
    y[:, :, 0, 0] = y[:, :, 1, 2]  # the twin comes first
    mask = torch.ones(1, 1, 2, 3, dtype=torch.bool)
    mask[:, :, 0, 0] = False
    grad = with_gradients(lambda b: contextual_loss(x, b, y_mask=mask), y)[1]
    assert grad[:, :, 0, 0].abs().max() == 0
    direct = with_gradients(lambda b: contextual_loss(x, kept(b, mask, 0)), y)[1]
    torch.testing.assert_close(grad, direct)


@pytest.mark.parametrize("which", ["x_mask", "y_mask"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_an_empty_mask_leaves_no_loss_and_no_gradient(which, symmetric):
    x, y = maps((3, 2), (2, 3), n=2)
    mask = torch.zeros(2, 1, *(x if which == "x_mask" else y).shape[2:], dtype=torch.bool)
    options = {which: mask, "symmetric": symmetric}
    loss, grad_x, grad_y = with_gradients(contextual_loss, x, y, **options)
    assert loss.item() == 0
    assert grad_x.abs().max() == grad_y.abs().max() == 0
    mask[1] = True  # the second image is whole again
    loss, grad_x, grad_y = with_gradients(contextual_loss, x, y, **options)
    single = with_gradients(contextual_loss, x[1:], y[1:], symmetric=symmetric)
    for one, other in zip((loss, grad_x[1:], grad_y[1:]), single, strict=True):
        torch.testing.assert_close(one, other / 2)
    assert grad_x[0].abs().max() == grad_y[0].abs().max() == 0


@pytest.mark.parametrize("which", ["x_mask", "y_mask"])
def test_an_empty_mask_matches_nothing(which):
    x, y = maps((3, 2), (2, 3), n=2)
    mask = torch.ones(2, 1, *(x if which == "x_mask" else y).shape[2:], dtype=torch.bool)
    mask[0] = False
    matches = contextual_matches(x, y, **{which: mask})
    for affinity in (matches.target_affinity, matches.source_affinity):
        assert affinity[0].max() == 0
        assert affinity[1].min() > 0
    similarity = contextual_similarity(x, y, **{which: mask})
    assert similarity[0].item() == 1
    assert similarity[1].item() < 1
    if which == "y_mask":
        sums = contextual_affinity(x, y, y_mask=mask).sum(2)
        torch.testing.assert_close(sums, torch.tensor([[0.0], [1.0]]).double().expand(2, 6))


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_precomputed_target_equals_the_map(distance):
    x, y = maps((3, 4), (4, 5), n=2)
    mask = random_mask((4, 5), n=2)
    options = {"distance": distance, "spatial_weight": 0.1}
    target = contextual_target(y, mask=mask, distance=distance)
    functions = (contextual_loss, contextual_similarity, contextual_affinity, contextual_matches)
    for function in functions:
        expected = function(x, y, y_mask=mask, **options)
        torch.testing.assert_close(function(x, target, **options), expected, rtol=0, atol=0)
    ours = with_gradients(
        lambda a, b: contextual_loss(a, contextual_target(b, distance=distance), **options), x, y
    )
    for one, other in zip(ours, with_gradients(contextual_loss, x, y, **options), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_module_is_the_function():
    x, y = maps((3, 4), (4, 5), n=2)
    options = {"bandwidth": 0.2, "distance": "l1", "symmetric": True, "spatial_weight": 0.1}
    module = ContextualLoss(**options)
    assert torch.equal(module(x, y), contextual_loss(x, y, **options))
    assert torch.equal(ContextualLoss()(x, y), contextual_loss(x, y))
    assert not list(module.parameters())
    assert not module.state_dict()


def test_inputs_stay_as_they_are():
    x, y = maps((3, 4), (4, 5), n=2, dtype=torch.float32)
    x_mask, y_mask = random_mask((3, 4), n=2), random_mask((4, 5), n=2)
    before = [t.clone() for t in (x, y, x_mask, y_mask)]
    x.requires_grad_()
    contextual_loss(x, y, x_mask=x_mask, y_mask=y_mask, symmetric=True).backward()
    contextual_matches(x, y, x_mask=x_mask, y_mask=y_mask)
    for one, other in zip(before, (x, y, x_mask, y_mask), strict=True):
        assert torch.equal(one, other)


def test_the_layout_in_memory_is_ignored():
    x, y = maps((3, 4), (4, 5), n=2)
    loss = contextual_loss(x, y)
    last = torch.channels_last
    same(contextual_loss(x.to(memory_format=last), y.to(memory_format=last)), loss)
    same(contextual_loss(x.mT, y.flip(3)), loss)
    one = y[:1].expand(2, -1, -1, -1)
    same(contextual_loss(x, one), contextual_loss(x, one.clone()))


# ---------------------------------------------------------------- numerics

IMAGES = {
    "noise": lambda x, y: (x, y),
    "constant": lambda x, y: (torch.full_like(x, 0.7), torch.full_like(y, 0.7)),
    "constant source": lambda x, y: (torch.full_like(x, 0.7), y),
    "constant target": lambda x, y: (x, torch.full_like(y, 0.7)),
    "zeros": lambda x, y: (torch.zeros_like(x), torch.zeros_like(y)),
    "zero source": lambda x, y: (torch.zeros_like(x), y),
    "identical": lambda x, y: (x, x.clone()),
    "nearly identical": lambda x, y: (x, x * (1 + 1e-3)),
    "duplicates": lambda x, y: (x[:, :, :1].expand_as(x), x[:, :, :1].expand_as(x)),
    "black border": lambda x, y: (x * (x > 0.8), y * (y > 0.8)),
    "one position": lambda x, y: (x[:, :, :1, :1], y[:, :, :1, :1]),
    "huge": lambda x, y: (x * 1e4, y * 1e4),
    "tiny": lambda x, y: (x * 1e-6, y * 1e-6),
    "far from zero": lambda x, y: (x + 1e3, y + 1e3),
}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES], ids=str)
@pytest.mark.parametrize("distance", DISTANCES)
def test_nothing_is_ever_nan_or_infinite(image, dtype, distance):
    x, y = IMAGES[image](*maps((4, 4), (4, 4), n=2, c=8, dtype=torch.float32))
    if image == "tiny" and dtype is torch.float16:
        x, y = x * 1e3, y * 1e3  # the gradient itself would be beyond fp16's largest number
    x, y = x.to(dtype), y.to(dtype)
    for h in (0.005, 0.1, 10):
        for options in ({}, {"symmetric": True, "spatial_weight": 0.1}):
            ours = with_gradients(contextual_loss, x, y, bandwidth=h, distance=distance, **options)
            bound = math.log(y[0, 0].numel())
            assert -1e-6 <= ours[0].item() <= bound + 1e-5
            assert all(gradient.isfinite().all() for gradient in ours[1:])
            assert [gradient.dtype for gradient in ours[1:]] == [dtype, dtype]


@pytest.mark.parametrize("offset", [0, 100])
def test_a_feature_at_the_mean_has_no_direction(offset):
    # Its distance from the mean is rounding alone, which must not decide what it resembles.
    _, y = maps((1, 1), (5, 6), c=8, dtype=torch.float32)
    y = y + offset
    y[:, :, 0, 0] = y.flatten(2)[:, :, 1:].mean(2)
    affinity = contextual_affinity(y, y, bandwidth=0.01)[0, 0]
    torch.testing.assert_close(affinity, torch.full((30,), 1 / 30), rtol=1e-4, atol=0)
    grad = with_gradients(lambda a: contextual_loss(a, y, bandwidth=0.01), y + 0)[1]
    assert grad[:, :, 0, 0].abs().max() == 0


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("scale", "eps"), [(1, 1e-5), (1e4, 1e-5), (1, 1e-9)])
def test_rounding_below_zero_distance_is_harmless(distance, scale, eps):
    # A nearest distance of -1e-7, or of -100 for huge features and l2, would turn Eq. 2 around.
    _, y = maps((1, 1), (12, 12), c=64, dtype=torch.float32)
    similarity = contextual_similarity(scale * y, scale * y, distance=distance, eps=eps)
    assert similarity.item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e-19, 1e-15, 1e15])
def test_extreme_scales_stay_finite(scale):
    x, y = maps((4, 4), (4, 4), c=8, dtype=torch.float32)
    loss, *gradients = with_gradients(contextual_loss, x * scale, y * scale)
    assert 0 <= loss.item() <= math.log(16) + 1e-6
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES], ids=str)
def test_results_are_single_precision_at_least(dtype):
    x, y = maps((2, 2), (2, 2), dtype=dtype)
    assert contextual_loss(x, y).dtype == torch.float32
    assert contextual_loss(x, y) == contextual_loss(x.float(), y.float())
    assert contextual_loss(x.double(), y.double()).dtype == torch.float64


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("distance", DISTANCES)
def test_autocast_changes_nothing(dtype, distance):
    x, y = maps((8, 8), (8, 8), dtype=torch.float32)
    x = y + 0.01 * x  # the smaller the distances, the more half precision would lose
    options = {"distance": distance, "spatial_weight": 0.01}
    plain = with_gradients(contextual_loss, x, y, **options)
    with torch.autocast("cpu", dtype=dtype):
        cast = with_gradients(contextual_loss, x, y, **options)
        affinity = contextual_affinity(x, y, **options)
        matches = contextual_matches(x, y, **options)
    for one, other in zip(cast, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    torch.testing.assert_close(affinity, contextual_affinity(x, y, **options), rtol=0, atol=0)
    for one, other in zip(matches, contextual_matches(x, y, **options), strict=True):
        assert torch.equal(one, other)


@pytest.fixture
def precision():
    """Sets the precision of fp32 products, and puts back what was."""
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


def use_everything(x, y, **options):
    """Every product there is: forward, backward, and the rows of a viewer."""
    contextual_loss(x, y, symmetric=True, **options).backward()
    contextual_affinity(x.detach(), y.detach(), **options)
    contextual_matches(x, y, **options)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_products_are_exact_whatever_the_process_prefers(precision, distance):
    x, y = (t.requires_grad_() for t in maps((4, 4), (3, 5), dtype=torch.float32))
    precision("medium")
    autocast = torch.autocast("cpu", dtype=torch.bfloat16)
    with autocast, Recorder(torch.get_float32_matmul_precision) as recorder:
        use_everything(x, y, distance=distance)
    assert recorder.products == {("highest", torch.float32)}
    assert torch.get_float32_matmul_precision() == "medium"


def test_fast_products_change_nothing(precision):
    x, y = maps((24, 24), (24, 24), c=64, dtype=torch.float32)
    x = y + 0.01 * x
    plain = with_gradients(contextual_loss, x, y)
    precision("medium")
    for one, other in zip(with_gradients(contextual_loss, x, y), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_an_error_puts_the_precision_back(precision, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(contextual, "_logits", fail)
    precision("medium")
    x, y = maps((2, 2), (2, 2))
    with pytest.raises(MemoryError):
        contextual_loss(x, y)
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.fixture
def newer_switch():
    """The switch that PyTorch 2.9 added, which makes the older one raise once it was used."""
    switch = getattr(torch.backends.mkldnn, "matmul", None)
    if not hasattr(switch, "fp32_precision"):
        pytest.skip("this PyTorch has the older switch alone")
    before = switch.fp32_precision
    yield switch
    switch.fp32_precision = before


def test_the_newer_precision_switch_is_obeyed_and_put_back(newer_switch):
    x, y = (t.requires_grad_() for t in maps((4, 4), (3, 5), dtype=torch.float32))
    newer_switch.fp32_precision = "bf16"
    with Recorder(lambda: newer_switch.fp32_precision) as recorder:
        use_everything(x, y)
    assert recorder.products == {("ieee", torch.float32)}
    assert newer_switch.fp32_precision == "bf16"


def test_nothing_is_set_where_nothing_needs_to_be(newer_switch):
    newer_switch.fp32_precision = "none"
    contextual_loss(*maps((2, 2), (2, 2)))
    assert newer_switch.fp32_precision == "none"


# ---------------------------------------------------------------- errors

X, Y = maps((2, 3), (4, 5), dtype=torch.float32)
WHOLE = torch.ones(1, 1, 2, 3, dtype=torch.bool)

ERRORS = {
    "x is not a map": (
        lambda: contextual_loss(X[0, 0], Y),
        r"^x must be a non-empty map \(N, C, H, W\) or tokens \(N, P, C\), got shape \(2, 3\)",
    ),
    "y is not a map": (lambda: contextual_loss(X, Y[0, 0]), r"^y must be a non-empty map"),
    "y is a map of one image": (
        lambda: contextual_loss(X, Y[0]),
        r"same number of images, got 1 and 16",
    ),
    "x is empty": (lambda: contextual_loss(X[:, :, :0], Y), r"got shape \(1, 16, 0, 3\)"),
    "y is empty": (lambda: contextual_loss(X[:0], Y[:0]), r"^y .* got shape \(0, 16, 4, 5\)"),
    "x is an integer": (
        lambda: contextual_loss(X.int(), Y),
        r"^x must be floating point, got torch\.int32\. Convert it with \.float\(\)",
    ),
    "y is an integer": (lambda: contextual_loss(X, Y.byte()), r"^y .*got torch\.uint8"),
    "images differ": (
        lambda: contextual_loss(X.expand(2, -1, -1, -1), Y),
        r"same number of images, got 2 and 1\. Repeat the smaller one with expand",
    ),
    "channels differ": (
        lambda: contextual_loss(X[:, :5], Y),
        r"same number of channels, got 5 and 16\. Take both from the same layer",
    ),
    "devices differ": (
        lambda: contextual_loss(X.to("meta"), Y),
        r"on one device, got meta and cpu\. Move one with \.to\(device\)",
    ),
    "dtypes differ": (
        lambda: contextual_loss(X.double(), Y.half()),
        r"both be float64 or neither, got torch\.float64 .* torch\.float32\. Convert",
    ),
    "x_mask of another size": (
        lambda: contextual_loss(X, Y, x_mask=WHOLE[..., :2]),
        r"^x_mask must be of shape \(1, 2, 3\), one for each position, got \(1, 1, 2, 2\)\. Resize",
    ),
    "x_mask of numbers": (
        lambda: contextual_loss(X, Y, x_mask=WHOLE.float()),
        r"^x_mask must be bool, got torch\.float32\. Compare it with a threshold: mask > 0\.5",
    ),
    "y_mask of another size": (
        lambda: contextual_loss(X, Y, y_mask=WHOLE),
        r"^y_mask must be of shape \(1, 4, 5\)",
    ),
    "target's mask of another size": (
        lambda: contextual_target(Y, mask=WHOLE),
        r"^y_mask must be of shape \(1, 4, 5\)",
    ),
    "a mask beside a target": (
        lambda: contextual_loss(X, contextual_target(Y), y_mask=WHOLE),
        r"^y_mask was given beside a precomputed target\. Give it to contextual_target",
    ),
    "a target of another distance": (
        lambda: contextual_loss(X, contextual_target(Y, distance="l2")),
        r"precomputed for distance='l2', got distance='cosine'\. Use one distance for both",
    ),
    "an unknown distance": (
        lambda: contextual_loss(X, Y, distance="cos"),
        r"^distance must be one of 'cosine', 'l1', 'l2', got 'cos'\.$",
    ),
    "rows of two dimensions": (
        lambda: contextual_affinity(X, Y, rows=torch.zeros(1, 1, dtype=torch.int64)),
        r"^rows must be a 1-D tensor of integers, got torch\.int64 of shape \(1, 1\)",
    ),
    "rows of numbers": (
        lambda: contextual_affinity(X, Y, rows=torch.zeros(1)),
        r"^rows must be a 1-D tensor of integers, got torch\.float32",
    ),
    "rows too large": (
        lambda: contextual_affinity(X, Y, rows=torch.tensor([0, 6])),
        r"^rows must lie in \[0, 6\), got 0 to 6\. A position is row \* width \+ column",
    ),
    "rows too small": (
        lambda: contextual_affinity(X, Y, rows=torch.tensor([-1])),
        r"^rows must lie in \[0, 6\), got -1 to -1",
    ),
    "chunk_size": (
        lambda: contextual_loss(X, Y, chunk_size=0),
        r"^chunk_size must be at least 1 row, got 0\. None chooses it",
    ),
    **{
        f"{name}={value}": (
            lambda name=name, value=value: contextual_loss(X, Y, **{name: value}),
            rf"^{name} must be a finite number above 0, got {value}",
        )
        for name in ("bandwidth", "eps")
        for value in (0, -0.5, math.inf, math.nan)
    },
    **{
        f"spatial_weight={value}": (
            lambda value=value: contextual_loss(X, Y, spatial_weight=value),
            rf"^spatial_weight must be >= 0, got {value}\. Use 0 for the paper",
        )
        for value in (-0.5, math.inf, math.nan)
    },
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_expected_and_what_to_do(case):
    call, text = ERRORS[case]
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    "function", [contextual_loss, contextual_similarity, contextual_affinity, contextual_matches]
)
def test_every_function_checks_its_maps_and_options(function):
    with pytest.raises(ValueError, match="same number of channels"):
        function(X[:, :5], Y)
    with pytest.raises(ValueError, match="bandwidth must be"):
        function(X, Y, bandwidth=0)
    with pytest.raises(ValueError, match="distance must be one of"):
        function(X, Y, distance="l3")
