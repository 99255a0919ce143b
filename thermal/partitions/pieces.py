"""Connected pieces of a layer, and how small ones join their neighbours.

Works on grid squares only. Every choice is by number, never by chance, so that the same outline gives the
same cells.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array


def connected(label: NDArray[np.integer], pairs: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the connected piece of every element, int64[n], numbered by label, then by first element.

    Args:
        label: integer[n]; elements of different labels are never in one piece.
        pairs: int32[pairs, 2], elements that share an edge.
    """
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415  memory that only cutting needs

    inside = pairs[label[pairs[:, 0]] == label[pairs[:, 1]]]
    links = coo_array(
        (np.ones(len(inside), dtype=np.int8), (inside[:, 0], inside[:, 1])), shape=(label.size, label.size)
    )
    count, piece = connected_components(links, directed=False)
    first = np.full(count, label.size, dtype=np.int64)
    np.minimum.at(first, piece, np.arange(label.size))
    number = np.empty(count, dtype=np.int64)
    number[np.lexsort((first, label[first]))] = np.arange(count)
    return number[piece]


def merge_small(piece: NDArray[np.int64], pairs: NDArray[np.int32], limit: float) -> NDArray[np.int64]:
    """Merge pieces of fewer than `limit` elements; return the cell of every element, int64[n], from 0.

    The smallest piece goes first, into the neighbour that it shares the longest edge with (equal edges: the
    lowest number), until no piece with a neighbour is below the limit. A piece without any neighbour is an
    island of the outline itself and stays a cell.

    Args:
        piece: int64[n], numbered from 0 without gaps.
        pairs: int32[pairs, 2], elements that share an edge.
        limit: elements.
    """
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


def grow(label: NDArray[np.int64], pairs: NDArray[np.int32]) -> NDArray[np.int64]:
    """Give elements without a label (-1) that of a labelled neighbour, ring by ring; the lowest label wins.

    Returns:
        int64[n]; -1 stays where no labelled element can be reached.
    """
    label = label.copy()
    none = int(label.max(initial=0)) + 1
    while True:
        found = np.full(label.size, none, dtype=np.int64)
        for here, there in ((0, 1), (1, 0)):
            edge = (label[pairs[:, here]] < 0) & (label[pairs[:, there]] >= 0)
            np.minimum.at(found, pairs[edge, here], label[pairs[edge, there]])
        new = found < none
        if not new.any():
            return label
        label[new] = found[new]


def members_of(cell: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Return the elements of every cell, ascending, from the cell of every element."""
    by_cell = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell))
    return np.split(by_cell, ends[:-1])
