"""What the cells of a layer have in common, however they were cut: who touches whom.

The ways of cutting are in partitions/; islands, the default, are handed on here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from thermal.grid import neighbour_pairs
from thermal.partitions.islands import MERGED_BELOW, islands
from thermal.partitions.visiting import serpentine

__all__ = ["MERGED_BELOW", "adjacency", "cell_of_element", "islands", "serpentine"]


def cell_of_element(elements: int, cells: Sequence[NDArray[np.integer]]) -> NDArray[np.int32]:
    """Return the cell of every element: int32[elements]."""
    cell = np.empty(elements, dtype=np.int32)
    cell[np.concatenate(list(cells))] = np.repeat(np.arange(len(cells)), [members.size for members in cells])
    return cell


def adjacency(
    row: NDArray[np.int32], col: NDArray[np.int32], cells: Sequence[NDArray[np.integer]]
) -> csr_array[np.int64]:
    """Return how many element edges every two cells share: csr int64[cells, cells], symmetric, diagonal empty.

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
        cells: elements of every cell.
    """
    cell = cell_of_element(row.size, cells)
    one, other = cell[neighbour_pairs(row, col)].T
    apart = one != other
    one, other = one[apart], other[apart]
    places = (np.concatenate((one, other)), np.concatenate((other, one)))
    matrix = csr_array(coo_array((np.ones(2 * one.size, np.int64), places), shape=(len(cells), len(cells))))
    matrix.sum_duplicates()
    return matrix
