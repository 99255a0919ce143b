"""Whose product is next: the printer whose next undecided window is due first. Pure: no I/O, no clock.

With whole-layer look-ahead every printer always has something to compute. First come, first served would give
one that is a hundred windows ahead as much as one whose laser is about to wait.
"""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar, runtime_checkable

from cloud.sharing.admission import Cost

Item = TypeVar("Item")

CATCH_UP = 1.25
"""How many times faster than it prints a printer that is behind is served before others that have less time."""

DEBT_S = 0.64
"""How far the claims of one that asks for more than that may recede, seconds: others with less time go first."""

STARTS_A_LAYER = 4
"""Layers that a printer may begin in the time of one and stay in a hurry, as one does that joins again."""


@runtime_checkable
class HasTurns(Protocol):
    """A layer's part of an engine whose products wait for their turns.

    Attributes:
        due_s: when the next product is due, loop time.
        spent: processor's time for the last product.
    """

    due_s: float
    spent: Cost


class Pace:
    """When the next product of one printer is due, and how often it may claim to be in a hurry.

    What is due follows from what the printer says. One that is always late, by a fault or on purpose, would
    always be first; so every product moves the printer's next claim on by `1 / CATCH_UP` of the time that its cell
    is scanned, at most `DEBT_S` ahead. An honest one that keeps up never notices; one that was away catches up as
    fast as others leave room.

    So do layers that are begun: the first decisions of a layer are always in a hurry, and one that begins layers
    that it does not print would be, too. More than `STARTS_A_LAYER` of them make its claims recede as well.
    """

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._begun_s = float("-inf")

    def due_s(self, now_s: float, ahead_s: float, window_s: float) -> float:
        """Return when a product is due, loop time.

        ahead_s: scanning time from the end of the last window reported to the end of the product's, seconds.
        window_s: scanning time of the product's cell, seconds.
        """
        paced_s = min(self._last_s + window_s / CATCH_UP, now_s + DEBT_S)
        self._last_s = max(now_s + ahead_s, paced_s)
        return self._last_s

    def begun(self, now_s: float, layer_s: float) -> float:
        """Take that a layer was begun; return when that was due, loop time: now, for one that prints its layers.

        layer_s: scanning time of the layer, seconds.
        """
        paced_s = self._begun_s + layer_s / STARTS_A_LAYER
        self._begun_s = max(now_s, min(paced_s, now_s + DEBT_S))
        if self._begun_s > now_s:
            self._last_s = max(self._last_s, self._begun_s)
        return self._begun_s


class Line(Generic[Item]):
    """Those who wait, the earliest due first; of two that are due together the one that came first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._came = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._heap)

    def join(self, due_s: float, item: Item) -> None:
        """Let `item` wait."""
        self._came += 1
        heapq.heappush(self._heap, (due_s, self._came, item))

    def next(self) -> Item:
        """Return the one that is due first; it waits no longer."""
        return heapq.heappop(self._heap)[2]
