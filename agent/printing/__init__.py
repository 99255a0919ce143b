"""The printing of a job: what the printer tells, when cells are handed over, what the coordinator says."""

from agent.printing.coordinator import REJOINS_PER_LAYER_MAX
from agent.printing.job import Printing

__all__ = ["REJOINS_PER_LAYER_MAX", "Printing"]
