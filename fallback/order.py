"""What a fallback order is, and the orders there are by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Protocol

from cosmic.errors import ConfigurationError


class Order(Protocol):
    """Answers which cell to scan next when the coordinator's decision is not there.

    An order is asked on the deadline path: it answers at once, without I/O, for as long as cells are left.
    """

    @property
    def name(self) -> str:
        """The order's name in configuration and records."""
        ...

    def start_layer(self, layer: int) -> None:
        """Begin `layer`: what was answered for other layers has no influence any more."""
        ...

    def next_cell(self, left: Sequence[int], last: int | None) -> int:
        """Return one of `left`.

        Args:
            left: the cells not yet handed to the printer, ascending, at least one.
            last: the cell handed over before, None at the layer's start.
        """
        ...


class UnknownOrder(ConfigurationError):
    """No fallback order has that name."""


def make_order(name: str, seed: int = 0) -> Order:
    """Return the order called `name`; `seed` is used by those that draw.

    Raises UnknownOrder that names the nearest known one.
    """
    from fallback.random import RandomOrder  # noqa: PLC0415  the orders import this file's interface
    from fallback.sequential import SequentialOrder  # noqa: PLC0415

    orders: dict[str, Callable[[], Order]] = {
        "random": lambda: RandomOrder(seed),
        "sequential": SequentialOrder,
    }
    if name not in orders:
        near = difflib.get_close_matches(name, orders, n=1, cutoff=0.0)[0]
        raise UnknownOrder(
            f"unknown order {name!r}",
            where="fallback.order",
            why=f"known: {', '.join(orders)}",
            remedy=f"did you mean {near!r}?",
        )
    return orders[name]()
