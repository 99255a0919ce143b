"""The 4-neighbourhood of elements and its graph Laplacian.

Only integers: which elements touch. Material and time are in step.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def index_grid(row: NDArray[np.int32], col: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the element number of every grid square, -1 outside: int32[rows, columns].

    Args:
        row: int32[n], grid row of every element, not negative.
        col: int32[n], grid column of every element, not negative.
    """
    grid = np.full((int(row.max(initial=-1)) + 1, int(col.max(initial=-1)) + 1), -1, dtype=np.int32)
    grid[row, col] = np.arange(row.size, dtype=np.int32)
    return grid


def neighbour_pairs(row: NDArray[np.int32], col: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return every pair of elements that share an edge, once: int32[pairs, 2]."""
    grid = index_grid(row, col)
    found = []
    for first, second in ((grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:])):
        both = (first >= 0) & (second >= 0)
        found.append(np.stack((first[both], second[both]), axis=1))
    return np.concatenate(found)


def laplacian(row: NDArray[np.int32], col: NDArray[np.int32]) -> csr_array[np.float64]:
    """Return the graph Laplacian L of the 4-neighbourhood: csr float64[n, n], symmetric, rows sum to 0.

    Powder insulates the sides: an element at the edge of the outline has fewer neighbours, and no heat
    leaves through the missing ones (design: thermal.md, Step).
    """
    pairs = neighbour_pairs(row, col)
    here = np.concatenate((pairs[:, 0], pairs[:, 1]))
    there = np.concatenate((pairs[:, 1], pairs[:, 0]))
    degree = np.bincount(here, minlength=row.size)
    diagonal = np.arange(row.size, dtype=np.int32)
    values = np.concatenate((degree.astype(np.float64), np.full(here.size, -1.0)))
    places = (np.concatenate((diagonal, here)), np.concatenate((diagonal, there)))
    matrix = csr_array((values, places), shape=(row.size, row.size))
    matrix.sort_indices()
    return matrix
