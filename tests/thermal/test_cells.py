from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from cosmic.errors import GeometryError
from tests.thermal.outlines import masks, squares
from thermal.cells import adjacency, cell_of_element, islands
from thermal.grid import laplacian


@given(masks(largest=24), st.integers(1, 7))
def test_cells_cover_the_layer_exactly_once(mask: NDArray[np.bool_], side: int) -> None:
    row, col = squares(mask)
    visited = np.concatenate(islands(row, col, side))
    assert np.array_equal(np.sort(visited), np.arange(row.size))


@given(masks(largest=24), st.integers(1, 7))
def test_every_cell_is_connected(mask: NDArray[np.bool_], side: int) -> None:
    row, col = squares(mask)
    for cell in islands(row, col, side):
        assert cell.size == 1 or connected_components(laplacian(row[cell], col[cell]))[0] == 1


@given(masks(largest=24), st.integers(2, 7))
def test_a_cell_below_a_quarter_island_has_no_neighbour(mask: NDArray[np.bool_], side: int) -> None:
    row, col = squares(mask)
    L = laplacian(row, col)
    for cell in islands(row, col, side):
        if cell.size < side * side / 4:
            around = L[cell].indices
            assert set(around.tolist()) <= set(cell.tolist())


@given(masks(largest=24), st.integers(1, 7))
def test_rows_of_a_cell_alternate_in_direction(mask: NDArray[np.bool_], side: int) -> None:
    row, col = squares(mask)
    for cell in islands(row, col, side):
        lines = row[cell] - row[cell].min()
        assert np.all(np.diff(lines) >= 0)
        for line in np.unique(lines):
            along = np.diff(col[cell][lines == line])
            assert np.all(along > 0) if line % 2 == 0 else np.all(along < 0)


def test_a_full_rectangle_is_cut_row_major_into_squares() -> None:
    row, col = squares(np.ones((6, 9), dtype=np.bool_))
    cells = islands(row, col, 3)
    assert [int(cell.size) for cell in cells] == [9] * 6
    assert [(int(row[cell].min()), int(col[cell].min())) for cell in cells] == [
        (0, 0), (0, 3), (0, 6), (3, 0), (3, 3), (3, 6),
    ]  # fmt: skip
    assert col[cells[0]].tolist() == [0, 1, 2, 2, 1, 0, 0, 1, 2]


def test_a_small_piece_joins_the_neighbour_with_the_longest_edge() -> None:
    # Columns 4 to 5 are clipped to a strip of 3 elements: 2 share an edge with the left island, 1 with the lower.
    mask = np.zeros((8, 8), dtype=np.bool_)
    mask[:4, :4] = True
    mask[4:, :4] = True
    mask[1:4, 4] = True  # 3 of 16: below a quarter
    row, col = squares(mask)
    cells = islands(row, col, 4)
    assert [int(cell.size) for cell in cells] == [19, 16]


def test_equal_edges_go_to_the_lowest_number() -> None:
    mask = np.zeros((4, 12), dtype=np.bool_)
    mask[:, :4] = True
    mask[:, 8:] = True
    mask[0, 4:8] = True  # a bridge of 4 is a quarter: it stays
    assert [int(cell.size) for cell in islands(*squares(mask), 4)] == [16, 4, 16]
    mask[:, 3] = mask[:, 8] = False
    mask[0, 3:9] = True
    sizes = [int(cell.size) for cell in islands(*squares(mask), 5)]
    assert sum(sizes) == mask.sum()


def test_an_island_that_falls_apart_becomes_two_cells() -> None:
    mask = np.ones((6, 6), dtype=np.bool_)
    mask[:, 2:4] = False
    cells = islands(*squares(mask), 6)
    assert [int(cell.size) for cell in cells] == [12, 12]


def test_small_pieces_merge_in_chains_until_they_are_large_enough() -> None:
    row, col = squares(np.ones((1, 40), dtype=np.bool_))
    cells = islands(row, col, 8)  # every piece has 8 of 64 elements: below 16
    assert all(cell.size >= 16 for cell in cells)
    assert sum(int(cell.size) for cell in cells) == 40


def test_an_island_of_less_than_one_element_is_refused() -> None:
    with pytest.raises(GeometryError, match="islands of 0 elements"):
        islands(*squares(np.ones((2, 2), dtype=np.bool_)), 0)


@given(masks(largest=16), st.integers(1, 5))
def test_adjacency_counts_the_edges_between_cells(mask: NDArray[np.bool_], side: int) -> None:
    row, col = squares(mask)
    cells = islands(row, col, side)
    touching = adjacency(row, col, cells).toarray()
    cell = cell_of_element(row.size, cells)
    place = {(int(r), int(c)): int(k) for r, c, k in zip(row, col, cell, strict=True)}
    expected = np.zeros_like(touching)
    for (r, c), here in place.items():
        for there in (place.get((r, c + 1)), place.get((r + 1, c))):
            if there is not None and there != here:
                expected[here, there] += 1
                expected[there, here] += 1
    assert np.array_equal(touching, expected)
