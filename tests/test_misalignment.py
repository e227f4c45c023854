"""The misalignment experiment: its scene, its measures, and the order that the texts claim."""

import pytest
import torch
import torch.nn.functional as F

from cxdemo import images
from cxdemo.checkpoints import FOLDER
from cxdemo.pipelines.misalignment import (
    MisalignmentConfig,
    distinct_share,
    gradient_energy,
    judge,
    make_scene,
    run_misalignment,
    shifted,
    shifted_errors,
)

EXAMPLES = FOLDER.parent / "cxdemo" / "examples"
FIVE = (
    "photo_parrot",
    "portrait_monalisa",
    "painting_starry_night",
    "photo_city_night",
    "photo_cat_chelsea",
)


def picture(name):
    return images.to_tensor(images.load(EXAMPLES / f"{name}.jpg"))


def last_frame(image, config):
    *_, frame = run_misalignment(image, config, frame_every=1000)
    return frame


@pytest.fixture(scope="module")
def cat():
    return picture("photo_cat_chelsea")


# ------------------------------------------------------------------------------------ the scene


def test_a_target_is_the_clean_crop_moved_by_its_shift(cat):
    config = MisalignmentConfig(crop=64, shift=6, num_targets=5)
    scene = make_scene(cat, config)
    for target, (down, right) in zip(scene.targets, scene.shifts, strict=True):
        assert max(abs(down), abs(right)) <= 6
        a, b = max(0, down), max(0, right)  # where both show the same
        c, d = min(0, down), min(0, right)
        torch.testing.assert_close(
            target[..., a - down : 64 - down + c, b - right : 64 - right + d],
            scene.clean[..., a : 64 + c, b : 64 + d],
        )


def test_only_the_source_is_noisy_and_by_as_much_as_was_asked():
    flat = torch.full((1, 3, 200, 200), 0.5)
    scene = make_scene(flat, MisalignmentConfig(noise=0.1))
    assert float((scene.noisy - scene.clean).std()) == pytest.approx(0.1, rel=0.02)
    assert all(torch.allclose(target, scene.clean) for target in scene.targets)


def test_a_seed_makes_a_scene(cat):
    one, same, other = (make_scene(cat, MisalignmentConfig(seed=s)) for s in (3, 3, 4))
    assert one.shifts == same.shifts != other.shifts
    assert torch.equal(one.noisy, same.noisy)


def test_a_picture_that_is_too_small_is_refused_and_a_wide_one_is_not():
    with pytest.raises(ValueError, match="need 116 x 116"):
        make_scene(torch.rand(1, 3, 100, 300), MisalignmentConfig())
    scene = make_scene(torch.rand(1, 3, 130, 900), MisalignmentConfig())
    assert scene.around.shape == (1, 3, 116, 116)


# ----------------------------------------------------------------------------------- the measures


def test_errors_over_shifts_are_those_of_loops(cat):
    config = MisalignmentConfig(crop=48, shift=3)
    scene = make_scene(cat, config)
    got = shifted_errors(scene.noisy, scene.around)
    for down in range(-3, 4):
        for right in range(-3, 4):
            wanted = F.mse_loss(scene.noisy, shifted(scene.around, (down, right), config))
            assert float(got[down + 3, right + 3]) == pytest.approx(float(wanted), abs=1e-6)


def test_a_shifted_copy_is_perfect_at_its_shift_alone(cat):
    config = MisalignmentConfig(crop=64, shift=5)
    scene = make_scene(cat, config)
    standing = judge(shifted(scene.around, (2, -4), config), scene, config)
    assert standing.best_psnr > 60
    assert standing.psnr < 30
    assert standing.sharpness == pytest.approx(1, abs=0.2)


def test_gradient_energy_of_a_ramp_and_of_noise():
    ramp = torch.linspace(0, 1, 11).view(1, 1, 1, 11).expand(1, 3, 11, 11)
    assert gradient_energy(ramp) == pytest.approx(0.01)
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(1, 3, 200, 200)
    assert gradient_energy(noise) == pytest.approx(4 * 0.01, rel=0.02)  # two ways, 2 sigma^2 each


def test_distinct_matches_of_a_copy_of_one_patch_and_of_half():
    torch.manual_seed(0)
    y = torch.rand(1, 4, 5, 8)
    assert distinct_share(y, y) == 1
    assert distinct_share(y[..., :1, :1].expand_as(y), y) == pytest.approx(1 / 40)
    assert distinct_share(y[..., :4], y) == pytest.approx(0.5)


# ---------------------------------------------------------------------------------- the experiment


def test_without_shifts_and_noise_every_loss_keeps_the_crop(cat):
    config = MisalignmentConfig(
        losses=("l1", "l2", "ssim", "cx", "cobi"), shift=0, noise=0.0, crop=48, num_steps=8
    )
    for standing in last_frame(cat, config).standings.values():
        assert standing.psnr > 35
        assert standing.sharpness == pytest.approx(1, abs=0.1)


def test_l2_ends_at_the_mean_of_the_targets(cat):
    """What a sum of squares must do: it is the blur."""
    config = MisalignmentConfig(losses=("l2",), crop=48, num_steps=160)
    mean = torch.cat(make_scene(cat, config).targets).mean(dim=0, keepdim=True)
    got = last_frame(cat, config).standings["l2"].image
    assert float((got - mean).abs().mean()) < 0.02


def test_all_losses_start_from_the_noisy_crop_and_take_the_same_steps(cat):
    config = MisalignmentConfig(crop=48, num_steps=8)
    frames = list(run_misalignment(cat, config, frame_every=4))
    assert [frame.index for frame in frames] == [0, 4, 8]
    noisy = make_scene(cat, config).noisy
    assert all(torch.equal(s.image, noisy) for s in frames[0].standings.values())
    again = last_frame(cat, config)
    for name, standing in frames[-1].standings.items():
        assert torch.equal(standing.image, again.standings[name].image)


def check_order(frame):
    l1, l2, cx = (frame.standings[name] for name in ("l1", "l2", "cx"))
    assert cx.sharpness > 2 * l1.sharpness > 2 * l2.sharpness
    assert cx.psnr > max(l1.psnr, l2.psnr) + 1
    assert cx.distinct > 1.2 * max(l1.distinct, l2.distinct)


def test_cx_is_sharper_and_nearer_than_l1_and_l2_on_a_small_crop(cat):
    check_order(last_frame(cat, MisalignmentConfig(crop=64, num_steps=80)))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIVE)
def test_cx_is_sharper_and_nearer_than_l1_and_l2_on_five_pictures(name):
    check_order(last_frame(picture(name), MisalignmentConfig()))


def test_losses_that_ignore_places_cannot_know_where_things_were():
    """From noise alone Gram makes the target's statistics, not its picture."""
    image = picture("portrait_monalisa")
    config = MisalignmentConfig(losses=("gram", "cx"), crop=48, num_steps=80, noise=0.15)
    standings = last_frame(image, config).standings
    assert standings["cx"].psnr > standings["gram"].psnr + 1


def test_settings_are_checked_and_told():
    with pytest.raises(ValueError, match="Did you mean 'cobi'"):
        MisalignmentConfig(losses=("coby",))
    with pytest.raises(ValueError, match="at least one loss"):
        MisalignmentConfig(losses=())
    with pytest.raises(ValueError, match="each loss once"):
        MisalignmentConfig(losses=("l1", "l1"))
    with pytest.raises(ValueError, match="shift must lie"):
        MisalignmentConfig(shift=40)
    assert MisalignmentConfig(seed=5).as_dict()["seed"] == 5
