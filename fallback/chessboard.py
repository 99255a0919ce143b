"""Islands of one colour of a chessboard first, then the other: the usual strategy of LPBF machines."""

from __future__ import annotations

from collections.abc import Sequence

from fallback.layout import Layout


class ChessboardOrder:
    """The lowest cell left of the first colour, then of the second; neighbours are apart in time."""

    name = "chessboard"

    def __init__(self) -> None:
        self._colours: Sequence[int] = ()

    def start_layer(self, layer: int, layout: Layout) -> None:  # noqa: ARG002  part of the interface
        """Take the colours of this layer's cells."""
        self._colours = layout.colours.tolist()

    def handed(self, cell: int) -> None:
        """Nothing to note."""

    def next_cell(self, left: Sequence[int], last: int | None) -> int:  # noqa: ARG002  part of the interface
        """Return the first of `left` of the colour that comes first."""
        return min(left, key=lambda cell: (self._colours[cell], cell))
