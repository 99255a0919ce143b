"""The operator for a known step matrix: a Chebyshev polynomial of A instead of its power.

No matrix is stored; the degree grows with the square root of the length, so that the same code carries a
map across a cell (196 steps) and across the spreading of powder (60,000 steps).
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from thermal.geometry import Geometry
from thermal.operators.chebyshev import gershgorin, power_coefficients
from thermal.process import Process
from thermal.step import step_matrix, times

DEFAULT_TOLERANCE = 1e-8


class _Buffers(threading.local):
    """Work space of one thread: operators are shared by sessions that apply them in threads."""

    def __init__(self, elements: int) -> None:
        self.terms = np.empty((3, elements))


class Polynomial:
    """`p(A) theta` with `|p(x) - x^(n_c m)| <= tolerance` on the interval that Gershgorin gives for A.

    Attributes:
        variant: `polynomial`.
        tolerance: bound of `||M_c theta - apply(n_c, theta)||_2 / ||theta||_2`.
    """

    variant = "polynomial"

    def __init__(self, geometry: Geometry, process: Process, tolerance: float = DEFAULT_TOLERANCE) -> None:
        A = step_matrix(geometry.row, geometry.col, process)
        self.tolerance = tolerance
        self._substeps = process.substeps
        self._low, self._high = gershgorin(A)
        half = (self._high - self._low) / 2
        shifted = A - eye_array(geometry.elements, format="csr") * ((self._high + self._low) / 2)
        # Twice A mapped to [-1, 1], the factor of the recurrence T_(k+1) = 2 x T_k - T_(k-1).
        self._doubled = csr_array(shifted * (2 / half)) if half > 0 else csr_array(shifted * 0.0)
        self._doubled.sort_indices()
        self._coefficients: dict[int, NDArray[np.float64]] = {}
        self._buffers = _Buffers(geometry.elements)

    def coefficients(self, length: int) -> NDArray[np.float64]:
        """Return the Chebyshev coefficients for a cell of `length` elements, computed once."""
        known = self._coefficients.get(length)
        if known is None:
            power = length * self._substeps
            known = power_coefficients(power, self._low, self._high, self.tolerance)
            self._coefficients[length] = known
        return known

    def degree(self, length: int) -> int:
        """Return the number of sparse products that a cell of `length` elements takes."""
        return int(self.coefficients(length).size) - 1

    def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n], for a cell of `length` elements."""
        coefficients = self.coefficients(length).tolist()
        y: NDArray[np.float64] = coefficients[0] * theta
        if len(coefficients) == 1:
            return y
        before, now, scaled = self._buffers.terms
        np.copyto(before, theta)
        np.multiply(times(self._doubled, before), 0.5, out=now)
        y += np.multiply(now, coefficients[1], out=scaled)
        for coefficient in coefficients[2:]:
            np.subtract(times(self._doubled, now), before, out=before)
            before, now = now, before
            y += np.multiply(now, coefficient, out=scaled)
        return y
