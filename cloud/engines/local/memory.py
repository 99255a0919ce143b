"""The memory that coordinator and workers share: theta and the partial products. Nothing of it is on disk."""

from __future__ import annotations

import mmap
import os
import select
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from cloud.worker import Floats

LINE_WORDS = 8
"""64-bit words of a line of the processor's cache: question and answers have one each."""


class SharedVectors:
    """What coordinator and `workers` share.

    A line with the question of the present window (its number, geometry, length of the cell), a line a worker with
    its answer (number of the question, 0 or what is wrong), theta, and a partial y for each of `columns` column
    ranges, float[elements] each. The eventfd `left` counts who has not answered, but for one: a worker that has
    takes 1 of it, and the one that finds nothing is the last and wakes the coordinator by the eventfd `answered`.
    So the coordinator is woken once; counted too low it is woken for nothing, which does no harm.

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
        self.left = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
        self.descriptor = -1
        try:
            self.descriptor = os.memfd_create("cosmic-vectors")
            os.ftruncate(self.descriptor, size)
            self._memory = mmap.mmap(self.descriptor, size)
        except OSError:
            self._close_descriptors()
            raise
        self._poll = select.poll()
        self._poll.register(self.answered, select.POLLIN)
        self._lines = memoryview(self._memory)[:lines].cast("Q")
        self._vectors = np.frombuffer(self._memory, dtype=precision, offset=lines).reshape(1 + columns, elements)

    def put(self, theta: NDArray[np.float64]) -> None:
        """Write `theta`, float64[n]: the one copy that is made of it."""
        self._vectors[0, : theta.size] = theta

    def come(self, limit_s: float) -> bool:
        """Wait in place until the last worker has answered, `limit_s` at most; return whether it has."""
        if not self._poll.poll(limit_s * 1e3):
            return False
        os.eventfd_read(self.answered)
        return True

    def ask(self, sequence: int, geometry: int, length: int, workers: int) -> None:
        """Write the question that so many workers find when they are woken."""
        lines = self._lines
        lines[0], lines[1], lines[2] = sequence, geometry, length
        if workers > 1:
            os.eventfd_write(self.left, workers - 1)

    def one_less(self) -> None:
        """Count a worker that is gone, whether it has answered or not: one of the others is the last."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.left)

    def none_left(self) -> None:
        """Count nobody: a question is over of which not all were answered."""
        with suppress(BlockingIOError):
            while True:
                os.eventfd_read(self.left)

    def answer(self, worker: int) -> tuple[int, int]:
        """Return the number of the last question that a worker answered, and what was wrong, 0 for nothing."""
        at = (1 + worker) * LINE_WORDS
        return self._lines[at], self._lines[at + 1]

    def all_well(self, workers: range, sequence: int) -> bool:
        """Return whether each of `workers` has answered a question, and nothing was wrong."""
        first, end = (1 + workers.start) * LINE_WORDS, (1 + workers.stop) * LINE_WORDS
        answered = self._lines[first:end:LINE_WORDS].tolist()
        return answered == [sequence] * len(answered) and not any(self._lines[first + 1 : end : LINE_WORDS])

    def total(self, elements: int) -> NDArray[np.float64]:
        """Return the sum of the partial products, a new float64[elements].

        Column ranges are summed in their order, so that the result does not depend on who was first.
        """
        y = self._vectors[1, :elements].astype(np.float64)
        for partial in self._vectors[2:, :elements]:
            y += partial
        return y

    def partial(self, column: int, first: int, end: int) -> Floats:
        """Return a view of rows `first` to `end` of a column range's partial product."""
        return self._vectors[1 + column, first:end]

    def close(self) -> None:
        """Give up this process's share of the memory."""
        self._close_descriptors()
        self._lines.release()
        del self._vectors
        self._memory.close()

    def _close_descriptors(self) -> None:
        os.close(self.answered)
        os.close(self.left)
        if self.descriptor >= 0:
            os.close(self.descriptor)
