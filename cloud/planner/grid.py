"""Numbers of functions for which draws are averaged once, so that a million plans need no averages of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cloud.planner.model import Model

GRID = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512])
"""Numbers of functions for which draws are averaged; others take the grid's next lower number: never more."""

SPACINGS = 2.0 ** (np.arange(-18, 7) / 2)
"""Times between maps, over a product's, for which products are averaged; others take the next higher: no more."""


def grid_place(functions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in `GRID` of the largest number that does not exceed the functions."""
    return np.searchsorted(GRID, functions, side="right") - 1


def spacing_place(spacing: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place in `SPACINGS` of the smallest one that is not below; the last one for any beyond."""
    return np.minimum(np.searchsorted(SPACINGS, spacing, side="left"), SPACINGS.size)


def slowest_means(model: Model) -> NDArray[np.float64]:
    """Return the mean over the draws of the slowest product's factor: float64[len(GRID), len(SPACINGS) + 1].

    The last column is that of one product alone, which is a bound whatever the spacing.
    """
    draws = model.draws
    alone = draws.slowest_mean(1, 0.0)
    return np.array([
        [*(draws.slowest_mean(int(functions), float(spacing)) for spacing in SPACINGS), alone] for functions in GRID
    ])  # fmt: skip
