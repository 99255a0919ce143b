"""The input of every cell, f_c: what scanning it adds to the map by the end of its window.

Computed on a local patch around the cell and stored sparse, both with a stated bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thermal.grid import index_grid
from thermal.operators.chebyshev import power_coefficients
from thermal.process import Process
from thermal.step import step_matrix, times

DROPPED_SHARE = 1e-8
PATCH_TOLERANCE = 1e-11

Progress = Callable[[int, int], None]
"""(cells done, cells in all)."""


def input_of(visits: NDArray[np.integer], A: csr_array[np.float64], process: Process) -> NDArray[np.float64]:
    """Return `f_c = sum_j A^(n_c - j) q e_(c,j)` without any approximation: float64[n], K.

    With m sub-steps a step, each of them adds q / m at its end (see `Process`).

    Args:
        visits: elements of the cell in visiting order.
        A: step matrix of one sub-step, of the layer or of a patch.
        process: gives q and m.
    """
    heat = np.zeros(A.shape[0])
    share_K = process.rise_K / process.substeps
    for element in visits.tolist():
        for _ in range(process.substeps):
            heat = times(A, heat)
            heat[element] += share_K
    return heat


def reach(length: int, process: Process, tolerance: float = PATCH_TOLERANCE) -> int:
    """Return the distance in elements beyond which the heat of a cell of `length` elements is negligible.

    A polynomial of degree d in A moves heat by d elements at most, and `A^p` differs from its Chebyshev
    expansion of degree d by at most `tolerance` (2-norm). So whatever lies outside, a patch of this reach
    gives f_c with a 2-norm error of at most `2 n_c q tolerance`.
    """
    parts = process.substeps
    low = 1.0 - (8 * process.fourier + process.loss) / parts
    high = 1.0 - process.loss / parts
    return int(power_coefficients(length * parts, low, high, tolerance).size)


def inputs(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    cells: Sequence[NDArray[np.int32]],
    process: Process,
    progress: Progress | None = None,
) -> tuple[csr_array[np.float64], NDArray[np.float64]]:
    """Return the inputs of all cells, and `g_c = f_c' C f_c` of what is stored.

    Of each cell the smallest values that together hold at most 1e-8 of its heat are dropped; the kept
    ones are scaled by their lack, so that the sum, the energy, stays. With the patch's bound the error of
    a stored f_c is at most `2e-8 sum(f_c) + 2e-11 n_c q` in the 2-norm. Cells with equal surroundings
    share one computation.

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
        cells: elements of every cell in visiting order.
        process: gives F, s, q and m.
        progress: told after every cell.

    Returns:
        csr float64[cells, n], K, with ascending indices; and float64[cells], K2.
    """
    grid = index_grid(row, col)
    reaches: dict[int, int] = {}
    known: dict[bytes, tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
    starts, places, values = [0], [], []
    g = np.empty(len(cells))
    for number, cell in enumerate(cells):
        if cell.size not in reaches:
            reaches[cell.size] = reach(cell.size, process) + 1
        patch, members = surroundings(grid, row[cell], col[cell], reaches[cell.size])
        visits = np.searchsorted(members, cell)
        key = np.asarray(patch.shape).tobytes() + np.packbits(patch >= 0).tobytes() + visits.tobytes()
        if key not in known:
            inside = np.nonzero(patch >= 0)
            A = step_matrix(inside[0].astype(np.int32), inside[1].astype(np.int32), process)
            known[key] = _sparse(input_of(visits, A, process))
        kept, heat = known[key]
        places.append(members[kept])
        values.append(heat)
        starts.append(starts[-1] + kept.size)
        g[number] = float(heat @ heat) - float(heat.sum()) ** 2 / row.size
        if progress is not None:
            progress(number + 1, len(cells))
    matrix = csr_array(
        (np.concatenate(values), np.concatenate(places), np.asarray(starts)), shape=(len(cells), row.size)
    )
    return matrix, g


def surroundings(
    grid: NDArray[np.int32], rows: NDArray[np.int32], cols: NDArray[np.int32], margin: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the squares around a cell (-1 outside the outline), and the elements among them, ascending."""
    top, left = max(0, int(rows.min()) - margin), max(0, int(cols.min()) - margin)
    patch = grid[top : int(rows.max()) + margin + 1, left : int(cols.max()) + margin + 1]
    return patch, patch[patch >= 0]


def _sparse(heat: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Drop the smallest values up to `DROPPED_SHARE` of the sum; scale the others to the same sum."""
    total = float(heat.sum())
    ascending = np.argsort(heat, kind="stable")
    dropped = int(np.searchsorted(np.cumsum(heat[ascending]), DROPPED_SHARE * total, side="right"))
    kept = np.sort(ascending[dropped:])
    values = heat[kept]
    return kept, values * (total / float(values.sum()))
