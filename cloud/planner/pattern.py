"""Which windows need another group than the one before, and which of these were guessed, by grouping of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.job import Job
from cloud.plans import DealingRule, Groups, group_of_cells
from cloud.plans.dealings import clustered, contiguous, round_robin

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The groups of a job under one dealing.

    Attributes:
        groups: G.
        dealing: how cells come to groups.
        operators: most distinct operators that a group holds.
        switches: bool[S, cells], the window's group is not the one before's; the first window's never is.
        right: bool[S, cells], a switch that was guessed; None where guesses are not known.
        wasted: bool[S, cells], the window's guess invoked a group that was not the next; None likewise.
    """

    groups: int
    dealing: DealingRule
    operators: int
    switches: Mask
    right: Mask | None
    wasted: Mask | None

    @property
    def reuse(self) -> float:
        """Share of windows after the first whose group is the one before's."""
        return 1.0 - float(self.switches[:, 1:].mean()) if self.switches.shape[1] > 1 else 1.0

    @property
    def guessed(self) -> float | None:
        """Share of groups guessed right, over all windows but the last; None where guesses are not known."""
        if self.right is None or self.wasted is None or self.switches.shape[1] < 2:
            return None
        missed = self.switches[:, 1:] & ~self.right[:, 1:]
        stayed = self.wasted[:, :-1] & ~self.switches[:, 1:]
        return 1.0 - float((missed | stayed).mean())


def pattern_of(job: Job, groups: int, dealing: DealingRule = "contiguous") -> Pattern:
    """Return the pattern of a job's orders when its cells are dealt to `groups` groups."""
    dealt = dealt_of(job, groups, dealing)
    group = np.array(group_of_cells(dealt, job.cells))
    operators = max(np.unique(job.lengths[list(members)]).size for members in dealt if members)
    needed = group[job.orders]
    switches = np.ones(needed.shape, dtype=np.bool_)
    switches[:, 1:] = needed[:, 1:] != needed[:, :-1]
    if job.guesses is None:
        return Pattern(groups, dealing, operators, switches, None, None)
    guessed = group[job.guesses]
    right = np.zeros_like(switches)
    right[:, 1:] = switches[:, 1:] & (guessed[:, :-1] == needed[:, 1:])
    wasted = np.zeros_like(switches)
    wasted[:, :-1] = (guessed[:, :-1] != needed[:, :-1]) & (guessed[:, :-1] != needed[:, 1:])
    return Pattern(groups, dealing, operators, switches, right, wasted)


def dealt_of(job: Job, groups: int, dealing: DealingRule) -> Groups:
    """Return the groups of a job's cells under a dealing; clustered needs the job's transitions."""
    if dealing == "clustered":
        known = job.transitions[job.geometry]
        return contiguous(known, groups) if isinstance(known, int) else clustered(known, groups)
    return (round_robin if dealing == "round-robin" else contiguous)(job.cells, groups)


def group_counts(cells: int) -> list[int]:
    """Return the numbers of groups that some number of cells a group makes: `ceil(cells / k)`, ascending."""
    return sorted({-(-cells // size) for size in range(1, cells + 1)})
