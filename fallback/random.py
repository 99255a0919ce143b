"""Cells in random order, the paper's fallback (papers/cosmic.txt, section 2); the default."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fallback.layout import Layout


class RandomOrder:
    """Every cell left is equally likely. Same seed and layer, same cells, whatever happened before."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._generator = np.random.default_rng([seed, 0])

    def start_layer(self, layer: int, layout: Layout) -> None:  # noqa: ARG002  part of the interface
        """Draw from a stream of this layer's own."""
        self._generator = np.random.default_rng([self._seed, layer])

    def handed(self, cell: int) -> None:
        """Nothing to note: every answer is drawn from the cells left alone."""

    def next_cell(self, left: Sequence[int], last: int | None) -> int:  # noqa: ARG002  part of the interface
        """Return one of `left`, each with the same probability."""
        return left[int(self._generator.integers(len(left)))]
