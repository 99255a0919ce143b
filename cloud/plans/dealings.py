"""How the cells of a geometry come to their groups. Pure.

Cells that follow each other within a group save invocations; groups of equal work keep the slowest one from
setting the pace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.plans import Groups, Plan, group_of_cells
from cosmic.errors import ConfigurationError


def contiguous(cells: int, groups: int) -> Groups:
    """Deal `cells` cells in the order of their numbers: neighbours share a group. Sizes differ by one at most."""
    size, longer = divmod(cells, groups)
    ends = [size * (group + 1) + min(group + 1, longer) for group in range(groups)]
    return tuple(tuple(range(first, end)) for first, end in zip([0, *ends[:-1]], ends, strict=True))


def round_robin(cells: int, groups: int) -> Groups:
    """Deal `cells` cells one to each group in turn."""
    return tuple(tuple(range(group, cells, groups)) for group in range(groups))


def transition_counts(orders: Iterable[Sequence[int]], cells: int) -> NDArray[np.int64]:
    """Return how often each cell followed each other one in earlier orders: int64[cells, cells], (from, to)."""
    counts = np.zeros((cells, cells), dtype=np.int64)
    for order in orders:
        if len(order) > 1:
            np.add.at(counts, (np.asarray(order[:-1]), np.asarray(order[1:])), 1)
    return counts


def clustered(transitions: NDArray[np.integer], groups: int) -> Groups:
    """Deal cells so that SmartScan often goes from one to another of the same group.

    Greedy: a group grows by the cell with most transitions to and from its members until it has its share; it
    starts with the cell left that has most transitions to others left. Ties go to the lowest number. Sizes differ
    by one at most, so that memory and work stay as balanced as with `contiguous`.

    transitions: int[cells, cells], as `transition_counts` returns it.
    """
    cells = transitions.shape[0]
    both = (transitions + transitions.T).astype(np.int64)
    np.fill_diagonal(both, 0)
    left = np.ones(cells, dtype=np.bool_)
    size, longer = divmod(cells, groups)
    dealt = []
    for group in range(groups):
        members: list[int] = []
        pull = both @ left.astype(np.int64)
        towards = np.zeros(cells, dtype=np.int64)
        for _ in range(size + (group < longer)):
            cell = int(np.argmax(np.where(left, pull, -1)))
            left[cell] = False
            members.append(cell)
            towards += both[cell]
            pull = towards
        dealt.append(tuple(sorted(members)))
    return tuple(dealt)


def listed_groups(known: Iterable[NDArray[np.integer] | int], groups: int) -> tuple[Groups, ...]:
    """Return for every geometry its groups: clustered where transitions are known, else by the cells' numbers.

    known: transitions of a geometry, int[cells, cells], or its number of cells.
    """
    return tuple(contiguous(one, groups) if isinstance(one, int) else clustered(one, groups) for one in known)


def groups_of(plan: Plan, geometry: int, cells: int) -> Groups:
    """Return the groups of one geometry of a plan's part. Raises ConfigurationError where they do not fit it."""
    if plan.listed is not None:
        if geometry >= len(plan.listed):
            raise ConfigurationError(
                f"geometry {geometry} has no groups",
                where="plan, listed",
                why=f"{len(plan.listed)} geometries are listed",
                remedy="make the plan again for this part",
            )
        groups = plan.listed[geometry]
    elif plan.dealing == "round-robin":
        groups = round_robin(cells, plan.groups)
    else:
        groups = contiguous(cells, plan.groups)
    group_of_cells(groups, cells)
    return groups
