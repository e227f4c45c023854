"""Places and cells."""

from cxdemo.grids import box_of, cell_at


def test_places_fall_into_cells():
    grid = (3, 5)
    assert cell_at(0, 0, grid) == (0, 0)
    assert cell_at(1, 1, grid) == (2, 4)
    assert cell_at(0.999, 0.34, grid) == (1, 4)
    assert cell_at(0.2, 0.32, grid) == (0, 1)
    assert cell_at(-0.1, 1.1, grid) == (2, 0)


def test_the_middle_of_a_cell_s_box_lies_in_it():
    grid = (3, 5)
    for index in range(15):
        left, top, right, bottom = box_of(index, grid)
        assert cell_at((left + right) / 2, (top + bottom) / 2, grid) == divmod(index, 5)
        assert round((right - left) * 5, 9) == round((bottom - top) * 3, 9) == 1
