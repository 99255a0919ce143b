from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from tests.thermal.buildfiles import filled
from thermal.elements import Grid, grid_over
from thermal.partitions.hatches import cells_of_hatches, coverage, outline_of_hatches, spacing_mm

DX = 0.2


def group(left: float, bottom: float, width: float, height: float, step: float = 0.1) -> NDArray[np.float64]:
    return np.array(filled(left, bottom, width, height, step))


def full(width: float, height: float) -> tuple[NDArray[np.int32], NDArray[np.int32], Grid]:
    grid = grid_over((0, 0, width, height), DX)
    row, col = np.nonzero(np.ones((grid.rows, grid.columns)))
    return row.astype(np.int32), col.astype(np.int32), grid


def test_the_distance_of_hatches_is_found_in_any_direction() -> None:
    lines = group(0, 0, 4, 2, 0.08)
    assert spacing_mm(lines, 1.0) == pytest.approx(0.08)
    turn = np.deg2rad(37)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert spacing_mm((lines.reshape(-1, 2) @ matrix).reshape(-1, 4), 1.0) == pytest.approx(0.08)
    assert spacing_mm(lines[:1], 0.2) == 0.2


@given(st.floats(0.05, 0.4), st.floats(0, 180))
def test_the_area_that_a_group_covers_is_that_of_its_hatches(step: float, angle: float) -> None:
    lines = group(-2, -1, 4, 2, step)
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned = (lines.reshape(-1, 2) @ matrix).reshape(-1, 4)
    covered = coverage([turned], grid_over((-4, -4, 4, 4), DX), "layer")
    assert covered.sum() * DX**2 == pytest.approx(len(lines) * 4 * step, rel=1e-6)


@pytest.mark.parametrize("step", [0.05, 0.1, 0.2, 0.4])
def test_each_group_is_a_cell_in_the_order_of_the_file(step: float) -> None:
    row, col, grid = full(8, 4)
    groups = [group(4, 0, 4, 4, step), group(0, 0, 4, 4, step)]
    cells = cells_of_hatches(row, col, groups, grid)
    assert [cell.size for cell in cells] == [400, 400]
    assert col[cells[0]].min() == 20
    assert col[cells[1]].max() == 19
    assert col[cells[0]].tolist()[:20] == list(range(20, 40))  # along x, as the hatches


def test_upright_hatches_are_scanned_column_by_column() -> None:
    row, col, grid = full(4, 4)
    (cell,) = cells_of_hatches(row, col, [group(0, 0, 4, 4)[:, [1, 0, 3, 2]]], grid)
    assert row[cell].tolist()[:20] == list(range(20))


def test_an_outline_is_what_hatches_cover_for_at_least_half() -> None:
    grid = grid_over((0, 0, 10, 10), DX)
    row, col = outline_of_hatches([group(1, 2, 4, 3), group(5, 2, 2, 3)], grid, "layer")
    assert row.size == round(6 * 3 / DX**2)
    assert (row.min(), row.max(), col.min(), col.max()) == (10, 24, 5, 34)


def test_gaps_at_contours_join_their_neighbours() -> None:
    row, col, grid = full(8, 4)
    groups = [group(0.1, 0.1, 3.9, 3.8), group(4, 0.1, 3.9, 3.8)]
    cells = cells_of_hatches(row, col, groups, grid)
    assert sum(cell.size for cell in cells) == row.size
    assert len(cells) == 2


def test_groups_that_overlap_are_refused() -> None:
    row, col, grid = full(8, 4)
    with pytest.raises(GeometryError, match=r"hatch groups 0 and 1 both cover \d+ elements"):
        cells_of_hatches(row, col, [group(0, 0, 5, 4), group(4, 0, 4, 4)], grid, "layer 3")
    # Islands that overlap by half an element are what machines do.
    assert len(cells_of_hatches(row, col, [group(0, 0, 4.1, 4), group(4, 0, 4, 4)], grid)) == 2


def test_a_group_in_pieces_is_refused() -> None:
    row, col, grid = full(9, 3)
    pieces = np.concatenate((group(0, 0, 3, 3), group(6, 0, 3, 3)))
    with pytest.raises(GeometryError, match="hatch group 0 is in 2 pieces") as refused:
        cells_of_hatches(row, col, [pieces, group(3, 0, 3, 3)], grid, "layer 3")
    assert refused.value.where == "layer 3"
    assert "a group for every piece" in refused.value.remedy


def test_a_layer_left_open_is_refused() -> None:
    row, col, grid = full(8, 4)
    with pytest.raises(GeometryError, match="leave 400 of 800 elements open"):
        cells_of_hatches(row, col, [group(0, 0, 4, 4)], grid)
    with pytest.raises(GeometryError, match="no hatches to take as cells"):
        cells_of_hatches(row, col, [], grid)


def test_hatches_without_end_are_refused() -> None:
    row, col, grid = full(8, 4)
    far = np.array([[0, 0, 1e9, 0], [0, 0.1, 1e9, 0.1]])
    with pytest.raises(GeometryError, match="at most 64000000 sample points"):
        cells_of_hatches(row, col, [far], grid)


@given(st.lists(st.tuples(*[st.floats(-1, 9) for _ in range(4)]), min_size=1, max_size=12), st.integers(1, 4))
def test_any_hatches_make_cells_or_are_refused(lines: list[tuple[float, ...]], parts: int) -> None:
    row, col, grid = full(8, 4)
    groups = [np.array(lines[start::parts]) for start in range(min(parts, len(lines)))]
    try:
        cells = cells_of_hatches(row, col, groups, grid)
    except GeometryError:
        return
    assert np.array_equal(np.sort(np.concatenate(cells)), np.arange(row.size))
