"""Recordings for tests: jobs printed on virtual time by the real agent, recorded by the real recorder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration, Capture, Printer, Recording, Simulated
from agent.driver.simulated import SimulatedPrinter
from agent.observers import Observers
from agent.plant import Plant
from agent.printing import Printing
from agent.recorder.beginning import make_recorder
from agent.recorder.recorder import Recorder
from agent.recorder.writing import Disk
from fallback import make_ladder
from tests.support import virtual_time
from tests.support.virtual_coordinator import VirtualCoordinator
from thermal.part import Part

During = Callable[["RecordedJob"], Awaitable[None]]


class RecordedJob:
    """One job, printed and recorded."""

    def __init__(
        self,
        part: Part,
        directory: Path,
        *,
        layers: int = 2,
        name: str = "job",
        disk: Disk | None = None,
        **recording: Any,
    ) -> None:
        self.part = part
        self.disk = disk
        self.settings = AgentConfiguration(
            printer=Printer(
                name="printer-1",
                part=str(part.folder or ""),
                job=name,
                first_cell_limit_ms=200.0,
                simulated=Simulated(layers=layers),
            ),
            capture=Capture(noise_K=2.0, seed=5),
            recording=Recording(directory=str(directory), sync=False, **recording),
        )
        self.printing: Printing
        self.recorder: Recorder
        self.coordinator: VirtualCoordinator | None = None

    def print(self, during: During | None = None, **coordinator: Any) -> Path:
        """Print it with a coordinator that decides as `coordinator` says; return the recording."""
        virtual_time.run(self._print(during, coordinator))
        return self.recorder.path

    async def _print(self, during: During | None, coordinator: dict[str, Any]) -> None:
        settings, part = self.settings, self.part
        plant = Plant(part, settings.capture.residual)
        driver = SimulatedPrinter(part, settings.printer.simulated, plant)
        camera = SimulatedCamera(plant, noise_K=2.0, seed=5)
        observers = Observers()
        recorder = make_recorder(settings, settings.printer.job, part, observers, self.disk)
        assert recorder is not None
        self.recorder = recorder
        self.printing = Printing(settings, part, driver, camera, make_ladder(["random"], seed=1), observers)
        if "absent" not in coordinator:
            self.coordinator = VirtualCoordinator(part, self.printing.coordinator, **coordinator)
            self.printing.coordinator.uplink = self.coordinator  # type: ignore[assignment]
        running = [asyncio.ensure_future(during(self))] if during is not None else []
        async with recorder:
            await asyncio.gather(self.printing.run(), *running)

    async def window_reached(self, layer: int, window: int) -> None:
        """Wait until a window of a layer has begun."""
        while self.printing.keeper.layer != layer or len(self.printing.keeper.printed) <= window:
            await asyncio.sleep(0.001)
