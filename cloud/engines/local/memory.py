"""The memory that coordinator and workers share: theta and the partial products. Nothing of it is on disk."""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

LINE_WORDS = 8
"""64-bit words of a line of the processor's cache: question and answers have one each."""


class SharedVectors:
    """What coordinator and `workers` share.

    A line with the question of the present window (its number, geometry, length of the cell), a line a worker with
    its answer (number of the question, 0 or what is wrong), theta, and a partial y for each of `columns` column
    ranges, float[elements] each. A worker that has answered adds 1 to the eventfd `answered`, which wakes the
    coordinator.

    The memory has no name (memfd_create): it goes when the last process that has it goes, also when all are
    killed at once.

    elements: of the largest layer geometry.
    precision: `float64` or `float32`.
    """

    def __init__(self, elements: int, columns: int, precision: str, workers: int) -> None:
        self.precision = precision
        self.stride = elements
        self.workers = workers
        lines = (1 + workers) * LINE_WORDS * 8
        size = lines + (1 + columns) * elements * np.dtype(precision).itemsize
        self.answered = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.descriptor = -1
        try:
            self.descriptor = os.memfd_create("cosmic-vectors")
            os.ftruncate(self.descriptor, size)
            self._memory = mmap.mmap(self.descriptor, size)
        except OSError:
            self._close_descriptors()
            raise
        self._lines = memoryview(self._memory)[:lines].cast("Q")
        self._vectors = np.frombuffer(self._memory, dtype=precision, offset=lines).reshape(1 + columns, elements)

    def put(self, theta: NDArray[np.float64]) -> None:
        """Write `theta`, float64[n]: the one copy that is made of it."""
        self._vectors[0, : theta.size] = theta

    def ask(self, sequence: int, geometry: int, length: int) -> None:
        """Write the question that workers find when they are woken."""
        lines = self._lines
        lines[0], lines[1], lines[2] = sequence, geometry, length

    def answer(self, worker: int) -> tuple[int, int]:
        """Return the number of the last question that a worker answered, and what was wrong, 0 for nothing."""
        at = (1 + worker) * LINE_WORDS
        return self._lines[at], self._lines[at + 1]

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
        self._close_descriptors()
        self._lines.release()
        del self._vectors
        self._memory.close()

    def _close_descriptors(self) -> None:
        os.close(self.answered)
        if self.descriptor >= 0:
            os.close(self.descriptor)
