"""Rasterises outlines to elements: an element belongs to the layer if its centre lies inside.

Needs the `cloud` extra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.extra import geometry_library

SQUARES_MAX = 16_000_000
ELEMENTS_MAX = 4_000_000
"""Elements of a layer unless told: 1,600 cm2 at 0.2 mm; a map of it is 16 MB."""

# Corners are rounded to this many digits of an element (0.2 pm at 0.2 mm): whether a centre lies on an edge
# must not depend on the last bit of a sum.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Grid:
    """The squares that all layers of a part share.

    Attributes:
        dx_mm: side of a square.
        origin_mm: x and y of the lower left corner of square (0, 0).
        rows: squares along y.
        columns: squares along x.
    """

    dx_mm: float
    origin_mm: tuple[float, float]
    rows: int
    columns: int

    @property
    def origin_m(self) -> tuple[float, float]:
        """Lower left corner of square (0, 0), m, rounded to a picometre."""
        return round(self.origin_mm[0] / 1e3, 12), round(self.origin_mm[1] / 1e3, 12)


def grid_over(bounds_mm: tuple[float, float, float, float], dx_mm: float) -> Grid:
    """Return the fewest squares that cover a part, centred on it: a symmetric part gets a symmetric grid.

    Args:
        bounds_mm: lowest x and y, highest x and y of the whole part.
        dx_mm: side of a square.

    Raises:
        GeometryError: there would be more than 16 million squares.
    """
    left, bottom, right, top = bounds_mm
    columns = max(1, math.ceil((right - left) / dx_mm - 1e-6))
    rows = max(1, math.ceil((top - bottom) / dx_mm - 1e-6))
    if rows * columns > SQUARES_MAX:
        raise GeometryError(
            f"elements of {dx_mm:g} mm make a grid of {columns} x {rows}",
            where="element",
            why=f"at most {SQUARES_MAX} squares are possible",
            remedy="use larger elements",
        )
    # Rounded to a picometre: sums in another order must not give another part.
    origin = (
        round((left + right) / 2 - columns * dx_mm / 2, 9),
        round((bottom + top) / 2 - rows * dx_mm / 2, 9),
    )
    return Grid(dx_mm, origin, rows, columns)


def rasterise(outline: Any, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return row and column of every element of an outline, int32[n] each, in row-major order.

    A centre on the very edge is outside. Rows of centres are cut with the edges of the outline; between an
    odd and the next crossing lies the inside (even-odd rule, exact for valid polygons with holes).

    Args:
        outline: shapely Polygon or MultiPolygon, valid, mm.
        grid: the squares of the part.
    """
    shapely = geometry_library("shapely")
    corners, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(outline)), return_index=True)
    # Counted in elements, so that the centre of column c and row r is at (c, r).
    corners = np.round((corners - np.asarray(grid.origin_mm)) / grid.dx_mm - 0.5, _DIGITS)
    same = ring[1:] == ring[:-1]
    start, end = corners[:-1][same], corners[1:][same]
    inside = _filled(start, end, grid, top=False)
    if np.any(corners[:, 1] == np.floor(corners[:, 1])):
        inside &= _filled(start, end, grid, top=True)
    row, col = np.nonzero(inside)
    return row.astype(np.int32), col.astype(np.int32)


def _filled(start: NDArray[np.float64], end: NDArray[np.float64], grid: Grid, *, top: bool) -> NDArray[np.bool_]:
    """Return which centres are inside: bool[rows, columns].

    An edge holds its lower end and not its upper one, or the other way round with `top`: the two differ only
    in rows whose centres lie on a corner, and a centre on a horizontal edge is inside in one of them at most.
    """
    upward = start[:, 1] <= end[:, 1]
    low = np.where(upward[:, None], start, end)
    high = np.where(upward[:, None], end, start)
    if top:
        first, last = np.floor(low[:, 1]) + 1, np.floor(high[:, 1])
    else:
        first, last = np.ceil(low[:, 1]), np.ceil(high[:, 1]) - 1
    first, last = np.clip(first, 0, grid.rows).astype(np.int64), np.clip(last, -1, grid.rows - 1).astype(np.int64)
    crossings = np.maximum(0, last - first + 1)
    edge = np.repeat(np.arange(len(low)), crossings)
    row = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(crossings) - crossings, crossings)
    rise = (high - low)[edge]
    at = np.round(low[edge, 0] + (row - low[edge, 1]) * rise[:, 0] / rise[:, 1], _DIGITS)
    order = np.lexsort((at, row))
    row, at = row[order][::2], at[order]
    enters = np.clip(np.floor(at[::2]) + 1, 0, grid.columns).astype(np.int64)
    leaves = np.clip(np.ceil(at[1::2]), 0, grid.columns).astype(np.int64)
    wide = leaves > enters
    change = np.zeros((grid.rows, grid.columns + 1), dtype=np.int32)
    np.add.at(change, (row[wide], enters[wide]), 1)
    np.add.at(change, (row[wide], leaves[wide]), -1)
    return np.cumsum(change, axis=1)[:, :-1] > 0
