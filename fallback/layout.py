"""What orders may know of a layer: where its cells lie, and the thermal model of its geometry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thermal.geometry import Geometry
from thermal.process import Process


@dataclass(frozen=True)
class Layout:
    """One layer geometry as orders see it; made once for all layers of the geometry."""

    geometry: Geometry
    process: Process

    @cached_property
    def centres_m(self) -> NDArray[np.float64]:
        """Centre of every cell, float64[cells, 2]: x and y from the grid's corner, m."""
        geometry = self.geometry
        columns_rows = np.stack((geometry.col, geometry.row), axis=1).astype(np.float64) + 0.5
        return np.array([columns_rows[cell].mean(axis=0) for cell in geometry.cells]) * geometry.dx_m

    @cached_property
    def colours(self) -> NDArray[np.int8]:
        """0 or 1 for every cell, int8[cells].

        Breadth first from the lowest cell of every connected piece, each newly met neighbour taking the other
        colour: whole islands come out as a chessboard; where merged cells close an odd ring, two neighbours
        share one.
        """
        neighbours = self.geometry.adjacency()
        count = len(self.geometry.cells)
        colours = np.full(count, -1, dtype=np.int8)
        for seed in range(count):
            if colours[seed] >= 0:
                continue
            waiting = deque([seed])
            colours[seed] = 0
            while waiting:
                cell = waiting.popleft()
                beside = neighbours.indices[neighbours.indptr[cell] : neighbours.indptr[cell + 1]]
                for neighbour in sorted(int(each) for each in beside):
                    if colours[neighbour] < 0:
                        colours[neighbour] = 1 - colours[cell]
                        waiting.append(neighbour)
        return colours
