"""The reference operator: one sparse product with A per sub-step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermal.geometry import Geometry
from thermal.process import Process
from thermal.step import step_matrix, times

# What rounding leaves after some hundred products; not an approximation.
ROUNDING = 1e-13


class Steps:
    """`A^(n_c m) theta`, product by product: exact up to rounding, and slow.

    Attributes:
        variant: `steps`.
        tolerance: 1e-13, rounding only.
    """

    variant = "steps"
    tolerance = ROUNDING

    def __init__(self, geometry: Geometry, process: Process) -> None:
        self._A = step_matrix(geometry.row, geometry.col, process)
        self._substeps = process.substeps

    def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n], for a cell of `length` elements."""
        y = theta.copy()
        for _ in range(length * self._substeps):
            y = times(self._A, y)
        return y
