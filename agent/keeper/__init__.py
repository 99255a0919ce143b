"""Which cell the printer scans next, and why. The keeper owns the deadline of every window. No I/O, no clock."""

from agent.keeper.follower import Follower
from agent.keeper.keeper import WindowKeeper
from agent.keeper.table import State
from agent.keeper.values import Drop, Dropped, Handover, Outcome, Rejoin

__all__ = ["Drop", "Dropped", "Follower", "Handover", "Outcome", "Rejoin", "State", "WindowKeeper"]
