"""As far as possible from the cell scanned before: simple, and keeps heat from piling up at one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fallback.layout import Layout


class FarthestOrder:
    """The cell left whose centre is farthest from the last cell's; ties go to the lowest cell."""

    name = "farthest"

    def __init__(self) -> None:
        self._centres_m: NDArray[np.float64] = np.zeros((0, 2))

    def start_layer(self, layer: int, layout: Layout) -> None:  # noqa: ARG002  part of the interface
        """Take the centres of this layer's cells."""
        self._centres_m = layout.centres_m

    def handed(self, cell: int) -> None:
        """Nothing to note: the last cell comes with the question."""

    def next_cell(self, left: Sequence[int], last: int | None) -> int:
        """Return the cell of `left` farthest from `last`; the lowest one when nothing was scanned yet."""
        if last is None:
            return left[0]
        away = self._centres_m[np.asarray(left)] - self._centres_m[last]
        # Rounded to a millionth of a square millimetre: mirrored cells are equally far on every machine.
        squared_mm2 = np.round((away**2).sum(axis=1) * 1e6, 6)
        return left[int(np.argmax(squared_mm2))]
