"""Cells by their numbers, row by row: what a printer without any strategy does."""

from __future__ import annotations

from collections.abc import Sequence

from fallback.layout import Layout


class SequentialOrder:
    """The next cell is the lowest one left."""

    name = "sequential"

    def start_layer(self, layer: int, layout: Layout) -> None:
        """Nothing to begin: the order depends on the cells left alone."""

    def handed(self, cell: int) -> None:
        """Nothing to note."""

    def next_cell(self, left: Sequence[int], last: int | None) -> int:  # noqa: ARG002  part of the interface
        """Return the first of `left`."""
        return left[0]
