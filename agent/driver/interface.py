"""What a driver tells and is told. Every driver delivers its events on the event loop's thread, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The printer begins a job of `layers` layers."""

    layers: int


@dataclass(frozen=True, slots=True)
class SpreadingStarted:
    """Powder for `layer` is being laid for about `seconds` (as the clock of this machine goes)."""

    layer: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LayerReady:
    """The powder of `layer` lies: a frame can be taken, and the printer waits for its first cell."""

    layer: int


@dataclass(frozen=True, slots=True)
class CellStarted:
    """The laser began `cell` at loop time `at_s`."""

    layer: int
    window: int
    cell: int
    at_s: float


@dataclass(frozen=True, slots=True)
class CellFinished:
    """The laser ended `cell` at loop time `at_s`."""

    layer: int
    window: int
    cell: int
    at_s: float


@dataclass(frozen=True, slots=True)
class LayerDone:
    """Every cell of `layer` is scanned. `starved_s`: how long the laser stood still for want of a cell."""

    layer: int
    starved_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """The machine reports a fault in words."""

    text: str


@dataclass(frozen=True, slots=True)
class JobDone:
    """The job is over."""

    reason: str


DriverEvent: TypeAlias = (
    JobStarted | SpreadingStarted | LayerReady | CellStarted | CellFinished | LayerDone | Fault | JobDone
)
Listener = Callable[[DriverEvent], None]


class Driver(Protocol):
    """A printer that scans the cells it is handed, one a window."""

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell of `layer` takes on this printer, seconds."""
        ...

    async def run(self, listener: Listener) -> None:
        """Print one job, telling `listener` what happens; return when it is over."""
        ...

    def scan(self, window: int, cell: int) -> None:
        """Take `cell` for `window`. Returns at once; called on the deadline path."""
        ...

    def abort(self, reason: str) -> None:
        """End the job after the layer being scanned."""
        ...
