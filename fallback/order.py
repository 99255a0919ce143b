"""What a fallback order is, and the orders there are by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fallback.layout import Layout


class Order(Protocol):
    """Answers which cell to scan next when the coordinator's decision is not there.

    An order is asked on the deadline path: it answers at once, without I/O.
    """

    @property
    def name(self) -> str:
        """The order's name in configuration and records."""
        ...

    def start_layer(self, layer: int, layout: Layout) -> None:
        """Begin `layer`: what was answered for other layers has no influence any more."""
        ...

    def handed(self, cell: int) -> None:
        """Be told that `cell` was handed to the printer, whoever chose it."""
        ...

    def next_cell(self, left: Sequence[int], last: int | None) -> int | None:
        """Return one of `left`, or None when this order has no answer now.

        Args:
            left: the cells not yet handed to the printer, ascending, at least one.
            last: the cell handed over before, None at the layer's start.
        """
        ...
