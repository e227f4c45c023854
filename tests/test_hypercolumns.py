"""Hypercolumns: where they are read, and what their projection keeps."""

import numpy as np
import pytest
import torch

from cxdemo.hypercolumns import Hypercolumns, cell_grid, fit_hypercolumns, moved_grid, read_at


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("height", "width", "count"), [(64, 64, 256), (100, 300, 1000)])
def test_a_grid_has_square_cells_and_about_as_many_as_were_asked_for(height, width, count):
    grid = moved_grid(height, width, count, generator())
    assert 0.85 * count < len(grid) < 1.15 * count
    x, y = (grid * torch.tensor([width, height])).unbind(1)
    across, down = torch.unique(x.round(decimals=3)), torch.unique(y.round(decimals=3))
    torch.testing.assert_close(across.diff().mean(), down.diff().mean(), rtol=1e-3, atol=0)
    assert len(grid) == len(across) * len(down)


def test_a_grid_moves_by_less_than_a_cell_and_reaches_every_place():
    draw = generator(1)
    grids = torch.cat([moved_grid(32, 32, 64, draw) for _ in range(400)])
    assert grids.min() >= 0
    assert grids.max() < 1
    counts, _, _ = np.histogram2d(*grids.T.numpy(), bins=8, range=[[0, 1], [0, 1]])
    assert counts.min() > 0.8 * counts.mean()


def test_a_grid_stays_within_its_box():
    grid = moved_grid(50, 200, 100, generator(), box=(0.5, 0.2, 0.75, 0.8))
    assert 0.5 <= grid[:, 0].min() < grid[:, 0].max() <= 0.75
    assert 0.2 <= grid[:, 1].min() < grid[:, 1].max() <= 0.8


def test_a_map_read_at_its_cells_is_itself_and_between_them_their_mean():
    features = torch.rand(1, 5, 3, 4, generator=generator())
    torch.testing.assert_close(read_at(features, cell_grid(3, 4))[0, :, 0], features[0].flatten(1))
    between = torch.tensor([[0.5, 0.5 / 3]])  # top row, between the second and the third column
    torch.testing.assert_close(
        read_at(features, between)[0, :, 0, 0], features[0, :, 0, 1:3].mean(1)
    )


def random_maps(seed=0):
    draw = generator(seed)
    return {
        "shallow": 100 * torch.randn(1, 3, 16, 16, generator=draw) + 7,
        "deep": torch.randn(1, 6, 4, 4, generator=draw) - 2,
    }


def fitted(dimensions) -> tuple[Hypercolumns, dict, torch.Tensor]:
    maps, grid = random_maps(), cell_grid(16, 16)
    return fit_hypercolumns([maps], list(maps), [grid], dimensions=dimensions), maps, grid


def test_layers_weigh_alike_whatever_their_scale():
    columns, maps, grid = fitted(9)
    for name in maps:
        alone = Hypercolumns(columns.means, {name: columns.projections[name]})
        power = alone.read(maps, grid)[0, :, 0].square().sum(0).mean()
        torch.testing.assert_close(power, torch.tensor(1.0))


def test_a_full_projection_keeps_every_distance():
    columns, maps, grid = fitted(9)
    read = columns.read(maps, grid)[0, :, 0].T
    plain = torch.cat(
        [
            (part - part.mean(1, keepdim=True))
            / (part - part.mean(1, keepdim=True)).square().sum(0).mean().sqrt()
            for part in (read_at(m, grid)[0, :, 0] for m in maps.values())
        ]
    ).T
    torch.testing.assert_close(
        torch.cdist(read, read), torch.cdist(plain, plain), atol=2e-3, rtol=0
    )


def test_a_projection_keeps_the_largest_variances():
    full, maps, grid = fitted(9)
    few, _, _ = fitted(4)
    spectrum = np.linalg.eigvalsh(np.cov(full.read(maps, grid)[0, :, 0].numpy(), bias=True))
    kept = few.read(maps, grid)[0, :, 0].var(dim=1, unbiased=False).sum()
    assert float(kept) == pytest.approx(spectrum[-4:].sum(), rel=1e-4)
