"""The printer as the agent sees it: events that come from it, cells that go to it."""

from agent.driver.interface import (
    CellFinished,
    CellStarted,
    Connected,
    Driver,
    DriverEvent,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Listener,
    Position,
    SpreadingStarted,
)

__all__ = [
    "CellFinished",
    "CellStarted",
    "Connected",
    "Driver",
    "DriverEvent",
    "Fault",
    "JobDone",
    "JobStarted",
    "LayerDone",
    "LayerReady",
    "Listener",
    "Position",
    "SpreadingStarted",
]
