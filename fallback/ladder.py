"""Orders one below the other: the first that has an answer gives it; the last one always has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from cosmic.errors import ConfigurationError
from fallback.chessboard import ChessboardOrder
from fallback.farthest import FarthestOrder
from fallback.layout import Layout
from fallback.order import Order
from fallback.random import RandomOrder
from fallback.sequential import SequentialOrder
from fallback.smartscan import SmartScanOrder

ORDERS: dict[str, Callable[[int], Order]] = {
    "random": RandomOrder,
    "sequential": lambda _seed: SequentialOrder(),
    "chessboard": lambda _seed: ChessboardOrder(),
    "farthest": lambda _seed: FarthestOrder(),
    "smartscan": lambda _seed: SmartScanOrder(),
}
"""Every order by its name, made from a seed."""


class UnknownOrder(ConfigurationError):
    """No fallback order has that name."""


class Ladder:
    """An order made of orders.

    Attributes:
        rungs: the orders, the preferred one first.
        answered_by: name of the order that gave the last answer, empty before.
        thinker: the rung that has to be let think beside the printing, None without one.
    """

    def __init__(self, rungs: Sequence[Order]) -> None:
        self.rungs = tuple(rungs)
        self.answered_by = ""
        self.thinker = next((rung for rung in rungs if isinstance(rung, SmartScanOrder)), None)

    @property
    def name(self) -> str:
        """The names of the rungs."""
        return ", ".join(rung.name for rung in self.rungs)

    def start_layer(self, layer: int, layout: Layout) -> None:
        """Begin `layer` on every rung."""
        for rung in self.rungs:
            rung.start_layer(layer, layout)

    def handed(self, cell: int) -> None:
        """Tell every rung that `cell` was handed over."""
        for rung in self.rungs:
            rung.handed(cell)

    def strayed(self, handed: Sequence[int]) -> None:
        """Be told that the machine left the order: `handed` are the layer's cells so far, as they really are."""
        if self.thinker is not None:
            self.thinker.strayed(handed)

    def next_cell(self, left: Sequence[int], last: int | None) -> int:
        """Return the answer of the first rung that has one."""
        for rung in self.rungs:
            cell = rung.next_cell(left, last)
            if cell is not None:
                self.answered_by = rung.name
                return cell
        raise AssertionError("the last rung of a ladder always answers")


def make_ladder(names: Sequence[str], seed: int = 0) -> Ladder:
    """Return the ladder of the orders called `names`, with `random` below one that does not always answer.

    Raises UnknownOrder that names the nearest known one, ConfigurationError for an empty list.
    """
    if not names:
        raise ConfigurationError("no order is named", where="fallback.order", remedy='set it to "random"')
    for name in names:
        if name not in ORDERS:
            near = difflib.get_close_matches(name, ORDERS, n=1, cutoff=0.0)[0]
            raise UnknownOrder(
                f"unknown order {name!r}",
                where="fallback.order",
                why=f"known: {', '.join(ORDERS)}",
                remedy=f"did you mean {near!r}?",
            )
    rungs = [ORDERS[name](seed) for name in names]
    if isinstance(rungs[-1], SmartScanOrder):
        rungs.append(RandomOrder(seed))
    return Ladder(rungs)
