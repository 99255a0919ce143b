"""The printer as the agent sees it: events that come from it, cells that go to it."""

from agent.driver.interface import (
    CellFinished,
    CellStarted,
    Driver,
    DriverEvent,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Listener,
    SpreadingStarted,
)

__all__ = [
    "CellFinished",
    "CellStarted",
    "Driver",
    "DriverEvent",
    "Fault",
    "JobDone",
    "JobStarted",
    "LayerDone",
    "LayerReady",
    "Listener",
    "SpreadingStarted",
]
