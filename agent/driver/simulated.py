"""A printer without hardware: spreads, scans at the part's speed, reports its cells; time can be scaled.

Its laser follows the event loop's clock, and a cell begins exactly where the one before ended, so that no window
is lengthened by the machine it runs on. It stands still, and says for how long, when it has no cell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.configuration import Simulated
from agent.driver.interface import (
    CellFinished,
    CellStarted,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Listener,
    SpreadingStarted,
)
from agent.plant import Plant
from cosmic.errors import DriverError
from thermal.part import Part


class SimulatedPrinter:
    """Prints `part` as a real printer would, heating `plant` with what it scans."""

    def __init__(self, part: Part, settings: Simulated, plant: Plant) -> None:
        self._part = part
        self._plant = plant
        self._scale = settings.time_scale
        self._layers = min(settings.layers or part.layers, part.layers)
        spreading_s = part.process.spreading_s if settings.spreading_s is None else settings.spreading_s
        self._spreading_process_s = spreading_s
        self._spreading_s = spreading_s / self._scale
        self._handed: dict[int, int] = {}
        self._arrived = asyncio.Event()
        self._aborted = ""

    @property
    def layers(self) -> int:
        """Layers of the job."""
        return self._layers

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell takes, seconds of this machine's clock."""
        step_s = self._part.process.step_s
        return [int(length) * step_s / self._scale for length in self._part.geometry_of(layer).lengths]

    def scan(self, window: int, cell: int) -> None:
        """Take `cell` for `window`.

        Raises DriverError when that window has its cell already: a decision is never changed once handed over.
        """
        if window in self._handed:
            raise DriverError(
                f"cell {cell} for window {window}", why=f"cell {self._handed[window]} was handed over for it before"
            )
        self._handed[window] = cell
        self._arrived.set()

    def abort(self, reason: str) -> None:
        """End the job after the layer being scanned."""
        self._aborted = reason

    async def run(self, listener: Listener) -> None:
        """Print the job."""
        listener(JobStarted(self._layers))
        for layer in range(self._layers):
            if self._aborted:
                break
            await self._spread(layer, listener)
            await self._scan_layer(layer, listener)
        listener(JobDone(self._aborted or "all layers printed"))

    async def _spread(self, layer: int, listener: Listener) -> None:
        listener(SpreadingStarted(layer, self._spreading_s))
        loop = asyncio.get_running_loop()
        ready_s = loop.time() + self._spreading_s
        await self._plant.spread(layer, self._spreading_process_s)
        await _until(ready_s)

    async def _scan_layer(self, layer: int, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        windows_s = self.windows_s(layer)
        self._handed.clear()
        self._arrived.clear()
        starved_s = 0.0
        order: list[int] = []
        listener(LayerReady(layer))
        at_s: float | None = None
        for window in range(len(windows_s)):
            in_time = window in self._handed
            while window not in self._handed:
                self._arrived.clear()
                await self._arrived.wait()
            if at_s is None:
                at_s = loop.time()
            elif not in_time:
                starved_s += loop.time() - at_s
                at_s = loop.time()
            cell = self._handed[window]
            listener(CellStarted(layer, window, cell, at_s))
            at_s += windows_s[cell]
            await _until(at_s)
            order.append(cell)
            listener(CellFinished(layer, window, cell, at_s))
        self._plant.scanned(layer, order)
        listener(LayerDone(layer, starved_s))


async def _until(at_s: float) -> None:
    """Wait until loop time `at_s`."""
    loop = asyncio.get_running_loop()
    reached = asyncio.Event()
    timer = loop.call_at(at_s, reached.set)
    try:
        await reached.wait()
    finally:
        timer.cancel()
