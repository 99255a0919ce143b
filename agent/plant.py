"""The heat of a simulated part: what a camera would see, given what was really scanned.

Each layer starts from what is left of the heat of the layer below after spreading, so that maps differ from layer
to layer and depend on the order printed. The numerics run in a thread: they take milliseconds a window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thermal.carrying import carry_over
from thermal.operators import Polynomial
from thermal.order import cool, predict_map
from thermal.part import Part


class Plant:
    """True temperatures of the part being printed.

    residual: share of the layer below's heat above ambient that shows through the new powder, 0 to 1.
    """

    def __init__(self, part: Part, residual: float) -> None:
        self._part = part
        self._residual = residual
        self._layer = -1
        self._map_K: NDArray[np.float32] | None = None
        self._scanned: list[int] = []
        self._operator: tuple[int, Polynomial] | None = None

    def map_K(self, layer: int) -> NDArray[np.float32]:
        """Return the true map of `layer` before its first window, float32[n], kelvin."""
        if self._map_K is None or self._layer != layer:
            return self._ambient(layer)
        return self._map_K

    def scanned(self, layer: int, order: Sequence[int]) -> None:
        """Be told which cells of `layer` were scanned, in order."""
        self._layer, self._scanned = layer, list(order)

    async def spread(self, layer: int, seconds: float) -> None:
        """Heat the layer below with what was scanned, and let it cool for `seconds` under the powder of `layer`."""
        if layer > 0 and self._layer == layer - 1 and self._scanned:
            self._map_K = await asyncio.to_thread(self._after, layer - 1, seconds)
        else:
            self._map_K = self._ambient(layer)
        self._layer, self._scanned = layer, []

    def _after(self, below: int, seconds: float) -> NDArray[np.float32]:
        part, geometry = self._part, self._part.geometry_of(below)
        if self._operator is None or self._operator[0] != geometry.number:
            self._operator = (geometry.number, Polynomial(geometry, part.process))
        operator = self._operator[1]
        start_K = self._map_K if self._map_K is not None else self._ambient(below)
        ambient_K = part.process.ambient_K
        hot_K = predict_map(part, below, start_K, self._scanned, operator)
        theta = cool(part, below, hot_K.astype(np.float64) - ambient_K, seconds, operator)
        above = part.geometry_of(below + 1)
        return carry_over(geometry, above, theta * self._residual + ambient_K, ambient_K).astype(np.float32)

    def _ambient(self, layer: int) -> NDArray[np.float32]:
        elements = self._part.geometry_of(layer).elements
        return np.full(elements, self._part.process.ambient_K, dtype=np.float32)
