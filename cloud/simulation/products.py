"""What simulated workers answer: real partial products, by the block or from one operator of the whole layer.

A layer whose matrices are small has real blocks, as workers have. A large one has the part's own operator: its
product is cut into row ranges, given whole by column range 0, and the other column ranges give zeros: the sum is
the same.
"""

from __future__ import annotations

import numpy as np

from cloud.platforms.link import Floats
from thermal.operators import Operator, build_operator, dense_bytes
from thermal.operators.dense import matrix_rows
from thermal.part import Part

DENSE_BYTES_MAX = 256 * 2**20
"""Matrices of a part that are computed and held for a simulation, bytes."""

Products = dict[tuple[int, int], Floats]
"""The partial product of every block (row, column) of one window."""


class PartProducts:
    """The operators of a part.

    dense: real blocks; None: where they are small enough.
    """

    def __init__(self, part: Part, precision: str, *, dense: bool | None = None) -> None:
        self._part = part
        self._precision = precision
        needed = sum(dense_bytes(geometry, precision) for geometry in part.geometries)
        self._dense = needed <= DENSE_BYTES_MAX if dense is None else dense
        self._operators: dict[int, Operator] = {}
        self._held: dict[int, dict[int, Floats]] = {}

    def of(
        self,
        geometry: int,
        length: int,
        theta: Floats,
        rows: list[tuple[int, int]],
        columns: list[tuple[int, int]],
    ) -> Products:
        """Return every block's partial product of one window."""
        dtype = np.dtype(self._precision)
        places = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
        if self._dense:
            matrix = self._matrices(geometry)[length]
            return {
                (i, j): matrix[slice(*rows[i]), slice(*columns[j])] @ theta[slice(*columns[j])] for i, j in places
            }
        y = self._operator(geometry).apply(length, theta.astype(np.float64, copy=False))
        zeros = np.zeros(max(end - first for first, end in rows), dtype=dtype)
        return {
            (i, j): y[slice(*rows[i])].astype(dtype, copy=False) if j == 0 else zeros[: rows[i][1] - rows[i][0]]
            for i, j in places
        }

    def _matrices(self, geometry: int) -> dict[int, Floats]:
        known = self._held.get(geometry)
        if known is None:
            outline = self._part.geometries[geometry]
            rows = matrix_rows(outline, self._part.process, 0, outline.elements)
            known = {length: values.astype(self._precision, order="C") for length, values in rows}
            self._held[geometry] = known
        return known

    def _operator(self, geometry: int) -> Operator:
        known = self._operators.get(geometry)
        if known is None:
            outline = self._part.geometries[geometry]
            used = self._part.manifest.operator
            known = build_operator(used.variant, outline, self._part.process, used.tolerance)
            self._operators[geometry] = known
        return known
