"""Networks: what they start as, how far they see, what the shipped one can do."""

import pytest
import torch
from PIL import Image
from torch import nn

from cxdemo import images
from cxdemo.checkpoints import FOLDER, load_state_dict
from cxdemo.metrics import psnr_y
from cxdemo.networks import (
    CascadedRefinement,
    PatchDiscriminator,
    Upscaler,
    compact_upscaler,
    srresnet,
    start_without_grid,
    upscale_bicubic,
)

EXAMPLES = FOLDER.parent / "cxdemo" / "examples"


def small_upscaler(**changes) -> Upscaler:
    options = {
        "channels": 6,
        "num_blocks": 1,
        "edge_kernel": 3,
        "tail_channels": 4,
        "batch_norm": False,
    }
    return Upscaler(**{**options, **changes})


def randomize(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.mark.parametrize("build", [compact_upscaler, srresnet])
def test_an_untrained_upscaler_is_pillows_bicubic_interpolation(build):
    torch.manual_seed(0)
    levels = (torch.rand(1, 3, 9, 13) * 255).round()
    network = build().eval()
    with torch.no_grad():
        upscaled = network(levels / 255)
    assert upscaled.shape == (1, 3, 36, 52)
    for channel in range(3):
        plane = Image.fromarray(levels[0, channel].numpy())  # mode F: no rounding, no clipping
        expected = plane.resize((52, 36), Image.Resampling.BICUBIC)
        difference = upscaled[0, channel] * 255 - torch.tensor(
            list(expected.get_flattened_data())
        ).view(36, 52)
        assert difference.abs().max() < 1e-3


@pytest.mark.parametrize(
    ("options", "radius"),
    [({}, 6), ({"num_blocks": 2}, 8), ({"edge_kernel": 9}, 9), ({"num_blocks": 0}, 4)],
)
def test_the_receptive_field_is_the_farthest_pixel_that_counts(options, radius):
    network = randomize(small_upscaler(**options))
    assert network.receptive_field == radius
    low_res = torch.rand(1, 3, 31, 31)
    changed = low_res.clone()
    changed[..., 15, 15] += 0.5
    with torch.no_grad():
        moved = (network(changed) - network(low_res)).abs().amax(dim=(0, 1))  # (124, 124)
    rows = moved.amax(dim=1).nonzero().flatten() // 4
    assert int(rows.max()) - 15 == radius
    assert 15 - int(rows.min()) == radius


def test_the_compact_upscaler_has_the_size_that_its_docstring_says():
    network = compact_upscaler()
    assert sum(p.numel() for p in network.parameters()) == 398_844
    assert network.receptive_field == 20
    assert network.scale == 4


def test_a_shuffle_after_the_start_without_grid_is_a_nearest_neighbour_enlargement():
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    start_without_grid(convolution, factor=2)
    shuffled = nn.PixelShuffle(2)(convolution(torch.rand(1, 3, 5, 5)))  # (1, 2, 10, 10)
    blocks = nn.functional.pixel_unshuffle(shuffled, 2).view(1, 2, 4, 5, 5)
    assert torch.equal(blocks, blocks[:, :, :1].expand_as(blocks))
    assert blocks.std() > 0.05


def test_the_skip_keeps_constants_and_ramps():
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    enlarged = upscale_bicubic(ramp, 4)
    expected = (torch.arange(32.0) + 0.5) / 4 - 0.5
    assert torch.allclose(enlarged[0, 0, 16, 8:24], expected[8:24], atol=1e-5)


def test_srresnet_has_sixteen_blocks_that_normalise():
    network = srresnet()
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 32
    assert network.receptive_field == 4 + 34 + 1


def test_the_discriminator_scores_patches_and_is_bounded_by_its_spectral_norms():
    torch.manual_seed(0)
    network = PatchDiscriminator(channels=4).eval()
    image = torch.rand(2, 3, 64, 64)
    scores = network(image)
    assert scores.shape == (2, 1, 8, 8)
    changed = image.clone()
    changed[..., 32, 32] += 0.5
    touched = (network(changed) - scores).abs().amax(dim=(0, 1)).nonzero()
    # The patches that hold a pixel of 38 x 38 with a stride of 8: at most 5 by 5.
    assert int((touched.amax(dim=0) - touched.amin(dim=0)).max()) + 1 <= 5


@pytest.mark.parametrize("name", ["photo_parrot.jpg", "photo_coffee.jpg"])
def test_the_network_of_the_squared_error_beats_bicubic_on_photos_it_never_saw(name):
    truth = images.to_tensor(images.load(EXAMPLES / name))
    height, width = (min(side, 256) // 4 * 4 for side in truth.shape[2:])
    truth = truth[:, :, :height, :width]
    low_res = images.shrink(truth)
    network = compact_upscaler()
    network.load_state_dict(load_state_dict("sr-mse").state_dict)
    with torch.no_grad():
        upscaled = network(low_res).clamp(0, 1)
    gain = psnr_y(upscaled, truth) - psnr_y(upscale_bicubic(low_res, 4).clamp(0, 1), truth)
    assert float(gain) > 0.8


def test_the_cascade_starts_as_the_identity_up_to_its_clamp():
    image = torch.rand(2, 3, 32, 48)
    torch.testing.assert_close(
        CascadedRefinement((8, 8, 8))(image), image.clamp(1e-3, 1 - 1e-3), atol=1e-6, rtol=0
    )


def test_every_pixel_of_the_cascade_sees_the_whole_image():
    torch.manual_seed(0)
    network = CascadedRefinement((8, 8, 8, 8)).double()
    torch.nn.init.normal_(network.last.weight)
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    changed = image.clone()
    changed[..., 0, 0] = 1 - changed[..., 0, 0]
    corner = (network(changed) - network(image))[..., -1, -1]
    assert corner.abs().max() > 1e-9


def test_the_cascade_draws_each_image_of_a_batch_by_itself():
    torch.manual_seed(0)
    network = CascadedRefinement((8, 8)).double()
    torch.nn.init.normal_(network.last.weight)
    batch = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    singles = torch.cat([network(image[None]) for image in batch])
    torch.testing.assert_close(network(batch), singles, atol=1e-12, rtol=0)
