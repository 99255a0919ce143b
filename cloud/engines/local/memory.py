"""The memory that coordinator and workers share: theta and the partial products. Nothing of it is on disk."""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray


class SharedVectors:
    """theta, and a partial y for each of `columns` column ranges: float[elements] each.

    The memory has no name (memfd_create): it goes when the last process that has it goes, also when all are
    killed at once.

    elements: of the largest layer geometry.
    precision: `float64` or `float32`.
    """

    def __init__(self, elements: int, columns: int, precision: str) -> None:
        self.precision = precision
        self.stride = elements
        size = (1 + columns) * elements * np.dtype(precision).itemsize
        self.descriptor = os.memfd_create("cosmic-vectors")
        try:
            os.ftruncate(self.descriptor, size)
            self._memory = mmap.mmap(self.descriptor, size)
        except OSError:
            os.close(self.descriptor)
            raise
        self._vectors = np.frombuffer(self._memory, dtype=precision).reshape(1 + columns, elements)

    def put(self, theta: NDArray[np.float64]) -> None:
        """Write `theta`, float64[n]: the one copy that is made of it."""
        self._vectors[0, : theta.size] = theta

    def total(self, elements: int) -> NDArray[np.float64]:
        """Return the sum of the partial products, a new float64[elements].

        Column ranges are summed in their order, so that the result does not depend on who was first.
        """
        y = self._vectors[1, :elements].astype(np.float64)
        for partial in self._vectors[2:, :elements]:
            y += partial
        return y

    def close(self) -> None:
        """Give up this process's share of the memory."""
        os.close(self.descriptor)
        del self._vectors
        self._memory.close()
