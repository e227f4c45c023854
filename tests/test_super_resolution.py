"""Super-resolution: tiles without a seam, colours that are kept, and scores that are known."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cxdemo import images
from cxdemo.networks import Upscaler
from cxdemo.pipelines import super_resolution as sr
from cxdemo.pipelines.super_resolution import SuperResolutionConfig, upscale
from cxdemo.pipelines.super_resolution.judge import _windows

LEVEL = 1 / 255


def random_upscaler(seed=0, strength=0.05):
    """A small network that changes the picture a lot, with parameters drawn at random."""
    torch.manual_seed(seed)
    network = Upscaler(channels=8, num_blocks=2, edge_kernel=3, tail_channels=8, batch_norm=False)
    torch.nn.init.normal_(network.tail[3].weight, std=strength)
    torch.nn.init.normal_(network.tail[3].bias, std=0.02)
    return network.eval().requires_grad_(False)


def picture(height, width, seed=0):
    """A smooth picture with edges, far from black and white: (1, 3, height, width)."""
    torch.manual_seed(seed)
    coarse = 0.2 + 0.6 * torch.rand(1, 3, 5, 6)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0.2, 0.8)
    smooth[:, :, height // 3 : height // 2, width // 4 : width // 2] = 0.7
    return images.to_tensor(images.to_pil(smooth))


def finish(image, network, **options):
    *_, last = upscale(image, network, SuperResolutionConfig(**options))
    assert last.index == last.total
    return last.canvas.to_tensor()


# --------------------------------------------------------------------------------------- tiles


@pytest.mark.parametrize("size", [(61, 83), (97, 33)])
@pytest.mark.parametrize("tile", [32, 64])
@pytest.mark.parametrize("back_projection", [0, 1])
def test_tiled_equals_untiled(size, tile, back_projection):
    image, network = picture(*size), random_upscaler()
    whole = finish(image, network, tile=1024, back_projection=back_projection)
    tiled = finish(image, network, tile=tile, back_projection=back_projection)
    assert (whole - tiled).abs().max() <= 1.01 * LEVEL
    if not back_projection:
        with torch.no_grad():
            expected = network(image).clamp(0, 1)
        assert (whole - expected).abs().max() <= 0.51 * LEVEL
        assert (whole - images.to_tensor(images.to_pil(sr_bicubic(image)))).abs().max() > 0.05


def sr_bicubic(image):
    size = (4 * image.shape[2], 4 * image.shape[3])
    return F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)


def test_a_margin_below_the_receptive_field_would_show():
    image, network = picture(64, 64), random_upscaler()
    whole = finish(image, network, tile=64, back_projection=0)
    network.receptive_field = 1
    assert (finish(image, network, tile=32, back_projection=0) - whole).abs().max() > LEVEL


@pytest.mark.parametrize(("height", "width", "tile"), [(61, 83, 32), (16, 160, 64), (33, 32, 32)])
def test_tiles_cover_every_pixel_once(height, width, tile):
    covered = torch.zeros(height, width)
    for box in sr.plan_tiles(height, width, tile):
        covered[box.top : box.bottom, box.left : box.right] += 1
        assert box.bottom - box.top <= tile
        assert box.right - box.left <= tile
    assert bool((covered == 1).all())


def test_every_step_says_where_and_the_rest_is_still_bicubic():
    image, network = picture(40, 70), random_upscaler()
    first, *others = upscale(image, network, SuperResolutionConfig(tile=32))
    assert first.total == 1 + len(others) == 7  # 2 x 3 tiles, and the back-projection
    steps = upscale(image, network, SuperResolutionConfig(tile=32))
    first = next(steps)
    assert first.box == (0, 0, 80, 92)
    rest = first.canvas.levels[80:]
    assert np.array_equal(rest, sr.enlarge_bicubic(image).levels[80:])
    assert others[-1].box == (0, 0, 160, 280)
    assert [step.index for step in others] == list(range(2, 8))
    assert others[-1].seconds_left == 0


def test_bicubic_is_pillows_and_torchs():
    image = picture(20, 24)
    (step,) = upscale(image, None)
    pillow = images.to_pil(image).resize((96, 80), Image.Resampling.BICUBIC)
    assert np.array_equal(step.canvas.levels, np.asarray(pillow))
    assert (step.canvas.to_tensor() - sr_bicubic(image)).abs().max() <= 1.1 * LEVEL


# ----------------------------------------------------------------------------- back-projection


def test_the_result_shrinks_to_the_small_picture():
    image, network = picture(37, 52), random_upscaler()
    free = finish(image, network, back_projection=0)
    kept = finish(image, network, back_projection=1)
    assert (images.shrink(free) - image).abs().max() > 3 * LEVEL
    assert (images.shrink(kept) - image).abs().max() < LEVEL


def test_project_is_the_limit_of_iterated_back_projection():
    low_res = picture(12, 16)
    torch.manual_seed(1)
    start = sr.enlarge_bicubic(low_res).to_tensor() + 0.05 * torch.randn(1, 3, 48, 64)
    canvas = images.Canvas(images.to_pil(start))
    x = canvas.to_tensor()
    for _ in range(60):
        missing = low_res - F.interpolate(x, (12, 16), mode="bicubic", antialias=True)
        x = x + F.interpolate(missing, (48, 64), mode="bicubic", antialias=True)
    sr.project(canvas, low_res)
    assert (canvas.to_tensor() - x.clamp(0, 1)).abs().max() <= 0.6 * LEVEL


def test_project_leaves_a_picture_alone_that_shrinks_rightly():
    truth = images.to_tensor(images.to_pil(F.interpolate(picture(20, 24), (80, 96))))
    canvas = images.Canvas(images.to_pil(truth))
    sr.project(canvas, images.shrink(truth))
    assert torch.equal(canvas.to_tensor(), truth)


def test_more_rounds_mend_what_clamping_left():
    image = (picture(24, 24) - 0.5) * 3 + 0.5
    image, network = image.clamp(0, 1), random_upscaler(strength=0.2)
    errors = [
        float((images.shrink(finish(image, network, back_projection=n)) - image).abs().mean())
        for n in (0, 1, 4)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_shrink_is_the_field_s_and_refuses_odd_sides():
    image = picture(32, 48)
    pillow = images.to_pil(image).resize((12, 8), Image.Resampling.BICUBIC)
    assert (images.shrink(image) - images.to_tensor(pillow)).abs().max() <= 1.01 * LEVEL
    with pytest.raises(ValueError, match="multiples of 4, got 48 x 30"):
        images.shrink(image[:, :, :30])


# -------------------------------------------------------------------------------- transparency


def test_colour_under_full_transparency_does_not_bleed():
    image, alpha = torch.zeros(1, 3, 21, 34), torch.zeros(1, 1, 21, 34)
    image[:, 0, 4:12, 5:20], alpha[:, :, 4:12, 5:20] = 0.8, 1.0
    filled = sr.fill_transparent(image, alpha)
    assert (filled[:, 0] - 0.8).abs().max() < 1e-5  # red everywhere
    assert filled[:, 1:].abs().max() == 0
    alpha[:, :, 5, 6] = 0.25  # what is seen a little keeps its colour
    image[:, :, 5, 6] = 0.5
    assert sr.fill_transparent(image, alpha)[0, :, 5, 6].tolist() == [0.5] * 3


def test_a_picture_without_any_visible_pixel_is_no_trouble():
    filled = sr.fill_transparent(torch.rand(1, 3, 5, 9), torch.zeros(1, 1, 5, 9))
    assert torch.isfinite(filled).all()


# -------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((15, 40), "needs at least 16"),
        ((1200, 1001), "1001 × 1200 pixels, 1.2 megapixels, but at most 1.2 can be enlarged"),
        ((16, 161), "at most 10 times the short one"),
    ],
)
def test_sizes_that_cannot_be_enlarged_are_refused_in_a_sentence(size, said):
    steps = upscale(torch.zeros(1, 3, *size), None)
    with pytest.raises(ValueError, match=said) as raised:
        next(steps)
    assert str(raised.value).count(". ") == 0


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="checkpoint must be one of mse, cx, cx-gan, got 'gan'"):
        sr.load_upscaler("gan")


# ------------------------------------------------------------------------------------ the test


@pytest.fixture(scope="module")
def judges():
    return sr.load_judges()


def test_the_truth_has_perfect_scores(judges):
    truth = F.interpolate(picture(48, 52), (192, 208))
    scores = sr.measure(truth, truth, judges)
    assert scores.psnr == math.inf
    assert scores.ssim == pytest.approx(1, abs=1e-6)
    assert scores.lpips == pytest.approx(0, abs=1e-6)
    assert scores.cx == pytest.approx(1, abs=1e-3)


def test_compare_restores_and_measures_each_method(judges):
    torch.manual_seed(0)
    sharp = (picture(202, 250) + 0.1 * torch.randn(1, 3, 202, 250)).clamp(0, 1)
    networks = {"bicubic": None, "cx": random_upscaler()}
    found = list(sr.compare(sharp, networks, judges, SuperResolutionConfig(back_projection=0)))
    assert [name for name, _, _ in found] == ["bicubic", "cx"]
    assert all(canvas.size == (200, 248) for _, canvas, _ in found)
    (_, _, plain), (_, _, random) = found
    assert plain.psnr > random.psnr
    truth, low_res = sr.prepare_test(sharp)
    assert torch.equal(truth, sharp[:, :, 1:201, 1:249])
    assert torch.equal(low_res, (images.shrink(truth) * 255).round() / 255)
    assert tuple(sr.HIGHER_IS_BETTER) == (True, True, False, True)


def test_a_test_takes_the_middle_of_a_large_picture_and_refuses_a_small_one():
    truth, low_res = sr.prepare_test(torch.rand(1, 3, 1100, 1300))
    assert truth.shape[2:] == (1024, 1024)
    assert low_res.shape[2:] == (256, 256)
    with pytest.raises(ValueError, match="needs at least 192 on each side"):
        sr.prepare_test(torch.rand(1, 3, 300, 191))


@pytest.mark.parametrize(
    ("height", "width", "count"), [(200, 100, 1), (400, 200, 2), (999, 512, 4)]
)
def test_windows_of_cx_lie_inside(height, width, count):
    boxes = _windows(height, width)
    assert len(boxes) == count
    for box in boxes:
        assert 0 <= box.top < box.bottom <= height
        assert 0 <= box.left < box.right <= width


# ---------------------------------------------------------------------------- pictures as bytes


def test_load_with_alpha_keeps_opacity_and_colours(tmp_path):
    rgba = Image.new("RGBA", (40, 30), (200, 10, 20, 90))
    rgba.save(tmp_path / "a.png")
    rgb, alpha = images.load_with_alpha(tmp_path / "a.png")
    assert (rgb.mode, rgb.getpixel((0, 0)), alpha.getpixel((3, 3))) == ("RGB", (200, 10, 20), 90)
    Image.new("RGBA", (40, 30), (1, 2, 3, 255)).save(tmp_path / "b.png")
    assert images.load_with_alpha(tmp_path / "b.png")[1] is None
    Image.new("L", (40, 30), 7).save(tmp_path / "c.png")
    assert images.load_with_alpha(tmp_path / "c.png")[0].getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_an_animation_is_refused_in_a_sentence(tmp_path, ending):
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:])
    with pytest.raises(images.ImageError, match="is an animation, but a still picture"):
        images.load_with_alpha(tmp_path / f"a.{ending}")


def test_canvas_rounds_clamps_and_previews():
    canvas = images.Canvas(Image.new("RGB", (40, 20), "black"))
    canvas.write(torch.tensor([2.0, 0.5, -1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 6), top=3, left=5)
    assert canvas.levels[3, 5].tolist() == [255, 128, 0]
    assert canvas.levels[:, :, 0].sum() == 255 * 24
    canvas.write_channel(1, torch.full((1, 1, 20, 40), 0.25))
    assert bool((canvas.channel(1) == 64 / 255).all())
    assert canvas.preview(10).size == (10, 5)
    assert canvas.preview(100).size == (40, 20)
    opacity = Image.new("L", (40, 20), 9)
    assert canvas.to_pil(opacity).getpixel((0, 0))[3] == 9


def test_save_png_keeps_alpha_when_asked(tmp_path):
    rgba = Image.new("RGBA", (40, 30), (200, 10, 20, 90))
    for keep, mode in ((True, "RGBA"), (False, "RGB")):
        images.save_png(rgba, tmp_path / "a.png", keep_alpha=keep)
        with Image.open(tmp_path / "a.png") as saved:
            assert saved.mode == mode
