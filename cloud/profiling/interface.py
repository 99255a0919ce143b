"""What is asked of a platform to be measured, whatever its workers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thermal.part import Part


class Bench(Protocol):
    """Workers that hold the blocks of the profile's part; methods run on one event loop, one at a time.

    Attributes:
        part: the part.
        cold_start_s: what starting a worker took beyond a warm request, s.
        load_bytes_s: rate of reading blocks, bytes/s.
        copy_bytes_s: rate at which a window's vectors are copied, bytes/s; None: they travel, and workers say
            themselves how long their products took.
    """

    part: Part
    cold_start_s: list[float]
    load_bytes_s: list[float]
    copy_bytes_s: float | None

    @property
    def precision(self) -> str:
        """Of the blocks."""
        ...

    @property
    def workers(self) -> Sequence[int]:
        """Numbers of workers that windows can be asked of, ascending from 1."""
        ...

    def rows(self, workers: int) -> int:
        """Return into how many row ranges operators are cut where so many workers are asked."""
        ...

    async def open(self) -> None:
        """Start the workers and have them read their blocks. Raises EngineError."""
        ...

    async def delay(self) -> float:
        """Return how long a warm worker takes from being asked for to being ready, s."""
        ...

    async def begin(self) -> None:
        """Have all workers ready for windows."""
        ...

    async def window(self, geometry: int, workers: int) -> float:
        """Return a window's time with the first so many workers: from the map's leaving to the last answer, s."""
        ...

    async def end(self) -> tuple[float, int]:
        """Let the workers go; return the time that products took them, s, and how many these were.

        (0, 0) where workers do not say.
        """
        ...

    async def gone(self, idle_s: float) -> tuple[int, int]:
        """Return how many of how many workers had lost their state after so long without a request."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
