"""The memory that coordinator and workers share: theta and the partial products. Nothing of it is on disk."""

from __future__ import annotations

import mmap
import os
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from cloud.worker import Floats
from cloud.worker_process import LINE_WORDS, WRONG_BITS, words_of


class SharedVectors:
    """What coordinator and `workers` share.

    A line of the processor's cache with the question of the present window (its number, geometry, length of the
    cell, and whether the coordinator sleeps until it is answered), a word a worker with its answer (number of the
    question, and what is wrong), theta, and a partial y for each of `columns` column ranges, float[elements] each.
    While the coordinator looks for answers it needs no waking. Where it sleeps every worker that answers wakes it,
    by the eventfd `answered`; woken for nothing it does no harm.

    The memory has no name (memfd_create): it goes when the last process that has it goes, also when all are
    killed at once.

    elements: of the largest layer geometry.
    precision: `float64` or `float32`.
    """

    def __init__(self, elements: int, columns: int, precision: str, workers: int) -> None:
        self.precision = precision
        self.stride = elements
        self.workers = workers
        words = words_of(workers)
        size = words * 8 + (1 + columns) * elements * np.dtype(precision).itemsize
        self.answered = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.descriptor = -1
        try:
            self.descriptor = os.memfd_create("cosmic-vectors")
            os.ftruncate(self.descriptor, size)
            self._memory = mmap.mmap(self.descriptor, size)
        except OSError:
            self._close_descriptors()
            raise
        self._words = memoryview(self._memory)[: words * 8].cast("Q")
        self._vectors = np.frombuffer(self._memory, dtype=precision, offset=words * 8).reshape(
            1 + columns, elements
        )

    def put(self, theta: NDArray[np.float64]) -> None:
        """Write `theta`, float64[n]: the one copy that is made of it."""
        self._vectors[0, : theta.size] = theta

    def ask(self, sequence: int, geometry: int, length: int, *, asleep: bool) -> None:
        """Write the question that workers find when they are woken, and whether answers are to wake us."""
        words = self._words
        words[0], words[1], words[2], words[3] = sequence, geometry, length, asleep

    def come(self, workers: range, sequence: int, limit_s: float) -> bool:
        """Look for the answers of `workers` until all are there, `limit_s` at most; return whether they are.

        Others that want the processor have it in between: with as many workers as processors that is who answers.
        Sleeping would be dearer than what is waited for: a processor with nothing to do takes some 30 us to be
        woken where it is one of a virtual machine. False, too, where something was wrong.
        """
        words, first, end = self._words, LINE_WORDS + workers.start, LINE_WORDS + workers.stop
        expected = [sequence << WRONG_BITS] * len(workers)
        until_s = perf_counter() + limit_s
        while words[first:end].tolist() != expected:
            if perf_counter() > until_s:
                return False
            os.sched_yield()
        return True

    def sleep(self) -> None:
        """Have workers that have not answered yet wake us.

        One that answers at this very moment may not see it: look for answers once more a while later.
        """
        self._words[3] = 1

    def answer(self, worker: int) -> tuple[int, int]:
        """Return the number of the last question that a worker answered, and what was wrong, 0 for nothing."""
        return divmod(self._words[LINE_WORDS + worker], 1 << WRONG_BITS)

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
        self._words.release()
        del self._vectors
        self._memory.close()

    def _close_descriptors(self) -> None:
        os.close(self.answered)
        if self.descriptor >= 0:
            os.close(self.descriptor)
