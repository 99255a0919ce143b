"""Cuts a layer into square islands, each scanned back and forth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.grid import neighbour_pairs
from thermal.partitions.pieces import connected, members_of, merge_small
from thermal.partitions.visiting import serpentine

MERGED_BELOW = 0.25


def islands(
    row: NDArray[np.int32], col: NDArray[np.int32], side: int, merged_below: float = MERGED_BELOW
) -> tuple[NDArray[np.int32], ...]:
    """Return the cells of a layer: connected, disjoint, together the whole layer (design: thermal.md, Cells).

    Islands of `side` x `side` grid squares are clipped by the outline; what falls apart becomes several
    pieces, and pieces below the limit join a neighbour (see `merge_small`).

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
        side: elements along an island's edge, at least 1.
        merged_below: share of a full island (`side^2`) below which a piece is merged.

    Returns:
        For every cell int32[n_c], its elements in visiting order; cells are numbered row-major by island,
        pieces of one island by their first element.

    Raises:
        GeometryError: the side is less than one element.
    """
    if side < 1:
        raise GeometryError(
            f"islands of {side} elements are not possible",
            where="island",
            why="an island is at least one element wide",
            remedy="use a larger island or a smaller element",
        )
    pairs = neighbour_pairs(row, col)
    across = int(col.max()) // side + 1
    island = (row // side).astype(np.int64) * across + col // side
    cell = merge_small(connected(island, pairs), pairs, merged_below * side * side)
    return tuple(serpentine(members, row, col) for members in members_of(cell))
