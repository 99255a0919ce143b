"""The recorded printer and camera: what they told then, at the same times, for whatever cells they are handed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.driver import (
    CellFinished,
    CellStarted,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    SpreadingStarted,
)
from agent.driver.interface import Listener
from agent.printing.deadlines import WAKE_EARLY_S
from agent.recorder.channels import Window
from agent.recorder.reading import Recording
from agent.replay.clock import ReplayLoop
from agent.replay.script import Durations, LayerScript, Script, durations_of
from cosmic.errors import DriverError
from thermal.part import Part

CLOCK_STEP_S = 1e-6
"""What counts as the same moment: recorded times are rounded to it."""

HOLDER, READ = "decision", "part"
"""As whom the printer holds the clock: for a decision, and while the part is read from disk."""

HOLD_EARLY_S = WAKE_EARLY_S + 0.0005
"""How long before a deadline the clock is held: before the agent's own timer for it."""


class RecordedPrinter:
    """Prints the layers of `script` again.

    Attributes:
        layer: the layer in progress, or printed last; -1 before the first.
        handed: how many of its windows have their cell.
        shift_s: how much later than recorded it is now: a cell that came late makes all after it late.
        starved_s: how long the laser stood still for want of a cell, which it did not when recorded.
    """

    def __init__(self, script: Script, part: Part, loop: ReplayLoop, guard_s: float, *, wait: bool) -> None:
        """Prepare. `wait`: hold the clock for decisions that had come in time."""
        self.layer = -1
        self.handed = 0
        self.shift_s = 0.0
        self.starved_s = 0.0
        self._script = script
        self._part = part
        self._loop = loop
        self._guard_s = guard_s
        self._wait = wait
        self._cells: dict[int, int] = {}
        self._arrived = asyncio.Event()
        self._aborted = ""
        self._durations: dict[int, Durations] = {}

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell takes, as the machine told then, seconds."""
        return self._of(layer).told_s

    def scan(self, window: int, cell: int) -> None:
        """Take `cell` for `window`."""
        if window not in self._cells:
            self._cells[window] = cell
            self.handed = len(self._cells)
            self._loop.release(HOLDER)
            self._arrived.set()

    def sequence(self, window: int, cells: Sequence[int]) -> None:
        """Take `cells` for the windows from `window` on."""
        for offset, cell in enumerate(cells):
            self.scan(window + offset, cell)

    def report(self) -> None:
        """Say nothing: nothing of the recording is unknown."""

    def refuse(self, error: DriverError) -> None:
        """Raise what breaks the rules: a recording that the agent refuses is damaged."""
        raise error

    def abort(self, reason: str) -> None:
        """End the job after the layer being scanned."""
        self._aborted = reason

    async def run(self, listener: Listener) -> None:
        """Print the job."""
        faults = asyncio.create_task(self._tell_faults(listener))
        try:
            listener(JobStarted(len(self._script.layers)))
            for script in self._script.layers:
                if self._aborted:
                    break
                await self._spread(script, listener)
                await self._scan_layer(script, listener)
        finally:
            faults.cancel()
        listener(JobDone(self._aborted or self._script.reason))

    async def _tell_faults(self, listener: Listener) -> None:
        for at_s, text in self._script.faults:
            await self.until(at_s)
            listener(Fault(text))

    async def until(self, at_s: float) -> None:
        """Wait until what was recorded at `at_s` is due."""
        while (due_s := at_s + self.shift_s) > self._loop.time():  # the shift may grow meanwhile
            await self._until_clock(due_s)

    def _of(self, layer: int) -> Durations:
        if layer not in self._durations:
            self._durations.clear()
            self._durations[layer] = durations_of(self._script.of(layer), self._part)
        return self._durations[layer]

    async def _spread(self, script: LayerScript, listener: Listener) -> None:
        await self.until(script.spreading_at_s)
        listener(SpreadingStarted(script.layer, script.spreading_s))
        self._loop.hold(READ)
        await asyncio.to_thread(self._part.geometry_of, script.layer)  # now, as the agent does
        self._loop.release(READ)
        await self.until(script.ready_at_s)

    async def _scan_layer(self, script: LayerScript, listener: Listener) -> None:
        layer, really_s = script.layer, self._of(script.layer).really_s
        self._cells.clear()
        self.layer, self.handed = layer, 0
        if self._wait and script.decided(0):
            self._loop.hold(HOLDER, script.windows[0].started_s + self.shift_s)
        listener(LayerReady(layer))
        starved_s = 0.0
        ended_s: float | None = None
        for window in range(len(really_s)):
            recorded = script.windows.get(window)
            while window not in self._cells:
                self._arrived.clear()
                await self._arrived.wait()
            if recorded is not None:
                await self.until(recorded.started_s)
            at_s = self._begin(recorded, ended_s)
            if ended_s is not None and recorded is not None:
                starved_s += max(0.0, at_s - ended_s - script.gap_s(window))
            cell = self._cells[window]
            self._hold_for(script, window + 1, at_s + self._of(layer).told_s[cell])
            listener(CellStarted(layer, window, cell, at_s))
            ended_s = at_s + really_s[cell]
            await self._until_clock(ended_s)
            listener(CellFinished(layer, window, cell, ended_s))
        self.starved_s += starved_s
        listener(LayerDone(layer, starved_s))

    def _begin(self, recorded: Window | None, ended_s: float | None) -> float:
        """Return when the laser begins a cell that is there: as recorded, or now where it came late."""
        now_s = self._loop.time()
        earliest_s = now_s if ended_s is None else ended_s
        if recorded is not None:
            due_s = recorded.started_s + self.shift_s
            earliest_s = due_s if ended_s is None else max(due_s, ended_s)
            self.shift_s = max(self.shift_s, max(now_s, earliest_s) - recorded.started_s)
        return max(now_s, earliest_s) if now_s - earliest_s > CLOCK_STEP_S else earliest_s

    def _hold_for(self, script: LayerScript, window: int, ends_s: float) -> None:
        """Hold the clock before the deadline of `window`, if its decision had been there."""
        if self._wait and window not in self._cells and script.decided(window):
            self._loop.hold(HOLDER, ends_s - self._guard_s - HOLD_EARLY_S)

    async def _until_clock(self, at_s: float) -> None:
        reached = asyncio.Event()
        timer = self._loop.call_at(at_s, reached.set)
        try:
            await reached.wait()
        finally:
            timer.cancel()


class RecordedCamera:
    """Gives the recorded maps, as late as they came then."""

    def __init__(self, recording: Recording, script: Script, printer: RecordedPrinter) -> None:
        self._recording = recording
        self._script = script
        self._printer = printer

    async def capture(self, layer: int) -> NDArray[np.float32]:
        """Return the map that the coordinator got then, float32[n], kelvin."""
        map_K = self._recording.map_K(layer)
        await self._printer.until(self._script.of(layer).map_at_s)
        return map_K
