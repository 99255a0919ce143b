"""The fallback order of a machine that takes build files: what its file says, as if nobody had touched it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from fallback import Layout


class FileOrder:
    """The cells in the order of the layer's build file. `order_of`: all cells of a layer in that order."""

    name = "file"

    def __init__(self, order_of: Callable[[int], Sequence[int]]) -> None:
        self._order_of = order_of
        self._order: Sequence[int] = ()
        self._at = 0

    def start_layer(self, layer: int, layout: Layout) -> None:  # noqa: ARG002  part of the interface
        """Take the order of this layer's file."""
        self._order, self._at = self._order_of(layer), 0

    def handed(self, cell: int) -> None:
        """Nothing to note: what is left comes with the question."""

    def next_cell(self, left: Sequence[int], last: int | None) -> int:  # noqa: ARG002  part of the interface
        """Return the first cell of the file that is left."""
        while True:
            cell = self._order[self._at]
            place = bisect_left(left, cell)
            if place < len(left) and left[place] == cell:
                return cell
            self._at += 1
