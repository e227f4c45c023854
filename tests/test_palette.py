"""Colours with known moments."""

import pytest
import torch

from cxdemo.palette import (
    color_emd,
    color_moments,
    match_colors,
    match_palette,
    palette_distance,
    smooth_chroma,
)


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


def test_the_emd_of_colours_is_the_worse_of_two_mean_distances_to_the_nearest():
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0]]).T[None, :, None]
    y = torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0.5, 0], [0, 0.5, 0]]).T[None, :, None]
    # From x: 0 and 1. From y: twice 0, twice 0.5. The worse mean is 0.5.
    assert float(color_emd(x, y)) == pytest.approx(0.5)
    assert float(color_emd(y, x)) == pytest.approx(0.5)
    shuffled = y[..., torch.randperm(4)]
    assert float(color_emd(y, shuffled)) == 0


def test_smoothed_chroma_keeps_grey_and_edges_and_loses_speckle():
    generator = torch.Generator().manual_seed(0)
    grey = torch.rand(1, 1, 32, 32, generator=generator).expand(1, 3, 32, 32)
    torch.testing.assert_close(smooth_chroma(grey), grey)

    step = torch.zeros(1, 3, 32, 32)
    step[:, 0, :, 16:], step[:, 2, :, :16] = 0.9, 0.4  # red beside dark blue: luma differs
    torch.testing.assert_close(smooth_chroma(step), step, atol=0.03, rtol=0)

    flat = torch.full((1, 3, 32, 32), 0.5)
    noise = 0.05 * torch.randn(1, 3, 32, 32, generator=generator)
    noise = noise - noise.mean(dim=1, keepdim=True)
    speckled = flat + noise
    smooth = smooth_chroma(speckled)
    torch.testing.assert_close(smooth.mean(1), speckled.mean(1))
    assert (smooth - flat).std() < 0.3 * noise.std()


def test_tones_that_the_reference_lacks_become_those_that_it_has():
    """A grey ramp in the palette of ink on paper: its middle becomes paper, its end stays ink."""
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 96, 96)
    paper = torch.tensor([0.9, 0.8, 0.6])[:, None, None]
    printed = paper.expand(3, 64, 64).clone()[None]
    printed[..., :16] = 0.1  # ink, a quarter of it

    def share_of_its_tones(image):
        ink, sheet = ((image - tone).abs().amax(dim=1) for tone in (0.1, paper))
        return float((torch.minimum(ink, sheet) < 0.15).float().mean())

    matched = match_palette(ramp, printed)
    assert share_of_its_tones(matched) > 0.6
    assert share_of_its_tones(match_colors(ramp, printed)) < 0.45  # mean and covariance alone
    middle = matched[0, :, 48, 36:60].mean(dim=1)
    assert middle.tolist() == pytest.approx(paper.flatten().tolist(), abs=0.05)


def test_a_picture_keeps_its_own_palette():
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(match_palette(image, image), image, atol=0.02, rtol=0)
