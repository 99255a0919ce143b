"""What every engine does: apply the operators of one part, for all printers that print it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int, str], None]
"""(done, total, what): how far loading is. Called on the event loop."""


@dataclass(frozen=True, slots=True)
class WarmReport:
    """What keep-warm found: workers in all, those that had lost their state, and those loaded again."""

    workers: int
    cold: int
    reloaded: int


class Engine(Protocol):
    """Applies `M_c` of one part's cells. Methods run on one event loop."""

    @property
    def name(self) -> str:
        """What the engine is, with its blocks and precision, for logs and the agent."""
        ...

    async def load(self, progress: Progress) -> None:
        """Load all that a layer needs. Raises EngineError where that cannot be done."""
        ...

    async def apply(self, geometry: int, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n], for a cell of `length` elements.

        geometry: number of the layer geometry.
        theta: float64[n], K above ambient; not changed.
        Raises EngineError when no correct result came within the engine's tries and time limit.
        """
        ...

    async def warm(self) -> WarmReport:
        """Ask every worker whether it still has its state, load what is missing, and say what was found."""
        ...

    async def close(self) -> None:
        """Let go of everything. Nothing may be asked afterwards."""
        ...
