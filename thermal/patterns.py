"""Inputs of cells on disk: cells with equal surroundings share one pattern of kelvin around the cell.

A layer of 1,300 islands has some hundred distinct inputs: its file is a few megabytes instead of twenty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thermal.geometry import CutLayer, Geometry
from thermal.grid import index_grid

PATTERN_LAYOUT: dict[str, type[np.generic]] = {
    "pattern_of": np.int32,
    "pattern_starts": np.int64,
    "pattern_row": np.int16,
    "pattern_col": np.int16,
    "pattern_K": np.float64,
}


def patterns(geometry: Geometry) -> dict[str, NDArray[Any]]:
    """Return the inputs of a geometry as shared patterns, without any loss.

    Returns:
        pattern_of int32[cells], the pattern of each cell; pattern_starts int64[patterns + 1]; and for every
        value of all patterns pattern_row and pattern_col int16, the element as seen from the first element
        that the laser visits in the cell, and pattern_K float64, kelvin.
    """
    inputs = geometry.inputs
    known: dict[bytes, int] = {}
    pattern_of = np.empty(len(geometry.cells), dtype=np.int32)
    starts, rows, cols, values = [0], [], [], []
    for number, cell in enumerate(geometry.cells):
        span = slice(int(inputs.indptr[number]), int(inputs.indptr[number + 1]))
        places = inputs.indices[span]
        row = (geometry.row[places] - geometry.row[cell[0]]).astype(np.int16)
        col = (geometry.col[places] - geometry.col[cell[0]]).astype(np.int16)
        heat = inputs.data[span]
        key = row.tobytes() + col.tobytes() + heat.tobytes()
        if key not in known:
            known[key] = len(known)
            rows.append(row)
            cols.append(col)
            values.append(heat)
            starts.append(starts[-1] + heat.size)
        pattern_of[number] = known[key]
    return {
        "pattern_of": pattern_of,
        "pattern_starts": np.asarray(starts, dtype=np.int64),
        "pattern_row": np.concatenate(rows),
        "pattern_col": np.concatenate(cols),
        "pattern_K": np.concatenate(values),
    }


def expand(layer: CutLayer, arrays: dict[str, NDArray[Any]]) -> csr_array[np.float64]:
    """Return the inputs of all cells from their patterns: csr float64[cells, n], indices ascending.

    Raises:
        ValueError: the patterns contradict each other or the layer.
    """
    of, starts = arrays["pattern_of"], arrays["pattern_starts"]
    rows, cols, heat = arrays["pattern_row"], arrays["pattern_col"], arrays["pattern_K"]
    sizes = np.diff(starts)
    if not (
        of.size == len(layer.cells)
        and starts.size >= 2
        and int(starts[0]) == 0
        and int(starts[-1]) == rows.size == cols.size == heat.size
        and bool(np.all(sizes >= 0))
        and bool(np.all((of >= 0) & (of < sizes.size)))
        and bool(np.isfinite(heat).all())
    ):
        raise ValueError("its patterns differ in length")
    count = sizes[of]
    ends = np.cumsum(count)
    source = np.repeat(starts[of] - (ends - count), count) + np.arange(int(ends[-1]))
    first = np.array([cell[0] for cell in layer.cells])
    row = np.repeat(layer.row[first], count) + rows[source]
    col = np.repeat(layer.col[first], count) + cols[source]
    grid = index_grid(layer.row, layer.col)
    if np.any((row < 0) | (col < 0) | (row >= grid.shape[0]) | (col >= grid.shape[1])):
        raise ValueError("a pattern leaves the layer")
    places = grid[row, col]
    inside_cell = np.repeat(np.arange(of.size), count)
    if np.any(places < 0) or np.any((np.diff(places) <= 0) & (np.diff(inside_cell) == 0)):
        raise ValueError("a pattern leaves the layer")
    indptr = np.concatenate(([0], ends))
    return csr_array((heat[source], places, indptr), shape=(of.size, layer.row.size))
