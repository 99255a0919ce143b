"""Numbers of functions for which draws are averaged once, so that a million plans need no averages of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cloud.planner.model import Model

GRID = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512])
"""Numbers of functions for which draws are averaged; others take the grid's next lower number: never more."""


def grid_place(functions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in `GRID` of the largest number that does not exceed the functions."""
    return np.searchsorted(GRID, functions, side="right") - 1


def factor_means(model: Model) -> NDArray[np.float64]:
    """Return the mean over the draws of the slowest product's factor: float64[len(GRID)]."""
    return np.array([float(model.draws.factor(int(functions)).mean()) for functions in GRID])
