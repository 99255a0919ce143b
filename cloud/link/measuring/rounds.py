"""How many rounds a way is measured for: so many, or as many as there is time for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

WARM = 20
"""Rounds that are not counted: connections grow their windows, memory is touched for the first time."""

COUNTED_MIN = 10
"""Fewest rounds that are counted, whatever time they take."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Iterates over numbers of rounds: `counted` after those to warm up, fewer once `limit_s` seconds are over."""

    counted: int
    limit_s: float

    def __iter__(self) -> Iterator[int]:
        """Yield 0, 1, 2, ...; time runs from the first."""
        started_s = perf_counter()
        for number in range(WARM + self.counted):
            if number >= WARM + COUNTED_MIN and perf_counter() - started_s > self.limit_s:
                return
            yield number
