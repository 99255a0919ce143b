"""The window keeper's life as a table: state x event -> state. What each step does is in `agent.keeper.keeper`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where the layer stands at the printer."""

    IDLE = "idle"
    """No layer in progress."""
    OPEN = "open"
    """The next window has no cell yet."""
    CHOSEN = "chosen"
    """The next window's cell is handed over, and has not started."""
    HANDED = "handed"
    """All cells that are left are handed over as one sequence; they start one after another."""
    LAST = "last"
    """The layer's last cell is being scanned: nothing is left to choose."""


class Event(Enum):
    """What the keeper is told, as far as it changes the state."""

    LAYER = "layer"
    """A layer begins."""
    TAKEN = "taken"
    """A cell was handed over."""
    TAKEN_REST = "taken_rest"
    """All cells that were left were handed over."""
    STARTED = "started"
    """A cell has started, others are to follow."""
    STARTED_LAST = "started_last"
    """A cell has started, and it is the last."""
    ENDED = "ended"
    """The layer ended: all scanned, or given up by the driver."""


TABLE: Mapping[State, Mapping[Event, State]] = {
    State.IDLE: {Event.LAYER: State.OPEN},
    State.OPEN: {
        Event.TAKEN: State.CHOSEN,
        Event.TAKEN_REST: State.HANDED,
        Event.STARTED: State.OPEN,  # a machine that did not wait for its cell
        Event.STARTED_LAST: State.LAST,
        Event.ENDED: State.IDLE,
    },
    State.CHOSEN: {
        Event.TAKEN_REST: State.HANDED,
        Event.STARTED: State.OPEN,
        Event.STARTED_LAST: State.LAST,
        Event.ENDED: State.IDLE,
    },
    State.HANDED: {
        Event.STARTED: State.HANDED,
        Event.STARTED_LAST: State.LAST,
        Event.ENDED: State.IDLE,
    },
    State.LAST: {Event.ENDED: State.IDLE},
}
