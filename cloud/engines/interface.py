"""What every engine does: apply the operators of one part, for all printers that print it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cloud.bills import Bill
from cloud.sharing.admission import Cost

Progress = Callable[[int, int, str], None]
"""(done, total, what): how far loading is. Called on the event loop."""


@dataclass(frozen=True, slots=True)
class WarmReport:
    """What keep-warm found: workers in all, those that had lost their state, and those loaded again."""

    workers: int
    cold: int
    reloaded: int


Guess = Callable[[], Sequence[int]]
"""Returns the cells that may well be next, the likeliest first. Called while the workers compute."""


class LayerWork(Protocol):
    """One layer's part of an engine: applies `M_c` of its cells, window after window."""

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        """Return `M_c theta`, a new float64[n]. Whether its values are finite is looked at where R is computed.

        theta: float64[n], K above ambient; not changed.
        guess: for engines that prepare the next window; None where nothing can be guessed.
        Raises EngineError when no correct result came within the engine's tries and time limit.
        """
        ...

    def rest(self, *, done: bool) -> None:
        """Note that nothing will be asked for a while.

        done: every cell is decided and carried over; False: the look-ahead is reached.
        """
        ...

    def end(self) -> None:
        """Note that nothing will be asked any more."""
        ...

    def figures(self) -> dict[str, Any]:
        """Return what the layer's log line says of the engine's work; empty for nothing."""
        ...

    def suspects(self, cell: int) -> str:
        """Return who gave the values of the last product, that of `cell`, that are not finite; empty: not known."""
        ...


class Engine(Protocol):
    """Applies `M_c` of one part's cells. Methods run on one event loop."""

    @property
    def name(self) -> str:
        """What the engine is, with its groups, blocks and precision, for logs and the agent."""
        ...

    async def load(self, progress: Progress) -> None:
        """Load all that a layer needs. Raises EngineError where that cannot be done."""
        ...

    def begin_layer(self, geometry: int, job: str = "") -> LayerWork:
        """Return what applies the operators of one layer. Printers may have layers in progress at one time.

        geometry: number of the layer geometry.
        job: whose bill it is on.
        """
        ...

    async def warm(self, job: str = "") -> WarmReport:
        """Ask every worker whether it still has its state, load what is missing, and say what was found."""
        ...

    def bill(self, job: str) -> Bill | None:
        """Return what a job has cost so far, and forget it: the job is closed. None where nothing is billed."""
        ...

    async def close(self) -> None:
        """Let go of everything. Nothing may be asked afterwards."""
        ...


@runtime_checkable
class TellsWorkers(Protocol):
    """An engine that has workers."""

    def worker_states(self) -> dict[str, int]:
        """Return how many workers are in which state."""
        ...


@runtime_checkable
class TellsCost(Protocol):
    """An engine whose products take this machine's processors."""

    def cost(self, geometry: int) -> Cost:
        """Return what the longest product of a geometry took when it was loaded; nothing where it was not."""
        ...
