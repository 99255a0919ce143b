"""A layer geometry: the elements of one distinct outline, its cells, and the input of each cell.

Values only. How they come about is in elements.py, partitions/ and inputs.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thermal.cells import adjacency
from thermal.process import Process


@dataclass(frozen=True, slots=True, eq=False)
class CutLayer:
    """A distinct outline cut into cells, before its inputs are known.

    Attributes:
        dx_m: side of an element, m.
        origin_m: x and y of the lower left corner of grid square (0, 0) in the part's frame, m.
        row: int32[n], grid row of every element, ascending with y; elements are in row-major order.
        col: int32[n], grid column of every element, ascending with x.
        cells: for every cell int32[n_c], its elements in the order in which the laser visits them.
    """

    dx_m: float
    origin_m: tuple[float, float]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    cells: tuple[NDArray[np.int32], ...]

    @property
    def elements(self) -> int:
        """Number of elements of the layer (n)."""
        return int(self.row.size)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Elements of every cell (n_c): int64[cells]."""
        return np.array([cell.size for cell in self.cells], dtype=np.int64)

    def digest(self) -> str:
        """Return the SHA-256, hex, of the elements and of the cells in visiting order."""
        known = hashlib.sha256()
        for array in (self.row, self.col, self.lengths, np.concatenate(self.cells)):
            known.update(array.size.to_bytes(8, "little"))
            known.update(np.ascontiguousarray(array).tobytes())
        return known.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """What all layers of one outline and one cut share. Arrays are read-only.

    Attributes:
        number: place among the part's geometries, from 0.
        dx_m: side of an element, m.
        origin_m: x and y of the lower left corner of grid square (0, 0) in the part's frame, m.
        row: int32[n], grid row of every element, ascending with y; elements are in row-major order.
        col: int32[n], grid column of every element, ascending with x.
        cells: for every cell int32[n_c], its elements in the order in which the laser visits them.
        lengths: int64[cells], elements of every cell (n_c).
        inputs: csr float64[cells, n], row c is f_c: kelvin that scanning cell c adds by the window's end.
        g: float64[cells], `f_c' C f_c`, K2.
    """

    number: int
    dx_m: float
    origin_m: tuple[float, float]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    cells: tuple[NDArray[np.int32], ...]
    lengths: NDArray[np.int64]
    inputs: csr_array[np.float64]
    g: NDArray[np.float64]

    @property
    def elements(self) -> int:
        """Number of elements of the layer (n)."""
        return int(self.row.size)

    @property
    def distinct_lengths(self) -> tuple[int, ...]:
        """Cell lengths that occur, ascending: one operator each."""
        return tuple(int(length) for length in np.unique(self.lengths))

    @property
    def area_m2(self) -> float:
        """Area that the elements cover, m2."""
        return self.elements * self.dx_m**2

    @property
    def bytes(self) -> int:
        """Memory that the arrays take."""
        inputs = self.inputs
        arrays = (self.row, self.col, self.lengths, inputs.data, inputs.indices, inputs.indptr, self.g)
        return sum(array.nbytes for array in arrays) + sum(cell.nbytes for cell in self.cells)

    def window_s(self, cell: int, process: Process) -> float:
        """Return the time in which `cell` is scanned, s: `n_c dt`."""
        return float(self.lengths[cell]) * process.step_s

    def windows_s(self, process: Process) -> NDArray[np.float64]:
        """Return the time in which each cell is scanned, s: float64[cells]."""
        return self.lengths.astype(np.float64) * process.step_s

    def adjacency(self) -> csr_array[np.int64]:
        """Return how many element edges every two cells share: csr int64[cells, cells], symmetric."""
        return adjacency(self.row, self.col, self.cells)
