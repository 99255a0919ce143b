"""A printer without hardware: spreads, scans at the part's speed, reports its cells; time can be scaled.

Its laser follows the event loop's clock, and a cell begins exactly where the one before ended, so that no window
is lengthened by the machine it runs on. It stands still, and says for how long, when it has no cell. What can go
wrong with a machine goes wrong with this one as `printer.simulated.faults` asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.configuration import Simulated
from agent.driver.faults import MachineFaults
from agent.driver.interface import (
    CellFinished,
    CellStarted,
    DriverEvent,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Listener,
    Position,
    SpreadingStarted,
)
from agent.plant import Plant
from cosmic.errors import DriverError
from thermal.part import Part


class _Aborted(Exception):
    """The machine gives the job up."""


class SimulatedPrinter:
    """Prints `part` as a real printer would, heating `plant` with what it scans.

    Attributes:
        scanned: for every layer the cells really scanned, in order.
    """

    def __init__(self, part: Part, settings: Simulated, plant: Plant) -> None:
        self.scanned: dict[int, list[int]] = {}
        self._part = part
        self._plant = plant
        self._scale = settings.time_scale
        self._layers = min(settings.layers or part.layers, part.layers)
        spreading_s = part.process.spreading_s if settings.spreading_s is None else settings.spreading_s
        self._spreading_process_s = spreading_s
        self._spreading_s = spreading_s / self._scale
        self._faults = MachineFaults(settings.faults)
        self._handed: dict[int, int] = {}
        self._arrived = asyncio.Event()
        self._aborted = ""
        self._listener: Listener | None = None
        self._layer = -1
        self._ready = self._scanning = self._dark = False

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

        Raises DriverError when that window has another cell already: a decision is never changed once handed over.
        """
        known = self._handed.get(window, cell)
        if known != cell:
            raise DriverError(f"cell {cell} for window {window}", why=f"cell {known} was handed over for it before")
        if not self._dark:
            self._handed[window] = cell
            self._arrived.set()

    def sequence(self, window: int, cells: Sequence[int]) -> None:
        """Take `cells` for the windows from `window` on."""
        if not self._dark:
            for place, cell in enumerate(cells, window):
                self._handed.setdefault(place, cell)
            self._arrived.set()

    def report(self) -> None:
        """Tell where the machine stands, soon; a machine that is starting anew does not answer."""
        if self._listener is not None and not self._dark:
            asyncio.get_running_loop().call_soon(self._listener, self._position())

    def refuse(self, error: DriverError) -> None:
        """Nothing to do: this machine follows the rules, but where it was asked not to."""

    def abort(self, reason: str) -> None:
        """End the job after the layer being scanned."""
        self._aborted = reason

    async def run(self, listener: Listener) -> None:
        """Print the job."""
        self._listener = listener
        listener(JobStarted(self._layers))
        reason, complete = "all layers printed", True
        try:
            for layer in range(self._layers):
                if self._aborted:
                    reason = self._aborted
                    break
                await self._spread(layer)
                await self._scan_layer(layer)
        except _Aborted:
            reason, complete = "aborted by the machine", False
        self._layer, self._ready = self._layers, False
        listener(JobDone(reason, complete))

    async def _spread(self, layer: int) -> None:
        self._layer, self._ready = layer, False
        self.scanned[layer] = []
        self._tell(SpreadingStarted(layer, self._spreading_s), layer, 0)
        loop = asyncio.get_running_loop()
        ready_s = loop.time() + self._spreading_s
        await self._plant.spread(layer, self._spreading_process_s)
        await _until(ready_s)

    async def _scan_layer(self, layer: int) -> None:
        loop = asyncio.get_running_loop()
        windows_s = self.windows_s(layer)
        self._handed.clear()
        self._arrived.clear()
        starved_s = 0.0
        self._ready = True
        self._tell(LayerReady(layer), layer, 0)
        at_s: float | None = None
        for window in range(len(windows_s)):
            waited = await self._trouble(layer, window)
            while window not in self._handed:
                waited = True
                self._arrived.clear()
                await self._arrived.wait()
            if at_s is None:
                at_s = loop.time()
            elif waited:
                starved_s += loop.time() - at_s
                at_s = loop.time()
            at_s = await self._scan(layer, window, at_s)
        self._plant.scanned(layer, self.scanned[layer])
        self._tell(LayerDone(layer, starved_s), layer, len(windows_s))

    async def _scan(self, layer: int, window: int, at_s: float) -> float:
        """Scan the cell of `window`, or another one; return when it ended."""
        order = self.scanned[layer]
        windows_s = self.windows_s(layer)
        left = [cell for cell in range(len(windows_s)) if cell not in order]
        cell = self._faults.other_cell(self._handed[window], left, layer, window)
        self._take_instead(window, cell)
        order.append(cell)
        self._scanning = True
        self._tell(CellStarted(layer, window, cell, at_s), layer, window)
        at_s += windows_s[cell]
        await _until(at_s)
        self._scanning = False
        self._tell(CellFinished(layer, window, cell, at_s), layer, window)
        return at_s

    def _take_instead(self, window: int, cell: int) -> None:
        """Scan `cell` in `window`; the cells of a sequence that were to come move on by one place."""
        told, self._handed[window] = self._handed[window], cell
        while told != cell and window + 1 in self._handed:
            window += 1
            told, self._handed[window] = self._handed[window], told

    async def _trouble(self, layer: int, window: int) -> bool:
        """Let happen what goes wrong before `window`; return whether the machine stood still for it."""
        assert self._listener is not None, "the job runs"
        self._faults.trouble(self._listener, layer, window)
        if self._faults.happens("abort", layer, window):
            raise _Aborted
        if not self._faults.happens("restart", layer, window):
            return False
        self._dark = True
        self._handed = {done: cell for done, cell in self._handed.items() if done < window}
        await _until(asyncio.get_running_loop().time() + self._faults.restart_s)
        self._dark = False
        self._listener(self._position())
        return True

    def _position(self) -> Position:
        scanned = tuple(self.scanned.get(self._layer, ()))
        return Position(self._layer, self._ready, scanned, self._scanning, asyncio.get_running_loop().time())

    def _tell(self, event: DriverEvent, layer: int, window: int) -> None:
        assert self._listener is not None, "the job runs"
        self._faults.tell(self._listener, event, layer, window)


async def _until(at_s: float) -> None:
    """Wait until loop time `at_s`."""
    loop = asyncio.get_running_loop()
    reached = asyncio.Event()
    timer = loop.call_at(at_s, reached.set)
    try:
        await reached.wait()
    finally:
        timer.cancel()
