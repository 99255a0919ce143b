"""Chebyshev expansion of `x^p`: how many terms a power of the step matrix needs.

Numbers only, no matrices except for the interval that holds A's eigenvalues.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cosmic.errors import ConfigurationError

TOLERANCE_MIN = 1e-12
TOLERANCE_MAX = 1e-2
_ROUNDING = 1e-16


def gershgorin(A: csr_array[np.float64]) -> tuple[float, float]:
    """Return an interval that holds every eigenvalue of a symmetric matrix (Gershgorin's discs)."""
    diagonal = A.diagonal()
    radius: NDArray[np.float64] = np.asarray(abs(A).sum(axis=1)).ravel() - np.abs(diagonal)
    return float(np.min(diagonal - radius)), float(np.max(diagonal + radius))


def power_coefficients(power: int, low: float, high: float, tolerance: float) -> NDArray[np.float64]:
    """Return the fewest coefficients of `x^power` in Chebyshev polynomials of [low, high].

    The absolute values of the dropped coefficients sum to less than `tolerance`. Chebyshev polynomials are
    at most 1 on the interval, so this bounds the error there, and with it the 2-norm of
    `A^power - p(A)` for any symmetric A whose eigenvalues lie in the interval.

    Args:
        power: not negative.
        low: lower end of the interval, at least -1.
        high: upper end, at most 1.
        tolerance: 1e-12 to 1e-2.

    Returns:
        float64[degree + 1].

    Raises:
        ConfigurationError: the tolerance is outside its range.
    """
    from scipy.fft import dct  # noqa: PLC0415  15 MB that an agent without a model never needs

    if not TOLERANCE_MIN <= tolerance <= TOLERANCE_MAX:
        raise ConfigurationError(
            f"an operator tolerance of {tolerance:g} is not possible",
            where="tolerance",
            why=f"it must lie between {TOLERANCE_MIN:g} and {TOLERANCE_MAX:g}",
            remedy="use 1e-8 unless you measured otherwise",
        )
    middle, half = (high + low) / 2, (high - low) / 2
    nodes = 64
    while True:
        x = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
        coefficients: NDArray[np.float64] = dct((middle + half * x) ** power, type=2) / nodes
        coefficients[0] /= 2
        # The upper half folds onto the lower one: it must be far below what we drop on purpose, or rounding.
        folded = np.abs(coefficients[nodes // 2 :]).sum()
        if folded < max(tolerance / 10, nodes * _ROUNDING) or nodes > 2 * power:
            break
        nodes *= 2
    dropped = np.cumsum(np.abs(coefficients[::-1]))[::-1]  # dropped[k]: sum of |c_k| and all after it
    kept = int(np.argmax(dropped < tolerance)) if dropped[-1] < tolerance else nodes
    return coefficients[: max(1, kept)]
