"""A layer for the page to draw: its cells on the grid, and the map it starts from. Numbers, not pixels.

The page colours them itself: it can then show kelvin under the pointer, and the agent has nothing to draw.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.http.state import GeometryImage, MapImage
from thermal.geometry import Geometry

STEP_K = 0.1
"""Kelvin of one count: finer than any camera."""


def geometry_image(geometry: Geometry) -> bytes:
    """Return the JSON of a geometry's cells on its grid."""
    rows, columns = (int(axis.max()) + 1 for axis in (geometry.row, geometry.col))
    cell_of_element = np.zeros(geometry.elements, dtype="<u4")
    for number, cell in enumerate(geometry.cells):
        cell_of_element[cell] = number + 1
    grid = np.zeros((rows, columns), dtype="<u4")
    grid[geometry.row, geometry.col] = cell_of_element
    return msgspec.json.encode(
        GeometryImage(
            geometry=geometry.number,
            rows=rows,
            columns=columns,
            dx_mm=geometry.dx_m * 1e3,
            cells=len(geometry.cells),
            cell_of=grid.tobytes(),
        )
    )


def map_image(layer: int, version: int, map_from: str, map_K: NDArray[np.float32]) -> bytes:
    """Return the JSON of a map, float32[n] in kelvin, in steps of 0.1 K."""
    counts = np.clip(np.rint(map_K / STEP_K), 0, 65535).astype("<u2")
    image = MapImage(layer=layer, map_version=version, map_from=map_from, step_K=STEP_K, counts=counts.tobytes())
    return msgspec.json.encode(image)
