"""The operator for a known step matrix: a Chebyshev polynomial of A instead of its power.

No matrix is stored; the degree grows with the square root of the length, so that the same code carries a
map across a cell (196 steps) and across the spreading of powder (60,000 steps). The recurrence runs in
scipy's sparse product, or in the fused kernel of fused.py where numba is installed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array, eye_array

from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.operators.blocks import check_precision
from thermal.operators.chebyshev import gershgorin, power_coefficients
from thermal.operators.fused import LEVELS_IN_FLIGHT, Runs, fused_available, fused_kernel, runs_of
from thermal.process import Process
from thermal.step import step_matrix

DEFAULT_TOLERANCE = 1e-8

FLOAT32_ROUNDING = 2e-6
FLOAT32_ENTRIES = 1e-7
"""What float32 adds to the tolerance: rounding in the recurrence, and that of A's entries. The latter shifts an
eigenvalue by some 1e-7 of the interval's half width, and its N-th power by N times that."""

FUSED_ELEMENTS_MIN = 8000
"""Layers below take less than a millisecond either way: numba is not loaded for them unless asked."""

KERNELS = ("auto", "scipy", "fused")


class _Buffers(threading.local):
    """Work space of one thread: operators are shared by sessions that apply them in threads."""

    def __init__(self, count: int, size: int, dtype: DTypeLike) -> None:
        self.arrays = np.zeros((count, size), dtype=dtype)


class Polynomial:
    """`p(A) theta` with `|p(x) - x^(n_c m)| <= tolerance` on the interval that Gershgorin gives for A.

    The bound, proven. A is symmetric, so `A = V diag(x_i) V'` with V orthogonal, and
    `||A^N - p(A)||_2 = max_i |x_i^N - p(x_i)|`. Every `x_i` lies in Gershgorin's interval; there
    `x^N = sum_k c_k T_k`, p is that sum without its last terms, and `|T_k| <= 1`. So the error in the 2-norm
    is at most the sum of the dropped `|c_k|`, which is kept below the tolerance. `element_tolerance` is the
    bound for single elements that follows from it.

    Attributes:
        variant: `polynomial`.
        tolerance: bound of `||M_c theta - apply(n_c, theta)||_2 / ||theta||_2`: the one that was asked for; in
            float32 `2e-6 + 1e-7 N h` more, for the N sub-steps of the longest cell and the half width h of the
            interval (4e-6 at the defaults; 2e-7 measured). Pauses longer than a cell are outside it.
        precision: `float64` or `float32`, of the recurrence.
        kernel: `scipy` or `fused`.
    """

    variant = "polynomial"

    def __init__(
        self,
        geometry: Geometry,
        process: Process,
        tolerance: float = DEFAULT_TOLERANCE,
        *,
        precision: str = "float64",
        kernel: str = "auto",
    ) -> None:
        """Prepare the operator; the fused kernel is compiled here, so that no window waits for it.

        geometry: the layer geometry.
        process: the part's process settings.
        tolerance: bound of the error without rounding, 1e-12 to 1e-2.
        precision: `float64`, or `float32` where some 1e-6 is enough.
        kernel: `scipy`, `fused` (needs the `fast` extra), or `auto`: fused for layers of 8,000 elements and
            more where numba is installed.
        Raises ConfigurationError where one of them is not possible.
        """
        self.precision = precision
        self._dtype = np.dtype(check_precision(precision))
        self._exact_tolerance = tolerance
        self.kernel = _kernel(kernel, geometry.elements)
        self._elements = geometry.elements
        self._substeps = process.substeps
        A = step_matrix(geometry.row, geometry.col, process)
        self._low, self._high = gershgorin(A)
        half = (self._high - self._low) / 2
        longest = geometry.distinct_lengths[-1] * process.substeps
        rounding = FLOAT32_ROUNDING + FLOAT32_ENTRIES * longest * half if precision == "float32" else 0.0
        self.tolerance = tolerance + rounding
        shifted = A - eye_array(geometry.elements, format="csr") * ((self._high + self._low) / 2)
        # Twice A mapped to [-1, 1], the factor of the recurrence T_(k+1) = 2 x T_k - T_(k-1).
        doubled = csr_array(shifted * (2 / half)) if half > 0 else csr_array(shifted * 0.0)
        doubled.sort_indices()
        self._coefficients: dict[int, NDArray[np.float64]] = {}
        self._recur: Callable[[NDArray[np.float64], NDArray[Any]], NDArray[Any]]
        if self.kernel == "fused":
            weight = 2 / half * process.fourier / process.substeps if half > 0 else 0.0
            self._recur = _Fused(doubled.diagonal(), weight, runs_of(geometry.row, geometry.col), self._dtype)
        else:
            self._recur = _Sparse(doubled, self._dtype)

    def coefficients(self, length: int) -> NDArray[np.float64]:
        """Return the Chebyshev coefficients for a cell of `length` elements, computed once."""
        known = self._coefficients.get(length)
        if known is None:
            power = length * self._substeps
            known = power_coefficients(power, self._low, self._high, self._exact_tolerance)
            self._coefficients[length] = known
        return known

    def degree(self, length: int) -> int:
        """Return the number of sparse products that a cell of `length` elements takes."""
        return int(self.coefficients(length).size) - 1

    def element_tolerance(self, length: int) -> float:
        """Return a bound of the error of any single element, as a share of the largest `|theta_i|`.

        It is `sum_j |E_ij|` of a row of `E = A^N - p(A)`. A product with A moves heat by one element, so
        p(A) of degree d reaches `m = 2 d^2 + 2 d + 1` elements; over these the sum is at most
        `sqrt(m) ||E e_i||_2`. Beyond, E is `A^N`, which has no negative entry. All entries of the row
        together sum to `(1 - s)^N - p(1 - s)`, at most the tolerance, since every row of A sums to `1 - s`;
        so what lies beyond is at most `(1 + sqrt(m))` tolerances. In all: `(1 + 2 sqrt(m)) tolerance`, and
        never more than `sqrt(n) tolerance`, which is the 2-norm's bound.
        """
        degree = self.degree(length)
        reached = 2 * degree**2 + 2 * degree + 1
        return self.tolerance * float(min(np.sqrt(self._elements), 1 + 2 * np.sqrt(reached)))

    def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n], for a cell of `length` elements."""
        coefficients = self.coefficients(length)
        if coefficients.size == 1:
            alone: NDArray[np.float64] = coefficients[0] * theta
            return alone
        given = np.ascontiguousarray(theta, dtype=self._dtype)
        return self._recur(coefficients, given).astype(np.float64, copy=False)


class _Sparse:
    """`sum_k c_k T_k(X) theta` with scipy's sparse product, forwards."""

    def __init__(self, doubled: csr_array[np.float64], dtype: np.dtype[Any]) -> None:
        self._doubled = doubled.astype(dtype)
        self._dtype = dtype
        self._buffers = _Buffers(3, doubled.shape[0], dtype)

    def __call__(self, coefficients: NDArray[np.float64], theta: NDArray[Any]) -> NDArray[Any]:
        factors = coefficients.astype(self._dtype)
        before, now, scaled = self._buffers.arrays
        y: NDArray[Any] = factors[0] * theta
        np.copyto(before, theta)
        np.multiply(self._doubled @ before, self._dtype.type(0.5), out=now)
        y += np.multiply(now, factors[1], out=scaled)
        for factor in factors[2:]:
            np.subtract(self._doubled @ now, before, out=before)
            before, now = now, before
            y += np.multiply(now, factor, out=scaled)
        return y


class _Fused:
    """The same sum by the fused kernel, backwards (Clenshaw)."""

    def __init__(self, diagonal: NDArray[np.float64], weight: float, runs: Runs, dtype: np.dtype[Any]) -> None:
        self._kernel = fused_kernel(dtype)
        self._diagonal = diagonal.astype(dtype)
        self._weight = dtype.type(weight)
        self._half = dtype.type(0.5)
        self._runs = runs
        self._dtype = dtype
        self._buffers = _Buffers(2, runs.squares, dtype)

    def __call__(self, coefficients: NDArray[np.float64], theta: NDArray[Any]) -> NDArray[Any]:
        runs = self._runs
        factors = coefficients.astype(self._dtype)
        if factors.size == 2:  # the kernel begins with two levels of its own
            factors = np.append(factors, self._dtype.type(0))
        even, odd = self._buffers.arrays
        y = np.empty_like(theta)
        self._kernel(
            theta,
            self._diagonal,
            self._weight,
            self._half,
            factors,
            runs.place,
            runs.start,
            runs.size,
            runs.row_starts,
            np.uint64(runs.width),
            LEVELS_IN_FLIGHT,
            even,
            odd,
            y,
        )
        return y


def _kernel(kernel: str, elements: int) -> str:
    if kernel not in KERNELS:
        raise ConfigurationError(
            f"there is no kernel '{kernel}'", where="kernel", remedy=f"use one of: {', '.join(KERNELS)}"
        )
    if kernel == "auto":
        return "fused" if elements >= FUSED_ELEMENTS_MIN and fused_available() else "scipy"
    return kernel
