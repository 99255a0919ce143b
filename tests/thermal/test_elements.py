from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cosmic.errors import GeometryError
from thermal.elements import grid_over, rasterise


def test_an_element_belongs_to_the_layer_if_its_centre_lies_inside() -> None:
    outline = shapely.box(0, 0, 1.0, 0.6)
    row, col = rasterise(outline, grid_over(outline.bounds, 0.2))
    assert row.dtype == col.dtype == np.int32
    assert row.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert col.tolist() == [0, 1, 2, 3, 4] * 3


def test_rows_ascend_with_y() -> None:
    outline = shapely.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    row, _ = rasterise(outline, grid_over(outline.bounds, 1.0))
    assert np.bincount(row).tolist() == [2, 1]


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=12),
    st.sampled_from([0.5, 0.25, 0.3]),
    st.booleans(),
)
def test_elements_are_those_whose_centres_shapely_finds_inside(
    corners: list[tuple[int, int]], dx: float, rings: bool
) -> None:
    outline = shapely.union_all(
        [shapely.Point(x / 4, y / 4).buffer(1.5, quad_segs=3) for x, y in corners]
        if rings
        else [shapely.box(x / 4, y / 4, x / 4 + 1, y / 4 + 2) for x, y in corners]
    )
    grid = grid_over(outline.bounds, dx)
    row, col = rasterise(outline, grid)
    x = grid.origin_mm[0] + (np.arange(grid.columns) + 0.5) * dx
    y = grid.origin_mm[1] + (np.arange(grid.rows) + 0.5) * dx
    found = np.zeros((grid.rows, grid.columns), dtype=np.bool_)
    found[row, col] = True
    centres = np.meshgrid(x, y)
    far = shapely.distance(outline.boundary, shapely.points(*centres)) > 1e-8
    assert np.array_equal(found[far], shapely.contains_xy(outline, *centres)[far])
    assert not found[~far].any()  # a centre on the very edge is outside


@given(st.floats(1, 20), st.floats(1, 20), st.floats(-50, 50), st.sampled_from([0.2, 0.3, 0.4]))
def test_a_symmetric_outline_gives_symmetric_elements(width: float, height: float, left: float, dx: float) -> None:
    outline = shapely.Polygon([(left, 3), (left + width, 3), (left + width / 2, 3 + height)])
    grid = grid_over(outline.bounds, dx)
    row, col = rasterise(outline, grid)
    here = set(zip(row.tolist(), col.tolist(), strict=True))
    there = {(r, grid.columns - 1 - c) for r, c in here}
    assert len(here ^ there) <= 2 + 0.02 * len(here)  # centres on the very edge may fall either way


def test_the_area_of_elements_is_that_of_the_outline() -> None:
    circle = shapely.Point(0, 0).buffer(20, quad_segs=64)
    row, _ = rasterise(circle, grid_over(circle.bounds, 0.2))
    assert row.size * 0.04 == pytest.approx(circle.area, rel=0.002)


def test_a_grid_without_end_is_refused() -> None:
    with pytest.raises(GeometryError, match="at most 16000000 squares"):
        grid_over((0, 0, 250, 250), 0.01)
