"""Ways of cutting an operator over functions, with the least time of a window; those that others beat are gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.grid import grid_place, slowest_means, spacing_place
from cloud.planner.model import VALUE_BYTES, Model
from cloud.planner.spaces import Space

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
    spread = slowest_means(model)
    # Factors grow with F in every draw, so that those of one function bound all.
    factors = model.draws.slowest(1, 0.0)
    least = float((np.cumsum(factors, axis=1) / np.arange(1, model.job.cells + 1)).min())
    parts = []
    for number, precision in enumerate(space.precisions):
        fixed_s = model.transfer_s(rows, columns, precision) + model.message_s(rows * columns)
        gaps_s = model.spacing_s(columns, precision)
        keep = _not_beaten(rows * columns, fixed_s, gaps_s, -(-n // rows) * -(-n // columns))
        r, c, base_s = rows[keep], columns[keep], fixed_s[keep]
        spacing_s = gaps_s[keep]
        block_bytes = -(-n // r) * -(-n // c) * VALUE_BYTES[precision]
        for memory_mb in space.memories_mb:
            # Machines have room for the system; functions for the runtime (design: serverless.md).
            room = space.memory_share * memory_mb * 2**20 - model.platform.settings.runtime_mb * 2**20
            held = np.maximum(room // block_bytes, 0).astype(np.int64)
            product_s = model.product_s(r, c, precision, memory_mb, space.machines)
            wide = spread[grid_place(r * c), spacing_place(spacing_s / product_s)]
            window_s, least_s = base_s + wide * product_s, base_s + least * product_s
            fits = (held > 0) & np.isfinite(window_s)
            size, kind = np.full_like(r, memory_mb), np.full_like(r, number)
            parts.append([a[fits] for a in (r, c, size, kind, window_s, least_s, held)])
    return Shapes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _not_beaten(
    functions: NDArray[np.int64], fixed_s: NDArray[np.float64], gap_s: NDArray[np.float64], block: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the cuts that no other of as many functions beats, ascending.

    A cut beats another one with no more network time and no larger block if its maps follow each other no faster,
    or if it takes no longer without them (docs/explanation/planner.md proves that it is never slower).
    """
    kept = []
    rest_s = fixed_s - functions * gap_s
    for number in np.unique(functions):
        group = np.flatnonzero(functions == number)
        group = group[np.lexsort((block[group], fixed_s[group]))]
        for place, cut in enumerate(group.tolist()):
            before = group[:place]
            beaten = (block[before] <= block[cut]) & (
                (gap_s[before] >= gap_s[cut]) | (rest_s[before] <= rest_s[cut])
            )
            if not beaten.any():
                kept.append(cut)
    return np.array(sorted(kept), dtype=np.int64)
