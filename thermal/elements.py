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

    Args:
        outline: shapely Polygon or MultiPolygon, mm.
        grid: the squares of the part.
    """
    shapely = geometry_library("shapely")
    x = grid.origin_mm[0] + (np.arange(grid.columns) + 0.5) * grid.dx_mm
    y = grid.origin_mm[1] + (np.arange(grid.rows) + 0.5) * grid.dx_mm
    shapely.prepare(outline)
    inside = shapely.contains_xy(outline, *np.meshgrid(x, y))
    row, col = np.nonzero(inside)
    return row.astype(np.int32), col.astype(np.int32)
