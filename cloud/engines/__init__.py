"""Where the operator is applied: one interface, several places."""

from cloud.engines.interface import Engine, Progress, WarmReport

__all__ = ["Engine", "Progress", "WarmReport"]
