"""A worker of engine `local` that copies its rows of theta where others multiply: the product is not measured.

Everything else is the engine's own worker: `python -m cloud.link.measuring.rows` as `cloud.worker_process`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cloud.worker import Block, Floats
from cloud.worker_process import Operands, SharedVectors, main


class NoFiles:
    """Blocks of the right shape that take no memory: every value is one zero."""

    def __init__(self, store: dict[str, str]) -> None:
        """Take a load event's store, and leave it alone."""

    def read(self, blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Floats]]:
        """Yield every block with its array."""
        for block in blocks:
            (top, bottom), (left, right) = block["rows"], block["columns"]
            yield block, np.broadcast_to(np.float64(0.0), (bottom - top, right - left))


class CopiedRows(SharedVectors):
    """The shared memory, with a product that takes no time."""

    def operands(self, block: Block) -> Operands:
        """Return the rows of theta and where they are copied."""
        values, _, partial = super().operands(block)
        return values, self._theta[slice(*block.rows)], partial

    @staticmethod
    def product(values: Floats, theta: Floats, partial: Floats) -> None:
        """Copy the rows of a window."""
        del values
        partial[:] = theta


if __name__ == "__main__":
    main(NoFiles, CopiedRows)
