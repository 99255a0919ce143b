"""The dimensions of a search: the paper's, and ours."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.plans import MEMORY_SHARE_MAX, DealingRule, Mode, Precision

COLUMNS_MAX = 16
"""Column ranges of a dense operator at most."""


@dataclass(frozen=True, slots=True)
class Space:
    """The dimensions of a search.

    Attributes:
        modes: when functions are invoked.
        memories_mb: sizes of a function, MiB.
        precisions: of blocks and vectors.
        columns_max: most column ranges; 1: the paper's `r x 1`.
        dealings: how cells come to groups.
        groups: numbers of groups; None: all that a number of cells a group makes.
        machines: True for a fleet that always runs.
        memory_share: of a function's memory that blocks and runtime may take.
    """

    modes: tuple[Mode, ...] = ("persistent", "reuse", "speculative", "on_demand")
    memories_mb: tuple[int, ...] = (10_240,)
    precisions: tuple[Precision, ...] = ("float64",)
    columns_max: int = 1
    dealings: tuple[DealingRule, ...] = ("contiguous",)
    groups: tuple[int, ...] | None = None
    machines: bool = False
    memory_share: float = MEMORY_SHARE_MAX


PAPER = Space()
"""The paper's dimensions (papers/cosmic.txt, section 4.2)."""

FULL = Space(
    memories_mb=(1_769, 3_538, 5_307, 7_076, 8_845, 10_240),
    precisions=("float64", "float32"),
    columns_max=COLUMNS_MAX,
    dealings=("contiguous", "round-robin"),
)
"""Ours. A function has a processor for every 1,769 MB (design: figures.md)."""
