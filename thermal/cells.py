"""Cuts a layer into cells: square islands, each scanned back and forth.

Works on grid squares only; heat and time are elsewhere. Every choice is by number, never by chance, so
that the same outline gives the same cells.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cosmic.errors import GeometryError
from thermal.grid import neighbour_pairs

MERGED_BELOW = 0.25


def islands(
    row: NDArray[np.int32], col: NDArray[np.int32], side: int, merged_below: float = MERGED_BELOW
) -> tuple[NDArray[np.int32], ...]:
    """Return the cells of a layer: connected, disjoint, together the whole layer (design: thermal.md, Cells).

    Islands of `side` x `side` grid squares are clipped by the outline; what falls apart becomes several
    pieces. Then the smallest piece below the limit is merged into the neighbour that it shares the longest
    edge with (equal edges: the lowest number), until no piece with a neighbour is below the limit. A piece
    without any neighbour is an island of the outline itself and stays a cell.

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
    piece = _merge(_pieces(row, col, side, pairs), pairs, merged_below * side * side)
    by_cell = np.argsort(piece, kind="stable")
    ends = np.cumsum(np.bincount(piece))
    return tuple(serpentine(members, row, col) for members in np.split(by_cell, ends[:-1]))


def serpentine(members: NDArray[np.integer], row: NDArray[np.int32], col: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the elements of a cell in visiting order: even rows forward, odd rows backward.

    Rows are counted from the first row of the cell, so that equal cells are scanned alike wherever they are.
    """
    lines = row[members] - row[members].min()
    along = np.where(lines % 2 == 0, col[members], -col[members])
    return members[np.lexsort((along, lines))].astype(np.int32)


def _pieces(
    row: NDArray[np.int32], col: NDArray[np.int32], side: int, pairs: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the connected piece of every element, numbered by island and first element."""
    across = int(col.max()) // side + 1
    island = (row // side).astype(np.int64) * across + col // side
    inside = pairs[island[pairs[:, 0]] == island[pairs[:, 1]]]
    links = coo_array(
        (np.ones(len(inside), dtype=np.int8), (inside[:, 0], inside[:, 1])), shape=(row.size, row.size)
    )
    count, label = connected_components(links, directed=False)
    first = np.full(count, row.size, dtype=np.int64)
    np.minimum.at(first, label, np.arange(row.size))
    number = np.empty(count, dtype=np.int64)
    number[np.lexsort((first, island[first]))] = np.arange(count)
    return number[label]


def _merge(piece: NDArray[np.int64], pairs: NDArray[np.int32], limit: float) -> NDArray[np.int64]:
    """Merge pieces of fewer than `limit` elements; return the cell of every element, numbered from 0."""
    sizes = np.bincount(piece).tolist()
    edges: list[dict[int, int]] = [{} for _ in sizes]
    crossing = piece[pairs][piece[pairs[:, 0]] != piece[pairs[:, 1]]]
    for one, other in crossing.tolist():
        edges[one][other] = edges[one].get(other, 0) + 1
        edges[other][one] = edges[other].get(one, 0) + 1
    host = list(range(len(sizes)))
    small = [(size, number) for number, size in enumerate(sizes) if size < limit]
    heapq.heapify(small)
    while small:
        size, number = heapq.heappop(small)
        if host[number] != number or sizes[number] != size or not edges[number]:
            continue
        into = min(edges[number], key=lambda other: (-edges[number][other], other))
        host[number] = into
        sizes[into] += size
        lost, edges[number] = edges[number], {}
        for other, shared in lost.items():
            del edges[other][number]
            if other != into:
                edges[other][into] = edges[other].get(into, 0) + shared
                edges[into][other] = edges[into].get(other, 0) + shared
        if sizes[into] < limit:
            heapq.heappush(small, (sizes[into], into))
    for number in range(len(host)):
        while host[host[number]] != host[number]:
            host[number] = host[host[number]]
    return np.unique(np.asarray(host)[piece], return_inverse=True)[1].astype(np.int64)
