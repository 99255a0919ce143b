"""Which message is legal when: the whole protocol as two tables, state x message -> state.

Two rules read them. A message that is not in the row of the state is illegal: sent, it is our bug
(`LocalProtocolError`); received, the peer's (`RemoteProtocolError`). A message in the row moves the session to
the state beside it. The two sides have a table each because messages cross on the way: decisions that left the
coordinator before `end_layer` reached it are legal at the agent, and dropped there. `failed_layer` stands for
a `failed` that names a layer: the coordinator has let go of that layer, not of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a session stands."""

    IDLE = "idle"
    """Connected, no job yet."""
    OPENING = "opening"
    """`open_job` was sent; the coordinator loads."""
    READY = "ready"
    """The job is ready, no layer in progress."""
    LAYER = "layer"
    """A layer is being decided and printed."""
    CLOSED = "closed"
    """The job is over, was refused, or the connection is lost."""


Table = Mapping[State, Mapping[str, State]]

AGENT_SIDE: Table = {
    State.IDLE: {"open_job": State.OPENING, "failed": State.CLOSED},
    State.OPENING: {
        "progress": State.OPENING,
        "job_ready": State.READY,
        "failed": State.CLOSED,
        "close_job": State.CLOSED,
    },
    State.READY: {
        "spreading": State.READY,
        "start_layer": State.LAYER,
        "close_job": State.CLOSED,
        "warm": State.READY,
        "decisions": State.READY,
        "failed": State.READY,
        "failed_layer": State.READY,
    },
    State.LAYER: {
        "start_layer": State.LAYER,
        "printed": State.LAYER,
        "deviated": State.LAYER,
        "end_layer": State.READY,
        "close_job": State.CLOSED,
        "warm": State.LAYER,
        "decisions": State.LAYER,
        "failed": State.LAYER,
        "failed_layer": State.LAYER,
    },
    State.CLOSED: {
        "progress": State.CLOSED,
        "job_ready": State.CLOSED,
        "warm": State.CLOSED,
        "decisions": State.CLOSED,
        "failed": State.CLOSED,
        "failed_layer": State.CLOSED,
    },
}

COORDINATOR_SIDE: Table = {
    State.IDLE: {"open_job": State.OPENING, "failed": State.CLOSED},
    State.OPENING: {
        "close_job": State.CLOSED,
        "progress": State.OPENING,
        "job_ready": State.READY,
        "failed": State.CLOSED,
    },
    State.READY: {
        "spreading": State.READY,
        "start_layer": State.LAYER,
        "printed": State.READY,
        "deviated": State.READY,
        "end_layer": State.READY,
        "close_job": State.CLOSED,
        "warm": State.READY,
        "failed": State.READY,
        "failed_layer": State.READY,
    },
    State.LAYER: {
        "start_layer": State.LAYER,
        "printed": State.LAYER,
        "deviated": State.LAYER,
        "end_layer": State.READY,
        "close_job": State.CLOSED,
        "warm": State.LAYER,
        "decisions": State.LAYER,
        "failed": State.LAYER,
        "failed_layer": State.READY,
    },
    State.CLOSED: {"failed": State.CLOSED},
}
