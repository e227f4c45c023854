"""Colours with known moments."""

import pytest
import torch

from cxdemo.palette import color_moments, match_colors, palette_distance


def halves():
    """Left black, right red; 4 x 4."""
    image = torch.zeros(1, 3, 4, 4)
    image[:, 0, :, 2:] = 1
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:] = 1
    return image, mask


def test_moments_of_two_colours_are_those_of_a_coin():
    image, _ = halves()
    mean, covariance = color_moments(image)
    assert mean.flatten().tolist() == [0.5, 0, 0]
    assert covariance[0, 0, 0] == 0.25  # of 0 and 1, equally likely
    assert covariance.sum() == 0.25


def test_a_mask_sees_its_own_side_only():
    image, mask = halves()
    mean, covariance = color_moments(image, mask)
    assert mean.flatten().tolist() == [1, 0, 0]
    assert covariance.abs().max() == 0


def test_a_mask_of_ones_is_no_mask():
    image = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    for masked, plain in zip(
        color_moments(image, torch.ones(1, 1, 6, 5)), color_moments(image), strict=True
    ):
        torch.testing.assert_close(masked, plain)


def test_colours_are_taken_from_the_region_of_the_reference():
    generator = torch.Generator().manual_seed(1)
    image = 0.4 + 0.2 * torch.rand(1, 3, 8, 8, generator=generator)
    reference, mask = halves()
    reference[:, 1] = 0.25
    matched = match_colors(image, reference, reference_mask=mask)
    assert matched.mean(dim=(2, 3))[0].tolist() == pytest.approx([1, 0.25, 0], abs=0.01)


def test_the_distance_of_palettes_has_its_closed_form():
    x, y = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    y[:, 0] = 0.3  # the mean moves by 0.3 in one channel of three
    assert float(palette_distance(x, y)) == pytest.approx(3 * 0.09 / 3)
    x[:, 1, :2] = 1.0  # half 1, half 0: variance 1 / 4, mean 1 / 2
    assert float(palette_distance(x, torch.zeros_like(x))) == pytest.approx(
        0.25 + 0.25 / 9, rel=1e-4
    )
