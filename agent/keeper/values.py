"""What the window keeper answers: hand-overs, window records, dropped decisions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Source = Literal["coordinator", "fallback"]


class Outcome(Enum):
    """How a window got its cell. Exactly one for every window."""

    ON_TIME = "on_time"
    """By the coordinator's decision."""
    FALLBACK_TIMEOUT = "fallback_timeout"
    """By the fallback order: the link was up, the decision was not there."""
    FALLBACK_DISCONNECTED = "fallback_disconnected"
    """By the fallback order: the link was down and the buffer empty."""
    FALLBACK_REJECTED = "fallback_rejected"
    """By the fallback order: a decision came and was not valid."""
    FALLBACK_MACHINE = "fallback_machine"
    """By the machine itself: it scanned another cell than it was handed, or did not wait for one."""


class Drop(Enum):
    """Why a decision does not count."""

    STALE_LAYER = "stale_layer"
    """It is for another layer."""
    STALE_EPOCH = "stale_epoch"
    """The printed order has left the order it belongs to."""
    PAST_WINDOW = "past_window"
    """Its window has its cell already."""
    NO_SUCH_WINDOW = "no_such_window"
    """The layer has fewer windows."""
    NO_SUCH_CELL = "no_such_cell"
    """The layer has fewer cells."""
    CELL_SCANNED = "cell_scanned"
    """Its cell was handed over before."""
    CELL_DECIDED = "cell_decided"
    """Its cell, or its window, was decided before in this epoch."""


INVALID = frozenset({Drop.NO_SUCH_CELL, Drop.CELL_SCANNED, Drop.CELL_DECIDED})
"""Drops that leave a window in the future without the decision it was sent: the peer's fault, not lateness."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A cell for a window, given to the driver once and never changed.

    Attributes:
        layer: the layer.
        window: the window in which the cell is scanned.
        cell: the cell.
        source: who chose it.
        order: the fallback order that chose it, `machine` where the machine did, empty for the coordinator's.
        outcome: how it came about.
        epoch: the epoch in which it was chosen.
        deadline_s: loop time at which it had to be with the driver.
        slack_s: what was left until then at the hand-over, seconds; negative: too late.
        ahead_s: how long before the deadline the decision had come, None for a fallback.
        uniformity: R that the coordinator predicted for the window's end, None where it did not say.
    """

    layer: int
    window: int
    cell: int
    source: Source
    order: str
    outcome: Outcome
    epoch: int
    deadline_s: float
    slack_s: float
    ahead_s: float | None
    uniformity: float | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A decision that does not count, and why."""

    layer: int
    epoch: int
    window: int
    cell: int
    drop: Drop


@dataclass(frozen=True, slots=True)
class Rejoin:
    """What a coordinator needs to go on with the layer: the new epoch and the cells so far."""

    layer: int
    epoch: int
    printed: tuple[int, ...]
