"""In which order the laser visits the elements of a cell: back and forth along grid lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def serpentine(
    members: NDArray[np.integer], row: NDArray[np.int32], col: NDArray[np.int32], *, along_rows: bool = True
) -> NDArray[np.int32]:
    """Return the elements of a cell in visiting order: even lines forward, odd lines backward.

    Lines are counted from the first one of the cell, so that equal cells are scanned alike wherever they are.

    Args:
        members: the elements of the cell.
        row: int32[n], grid row of every element of the layer.
        col: int32[n], grid column of every element of the layer.
        along_rows: hatch lines are rows (along x), taken with ascending y; False: columns, with ascending x.
    """
    across, along = (row[members], col[members]) if along_rows else (col[members], row[members])
    lines = across - across.min()
    forth = np.where(lines % 2 == 0, along, -along)
    return members[np.lexsort((forth, lines))].astype(np.int32)
