"""The fused kernel of the polynomial operator, compiled by numba (the `fast` extra).

One function carries a map through the whole Chebyshev recurrence. It walks the grid row by row and lets
several levels of the recurrence follow each other at a distance of one row, so that what they share stays
in the processor's cache. One thread, one order of summation: the result does not depend on the machine's load.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cosmic.errors import ConfigurationError

LEVELS_IN_FLIGHT = 8
"""Levels of the recurrence in one walk over the grid: 8 rows of some 2 KB in two arrays fit the second cache."""


def fused_available() -> bool:
    """Return whether numba is installed."""
    return find_spec("numba") is not None


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Elements that follow each other in one grid row, for all rows: where the kernel's inner loops go.

    Attributes:
        place: int64[runs], first square of the run in the padded grid.
        start: int64[runs], first element of the run.
        size: int64[runs], elements of the run.
        row_starts: int64[rows + 1], first run of every grid row.
        width: squares of a padded row: one empty square at each end.
        squares: of the padded grid: one empty row at each end.
    """

    place: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    row_starts: NDArray[np.int64]
    width: int
    squares: int


def runs_of(row: NDArray[np.int32], col: NDArray[np.int32]) -> Runs:
    """Return the runs of a layer.

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
    """
    width = int(col.max()) + 3
    rows = int(row.max()) + 1
    place = (row.astype(np.int64) + 1) * width + col + 1
    first = np.flatnonzero(np.diff(place, prepend=-1) != 1)
    return Runs(
        place=place[first],
        start=first.astype(np.int64),
        size=np.diff(first, append=place.size).astype(np.int64),
        row_starts=np.searchsorted(row[first], np.arange(rows + 1)).astype(np.int64),
        width=width,
        squares=(rows + 2) * width,
    )


def fused_kernel(dtype: DTypeLike) -> Callable[..., None]:
    """Return `sweep` compiled for float64 or float32; the machine code is kept between runs where it can be.

    Raises:
        ConfigurationError: numba is not installed.
    """
    return _compiled(np.dtype(dtype).name)


@functools.cache
def _compiled(name: str) -> Callable[..., None]:
    if not fused_available():
        raise ConfigurationError(
            "the fused kernel needs numba, which is not installed",
            where="kernel",
            remedy='pip install "cosmic-lpbf[fast]", or leave the kernel to be chosen',
        )
    numba = import_module("numba")
    types: Any = numba.types
    real = getattr(types, name)
    # Read-only arrays are a type of their own; a signature that takes them takes the others as well.
    given = types.Array(real, 1, "C", readonly=True)
    index = types.Array(types.int64, 1, "C", readonly=True)
    work = types.Array(real, 1, "C")
    signature = types.void(
        given, given, real, real, given, index, index, index, index, types.uint64, types.int64, work, work, work
    )
    # Contraction alone: products and sums may share a rounding, but no sum changes its order.
    options = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True}
    try:
        compiled: Callable[..., None] = numba.njit([signature], cache=True, **options)(sweep)
    except RuntimeError:  # no folder to keep the machine code in: compile for this process alone
        compiled = numba.njit([signature], **options)(sweep)
    return compiled


def sweep(  # noqa: C901, PLR0912  one function: numba compiles its loops together
    theta: NDArray[Any],
    diagonal: NDArray[Any],
    weight: Any,
    half: Any,
    coefficients: NDArray[Any],
    place: NDArray[np.int64],
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    row_starts: NDArray[np.int64],
    width: Any,
    depth: int,
    even: NDArray[Any],
    odd: NDArray[Any],
    y: NDArray[Any],
) -> None:
    """Compute `y = sum_k c_k T_k(X) theta` by Clenshaw's recurrence, X = A mapped to [-1, 1].

    `b_k = c_k theta + 2 X b_(k+1) - b_(k+2)` from the last level down to 1, then
    `y = c_0 theta + X b_1 - b_2`. Level k lies in `even` or `odd` and overwrites level k + 2: row r of it is
    written only after rows r - 1 to r + 1 of level k + 1, the last that read what is overwritten. Squares
    outside the outline are never written and stay 0.

    Args:
        theta: [n], K.
        diagonal: [n], diagonal of 2 X.
        weight: every other entry of 2 X that is not 0.
        half: 1/2 in the arrays' dtype.
        coefficients: [degree + 1], degree at least 2.
        place: see `Runs`.
        start: see `Runs`.
        size: see `Runs`.
        row_starts: see `Runs`.
        width: see `Runs`, unsigned.
        depth: levels in flight.
        even: [squares], work space that is 0 outside the outline.
        odd: the same.
        y: [n], the result.
    """
    # Unsigned throughout: numba tests signed indices for being negative, and such loops do not vectorise.
    one = np.uint64(1)
    rows = row_starts.size - 1
    top = coefficients.size - 1
    first = top
    while first >= 0:
        last = max(first - depth + 1, 0)
        for turn in range(rows + first - last):
            for level in range(first, last - 1, -1):
                row = turn - (first - level)
                if row < 0:
                    break
                if row >= rows:
                    continue
                c = coefficients[level]
                if level % 2 == 0:
                    new, old = even, odd
                else:
                    new, old = odd, even
                for k in range(row_starts[row], row_starts[row + 1]):
                    p, s, n = np.uint64(place[k]), np.uint64(start[k]), np.uint64(size[k])
                    if level == top:
                        for i in range(n):
                            new[p + i] = c * theta[s + i]
                    elif level == 0:
                        for i in range(n):
                            j = p + i
                            beside = (old[j - one] + old[j + one]) + (old[j - width] + old[j + width])
                            product = weight * beside + diagonal[s + i] * old[j]
                            y[s + i] = c * theta[s + i] + half * product - new[j]
                    elif level == top - 1:
                        for i in range(n):
                            j = p + i
                            beside = (old[j - one] + old[j + one]) + (old[j - width] + old[j + width])
                            new[j] = c * theta[s + i] + (weight * beside + diagonal[s + i] * old[j])
                    else:
                        for i in range(n):
                            j = p + i
                            beside = (old[j - one] + old[j + one]) + (old[j - width] + old[j + width])
                            new[j] = c * theta[s + i] + (weight * beside + diagonal[s + i] * old[j]) - new[j]
        first = last - 1
