"""Inputs of many geometries: cells with equal surroundings are computed once, in whatever layer they are.

From layer to layer most of a part stays as it is; so does the heat of most of its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thermal.arrays import with_inputs
from thermal.geometry import CutLayer, Geometry
from thermal.grid import index_grid
from thermal.inputs import inputs, reach
from thermal.process import Process

PATTERNS_HELD = 8192
"""Inputs remembered: some 15 KB each at the defaults."""

CellsDone = Callable[[int, int], None]
"""(cells done, cells in all)."""

_Pattern = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]
"""Row and column of the elements as seen from the lowest row and column of the cell, and kelvin."""


class SharedInputs:
    """Computes the inputs of geometries of one process, and remembers those of every surrounding met.

    The values are those of `thermal.inputs.inputs`, whichever layer they were computed in.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._known: dict[bytes, _Pattern] = {}
        self._reaches: dict[int, int] = {}

    def geometry(self, layer: CutLayer, number: int, progress: CellsDone | None = None) -> Geometry:
        """Return the geometry of a cut layer.

        Args:
            layer: elements and cells.
            number: place of the geometry in the part.
            progress: told after every cell that had to be computed.
        """
        if len(self._known) > PATTERNS_HELD:
            self._known.clear()
        keys = self._surroundings(layer)
        new = {key: cell for key, cell in zip(keys, layer.cells, strict=True) if key not in self._known}
        if new:
            self._learn(layer, new, progress)
        grid = index_grid(layer.row, layer.col)
        starts, places, values = [0], [], []
        g = np.empty(len(layer.cells))
        for place, (key, cell) in enumerate(zip(keys, layer.cells, strict=True)):
            row, col, heat = self._known[key]
            places.append(grid[row + layer.row[cell].min(), col + layer.col[cell].min()])
            values.append(heat)
            starts.append(starts[-1] + heat.size)
            g[place] = float(heat @ heat) - float(heat.sum()) ** 2 / layer.elements
        f = csr_array(
            (np.concatenate(values), np.concatenate(places), np.asarray(starts)),
            shape=(len(layer.cells), layer.elements),
        )
        return with_inputs(layer, number, f, g)

    def _learn(self, layer: CutLayer, new: dict[bytes, NDArray[np.int32]], progress: CellsDone | None) -> None:
        f, _ = inputs(layer.row, layer.col, list(new.values()), self._process, progress)
        for place, (key, cell) in enumerate(new.items()):
            span = slice(int(f.indptr[place]), int(f.indptr[place + 1]))
            elements = f.indices[span]
            self._known[key] = (
                layer.row[elements] - layer.row[cell].min(),
                layer.col[elements] - layer.col[cell].min(),
                f.data[span].copy(),
            )

    def _surroundings(self, layer: CutLayer) -> list[bytes]:
        """Return for every cell what decides its input: its visits, and the elements in its reach."""
        margins = [self._reach(cell.size) for cell in layer.cells]
        most = max(margins)
        mask = np.pad(index_grid(layer.row, layer.col) >= 0, most)
        keys = []
        for cell, margin in zip(layer.cells, margins, strict=True):
            rows, cols = layer.row[cell], layer.col[cell]
            top, left = int(rows.min()), int(cols.min())
            around = mask[
                top + most - margin : int(rows.max()) + most + margin + 1,
                left + most - margin : int(cols.max()) + most + margin + 1,
            ]
            shape: Sequence[int] = around.shape
            keys.append(
                np.array(shape, dtype=np.int64).tobytes()
                + np.packbits(around).tobytes()
                + (rows - top).tobytes()
                + (cols - left).tobytes()
            )
        return keys

    def _reach(self, length: int) -> int:
        known = self._reaches.get(length)
        if known is None:
            known = self._reaches[length] = reach(length, self._process) + 1
        return known
