"""One window's question to a group: partial products in, checked and summed in a fixed order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.plans import FunctionId
from cloud.platforms.link import Floats, Worker


class Round:
    """Collects the partial products of one window.

    workers: whom it was asked of; one for every function of the group.
    row_ranges: (first, end) of every row range.
    columns: column ranges.
    """

    def __init__(
        self,
        sequence: int,
        workers: Mapping[Worker, FunctionId],
        row_ranges: Sequence[tuple[int, int]],
        columns: int,
    ) -> None:
        self.sequence = sequence
        self._workers = dict(workers)
        self._rows = row_ranges
        self._columns = columns
        self._partials: dict[tuple[int, int], Floats] = {}

    @property
    def complete(self) -> bool:
        """Every worker has answered."""
        return len(self._partials) == len(self._rows) * self._columns

    def waiting(self) -> list[FunctionId]:
        """Return the functions that have not answered."""
        return [
            function for function in self._workers.values() if (function.row, function.column) not in self._partials
        ]

    def take(self, worker: Worker, partial: Floats | None, error: str) -> str:
        """Take an answer; return what is wrong with it, empty for nothing. A second answer is left alone."""
        function = self._workers[worker]
        place = (function.row, function.column)
        if place in self._partials:
            return ""
        first, end = self._rows[function.row]
        if partial is None:
            return error or "an answer without a product"
        if partial.shape != (end - first,):
            return f"a product of shape {list(partial.shape)}, not [{end - first}]"
        if not np.isfinite(partial).all():
            return "a product that is not finite"
        self._partials[place] = partial.copy()
        return ""

    def total(self) -> NDArray[np.float64]:
        """Return the product, float64[n]: over column ranges in their order, so that it depends on no timing."""
        assert self.complete
        y = np.empty(self._rows[-1][1])
        for i, (first, end) in enumerate(self._rows):
            part = self._partials[i, 0].astype(np.float64)
            for j in range(1, self._columns):
                part += self._partials[i, j]
            y[first:end] = part
        return y
