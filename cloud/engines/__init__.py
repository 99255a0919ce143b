"""Where the operator is applied: one interface, several places."""

from cloud.engines.interface import (
    Engine,
    Guess,
    LayerWork,
    Progress,
    TellsCost,
    TellsWorkers,
    WarmReport,
)

__all__ = ["Engine", "Guess", "LayerWork", "Progress", "TellsCost", "TellsWorkers", "WarmReport"]
