"""SmartScan on the printer's own computer: thinks ahead beside the printing, and answers only when it is ready.

The order is pure: it neither waits nor starts threads. `think` does the work, and whoever owns the order calls it
where it disturbs nothing; `next_cell` answers from what was thought, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fallback.layout import Layout
from thermal.operators import Polynomial
from thermal.smartscan import SmartScan


@dataclass(slots=True)
class _Thought:
    """What is known of one layer. Replaced as a whole, so that a thought about another layer changes nothing."""

    layout: Layout
    map_K: NDArray[np.float32] | None = None
    handed: list[int] = field(default_factory=list)
    carried: int = 0
    theta: NDArray[np.float64] | None = None
    answer: tuple[int, int] | None = None


class SmartScanOrder:
    """The cell that SmartScan chooses, carried over every cell that was handed over."""

    name = "smartscan"

    def __init__(self) -> None:
        import scipy.fft  # noqa: F401, PLC0415  now: its quarter of a second is not to be spent in a layer

        self._layer: _Thought | None = None
        self._models: dict[int, tuple[SmartScan, Polynomial]] = {}

    def start_layer(self, layer: int, layout: Layout) -> None:  # noqa: ARG002  part of the interface
        """Forget the layer before; there is no answer until the map is known and thought about."""
        self._layer = _Thought(layout)

    def begin(self, map_K: NDArray[np.float32]) -> None:
        """Be given the layer's first map, float32[n], kelvin."""
        if self._layer is not None:
            self._layer.map_K = map_K

    def handed(self, cell: int) -> None:
        """Note a cell that was handed over: the next answer has to follow it."""
        if self._layer is not None:
            self._layer.handed.append(cell)

    def strayed(self, handed: Sequence[int]) -> None:
        """Begin the layer anew from its map with `handed`: another cell was scanned than was handed over."""
        if self._layer is not None:
            self._layer = _Thought(self._layer.layout, self._layer.map_K, list(handed))

    @property
    def ready(self) -> bool:
        """True when there is nothing to think about."""
        layer = self._layer
        return layer is None or layer.map_K is None or self._answered(layer) or self._complete(layer)

    def think(self) -> int:
        """Carry the map over what was handed over, and choose: milliseconds a cell, safe in another thread.

        Returns how many operators and choices were computed.
        """
        layer, steps = self._layer, 0
        if layer is None or layer.map_K is None:
            return steps
        scan, operator = self._model(layer.layout)
        if layer.theta is None:
            layer.theta = scan.theta_from_map(layer.map_K)
        while layer is self._layer and not self._answered(layer) and not self._complete(layer):
            steps += 1
            if layer.carried < len(layer.handed):
                cell = layer.handed[layer.carried]
                length = int(layer.layout.geometry.lengths[cell])
                layer.theta = scan.advance(operator.apply(length, layer.theta), cell)
                layer.carried += 1
            else:
                scanned = np.zeros(len(layer.layout.geometry.cells), dtype=np.bool_)
                scanned[layer.handed[: layer.carried]] = True
                layer.answer = (layer.carried, scan.choose(layer.theta, scanned))
        return steps

    def next_cell(self, left: Sequence[int], last: int | None) -> int | None:  # noqa: ARG002  part of the interface
        """Return SmartScan's cell if it was thought about in time, else None."""
        layer = self._layer
        if layer is None or layer.answer is None or layer.answer[0] != len(layer.handed):
            return None
        return layer.answer[1]

    def _answered(self, layer: _Thought) -> bool:
        return layer.answer is not None and layer.answer[0] == len(layer.handed)

    def _complete(self, layer: _Thought) -> bool:
        return len(layer.handed) == len(layer.layout.geometry.cells)

    def _model(self, layout: Layout) -> tuple[SmartScan, Polynomial]:
        number = layout.geometry.number
        if number not in self._models:
            self._models.clear()  # one geometry at a time: a part may have a thousand
            self._models[number] = (
                SmartScan(layout.geometry, layout.process),
                Polynomial(layout.geometry, layout.process),
            )
        return self._models[number]
