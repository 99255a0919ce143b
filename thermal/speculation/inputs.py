"""What the predictors compute once a geometry: inputs carried across a window, and how inputs overlap.

Since A is symmetric, `f_c' M theta = (M f_c)' theta`: with `M f_c` at hand, a guess needs no operator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thermal.geometry import Geometry
from thermal.grid import index_grid
from thermal.inputs import reach, surroundings
from thermal.operators.chebyshev import gershgorin, power_coefficients
from thermal.process import Process
from thermal.smartscan import short_indices
from thermal.step import step_matrix, times

DROPPED_SHARE = 1e-3
"""Share of a carried input's heat that may be dropped; a guess is not worth more."""

TOLERANCE = 1e-6


def carried_inputs(
    geometry: Geometry, process: Process, lengths: tuple[int, ...], dropped: float = DROPPED_SHARE
) -> tuple[csr_array[np.float64], ...]:
    """Return `A^length f_c` of every cell for some lengths: csr float64[cells, n] each, K, of one pattern.

    Computed on a patch around each cell. Of the sum over the lengths the smallest values that together hold
    at most `dropped` of the heat are left out, and the kept ones are scaled to the heat of the whole.

    Args:
        geometry: the layer geometry.
        process: the part's process settings.
        lengths: window lengths in elements.
        dropped: share of heat that may be dropped.
    """
    grid = index_grid(geometry.row, geometry.col)
    starts, places = [0], []
    values: list[list[NDArray[np.float64]]] = [[] for _ in lengths]
    inputs = geometry.inputs
    margins: dict[int, int] = {}
    for cell, visits in enumerate(geometry.cells):
        steps = visits.size + max(lengths)
        if steps not in margins:
            margins[steps] = reach(steps, process, TOLERANCE) + 1
        patch, members = surroundings(grid, geometry.row[visits], geometry.col[visits], margins[steps])
        row, col = np.nonzero(patch >= 0)
        A = step_matrix(row.astype(np.int32), col.astype(np.int32), process)
        own = slice(int(inputs.indptr[cell]), int(inputs.indptr[cell + 1]))
        heat = np.zeros(members.size)
        at = np.searchsorted(members, inputs.indices[own])
        inside = (at < members.size) & (members[np.minimum(at, members.size - 1)] == inputs.indices[own])
        heat[at[inside]] = inputs.data[own][inside]
        carried = _carry(A, heat, [length * process.substeps for length in lengths])
        total = carried.sum(axis=0)
        ascending = np.argsort(total, kind="stable")
        few = int(np.searchsorted(np.cumsum(total[ascending]), dropped * total.sum(), side="right"))
        kept = np.sort(ascending[few:])
        places.append(members[kept])
        starts.append(starts[-1] + kept.size)
        for which, whole in enumerate(carried):
            values[which].append(whole[kept] * (whole.sum() / whole[kept].sum()))
    shape = (len(geometry.cells), geometry.elements)
    indices, pointers = np.concatenate(places), np.asarray(starts)
    return tuple(
        short_indices(csr_array((np.concatenate(each), indices, pointers), shape=shape)) for each in values
    )


def overlaps(geometry: Geometry) -> NDArray[np.float64]:
    """Return `f_b' C f_c` of all pairs of cells: float64[cells, cells], K2.

    Column b is what the input of cell b adds to the scores of all cells, halved.
    """
    inputs = geometry.inputs
    sums: NDArray[np.float64] = np.asarray(inputs.sum(axis=1)).ravel()
    products: NDArray[np.float64] = (inputs @ inputs.T).toarray()
    return products - np.outer(sums, sums) / geometry.elements


def _carry(A: csr_array[np.float64], heat: NDArray[np.float64], powers: list[int]) -> NDArray[np.float64]:
    """Return `A^power heat` for every power, from one Chebyshev recurrence: float64[powers, n]."""
    low, high = gershgorin(A)
    middle, half = (high + low) / 2, (high - low) / 2
    expansions = [power_coefficients(power, low, high, TOLERANCE) for power in powers]
    before, now = heat, (times(A, heat) - middle * heat) / half if half > 0 else np.zeros_like(heat)
    results = np.stack([expansion[0] * heat for expansion in expansions])
    for level in range(1, max(expansion.size for expansion in expansions)):
        for which, expansion in enumerate(expansions):
            if level < expansion.size:
                results[which] += expansion[level] * now
        if half > 0:
            before, now = now, 2 * (times(A, now) - middle * now) / half - before
    return results
