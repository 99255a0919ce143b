"""What the window of every cell would do to a map, without applying every operator: for the rule `propagated`.

One Chebyshev recurrence serves all cell lengths: they differ in their coefficients only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from thermal.geometry import Geometry
from thermal.operators.chebyshev import gershgorin, power_coefficients
from thermal.process import Process
from thermal.step import step_matrix, times

TOLERANCE = 1e-10
"""Far below what decides between two cells, and the same wherever the rule is asked."""


class Candidates:
    """`||M_c x||^2` for every cell length and `f_c' M_c x` for every cell, from one recurrence over `T_k(X) x`.

    With the coefficients `a_k` of a length, `M x = sum_k a_k T_k x`, so that `f' M x = sum_k a_k (f' T_k x)`
    and `||M x||^2 = sum_kl a_k a_l <T_k x, T_l x>`. Since `2 T_k T_l = T_(k+l) + T_|k-l|`, these products follow
    from the moments `m_k = x' T_k x`, and those up to twice the degree from vectors up to the degree:
    `m_2k = 2 ||T_k x||^2 - m_0` and `m_(2k+1) = 2 <T_k x, T_(k+1) x> - m_1`.
    """

    def __init__(self, geometry: Geometry, process: Process, inputs: csr_array[np.float64]) -> None:
        """Prepare the recurrence; `inputs` are the f_c as csr float64[cells, n]."""
        A = step_matrix(geometry.row, geometry.col, process)
        low, high = gershgorin(A)
        half = (high - low) / 2
        shifted = A - eye_array(geometry.elements, format="csr") * ((high + low) / 2)
        self._doubled = csr_array(shifted * (2 / half if half > 0 else 0.0))
        self._inputs = inputs
        expansions = [
            power_coefficients(length * process.substeps, low, high, TOLERANCE)
            for length in geometry.distinct_lengths
        ]
        levels = max(coefficients.size for coefficients in expansions)
        self._coefficients = np.zeros((len(expansions), levels))
        for coefficients, place in zip(expansions, self._coefficients, strict=True):
            place[: coefficients.size] = coefficients
        self._kind = np.searchsorted(geometry.distinct_lengths, geometry.lengths)

    def measure(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `||M_c x||^2` and `f_c' M_c x` of every cell: float64[cells] each.

        Args:
            x: float64[n].
        """
        levels = self._coefficients.shape[1]
        met = np.empty((levels, self._inputs.shape[0]))
        moments = np.empty(2 * levels)
        before = x
        now = times(self._doubled, x) / 2
        moments[0] = _product(x, x)
        moments[1] = _product(x, now)
        met[0] = times(self._inputs, x)
        for level in range(1, levels):
            met[level] = times(self._inputs, now)
            moments[2 * level] = 2 * _product(now, now) - moments[0]
            before, now = now, times(self._doubled, now) - before
            moments[2 * level + 1] = 2 * _product(before, now) - moments[1]
        k = np.arange(levels)
        products = (moments[k[:, None] + k] + moments[np.abs(k[:, None] - k)]) / 2
        norms = np.einsum("ik,kl,il->i", self._coefficients, products, self._coefficients)
        overlaps = np.einsum("ck,kc->c", self._coefficients[self._kind], met)
        return norms[self._kind], overlaps


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    # Not BLAS: its sum depends on the number of threads.
    return float(np.multiply(one, other).sum())
