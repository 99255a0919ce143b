"""Which hatches of a build file belong to which cell of the part. Pure numerics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.driver.file.build_file import BuildFile, Piece
from cosmic.errors import GeometryError
from thermal.geometry import Geometry

WHOLE_ABOVE = 0.95
"""Share of a group's length in one cell above which the group is that cell's as a whole."""

FOLLOWS_ABOVE = 0.7
"""Share of all length that must lie in the cell that its hatches are given to."""

SAMPLES_MAX = 8_000_000
"""Points at which the hatches of a file are looked up: 800 m of them at 0.2 mm elements."""


@dataclass(frozen=True, slots=True)
class CellHatches:
    """The pieces of every cell of a layer.

    Attributes:
        pieces: for every cell its pieces, in the order of the file.
        order: all cells as the file scans them; those without hatches last.
    """

    pieces: tuple[tuple[Piece, ...], ...]
    order: tuple[int, ...]

    def in_order(self, cells: Sequence[int]) -> list[Piece]:
        """Return all pieces with the cells in the order of `cells`."""
        return [piece for cell in cells for piece in self.pieces[cell]]


def hatches_of_cells(build: BuildFile, geometry: Geometry, where: str) -> CellHatches:
    """Return which hatches belong to which cell: the one in which most of their length lies.

    Raises:
        GeometryError: the hatches do not follow the cells of the part.
    """
    pieces: list[list[Piece]] = [[] for _ in geometry.cells]
    order: dict[int, None] = {}
    lookup = _cell_of_square(geometry)
    inside_mm = total_mm = 0.0
    last, room = 0, SAMPLES_MAX
    for number, group in enumerate(build.groups):
        cells, share, length, samples = _shares(group.lines, lookup, geometry, room)
        room -= samples
        if room < 0:
            break
        total_mm += float(length.sum())
        if cells.size == 0:  # beside the part: with what was scanned before
            pieces[last].append(Piece(number))
            continue
        together = length @ share
        best = int(together.argmax())
        if together[best] > WHOLE_ABOVE * together.sum():
            inside_mm += float(together[best])
            last = int(cells[best])
            pieces[last].append(Piece(number))
            order.setdefault(last)
            continue
        choice = share.argmax(axis=1)
        choice[share.max(axis=1) == 0.0] = best
        inside_mm += float((length * share.max(axis=1)).sum())
        for each in dict.fromkeys(choice.tolist()):
            last = int(cells[each])
            pieces[last].append(Piece(number, tuple(np.flatnonzero(choice == each).tolist())))
            order.setdefault(last)
    if room < 0:
        why = f"at most {SAMPLES_MAX} points along them are looked up"
        raise GeometryError("the hatches are too long", where=where, why=why, remedy="check the file's $$UNITS")
    if build.groups and inside_mm < FOLLOWS_ABOVE * total_mm:
        raise GeometryError(
            f"{1 - inside_mm / total_mm:.0%} of the hatches lie outside of their cells",
            where=where,
            why=f"at least {FOLLOWS_ABOVE:.0%} must follow the cells of the part",
            remedy="build the part from the machine's build file, with --cells hatches",
        )
    left = [cell for cell in range(len(pieces)) if cell not in order]
    return CellHatches(tuple(map(tuple, pieces)), (*order, *left))


def _shares(
    lines: NDArray[np.float64], lookup: NDArray[np.int64], geometry: Geometry, room: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], int]:
    """Return the cells that hatches touch, int64[c], shares of each in each, float64[k, c], mm each, and points.

    Where more points than `room` were needed, only their number is true.
    """
    dx_mm = geometry.dx_m * 1e3
    along = lines[:, 2:] - lines[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    wanted = np.maximum(1.0, np.ceil(length / (dx_mm / 2)))
    if not wanted.sum() <= room:
        return np.zeros(0, dtype=np.int64), np.zeros((len(lines), 0)), length, room + 1
    count = wanted.astype(np.int64)
    hatch = np.repeat(np.arange(len(lines)), count)
    place = np.arange(hatch.size) - np.repeat(np.cumsum(count) - count, count)
    at = lines[hatch, :2] + along[hatch] * ((place + 0.5) / count[hatch])[:, None]
    square = np.floor((at - np.asarray(geometry.origin_m) * 1e3) / dx_mm + 1e-9)
    rows, columns = lookup.shape
    inside = np.flatnonzero(np.all((square >= 0) & (square < (columns, rows)), axis=1))
    near = square[inside].astype(np.int64)
    cell = lookup[near[:, 1], near[:, 0]]
    hatch, cell = hatch[inside][cell >= 0], cell[cell >= 0]
    cells, column = np.unique(cell, return_inverse=True)
    hits = np.bincount(hatch * cells.size + column, minlength=len(lines) * cells.size)
    return cells, hits.reshape(len(lines), cells.size) / count[:, None], np.maximum(length, 1e-9), int(count.sum())


def _cell_of_square(geometry: Geometry) -> NDArray[np.int64]:
    """Return the cell of every square of the grid, -1 outside: int64[rows, columns]."""
    lookup = np.full((int(geometry.row.max()) + 1, int(geometry.col.max()) + 1), -1, dtype=np.int64)
    for number, members in enumerate(geometry.cells):
        lookup[geometry.row[members], geometry.col[members]] = number
    return lookup
