"""A layer for a page to draw: its cells on the grid, and the map it starts from. Numbers, not pixels.

The page colours them itself: it can then show kelvin under the pointer, and the server has nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

STEP_K = 0.1
"""Kelvin of one count: finer than any camera."""


class GeometryImage(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of a layer geometry on its grid."""

    geometry: int
    rows: int
    columns: int
    dx_mm: float
    cells: int
    cell_of: bytes
    """Base64 of uint32 (little-endian) [rows * columns], lowest y first: 1 + the cell, 0 without an element."""


class MapImage(msgspec.Struct, frozen=True, kw_only=True):
    """The map that a layer starts from."""

    layer: int
    map_version: int
    map_from: str
    step_K: float
    """Kelvin of one count."""
    counts: bytes
    """Base64 of uint16 (little-endian) [elements], in row-major order of the grid."""


def geometry_image(
    number: int,
    dx_m: float,
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    cells: Sequence[NDArray[np.int32]],
) -> bytes:
    """Return the JSON of the cells of geometry `number` on its grid.

    dx_m: side of an element, m.
    row, col: int32[n], grid row and column of every element, in row-major order.
    cells: for every cell int32[n_c], its elements.
    """
    rows, columns = (int(axis.max()) + 1 for axis in (row, col))
    cell_of_element = np.zeros(row.size, dtype="<u4")
    for place, cell in enumerate(cells):
        cell_of_element[cell] = place + 1
    grid = np.zeros((rows, columns), dtype="<u4")
    grid[row, col] = cell_of_element
    return msgspec.json.encode(
        GeometryImage(
            geometry=number,
            rows=rows,
            columns=columns,
            dx_mm=dx_m * 1e3,
            cells=len(cells),
            cell_of=grid.tobytes(),
        )
    )


def map_image(layer: int, version: int, map_from: str, map_K: NDArray[np.float32]) -> bytes:
    """Return the JSON of a map, float32[n] in kelvin, in steps of 0.1 K."""
    counts = np.clip(np.rint(map_K / STEP_K), 0, 65535).astype("<u2")
    image = MapImage(layer=layer, map_version=version, map_from=map_from, step_K=STEP_K, counts=counts.tobytes())
    return msgspec.json.encode(image)
