"""Takes the hatch groups of a build file as cells, or as the outline where the file has no polylines.

A group covers its hatch vectors, each half a hatch distance to both sides. Areas are sampled on points a
quarter of an element apart, so that a group's share of an element is known to some percent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from cosmic.errors import GeometryError
from thermal.elements import Grid
from thermal.grid import neighbour_pairs
from thermal.partitions.pieces import connected, grow, members_of
from thermal.partitions.visiting import serpentine

CLAIMED_ABOVE = 0.75
"""Share of an element that a group must cover to claim it alone."""

OVERLAP_SHARE_MAX = 0.02
"""Share of a cell's elements that another may claim as well: rounding at shared edges."""

OPEN_SHARE_MAX = 0.05
"""Share of a layer's elements that no group covers and that join their neighbours: gaps at contours."""

LOOSE_SHARE_MAX = 0.05
"""Share of a cell that rasterising may have cut off, to join a neighbour."""

SAMPLES_MAX = 64_000_000
"""Sample points of a layer: 40,000 cm of hatches at 0.2 mm elements."""

Groups = Sequence[NDArray[np.float64]]
"""For every group float64[k, 4]: x and y of start and end of each hatch, mm."""


def spacing_mm(group: NDArray[np.float64], fallback_mm: float) -> float:
    """Return the distance between neighbouring hatches of a group: the median, or `fallback_mm` for one hatch."""
    start, along = group[:, :2], group[:, 2:] - group[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    longest = int(np.argmax(length))
    if len(group) < 2 or length[longest] == 0:
        return fallback_mm
    normal = np.array([-along[longest, 1], along[longest, 0]]) / length[longest]
    offsets = np.sort((start + along / 2) @ normal)
    steps = np.diff(offsets)
    steps = steps[steps > 1e-4]
    return float(np.median(steps)) if steps.size else fallback_mm


def coverage(groups: Groups, grid: Grid, layer: str) -> csr_array[np.float64]:
    """Return which share of every grid square each group covers: csr float64[groups, rows * columns].

    Raises:
        GeometryError: the hatches are far longer than any layer has.
    """
    shares, squares, numbers = [], [], []
    samples = 0
    for number, group in enumerate(groups):
        distance = min(spacing_mm(group, grid.dx_mm), 4 * grid.dx_mm)
        at, area = _samples(group, distance, grid.dx_mm / 4, SAMPLES_MAX - samples, layer)
        samples += len(at)
        place = np.floor((at - np.asarray(grid.origin_mm)) / grid.dx_mm + 1e-9).astype(np.int64)
        inside = np.all((place >= 0) & (place < (grid.columns, grid.rows)), axis=1)
        square = place[inside, 1] * grid.columns + place[inside, 0]
        found, where = np.unique(square, return_inverse=True)
        shares.append(np.bincount(where, weights=area[inside], minlength=found.size) / grid.dx_mm**2)
        squares.append(found)
        numbers.append(np.full(found.size, number))
    shape = (len(groups), grid.rows * grid.columns)
    if not shares:
        return csr_array(shape, dtype=np.float64)
    matrix = coo_array((np.concatenate(shares), (np.concatenate(numbers), np.concatenate(squares))), shape=shape)
    return csr_array(matrix)


def outline_of_hatches(groups: Groups, grid: Grid, layer: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return row and column of the elements that hatches cover for at least half: int32[n] each, row-major."""
    covered: NDArray[np.float64] = np.asarray(coverage(groups, grid, layer).sum(axis=0))
    row, col = np.nonzero(covered.reshape(grid.rows, grid.columns) >= 0.5 - 1e-6)
    return row.astype(np.int32), col.astype(np.int32)


def cells_of_hatches(
    row: NDArray[np.int32], col: NDArray[np.int32], groups: Groups, grid: Grid, layer: str = "layer"
) -> tuple[NDArray[np.int32], ...]:
    """Return the cells of a layer: each element belongs to the group that covers most of it.

    Elements that no group covers join a neighbour, if they are few; hatches outside of the outline are
    passed over. The visiting order is that of the grid axis nearest to the group's longest hatch, back and
    forth, ascending.

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
        groups: the hatch groups of the layer, in the order of the file: the order of the cells.
        grid: the squares of the part.
        layer: what to name in an error.

    Raises:
        GeometryError: there are no hatches; a group covers elements of another (more than 2 %), is not
            connected (pieces above 5 %), or the groups leave more than 5 % of the layer open.
    """
    if not groups:
        raise GeometryError(
            "there are no hatches to take as cells",
            where=layer,
            remedy="leave --cells hatches out: the outline is then cut anew",
        )
    covered = coverage(groups, grid, layer)[:, row.astype(np.int64) * grid.columns + col]
    _check_overlap(covered, layer)
    dense_best = covered.max(axis=0).toarray().ravel()
    best = np.asarray(covered.argmax(axis=0)).ravel().astype(np.int64)
    best[dense_best < 0.05] = -1
    open_elements = int(np.count_nonzero(best < 0))
    if open_elements > OPEN_SHARE_MAX * row.size:
        raise GeometryError(
            f"the hatches leave {open_elements} of {row.size} elements open",
            where=layer,
            why=f"at most {OPEN_SHARE_MAX:.0%} may join neighbouring cells",
            remedy="leave --cells hatches out, or correct the build file",
        )
    pairs = neighbour_pairs(row, col)
    label = _without_loose_ends(best, pairs, layer)
    label = grow(label, pairs)
    if np.any(label < 0):
        # An island of the outline that no hatch crosses: too small to be scanned by the file's own account.
        label[label < 0] = (
            int(label.max())
            + 1
            + connected(np.zeros(np.count_nonzero(label < 0), np.int64), _within(pairs, label < 0))
        )
    number = np.unique(label, return_inverse=True)[1].astype(np.int64)
    return tuple(
        serpentine(members, row, col, along_rows=_along_rows(groups, int(label[members[0]])))
        for members in members_of(number)
    )


def _samples(
    group: NDArray[np.float64], distance: float, step: float, room: int, layer: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points of a group's area and the area that each stands for: float64[s, 2] mm, float64[s] mm2."""
    along = group[:, 2:] - group[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    kept = length > 0
    group, along, length = group[kept], along[kept], length[kept]
    count = np.maximum(1, np.ceil(length / step)).astype(np.int64)
    lanes = max(1, int(np.ceil(distance / step)))
    if int(count.sum()) * lanes > room:
        raise GeometryError(
            f"the hatches have a length of more than {length.sum() / 1e3:.3g} m",
            where=layer,
            why=f"at most {SAMPLES_MAX} sample points a layer are possible",
            remedy="use larger elements, or check the file's units",
        )
    hatch = np.repeat(np.arange(len(group)), count)
    place = np.arange(hatch.size) - np.repeat(np.cumsum(count) - count, count)
    share = ((place + 0.5) / count[hatch])[:, None]
    centre = group[hatch, :2] + along[hatch] * share
    normal = np.stack((-along[:, 1], along[:, 0]), axis=1) / length[:, None]
    offsets = ((np.arange(lanes) + 0.5) / lanes - 0.5) * distance
    points = (centre[None] + normal[hatch][None] * offsets[:, None, None]).reshape(-1, 2)
    area = np.tile((length / count)[hatch] * distance / lanes, lanes)
    return points, area


def _check_overlap(covered: csr_array[np.float64], layer: str) -> None:
    claims = covered.copy()
    claims.data = (claims.data > CLAIMED_ABOVE).astype(np.float64)
    claims.eliminate_zeros()
    shared = csr_array(claims @ claims.T).tocoo()
    size: NDArray[np.float64] = np.asarray(claims.sum(axis=1)).ravel()
    for one, other, both in zip(shared.coords[0].tolist(), shared.coords[1].tolist(), shared.data, strict=True):
        if one < other and both > 1 + OVERLAP_SHARE_MAX * min(size[one], size[other]):
            raise GeometryError(
                f"hatch groups {one} and {other} both cover {int(both)} elements",
                where=layer,
                why=f"an element is scanned once; {OVERLAP_SHARE_MAX:.0%} of a cell are tolerated",
                remedy="leave --cells hatches out, or correct the build file",
            )


def _without_loose_ends(best: NDArray[np.int64], pairs: NDArray[np.int32], layer: str) -> NDArray[np.int64]:
    """Set what rasterising cut off a group to -1; refuse a group that is in pieces."""
    piece = connected(best, pairs)
    sizes = np.bincount(piece)
    group_of = np.full(sizes.size, -1, dtype=np.int64)
    group_of[piece] = best
    totals = np.bincount(best[best >= 0], minlength=int(best.max(initial=0)) + 1)
    label = best.copy()
    for group in np.unique(best[best >= 0]).tolist():
        pieces = np.flatnonzero(group_of == group)
        for loose in pieces[np.argsort(-sizes[pieces], kind="stable")][1:].tolist():
            if sizes[loose] > max(2, LOOSE_SHARE_MAX * totals[group]):
                raise GeometryError(
                    f"hatch group {group} is in {len(pieces)} pieces that do not touch",
                    where=layer,
                    why="a cell is scanned in one go: its elements are connected",
                    remedy="leave --cells hatches out, or write a group for every piece",
                )
            label[piece == loose] = -1
    return label


def _within(pairs: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the pairs among chosen elements, numbered among these."""
    number = np.cumsum(chosen) - 1
    both = chosen[pairs[:, 0]] & chosen[pairs[:, 1]]
    return number[pairs[both]].astype(np.int32)


def _along_rows(groups: Groups, group: int) -> bool:
    if group >= len(groups):
        return True
    along = np.abs(groups[group][:, 2:] - groups[group][:, :2])
    longest = int(np.argmax(along.sum(axis=1)))
    return bool(along[longest, 0] >= along[longest, 1])
