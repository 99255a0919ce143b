"""What every way of applying the heat-transfer matrix of a cell has in common."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Operator(Protocol):
    """Carries a map across the window of a cell, without its input."""

    @property
    def variant(self) -> str:
        """`steps`, `polynomial`, `dense` or `opaque`."""
        ...

    @property
    def tolerance(self) -> float:
        """Bound of the error, as a share of the 2-norm of `theta`."""
        ...

    def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta = A^length theta`, a new float64[n], for a cell of `length` elements.

        Args:
            length: elements of the cell (n_c).
            theta: float64[n], K above ambient; not changed.
        """
        ...
