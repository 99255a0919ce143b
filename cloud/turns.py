"""Whose product is next: the printer whose next undecided window is due first. Pure: no I/O, no clock.

With whole-layer look-ahead every printer always has something to compute. First come, first served would give
one that is a hundred windows ahead as much as one whose laser is about to wait.
"""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar, runtime_checkable

from cloud.admission import Cost

Item = TypeVar("Item")

CATCH_UP = 1.25
"""How many times faster than it prints a printer that is behind is served before others that have less time."""

DEBT_WINDOWS = 16
"""How far the claims of one that asks for more than that may recede, windows: others with less time go first."""


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
    always be first; so every product moves the printer's next claim on by `1 / CATCH_UP` of a window, at most
    `DEBT_WINDOWS` ahead. An honest one that keeps up never notices; one that was away catches up as fast as
    others leave room.
    """

    def __init__(self) -> None:
        self._last_s = float("-inf")

    def due_s(self, now_s: float, windows: int, window_s: float) -> float:
        """Return when a product is due that a window `windows` after the one being scanned waits for, loop time.

        window_s: mean window of the printer's part, seconds.
        """
        claimed_s = now_s + windows * window_s
        paced_s = min(self._last_s + window_s / CATCH_UP, now_s + DEBT_WINDOWS * window_s)
        self._last_s = max(claimed_s, paced_s)
        return self._last_s


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
