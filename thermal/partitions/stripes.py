"""Cuts a layer into stripes of any direction, whole or in lengths.

The stripes are true to their angle; the hatch lines inside them follow the grid, which is all that the
model of square elements can tell apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.grid import neighbour_pairs
from thermal.partitions.islands import MERGED_BELOW
from thermal.partitions.pieces import connected, members_of, merge_small
from thermal.partitions.visiting import serpentine

# Centres this close to a stripe's edge, as a share of its width, belong to the upper stripe: which side they
# fall on must not depend on the last bit of a sine.
_EDGE = 1e-9


def stripes(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    width: float,
    angle_deg: float = 0.0,
    *,
    length: float | None = None,
    merged_below: float = MERGED_BELOW,
) -> tuple[NDArray[np.int32], ...]:
    """Return the cells of a layer: connected, disjoint, together the whole layer.

    Stripes are counted from the lower left corner of the part's grid. What falls apart becomes several
    pieces; pieces of less than a quarter of `width^2` join a neighbour (see `merge_small`). Hatch lines run
    across a stripe, along the grid axis that is nearest to the perpendicular of its direction, and are taken
    one after the other along the stripe, back and forth: for stripes along x the lines are columns, taken
    with ascending x.

    Args:
        row: int32[n], grid row of every element, in row-major order.
        col: int32[n], grid column of every element.
        width: of a stripe, elements; at least 1.
        angle_deg: direction of the stripes from x towards y, degrees; 180 is 0 again.
        length: of a piece of a stripe, elements, at least 1; None: stripes are not cut.
        merged_below: share of `width^2` below which a piece is merged.

    Returns:
        For every cell int32[n_c], its elements in visiting order; cells are numbered by stripe, then along
        the stripe, then by first element.

    Raises:
        GeometryError: the width or length is less than one element.
    """
    for what, value in (("width", width), ("length", length)):
        if value is not None and not value >= 1 - _EDGE:
            raise GeometryError(
                f"stripes of {what} {value:.3g} elements are not possible",
                where=f"stripe-{what}",
                why="a stripe is at least one element wide and long",
                remedy="use wider stripes or a smaller element",
            )
    angle = math.radians(angle_deg % 180.0)
    x, y = col + 0.5, row + 0.5
    number = np.floor((y * math.cos(angle) - x * math.sin(angle)) / width + _EDGE).astype(np.int64)
    number -= number.min()
    if length is not None:
        piece = np.floor((x * math.cos(angle) + y * math.sin(angle)) / length + _EDGE).astype(np.int64)
        piece -= piece.min()
        number = number * (int(piece.max()) + 1) + piece
    pairs = neighbour_pairs(row, col)
    cell = merge_small(connected(number, pairs), pairs, merged_below * width * width)
    along_x = abs(math.cos(angle)) >= math.sin(angle) - _EDGE
    return tuple(serpentine(members, row, col, along_rows=not along_x) for members in members_of(cell))
