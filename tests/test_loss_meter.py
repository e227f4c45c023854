"""The misalignment meter: its changes, its scale, and every fact that the texts claim."""

import math

import pytest
import torch

from cxdemo import images
from cxdemo.checkpoints import FOLDER
from cxdemo.contextual import contextual_loss
from cxdemo.features import PatchFeatures
from cxdemo.losses import build_loss, gram_loss
from cxdemo.pipelines.loss_meter import (
    BLOCK,
    CHANGES,
    CROP,
    MARGIN,
    METER_LOSSES,
    LossMeter,
    MeterConfig,
    cut,
    mirror,
    shuffle_blocks,
    shuffle_pixels,
)

EXAMPLES = FOLDER.parent / "cxdemo" / "examples"


def picture(name="photo_cat_chelsea"):
    return images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))


def middle(around):
    return around[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.fixture(scope="module")
def meter():
    losses = ("l1", "l2", "perceptual", "gram", "cx", "cobi")
    return LossMeter(picture(), MeterConfig(losses=losses))


# ----------------------------------------------------------------------------------- the changes


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_begins_with_the_picture_itself_and_grows(name):
    around = cut(picture())
    change = CHANGES[name]
    copies = [change.apply(around, amount) for amount in change.amounts]
    assert len(copies) == 17
    torch.testing.assert_close(copies[0], middle(around))
    differences = [float((copy - copies[0]).abs().mean()) for copy in copies]
    assert differences[1] > 0
    assert differences[-1] > 1.5 * differences[2]


def test_a_shift_brings_in_what_lies_beside():
    around = cut(picture())
    moved = CHANGES["shift"].apply(around, 5.0)
    torch.testing.assert_close(moved[..., :-5], middle(around)[..., 5:])


def test_a_quarter_turn_by_the_rotation_is_that_of_the_pixels():
    around = cut(picture())
    turned = CHANGES["rotate"].apply(around, 90.0)
    wanted = middle(around.rot90(1, dims=(2, 3)))
    other = middle(around.rot90(-1, dims=(2, 3)))
    errors = [float((turned - w)[..., 2:-2, 2:-2].abs().max()) for w in (wanted, other)]
    assert min(errors) < 1e-3 < max(errors)


def test_a_blur_has_its_variance_and_keeps_the_mean():
    dot = torch.zeros(1, 3, CROP + 2 * MARGIN, CROP + 2 * MARGIN)
    dot[..., MARGIN + 40, MARGIN + 40] = 1.0
    blurred = CHANGES["blur"].apply(dot, 2.0)[0, 0]
    places = torch.arange(CROP) - 40.0
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-3)
    assert float((blurred.sum(0) * places.square()).sum()) == pytest.approx(4.0, rel=0.03)


def test_twice_as_large_shows_every_second_pixel_of_the_middle():
    ramp = torch.linspace(0, 1, CROP + 2 * MARGIN).expand(1, 3, CROP + 2 * MARGIN, -1).contiguous()
    scaled = CHANGES["scale"].apply(ramp, 2.0)
    across = float((scaled[..., -5] - scaled[..., 4]).mean()) / (CROP - 9)
    assert across == pytest.approx(0.5 / (CROP + 2 * MARGIN - 1), rel=0.01)


def test_a_shuffle_moves_whole_blocks_and_loses_none():
    image = torch.rand(1, 3, 12, 8)
    moved = shuffle_blocks(image)
    columns = [
        torch.nn.functional.unfold(i, BLOCK, stride=BLOCK)[0].T.tolist() for i in (image, moved)
    ]
    assert columns[0] != columns[1]
    assert sorted(columns[0]) == sorted(columns[1])
    assert torch.equal(shuffle_blocks(image, 0.0), image)


# ------------------------------------------------------------------------------------- the scale


def test_the_picture_reads_zero_and_its_shuffled_pixels_one(meter):
    assert all(v == pytest.approx(0, abs=1e-6) for v in meter.read(meter.picture).values.values())
    scrambled = meter.read(shuffle_pixels(meter.picture)).values
    assert all(v == pytest.approx(1, abs=1e-5) for v in scrambled.values())


def test_shuffled_pixels_keep_the_colours():
    image = torch.rand(1, 3, 9, 7)
    pixels = [sorted(i.flatten(2)[0].T.tolist()) for i in (image, shuffle_pixels(image))]
    assert pixels[0] == pixels[1]


# --------------------------------------------------------------------- the facts that texts claim


@pytest.mark.parametrize("name", ["photo_cat_chelsea", "painting_starry_night", "photo_city_night"])
def test_a_shift_costs_cx_next_to_nothing_and_l1_and_perceptual_at_once(name):
    meter = LossMeter(picture(name), MeterConfig(losses=("l1", "perceptual", "gram", "cx")))
    one, twelve = (
        meter.read(CHANGES["shift"].apply(meter.around, amount)).values for amount in (1.0, 12.0)
    )
    assert one["l1"] > 0.1
    assert one["perceptual"] > 0.02
    assert one["cx"] < 0.02
    assert twelve["l1"] > 5 * twelve["cx"]
    assert twelve["perceptual"] > 4 * twelve["cx"]
    assert twelve["cx"] < 0.15  # what has left the frame has no partner


@pytest.mark.parametrize("cells", [1, 3, 8])
def test_a_shift_by_whole_cells_is_free_inside_the_overlap(cells, meter):
    """The part of the target that the copy shows too: below 0.05 of the range of CX."""
    features = PatchFeatures(size=BLOCK, stride=1)
    copy = CHANGES["shift"].apply(meter.around, float(cells))
    x, y = features(copy)["rgb"], features(meter.picture)["rgb"]
    seen = torch.zeros(1, 1, *y.shape[2:], dtype=torch.bool)
    seen[..., cells:] = True
    value = contextual_loss(x, y, bandwidth=0.1, distance="l2", y_mask=seen)
    assert float(value - meter.zeros["cx"]) / meter.ranges["cx"] < 0.05


def test_a_shuffle_of_aligned_patches_is_nothing_to_gram_and_much_to_l1():
    meter = LossMeter(picture(), MeterConfig(losses=("l1", "gram", "cx", "cobi"), change="shuffle"))
    values = meter.read(shuffle_blocks(meter.picture)).values
    assert values["gram"] == pytest.approx(0, abs=1e-5)
    assert values["cx"] == pytest.approx(0, abs=1e-5)
    assert values["l1"] > 0.8
    assert values["cobi"] > 0.2
    features = PatchFeatures(size=BLOCK, stride=BLOCK)
    x, y = (features(i)["rgb"] for i in (shuffle_blocks(meter.picture), meter.picture))
    assert float(gram_loss(x, y)) == pytest.approx(0, abs=1e-9)


def test_a_mirror_is_less_to_cx_than_to_losses_that_mind_places(meter):
    values = meter.read(mirror(meter.picture)).values
    assert values["cx"] < 0.5 * min(values["l1"], values["l2"], values["perceptual"])


def test_a_blur_is_more_to_cx_than_to_l1(meter):
    blurred = meter.read(CHANGES["blur"].apply(meter.around, 2.0)).values
    assert blurred["cx"] > 2 * blurred["l1"]


def test_places_put_back_stand_between(meter):
    shifted = meter.read(CHANGES["shift"].apply(meter.around, 8.0)).values
    assert shifted["cx"] < shifted["cobi"] < shifted["l1"]


# ------------------------------------------------------------------------------------- the rest


def test_vgg_features_are_an_option_and_all_losses_have_a_scale():
    config = MeterConfig(losses=METER_LOSSES, features="vgg16")
    meter = LossMeter(picture(), config)
    values = meter.read(CHANGES["shift"].apply(meter.around, 8.0)).values
    assert set(values) == set(METER_LOSSES)
    assert all(math.isfinite(value) for value in values.values())
    assert values["cx"] < values["perceptual"] < 1.5


def test_the_same_directions_are_drawn_for_every_copy(meter):
    """Else sliced Wasserstein would not read 0 for the picture itself, whatever the seed."""
    one, two = (build_loss("sliced_wasserstein", features=PatchFeatures()) for _ in range(2))
    other = CHANGES["blur"].apply(meter.around, 1.0)
    assert float(one(other, meter.picture)) == float(two(other, meter.picture))


def test_a_small_picture_and_an_unknown_change_are_refused():
    with pytest.raises(ValueError, match="needs 128 x 128"):
        cut(torch.rand(1, 3, 100, 400))
    assert cut(torch.rand(1, 3, 128, 400)).shape == (1, 3, 128, 128)
    with pytest.raises(ValueError, match="Did you mean 'rotate'"):
        MeterConfig(change="rotat")
    with pytest.raises(ValueError, match="at least one loss"):
        MeterConfig(losses=())
