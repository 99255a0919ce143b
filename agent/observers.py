"""What the printing lets bystanders know: the journal, the status, recordings, pages. One typed value a happening.

A bystander is an `Observer`: it is told on the event loop's thread, in the order in which things happened, and
must return at once (take note, put into a queue; no disk, no network, no lock held for long by somebody else).
Nothing that keeps a deadline waits for it. One that fails is logged once for every kind of error; nothing changes.

Values are immutable but for arrays, which observers must not write to. Times `at_s` are the event loop's clock.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.driver.interface import DriverEvent
from agent.keeper import Drop, Handover
from agent.tally import Tally

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobBegan:
    """The printer begins a job of `layers` layers of the part called `part` with `digest`."""

    part: str
    digest: str
    layers: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job is over. `tally`: the sums of its layers; `dropped`: decisions that did not count, by cause."""

    reason: str
    tally: Tally
    layers: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class SpreadingBegan:
    """Powder for `layer` is being laid for about `seconds`."""

    layer: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LayerBegan:
    """The powder of `layer` lies; it has `cells` cells, and its first one is due at `deadline_s`."""

    layer: int
    cells: int
    at_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class MapTaken:
    """The map that `layer` starts from.

    Attributes:
        layer: the layer.
        map_K: float32[n], kelvin.
        map_from: `camera`, `predicted` (from the layer below) or `ambient`.
        cause: why it is not the camera's, empty where it is.
        at_s: when it was there.
    """

    layer: int
    map_K: NDArray[np.float32]
    map_from: str
    cause: str
    at_s: float


@dataclass(frozen=True, slots=True)
class DecisionReceived:
    """The coordinator decided `cell` for `window`.

    Attributes:
        layer: the layer that it decided for.
        epoch: the epoch that it decided in.
        window: the window.
        cell: the cell.
        uniformity: R that it predicts for the window's end, None where it does not say.
        compute_ms: what the decision took it, ms; None where it does not say.
        drop: why the decision does not count, None when it does.
        at_s: when it came.
    """

    layer: int
    epoch: int
    window: int
    cell: int
    uniformity: float | None
    compute_ms: float | None
    drop: Drop | None
    at_s: float


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A window has its cell: the driver was given it just now. See `Handover` for outcome and slack."""

    handover: Handover
    at_s: float


@dataclass(frozen=True, slots=True)
class WindowEnded:
    """A cell has been scanned: the one record of its window.

    Attributes:
        handover: how the window got its cell, its outcome and slack.
        cell: the cell that was really scanned; another than `handover.cell` where the machine strayed.
        loop_lag_s: latest that a timer of the agent was since the window before, seconds.
        link_up: True while the coordinator could be reached.
        cause: words for a fallback, empty otherwise.
        at_s: when the cell ended.
    """

    handover: Handover
    cell: int
    loop_lag_s: float
    link_up: bool
    cause: str
    at_s: float


@dataclass(frozen=True, slots=True)
class OrderLeft:
    """The coordinator is told of a new `epoch` with the cells `printed`: after a fallback or when it joins anew.

    `rejoined`: True when a coordinator joined in the middle of the layer.
    """

    layer: int
    epoch: int
    printed: tuple[int, ...]
    rejoined: bool


@dataclass(frozen=True, slots=True)
class LayerEnded:
    """A layer is over.

    Attributes:
        layer: the layer.
        tally: its sums.
        epochs: how often the printed order left the decided order, or the coordinator was joined anew.
        starved_ms: how long the laser stood still for want of a cell.
        first_cell_ms: from the layer being ready to its first cell; None where there was none.
        map_from: where its map came from.
        order: the cells in the order scanned.
        cells: how many cells the layer has; more than `order` has where it was broken off.
    """

    layer: int
    tally: Tally
    epochs: int
    starved_ms: float
    first_cell_ms: float | None
    map_from: str
    order: tuple[int, ...]
    cells: int


@dataclass(frozen=True, slots=True)
class DriverTold:
    """The driver told `event`, word for word; what follows from it comes after."""

    event: DriverEvent
    at_s: float


@dataclass(frozen=True, slots=True)
class MachineFault:
    """Something is wrong with the machine or its driver, in words."""

    text: str


@dataclass(frozen=True, slots=True)
class CoordinatorConfigured:
    """A coordinator will be asked; until it answers the link is down."""


@dataclass(frozen=True, slots=True)
class CoordinatorLoading:
    """The coordinator has loaded `done` of `total`."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link to the coordinator: up with the name of its engine, or down with the cause in words."""

    up: bool
    engine: str
    cause: str


@dataclass(frozen=True, slots=True)
class WorkersWarm:
    """Keep-warm before `layer`: workers in all, those found cold, those reloaded."""

    layer: int
    workers: int
    cold: int
    reloaded: int


@dataclass(frozen=True, slots=True)
class CoordinatorFailed:
    """The coordinator said that something failed; `layer` where it concerns one."""

    code: str
    cause: str
    layer: int | None


@dataclass(frozen=True, slots=True)
class Stopping:
    """The agent was told to stop: `text` in words."""

    text: str


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording had to stop, for `cause`; the printing goes on."""

    cause: str
    remedy: str


Happening: TypeAlias = (
    JobBegan
    | JobEnded
    | SpreadingBegan
    | LayerBegan
    | MapTaken
    | DecisionReceived
    | HandedOver
    | WindowEnded
    | OrderLeft
    | LayerEnded
    | DriverTold
    | MachineFault
    | CoordinatorConfigured
    | CoordinatorLoading
    | LinkChanged
    | WorkersWarm
    | CoordinatorFailed
    | Stopping
    | RecordingStopped
)
"""Everything that an observer can be told."""


class Observer(Protocol):
    """A bystander of the printing."""

    def observe(self, happening: Happening) -> None:
        """Take note of `happening`. Returns at once; called on the event loop's thread."""
        ...


class Observers:
    """Tells every bystander, and lets none of them hurt the printing or each other."""

    def __init__(self, *observers: Observer) -> None:
        """Begin with `observers`, told in this order."""
        self._observers = list(observers)
        self._said: set[tuple[int, str]] = set()

    def add(self, observer: Observer) -> None:
        """Tell `observer` from now on."""
        self._observers.append(observer)

    def tell(self, happening: Happening) -> None:
        """Tell everybody. Never raises."""
        for observer in self._observers:
            try:
                observer.observe(happening)
            except Exception as error:  # noqa: BLE001  a bystander's bug must not reach the printing
                self._failed(observer, happening, error)

    def _failed(self, observer: Observer, happening: Happening, error: Exception) -> None:
        """Say that `observer` failed, once for every kind of error: it may fail a hundred times a second."""
        known = (id(observer), type(error).__name__)
        if known in self._said:
            return
        self._said.add(known)
        _log.error(
            "observer_failed",
            observer=type(observer).__name__,
            told=type(happening).__name__,
            cause=f"{type(error).__name__}: {error}",
            remedy="report this; the printing goes on",
        )


def now_s() -> float:
    """Return the event loop's time, seconds: the clock of every `at_s` here."""
    return asyncio.get_running_loop().time()
