"""Guesses of the cell that SmartScan (rule `input`) will choose when the current window's result is there.

While cell b is scanned the workers compute `M_b theta`. The scores that decide afterwards are
`2 f_c' C (M_b theta + f_b) + g_c`; all but `f_c' C M_b theta` is known beforehand. The predictors differ in
what they take for it (papers/cosmic.txt, section 4.3, for the first).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.operators import Operator, Polynomial
from thermal.process import Process
from thermal.smartscan import SmartScan
from thermal.speculation.inputs import carried_inputs, overlaps
from thermal.step import times

SHORTLISTED = 4
"""Cells that the predictor `shortlist` looks at closely."""

LOW_TOLERANCE = 1e-2
"""Of the predictor `low-degree`: the coarsest that the expansion is made for."""


class Predictor(Protocol):
    """Guesses the next cell. One object a layer geometry; holds no state between guesses."""

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the cells left that are most likely next, the likeliest first: int64[at most 2].

        Args:
            theta: float64[n], K, when the window of `cell` begins.
            cell: the cell being scanned.
            scanned: bool[cells], True for `cell` and all before it.
            scores: float64[cells], K2, by which `cell` was chosen: `SmartScan.scores(theta)`.
        """
        ...


class _Known:
    """What all predictors share: the part of the scores that does not depend on the operator."""

    def __init__(self, geometry: Geometry, process: Process) -> None:
        self.scan = SmartScan(geometry, process)
        self.lengths = geometry.lengths
        self.twice = 2 * overlaps(geometry)
        self.fixed = self.twice + geometry.g  # row b: 2 f_b' C f_c + g_c of every cell c


class InputOnly:
    """The paper's: `M_b theta` is taken for theta, the window for too short to matter.

    `cell` was chosen by `2 f_c' C theta + g_c`, so that the guess is one sum a cell and no product at all.
    """

    def __init__(self, known: _Known) -> None:
        self._known = known

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `Predictor`."""
        del theta
        return best_two(scores + self._known.twice[cell], scanned)


class Shared:
    """One operator for all cells: that of the mean length, applied whole. As dear as the operator itself."""

    def __init__(self, known: _Known, operator: Operator) -> None:
        self._known = known
        self._operator = operator
        self._length = round(float(known.lengths.mean()))

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `Predictor`."""
        del scores
        y = self._operator.apply(self._length, theta)
        return best_two(self._known.scan.scores(y) + self._known.twice[cell], scanned)


class LowDegree:
    """The right operator, cut off early: a Chebyshev expansion with an error of at most 1e-2."""

    def __init__(self, known: _Known, geometry: Geometry, process: Process) -> None:
        self._known = known
        self._operator = Polynomial(geometry, process, LOW_TOLERANCE)

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `Predictor`."""
        del scores
        y = self._operator.apply(int(self._known.lengths[cell]), theta)
        return best_two(self._known.scan.scores(y) + self._known.twice[cell], scanned)


class CarriedInputs:
    """`(M f_c)' theta` with M of the mean length, for every cell: one sparse product and no operator."""

    def __init__(self, known: _Known, geometry: Geometry, process: Process) -> None:
        self._known = known
        (self._carried,) = carried_inputs(geometry, process, (round(float(known.lengths.mean())),))
        self._sums: NDArray[np.float64] = np.asarray(self._carried.sum(axis=1)).ravel()

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `Predictor`."""
        del scores
        met = times(self._carried, theta) - self._sums * float(theta.mean())
        return best_two(2 * met + self._known.fixed[cell], scanned)


class Shortlist:
    """The paper's guess for a shortlist, then `(M_b f_c)' theta` of these few cells with the right length.

    `M_b f_c` lies between the carried inputs of the shortest and of the longest window; it is taken to be
    linear in the length between three of them. So a guess costs as much as a few short products.
    """

    def __init__(self, known: _Known, geometry: Geometry, process: Process) -> None:
        self._known = known
        lengths = np.unique(
            np.rint(np.quantile(geometry.lengths.astype(np.float64), (0.0, 0.5, 1.0))).astype(np.int64)
        )
        carried = carried_inputs(geometry, process, tuple(lengths.tolist()))
        self._nodes = lengths
        self._pattern: csr_array[np.float64] = carried[0]
        self._values = np.stack([each.data for each in carried])
        self._sums: NDArray[np.float64] = np.stack([np.asarray(each.sum(axis=1)).ravel() for each in carried])

    def predict(
        self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `Predictor`."""
        rough = scores + self._known.twice[cell]
        rough[scanned] = np.inf
        count = min(SHORTLISTED, scanned.size - int(np.count_nonzero(scanned)))
        listed = np.sort(np.argpartition(rough, count - 1)[:count]) if count else np.empty(0, dtype=np.int64)
        below, weights = self._between(int(self._known.lengths[cell]))
        values, sums = self._values[below : below + weights.size], self._sums[below : below + weights.size]
        mean = float(theta.mean())
        starts, indices = self._pattern.indptr, self._pattern.indices
        met = np.empty(listed.size)
        for place, candidate in enumerate(listed.tolist()):
            span = slice(int(starts[candidate]), int(starts[candidate + 1]))
            there = values[:, span] @ theta.take(indices[span])
            met[place] = weights @ (there - mean * sums[:, candidate])
        close = 2 * met + self._known.fixed[cell][listed]
        return listed[np.argsort(close, kind="stable")[:2]]

    def _between(self, length: int) -> tuple[int, NDArray[np.float64]]:
        """Return the node below a length, and the weights of it and the next."""
        nodes = self._nodes
        if nodes.size == 1:
            return 0, np.ones(1)
        below = int(np.clip(np.searchsorted(nodes, length, side="right") - 1, 0, nodes.size - 2))
        share = (length - nodes[below]) / (nodes[below + 1] - nodes[below])
        return below, np.array([1 - share, share])


PREDICTORS = ("input-only", "shared", "low-degree", "carried-inputs", "shortlist")
"""The paper's first, the one to use last."""


def make_predictor(name: str, geometry: Geometry, process: Process, operator: Operator) -> Predictor:
    """Return a predictor.

    Args:
        name: one of `PREDICTORS`.
        geometry: the layer geometry.
        process: the part's process settings.
        operator: the operator that carries the maps, for `shared`.

    Raises:
        ConfigurationError: there is no such predictor.
    """
    known = _Known(geometry, process)
    if name == "input-only":
        return InputOnly(known)
    if name == "shared":
        return Shared(known, operator)
    if name == "low-degree":
        return LowDegree(known, geometry, process)
    if name == "carried-inputs":
        return CarriedInputs(known, geometry, process)
    if name == "shortlist":
        return Shortlist(known, geometry, process)
    raise ConfigurationError(
        f"there is no predictor '{name}'", where="predictor", remedy=f"use one of: {', '.join(PREDICTORS)}"
    )


def best_two(scores: NDArray[np.float64], scanned: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the one or two cells left with the lowest scores, the lowest first; equal scores by number."""
    left = np.flatnonzero(~scanned)
    return left[np.argsort(scores[left], kind="stable")[:2]]
