"""Deals cells to groups: a group's functions hold the operators of its cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import UsageError


def contiguous_groups(cells: int, groups: int) -> NDArray[np.int64]:
    """Return the group of every cell, neighbours in number together: int64[cells], ascending.

    The first `cells % groups` groups have one cell more than the others.

    Raises:
        UsageError: there would be an empty group or none.
    """
    if not 1 <= groups <= cells:
        raise UsageError(
            f"{cells} cells cannot be dealt to {groups} groups",
            where="groups",
            why=f"the number of groups must lie between 1 and {cells}",
            remedy="use another number of groups",
        )
    size, longer = divmod(cells, groups)
    return np.repeat(np.arange(groups), [size + (group < longer) for group in range(groups)])
