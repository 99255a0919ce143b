"""What a driver tells and is told. Every driver delivers its events on the event loop's thread, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cosmic.errors import DriverError


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
class Connected:
    """The machine's driver is there: it calls itself `machine`. A fault that came of its absence is over."""

    machine: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where the machine stands: its answer to `Driver.report`, and what it says after a restart.

    Attributes:
        layer: the layer whose powder lies or is being laid, -1 before the first.
        ready: True when the powder of `layer` lies and cells can be scanned.
        scanned: the cells of `layer` that the laser has begun, in order; none of them will be scanned again.
        scanning: True while the last of them is being scanned.
        at_s: loop time at which this was so.
    """

    layer: int
    ready: bool
    scanned: tuple[int, ...]
    scanning: bool
    at_s: float


@dataclass(frozen=True, slots=True)
class JobDone:
    """The job is over. `complete`: the layer that it ended in, if any, was scanned whole."""

    reason: str
    complete: bool = False


DriverEvent: TypeAlias = (
    JobStarted
    | SpreadingStarted
    | LayerReady
    | CellStarted
    | CellFinished
    | LayerDone
    | Fault
    | Connected
    | Position
    | JobDone
)
Listener = Callable[[DriverEvent], None]


class Driver(Protocol):
    """A printer that scans the cells it is handed, one a window or a whole order at once.

    Everything but `run` returns at once: it is called on the deadline path.
    """

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell of `layer` takes on this printer, seconds."""
        ...

    async def run(self, listener: Listener) -> None:
        """Print one job, telling `listener` what happens; return when it is over."""
        ...

    def scan(self, window: int, cell: int) -> None:
        """Take `cell` for `window`. The same may be handed over again after a loss, another one never."""
        ...

    def sequence(self, window: int, cells: Sequence[int]) -> None:
        """Take `cells` for the windows from `window` on: all that are left of the layer."""
        ...

    def report(self) -> None:
        """Ask the machine where it stands; it answers with a `Position`, if it can."""
        ...

    def refuse(self, error: DriverError) -> None:
        """Tell the machine that what it told breaks the rules."""
        ...

    def abort(self, reason: str) -> None:
        """End the job after the layer being scanned."""
        ...
