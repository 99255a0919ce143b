"""The event loop whose clock jumps, for tests: nothing is waited for, and timers run at exactly their time."""

from cloud.simulation.virtual_time import VirtualTimeLoop, run

__all__ = ["VirtualTimeLoop", "run"]
