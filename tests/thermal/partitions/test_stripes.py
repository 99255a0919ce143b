from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from cosmic.errors import GeometryError
from tests.thermal.outlines import masks, squares
from thermal.cells import adjacency
from thermal.grid import laplacian
from thermal.partitions import stripes

ANGLES = st.one_of(st.sampled_from([0.0, 45.0, 67.0, 90.0, 135.0]), st.floats(-720, 720))


@given(masks(largest=24), st.floats(1, 9), ANGLES, st.one_of(st.none(), st.floats(1, 9)))
def test_stripes_cover_the_layer_exactly_once_and_are_connected(
    mask: NDArray[np.bool_], width: float, angle: float, length: float | None
) -> None:
    row, col = squares(mask)
    cells = stripes(row, col, width, angle, length=length)
    assert np.array_equal(np.sort(np.concatenate(cells)), np.arange(row.size))
    for cell in cells:
        assert cell.size == 1 or connected_components(laplacian(row[cell], col[cell]))[0] == 1


@given(masks(largest=24), st.integers(1, 7), st.floats(-90, 90))
def test_opposite_directions_are_the_same_stripes(mask: NDArray[np.bool_], width: int, angle: float) -> None:
    row, col = squares(mask)
    angle = round(angle, 3)
    one, other = stripes(row, col, width, angle), stripes(row, col, width, angle + 180.0)
    assert [cell.tolist() for cell in one] == [cell.tolist() for cell in other]


def test_stripes_along_x_are_rows_of_the_grid_hatched_across() -> None:
    row, col = squares(np.ones((6, 9), dtype=np.bool_))
    cells = stripes(row, col, 2)
    assert [np.unique(row[cell]).tolist() for cell in cells] == [[0, 1], [2, 3], [4, 5]]
    assert col[cells[0]].tolist() == [c for c in range(9) for _ in range(2)]  # column after column along the stripe
    assert row[cells[0]].tolist()[:6] == [0, 1, 1, 0, 0, 1]  # back and forth


def test_stripes_along_y_are_columns_of_the_grid() -> None:
    row, col = squares(np.ones((6, 9), dtype=np.bool_))
    cells = stripes(row, col, 3, 90.0)
    assert sorted(np.unique(col[cell]).tolist() for cell in cells) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert row[cells[0]].tolist()[:6] == [0, 0, 0, 1, 1, 1]


def test_a_length_cuts_stripes_into_pieces() -> None:
    row, col = squares(np.ones((4, 12), dtype=np.bool_))
    assert [cell.size for cell in stripes(row, col, 4, length=4)] == [16, 16, 16]


@given(masks(largest=20), st.floats(2, 6), ANGLES)
def test_a_piece_below_a_quarter_of_the_width_squared_has_no_neighbour(
    mask: NDArray[np.bool_], width: float, angle: float
) -> None:
    row, col = squares(mask)
    cells = stripes(row, col, width, angle)
    touching = adjacency(row, col, cells)
    for number, cell in enumerate(cells):
        if cell.size < width * width / 4:
            assert touching[[number]].nnz == 0


@pytest.mark.parametrize("sizes", [{"width": 0.5}, {"width": 3, "length": 0.9}, {"width": float("nan")}])
def test_a_stripe_of_less_than_one_element_is_refused(sizes: dict[str, float]) -> None:
    with pytest.raises(GeometryError, match="elements are not possible"):
        stripes(*squares(np.ones((3, 3), dtype=np.bool_)), **sizes)
