"""The metrics against closed forms, scikit-image, and the package lpips itself."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from cxdemo import images, metrics

# lpips 0.1.4, `LPIPS(net="alex")(x, y, normalize=True)`, run once on torchvision's float32 weights.
GOLDEN_LPIPS = 0.137887


@pytest.fixture(scope="module")
def distance():
    return metrics.load_perceptual_distance()


def pattern():
    """A picture in which red, green and blue differ, (1, 3, 64, 64)."""
    across, down = torch.linspace(0, 1, 64).expand(64, 64), torch.linspace(0, 1, 64)[:, None]
    return torch.stack([across, down.expand(64, 64), (across * down * 20).frac()])[None]


def noisy_pair():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 48, 60)
    return x, (x + 0.1 * torch.randn_like(x)).clamp(0, 1)


# -------------------------------------------------------------------------------------- psnr_y


def test_psnr_of_a_constant_offset_is_its_closed_form():
    x = torch.full((2, 3, 20, 24), 0.5)
    y = x.clone()
    y[0] += 0.1
    y[1, 1] += 0.1  # green alone
    expected = [-20 * math.log10(0.1 * 219 / 255), -20 * math.log10(0.1 * 0.587 * 219 / 255)]
    assert metrics.psnr_y(x, y).tolist() == pytest.approx(expected, abs=1e-3)
    assert metrics.psnr_y(x, x).tolist() == [math.inf, math.inf]


def test_psnr_is_that_of_matlabs_rgb2ycbcr():
    x, y = noisy_pair()

    def luma_of_bytes(image):
        r, g, b = image[0].double().numpy()
        return (16 + 65.481 * r + 128.553 * g + 24.966 * b)[4:-4, 4:-4]

    mse = ((luma_of_bytes(x) - luma_of_bytes(y)) ** 2).mean()
    assert float(metrics.psnr_y(x, y)) == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-3)


def test_psnr_leaves_the_border_out():
    x = torch.rand(1, 3, 20, 20)
    y = x.clone()
    y[:, :, :4] = 0
    y[:, :, :, -4:] = 0
    assert float(metrics.psnr_y(x, y)) == math.inf
    assert float(metrics.psnr_y(x, y, border=3)) < 40


# ---------------------------------------------------------------------------------------- ssim


def test_ssim_is_that_of_scikit_image():
    x, y = noisy_pair()
    a, b = (16 / 255 + 219 / 255 * images.luma(i)[0, 0, 4:-4, 4:-4].numpy() for i in (x, y))
    expected = structural_similarity(
        a.astype(np.float64), b.astype(np.float64), data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert float(metrics.ssim(x, y)) == pytest.approx(float(expected), abs=1e-5)


def test_ssim_of_an_image_with_itself_is_one_and_symmetric():
    x, y = noisy_pair()
    assert metrics.ssim(x, x).tolist() == pytest.approx([1.0], abs=1e-6)
    assert float(metrics.ssim(x, y)) == pytest.approx(float(metrics.ssim(y, x)), abs=1e-6)


def test_ssim_of_two_flat_images_is_its_closed_form():
    x, y = torch.full((1, 3, 40, 40), 0.25), torch.full((1, 3, 40, 40), 0.75)
    a, b = (16 + 0.25 * 219) / 255, (16 + 0.75 * 219) / 255
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert float(metrics.ssim(x, y)) == pytest.approx(expected, abs=1e-5)


# --------------------------------------------------------------------------------------- lpips


def test_lpips_is_that_of_the_authors_package(distance):
    x = pattern()
    assert float(distance(x, x.flip(1))) == pytest.approx(GOLDEN_LPIPS, abs=2e-4)


def test_lpips_of_an_image_with_itself_is_zero_and_a_batch_is_a_loop(distance):
    x, y = noisy_pair()
    assert distance(x, x).tolist() == [0.0]
    together = distance(torch.cat([x, y]), torch.cat([y, y.flip(3)]))
    apart = [float(distance(x, y)), float(distance(y, y.flip(3)))]
    assert together.tolist() == pytest.approx(apart, abs=1e-6)


def test_lpips_minds_a_blur_more_than_a_shift(distance):
    torch.manual_seed(1)
    fine = torch.rand(1, 3, 72, 72).repeat_interleave(2, 2).repeat_interleave(2, 3)
    shifted = fine.roll(1, dims=3)
    blurred = torch.nn.functional.avg_pool2d(fine, 5, 1, 2)
    assert float(metrics.psnr_y(fine, shifted)) < float(metrics.psnr_y(fine, blurred))
    assert float(distance(fine, shifted)) < float(distance(fine, blurred))


# ---------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("metric", [metrics.psnr_y, metrics.ssim])
def test_pairs_that_do_not_fit_are_refused(metric):
    x = torch.rand(1, 3, 40, 40)
    with pytest.raises(ValueError, match="of one shape"):
        metric(x, x[:, :, 1:])
    with pytest.raises(ValueError, match="use a larger image"):
        metric(x[:, :, :8], x[:, :, :8])


def test_lpips_refuses_what_its_network_cannot_take(distance):
    x = torch.rand(1, 3, 31, 64)
    with pytest.raises(ValueError, match="at least 32 pixels, got 64 x 31"):
        distance(x, x)
