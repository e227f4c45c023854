"""The rivals: their own losses against closed forms and loops, their objectives, their turns."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from cxdemo import images
from cxdemo.pipelines.style_rivals import (
    OBJECTIVES,
    RIVAL_LAYERS,
    RIVALS,
    UNIT,
    RivalsConfig,
    build_objective,
    run_rivals,
)
from cxdemo.rival_losses import Grid, moment_loss, mrf_loss, palette_loss, self_similarity_loss

SMALL = RivalsConfig(size=64, num_steps=2)


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def load_toy(pooling):
    """Colours and their products, at the strides of VGG16: cheap, and place by place."""

    def extract(image):
        maps = {}
        for name in RIVAL_LAYERS:
            pooled = F.avg_pool2d(image, 2 ** (int(name[4]) - 1))
            maps[name] = torch.cat([pooled, pooled.square(), 1 - pooled], dim=1)
        return maps

    return extract


@pytest.fixture
def pair():
    """Content and style that differ in colours and in texture, each 64 x 64."""
    coarse = F.interpolate(rand(1, 3, 6, 6), 64, mode="bicubic").clamp(0.05, 0.95)
    return coarse, (rand(1, 3, 64, 64, seed=1) * 0.5 + 0.1)


# --------------------------------------------------------------------------------- their own losses


def test_patches_take_the_most_similar_in_direction_not_the_nearest():
    x = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    y = torch.zeros(1, 2, 3, 6)
    y[:, :, :, :3] = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1)  # cosine 1, far away
    y[:, :, :, 3:] = torch.tensor([0.8, 0.3]).view(1, 2, 1, 1)  # cosine below 1, near
    assert float(mrf_loss(x, y)) == pytest.approx(2.0)  # (3 - 1)^2 in one of two channels


@pytest.mark.parametrize("stride", [1, 2])
def test_patches_agree_with_loops(stride):
    x, y = rand(1, 4, 5, 6), rand(1, 4, 7, 5, seed=1)

    def cut(maps, step):
        rows, columns = maps.shape[2] - 2, maps.shape[3] - 2
        return [
            maps[0, :, r : r + 3, c : c + 3].flatten()
            for r, c in itertools.product(range(0, rows, step), range(0, columns, step))
        ]

    expected = []
    for a in cut(x, 1):
        best = max(cut(y, stride), key=lambda b, a=a: float(F.cosine_similarity(a, b, dim=0)))
        expected.append(float((a - best).square().mean()))
    assert float(mrf_loss(x, y, stride=stride)) == pytest.approx(sum(expected) / len(expected))


def test_a_map_smaller_than_a_patch_is_refused():
    with pytest.raises(ValueError, match="choose a larger size"):
        mrf_loss(rand(1, 4, 2, 8), rand(1, 4, 8, 8))


def test_moments_of_shifted_and_of_scaled_features():
    x = rand(1, 5, 8, 9).double()
    assert float(moment_loss(x, x + 0.25)) == pytest.approx(0.25)
    flat = x.flatten(2)[0]
    covariance = torch.cov(flat, correction=0)
    expected = flat.mean(dim=1).abs().mean() + 3 * covariance.abs().mean()
    assert float(moment_loss(x, 2 * x)) == pytest.approx(float(expected))


def test_the_palette_of_greys_is_their_difference_and_wants_every_colour():
    grey = torch.full((1, 3, 4, 4), 0.2)
    assert float(palette_loss(grey, grey + 0.5)) == pytest.approx(0.5, abs=1e-6)
    both = grey.clone()
    both[..., 2:] += 0.5  # half of the target is another grey, which the picture lacks
    smallest = 1e-5**0.5
    assert float(palette_loss(grey, both)) == pytest.approx((smallest + 0.5) / 2, abs=1e-6)


def test_the_grid_of_strotss_wanders_over_every_pixel_and_stays_for_five_evaluations():
    rows, columns = torch.meshgrid(torch.arange(72.0), torch.arange(72.0), indexing="ij")
    grid, places = Grid(72), []  # every third pixel
    for _ in range(5 * 9):
        read = grid.pick([torch.stack([rows, columns])[None]])[0]
        places.append({(int(y), int(x)) for y, x in read.flatten(1).round().T.tolist()})
        grid.advance()
    assert all(len(each) == 24 * 24 for each in places)
    assert all(places[5 * k] == places[5 * k + 4] for k in range(9))
    assert len(set.union(*places)) == 72 * 72


def test_self_similarity_sees_relations_alone():
    x = rand(1, 6, 4, 4).double()
    rotation = torch.linalg.qr(rand(6, 6, seed=2).double()).Q
    turned = torch.einsum("kc,ncij->nkij", rotation, 3 * x)
    assert float(self_similarity_loss(x, turned)) == pytest.approx(0, abs=1e-9)
    # Three features at right angles against two that are equal: every column by hand.
    three = torch.eye(3).view(1, 3, 1, 3)
    two = torch.tensor([[1.0, 1, 0], [0, 0, 1], [0, 0, 0]]).view(1, 3, 1, 3)
    a = torch.tensor([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    b = torch.tensor([[0, 0, 0.5], [0, 0, 0.5], [1, 1, 0]])
    expected = 3 * (a - b).abs().mean()
    assert float(self_similarity_loss(three, two)) == pytest.approx(float(expected))


# ----------------------------------------------------------------------------------- the objectives


@pytest.mark.parametrize("name", RIVALS)
def test_the_content_starts_at_one_and_the_style_itself_has_no_style_left(name, pair):
    content, style = pair
    objective = build_objective(name, content, style, SMALL, load=load_toy)
    start, goal = objective(content), objective(style)
    # STROTSS reads other places at the next evaluation, so its start may differ a little.
    assert float(sum(start.values())) == pytest.approx(1, abs=0.05)
    assert float(start["content"]) == pytest.approx(0, abs=0.02 if name == "cx" else 1e-5)
    assert float(goal["style"]) < 0.25 * float(start["style"])
    assert float(goal["content"]) > float(start["content"])


def test_gatys_has_the_weights_of_his_notebook(pair):
    content, style = pair
    raw = OBJECTIVES["gram"](content, style, SMALL, load_toy)(content)
    expected = 0.0
    for layer in ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"):
        x, y = (load_toy("")(p)[layer].flatten(2)[0] for p in (content, style))
        gram_x, gram_y = (maps @ maps.T / maps.shape[1] for maps in (x, y))
        expected += 1e3 / len(x) ** 2 * float((gram_x - gram_y).square().mean())
    assert float(raw["style"]) == pytest.approx(expected, rel=1e-4)


def test_strotss_has_features_of_colours_of_unit_deviation(pair):
    """Its moments have a scale: a flat picture's are those of its colours, and of its features."""
    content, style = (torch.full((1, 3, 64, 64), level) for level in (0.2, 0.6))

    def load_large(pooling):
        toy = load_toy(pooling)
        return lambda image: {name: maps / UNIT for name, maps in toy(image).items()}

    raw = OBJECTIVES["relaxed_emd"](content, style, SMALL, load_large)(content)
    columns = [torch.cat([p] + 9 * [p, p.square(), 1 - p], dim=1)[:, :, :1, :1] for p in
               (content, style)]  # fmt: skip
    direction = 1 - float(F.cosine_similarity(*columns, dim=1))
    moments = float((columns[0] - columns[1]).abs().mean())
    assert float(raw["style"]) == pytest.approx(direction + moments + 0.4 / 2, rel=1e-3)


def test_patches_have_the_weights_of_their_code(pair):
    """1e-3 / 2 for every squared difference of two neighbours, of 0..255, at 384 x 288 pixels."""
    content, style = pair
    terms = OBJECTIVES["patches"](content, style, SMALL, load_toy)(content)
    rows, columns = ((255 * content).diff(dim=d).square().mean() for d in (2, 3))
    assert float(terms["smoothness"]) == pytest.approx(
        1e-3 / 2 * 3 * 384 * 288 * float(rows + columns), rel=2e-3
    )


@pytest.mark.parametrize("name", ["gram", "sliced_wasserstein"])
def test_global_losses_do_not_notice_where_the_style_has_its_things(name, pair):
    content, style = pair
    moved = style.roll((32, 16), dims=(2, 3))  # whole cells of all layers
    terms = [
        float(OBJECTIVES[name](content, s, SMALL, load_toy)(content)["style"])
        for s in (style, moved)
    ]
    assert terms[0] == pytest.approx(terms[1], rel=1e-4)


def test_strength_multiplies_the_style_alone(pair):
    content, style = pair
    between = (content + style) / 2
    shares = []
    for strength in (1.0, 4.0):
        config = RivalsConfig(size=64, style_strength=strength)
        terms = build_objective("gram", content, style, config, load=load_toy)(between)
        shares.append(float(terms["style"] / terms["content"]))
    assert shares[1] == pytest.approx(4 * shares[0], rel=1e-4)


# ------------------------------------------------------------------------------------- taking turns


def test_all_take_turns_from_one_start_and_the_same_steps(pair):
    steps = list(run_rivals(*pair, SMALL, load=load_toy))
    assert [s.rival for s in steps] == list(RIVALS) * 2
    assert [s.index for s in steps] == [1] * 5 + [2] * 5
    assert all(step.image.shape == (1, 3, 64, 64) for step in steps)
    elapsed = [step.elapsed for step in steps]
    assert elapsed == sorted(elapsed)
    own = sum(step.seconds for step in steps[-5:])
    assert own <= elapsed[-1] + 0.05


def test_the_run_is_the_same_again_and_ends_when_closed(pair):
    first, second = (list(run_rivals(*pair, SMALL, load=load_toy)) for _ in range(2))
    assert all(torch.equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    run = run_rivals(*pair, SMALL, load=load_toy)
    next(run)
    run.close()
    assert list(run) == []


def test_with_the_real_network_every_rival_lowers_its_own_objective():
    cat, dog = (
        images.to_tensor(images.load(f"cxdemo/examples/photo_{name}.jpg"), long_side=64)
        for name in ("cat_chelsea", "dog")
    )
    steps = list(run_rivals(cat, dog, RivalsConfig(size=64, num_steps=6)))
    for name in RIVALS:
        own = [step.loss for step in steps if step.rival == name]
        assert own[0] == pytest.approx(1, abs=0.1)
        assert own[-1] < 0.97 * own[0], name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rivals": ()}, "at least one rival"),
        ({"rivals": ("gram", "gram")}, "each rival once"),
        ({"rivals": ("grams",)}, "Did you mean 'gram'"),
        ({"size": 32}, "size must lie in"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RivalsConfig(**changes)
