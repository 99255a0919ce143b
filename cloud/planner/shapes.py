"""Ways of cutting an operator over functions, with the least time of a window; those that others beat are gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.grid import factor_means, grid_place
from cloud.planner.model import VALUE_BYTES, Model
from cloud.planner.spaces import Space
from cloud.plans import MEMORY_SHARE_MAX

ROWS_MAX = 256
"""Row ranges of a dense operator at most; beyond that a window is all network."""


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Ways of cutting an operator, one a row of each array.

    Attributes:
        rows, columns: int64[k], r and c.
        memory_mb: int64[k].
        precision: int64[k], number of the precision in the space.
        window_s: float64[k], least time of a window on average.
        least_s: float64[k], least mean time of the first windows, however many, in any draw.
        held: int64[k], distinct operators that a function holds at most.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    memory_mb: NDArray[np.int64]
    precision: NDArray[np.int64]
    window_s: NDArray[np.float64]
    least_s: NDArray[np.float64]
    held: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> Shapes:
        """Return the cuts that are kept."""
        return Shapes(
            self.rows[kept], self.columns[kept], self.memory_mb[kept], self.precision[kept],
            self.window_s[kept], self.least_s[kept], self.held[kept],
        )  # fmt: skip


def shapes_of(model: Model, space: Space) -> Shapes:
    """Return the cuts of a space, without those that another one beats in every respect.

    Raises nothing; without a single cut that fits, the arrays are empty.
    """
    n = model.job.elements
    pairs = [
        (r, c) for c in range(1, min(space.columns_max, n) + 1) for r in range(c, min(ROWS_MAX, n) + 1)
        if r * c <= model.platform.settings.concurrency_max
    ]  # fmt: skip
    rows, columns = np.array(pairs, dtype=np.int64).T
    spread = factor_means(model)[grid_place(rows * columns)]
    # Factors grow with F in every draw, so that those of one function bound all.
    factors = model.draws.factor(1)
    least = float((np.cumsum(factors, axis=1) / np.arange(1, model.job.cells + 1)).min())
    parts = []
    for number, precision in enumerate(space.precisions):
        fixed_s = model.transfer_s(rows, columns, precision) + model.message_s(rows * columns)
        keep = _not_beaten(rows * columns, fixed_s, -(-n // rows) * -(-n // columns))
        r, c, base_s, wide = rows[keep], columns[keep], fixed_s[keep], spread[keep]
        block_bytes = -(-n // r) * -(-n // c) * VALUE_BYTES[precision]
        for memory_mb in space.memories_mb:
            # Machines have room for the system; functions for the runtime (design: serverless.md).
            room = MEMORY_SHARE_MAX * memory_mb * 2**20 - model.platform.settings.runtime_mb * 2**20
            held = np.maximum(room // block_bytes, 0).astype(np.int64)
            product_s = model.product_s(r, c, precision, memory_mb, space.machines)
            window_s, least_s = base_s + wide * product_s, base_s + least * product_s
            fits = (held > 0) & np.isfinite(window_s)
            size, kind = np.full_like(r, memory_mb), np.full_like(r, number)
            parts.append([a[fits] for a in (r, c, size, kind, window_s, least_s, held)])
    return Shapes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _not_beaten(
    functions: NDArray[np.int64], fixed_s: NDArray[np.float64], block: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the cuts that no other of as many functions beats in network time and in block size."""
    kept = []
    order = np.lexsort((block, fixed_s, functions))
    last, least = -1, 0
    for place in order.tolist():
        if functions[place] != last:
            last, least = int(functions[place]), int(block[place])
        elif block[place] < least:
            least = int(block[place])
        else:
            continue
        kept.append(place)
    return np.array(kept, dtype=np.int64)
