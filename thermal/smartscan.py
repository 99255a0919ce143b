"""SmartScan: which cell to scan next so that the layer's temperature stays uniform.

The decisions only; carrying the map across a window is an operator's work (operators/).
No clock, no I/O, no random numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cosmic.errors import ConfigurationError, LayerComplete
from thermal.geometry import Geometry
from thermal.maps import checked_map
from thermal.operators.candidates import Candidates
from thermal.process import Process
from thermal.step import times

RULES = ("input", "propagated")
TIE_TOLERANCE = 1e-5


class SmartScan:
    """The rule of one layer geometry (design: thermal.md, SmartScan; papers/cosmic.txt, section 2).

    Rule `input` takes the cell that minimises `R(theta + f_c)`. With `C = I - 11'/n`,
    `n T_melt^2 R(theta + f_c)^2 = theta' C theta + 2 f_c' C theta + g_c`, and the first term is the same for
    every cell: the score of a cell is `2 f_c' C theta + g_c`, in K2.

    Rule `propagated` takes the cell that minimises `R(M_c theta + f_c)`, R at the end of its window. A has the
    uniform map as an eigenvector (each row sums to `1 - s`), so M_c and C commute, and
    `n T_melt^2 R^2 = ||M_c C theta||^2 + 2 f_c' M_c C theta + g_c`: that sum, less `||C theta||^2`, is the
    score, and one recurrence gives it for all cells (operators/candidates.py). It always takes the part's own
    A, whichever operator carries the map.

    Determinism. Two sums of the same numbers differ in their last digits with the machine, the threads and
    the cut into blocks, and symmetric parts make exact ties common. So scores within `tie_tolerance` times
    the largest `g_c` of the smallest one count as equal, and the lowest cell number among them is taken.
    The default, 1e-5, is far above what rounding (about 1e-13) and a polynomial of tolerance 1e-8 do to a
    score (3e-8 over a whole 16 cm2 layer), and far below what a printer could tell. A decision can then
    differ between two machines only where a score lies within such an error of the limit itself; float32
    operators are outside this promise.

    Attributes:
        geometry: the layer geometry.
        process: gives T_ambient and T_melt.
        rule: `input` or `propagated`.
        tie_tolerance: share of the largest `g_c` within which scores are equal.
        normaliser_K: what R is divided by, T_melt in kelvin: show it wherever R is shown.
    """

    def __init__(
        self,
        geometry: Geometry,
        process: Process,
        rule: str = "input",
        tie_tolerance: float = TIE_TOLERANCE,
    ) -> None:
        if rule not in RULES:
            raise ConfigurationError(
                f"there is no rule '{rule}'", where="rule", remedy=f"use one of: {', '.join(RULES)}"
            )
        self.geometry = geometry
        self.process = process
        self.rule = rule
        self.tie_tolerance = tie_tolerance
        self.normaliser_K = process.melt_K
        self._tie_width_K2 = tie_tolerance * float(np.max(geometry.g))
        self._inputs = short_indices(geometry.inputs)
        self._added_K: NDArray[np.float64] = np.asarray(geometry.inputs.sum(axis=1)).ravel()
        self._candidates = Candidates(geometry, process, self._inputs) if rule == "propagated" else None

    def theta_from_map(self, map_K: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return `theta = T - T_ambient`, float64[n], K.

        Args:
            map_K: float32[n], kelvin.

        Raises:
            MapError: the map has a wrong length or impossible values.
        """
        # Through float32 always: the same map gives the same order, whether it came by wire or by file.
        return checked_map(map_K, self.geometry.elements).astype(np.float64) - self.process.ambient_K

    def scores(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score of every cell, scanned or not: float64[cells], K2; the smaller the better."""
        if self._candidates is not None:
            centred = theta - theta.mean()
            norms, overlaps = self._candidates.measure(centred)
            return norms - float(np.square(centred).sum()) + 2.0 * overlaps + self.geometry.g
        scores = times(self._inputs, theta)
        scores -= self._added_K * float(theta.mean())
        scores *= 2.0
        scores += self.geometry.g
        return scores

    def choose(self, theta: NDArray[np.float64], scanned: NDArray[np.bool_]) -> int:
        """Return the cell to scan next.

        Args:
            theta: float64[n], K, as it is when the window begins.
            scanned: bool[cells], True for cells that must not be chosen any more.

        Raises:
            LayerComplete: every cell has been scanned.
        """
        left = np.flatnonzero(~scanned)
        if left.size == 0:
            raise LayerComplete("every cell of the layer has been scanned")
        scores = self.scores(theta)[left]
        return int(left[np.argmax(scores <= scores.min() + self._tie_width_K2)])

    def advance(self, y: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
        """Return `theta' = y + f_c`, a new float64[n], K.

        Args:
            y: float64[n], `M_c theta` as an operator returned it.
            cell: the cell scanned in the window.
        """
        inputs = self.geometry.inputs
        span = slice(int(inputs.indptr[cell]), int(inputs.indptr[cell + 1]))
        theta = y.copy()
        theta[inputs.indices[span]] += inputs.data[span]
        return theta

    def uniformity(self, theta: NDArray[np.float64]) -> float:
        """Return R, without unit: standard deviation of `theta` over its elements, divided by T_melt."""
        return float(theta.std()) / self.normaliser_K


def short_indices(matrix: csr_array[np.float64]) -> csr_array[np.float64]:
    """Return a CSR matrix with int32 indices, sharing the values: its products read a third less memory."""
    indices = matrix.indices.astype(np.int32, copy=False)
    return csr_array((matrix.data, indices, matrix.indptr.astype(np.int32, copy=False)), shape=matrix.shape)
