"""Dense operators: the heat-transfer matrices themselves, in r x c blocks.

The blocks come from memory or from files that are mapped, not read. Writing the files is in blockfiles.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.operators.blocks import block_ranges, check_precision, dense_bytes
from thermal.process import Process
from thermal.step import step_matrix, times

MEMORY_BYTES_MAX = 2 * 2**30
TOLERANCES = {"float64": 1e-12, "float32": 1e-6}

Block = Callable[[int, int, int], NDArray[np.floating]]
"""(length, i, j) -> the block of rows i and columns j."""


class Dense:
    """`M_c theta` as a sum of block products.

    The partial results of a row range are summed over the column ranges in ascending order, in float64,
    so that the result depends neither on timing nor on who computed which block. With float32 blocks
    `theta` is cast to float32 for the product.

    Attributes:
        variant: `dense`, or `opaque` for matrices that a user brought.
        tolerance: 1e-12 for float64 and 1e-6 for float32: rounding of the stored matrix and of the product.
        blocks: (r, c).
        precision: `float64` or `float32`.
    """

    def __init__(
        self,
        elements: int,
        block: Block,
        blocks: tuple[int, int],
        precision: str,
        variant: str = "dense",
    ) -> None:
        self.variant = variant
        self.blocks = blocks
        self.precision = precision
        self.tolerance = TOLERANCES[precision]
        self._dtype = check_precision(precision)
        self._elements = elements
        self._block = block
        self._rows = block_ranges(elements, blocks[0])
        self._columns = block_ranges(elements, blocks[1])

    def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n], for a cell of `length` elements."""
        y = np.zeros(self._elements)
        given = theta.astype(self._dtype, copy=False)
        for i, (top, bottom) in enumerate(self._rows):
            for j, (left, right) in enumerate(self._columns):
                y[top:bottom] += self._block(length, i, j) @ given[left:right]
        return y


def matrix_rows(
    geometry: Geometry, process: Process, first: int, end: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield, for every distinct length ascending, rows first:end of its dense operator.

    One trajectory of sparse products passes all lengths: row i of the symmetric `A^p` is `A^p e_i`.

    Yields:
        The length and float64[end - first, n].
    """
    A = step_matrix(geometry.row, geometry.col, process)
    columns = np.zeros((geometry.elements, end - first))
    columns[np.arange(first, end), np.arange(end - first)] = 1.0
    done = 0
    for length in geometry.distinct_lengths:
        for _ in range((length - done) * process.substeps):
            columns = times(A, columns)
        done = length
        yield length, columns.T


def dense_in_memory(
    geometry: Geometry, process: Process, blocks: tuple[int, int] = (1, 1), precision: str = "float64"
) -> Dense:
    """Compute every dense operator of a small geometry and hold it in memory.

    Raises:
        ConfigurationError: the matrices would take more than 2 GiB.
    """
    needed = dense_bytes(geometry, precision)
    if needed > MEMORY_BYTES_MAX:
        raise ConfigurationError(
            f"the dense operators take {needed / 2**30:.1f} GiB",
            where="operator",
            why=f"at most {MEMORY_BYTES_MAX / 2**30:.0f} GiB are held in memory",
            remedy="write them beside the part with 'part build --operators dense', or use polynomial",
        )
    dtype = check_precision(precision)
    matrices = {
        length: rows.astype(dtype, order="C")
        for length, rows in matrix_rows(geometry, process, 0, geometry.elements)
    }
    row_ranges = block_ranges(geometry.elements, blocks[0])
    column_ranges = block_ranges(geometry.elements, blocks[1])

    def block(length: int, i: int, j: int) -> NDArray[np.floating]:
        matrix = matrices.get(length)
        if matrix is None:
            raise unknown_length(length, geometry)
        return matrix[slice(*row_ranges[i]), slice(*column_ranges[j])]

    return Dense(geometry.elements, block, blocks, precision)


def unknown_length(length: int, geometry: Geometry) -> ConfigurationError:
    """Return the error for a length that no cell of the geometry has."""
    return ConfigurationError(
        f"there is no dense operator for {length} elements",
        where=f"geometry {geometry.number}",
        why="dense operators exist only for the lengths of the part's cells",
        remedy="use the polynomial operator",
    )
