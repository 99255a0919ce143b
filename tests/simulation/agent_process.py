"""An agent as a process: the real printing, uplink, drivers, recorder and MQTT publisher. It can be killed too."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from agent.capture import SimulatedCamera
from agent.configuration import (
    AgentConfiguration,
    Capture,
    Fallback,
    Mqtt,
    Printer,
    Simulated,
    Uplink,
)
from agent.configuration import Socket as SocketSettings
from agent.driver import Driver
from agent.driver.simulated import SimulatedPrinter
from agent.driver.socket import SocketPrinter
from agent.journal import Journal
from agent.mqtt import Publisher
from agent.observers import Observers
from agent.plant import Plant
from agent.printing import Printing
from agent.recorder.recorder import Recorder
from agent.status import Status
from agent.uplink import Uplink as AgentUplink
from cosmic.errors import CaptureError
from fallback import make_ladder
from protocol.messages import OpenJob
from tests.simulation.disk import recorder
from tests.simulation.invariants import Watch
from tests.simulation.machine import Machine, Socket
from tests.simulation.part import LAYERS
from tests.support.virtual_processes import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

BACKOFF_MAX_S = 0.4


class FailingCamera(SimulatedCamera):
    """Gives no frame while it fails."""

    failing = False

    async def capture(self, layer: int) -> NDArray[np.float32]:
        """Return the frame of a layer. Raises CaptureError."""
        if self.failing:
            raise CaptureError("frame frozen")
        return await super().capture(layer)


class PrinterSide:
    """One printer: its machine, its camera, and the agent beside it, again and again.

    Attributes:
        name: of the printer.
        printer: the machine, with what it really scanned.
        process: the agent that runs now.
        watch: checks the agent that runs now.
        starts: agents started so far.
        recorders: of all agents.
        stalls: from when to when an agent's event loop was blocked, seconds.
    """

    def __init__(self, world: World, number: int) -> None:
        self.name = f"printer-{number}"
        self.number = number
        self.world = world
        self.settings = _settings(world, self.name)
        plant = Plant(world.part, self.settings.capture.residual)
        self.printer = SimulatedPrinter(world.part, self.settings.printer.simulated, plant)
        self.camera = FailingCamera(plant, noise_K=2.0, seed=5 + number)
        self.socket = Socket()
        self.process = Process(world.loop, self.name)
        self.machine_process = Process(world.loop, f"machine-{number}")
        self.watch: Watch | None = None
        self.starts = 0
        self._running = False
        self.recorders: list[Recorder] = []
        self.stalls: list[tuple[float, float]] = []
        self.ended: asyncio.Future[None] = world.loop.create_future()

    def start(self) -> None:
        """Start the machine and the agent."""
        if self.world.setup.driver == "socket":
            self.machine_process.start(Machine(self.printer, self.socket, self.machine_process).run())
        self._start_agent()

    def kill(self, away_s: float) -> None:
        """Kill the agent; another one starts after a while. Nothing happens where none runs."""
        if self.ended.done() or not self._running:
            return
        self._running = False
        self.process.kill()
        self.socket.accept = None
        self.world.network.reset(self.process)
        self.process = Process(self.world.loop, self.name)
        self.world.loop.call_later(away_s, self._start_agent)

    def stall(self, seconds: float) -> None:
        """Block the agent's event loop."""
        now_s = self.world.loop.time()
        self.stalls.append((now_s, now_s + seconds))
        self.process.stop(seconds)

    def _start_agent(self) -> None:
        self.starts += 1
        self._running = True
        task = self.process.start(self._run(self.process))
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        if not self.ended.done() and not task.cancelled():
            error = task.exception()
            if error is not None:
                self.world.violated(f"a bug was met: {type(error).__name__}: {error}")
            else:
                self.ended.set_result(None)

    async def _run(self, process: Process) -> None:
        """Put the agent together as agent.service does, and print."""
        world, settings = self.world, self.settings
        driver: Driver = self.printer
        if world.setup.driver == "socket":
            driver = SocketPrinter(world.part, settings.printer.socket, dispatch=settings.printer.dispatch)
        status = Status("job")
        observers = Observers(Journal("job", settings.printer.guard_ms / 1e3), status)
        async with contextlib.AsyncExitStack() as beside:
            if world.disk is not None:
                made = recorder(world.loop, process, world.disk, world.part, self.name, self.name)
                self.recorders.append(made)
                observers.add(made)
                await beside.enter_async_context(made)
            if settings.mqtt.host:
                publisher = Publisher(settings.mqtt, self.name, status, seed=world.setup.seed)
                await beside.enter_async_context(publisher)
            await self._print(driver, observers)

    async def _print(self, driver: Driver, observers: Observers) -> None:
        world, settings = self.world, self.settings
        names = settings.fallback.order
        ladder = make_ladder([names] if isinstance(names, str) else names, world.setup.seed)
        printing = Printing(settings, world.part, driver, self.camera, ladder, observers)
        lookahead = None if settings.printer.whole else settings.uplink.lookahead
        job = OpenJob(job="job", part=world.part.digest, printer=self.name, lookahead=lookahead)
        printing.coordinator.uplink = AgentUplink(
            settings.uplink, job, printing.coordinator, seed=world.setup.seed + self.number
        )
        self.watch = Watch(world, self, printing.keeper)
        observers.add(self.watch)
        await printing.run()


def _settings(world: World, name: str) -> AgentConfiguration:
    setup = world.setup
    return AgentConfiguration(
        printer=Printer(
            name=name,
            driver=cast("Any", setup.driver),
            first_cell_limit_ms=300.0,
            sequence_limit_ms=600.0,
            dispatch=cast("Any", setup.dispatch),
            socket=SocketSettings(path=f"/simulated/{name}"),
            simulated=Simulated(
                layers=LAYERS, spreading_s=setup.spreading_s, start_limit_s=1.0, faults=setup.machine
            ),
        ),
        capture=Capture(noise_K=2.0, seed=5),
        uplink=Uplink(url=f"ws://memory/{name}", lookahead=setup.lookahead, backoff_max_s=BACKOFF_MAX_S),
        fallback=Fallback(order=setup.fallback, smartscan_limit_ms=1e6),
        mqtt=Mqtt(host="broker" if setup.broker else ""),
    )


__all__ = ["FailingCamera", "PrinterSide"]
