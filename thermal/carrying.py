"""Values of one layer geometry on the elements of another: where they overlap on the build plate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermal.geometry import Geometry


def carry_over(below: Geometry, above: Geometry, values: NDArray[np.floating], fill: float) -> NDArray[np.float64]:
    """Return `values` of the elements of `below` on those of `above`: float64[n of above].

    Args:
        below: where the values are known; both geometries are of one part, hence on one grid.
        above: where they are wanted.
        values: [n of below].
        fill: what stands where nothing lies below.
    """
    if above.number == below.number:
        return np.asarray(values, dtype=np.float64)
    shift = [round((b - a) / below.dx_m) for a, b in zip(below.origin_m, above.origin_m, strict=True)]
    row, col = above.row.astype(np.int64) + shift[1], above.col.astype(np.int64) + shift[0]
    known = np.full((int(below.row.max()) + 1, int(below.col.max()) + 1), fill, dtype=np.float64)
    known[below.row, below.col] = values
    inside = (row >= 0) & (row < known.shape[0]) & (col >= 0) & (col < known.shape[1])
    found = np.full(above.elements, fill, dtype=np.float64)
    found[inside] = known[row[inside], col[inside]]
    return found
