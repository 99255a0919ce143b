"""All that a job needs in one process on virtual time: the real agent, the real coordinator, faults by a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from structlog.testing import capture_logs

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration, Capture, Fallback, Printer, Simulated, SimulatedFaults, Uplink
from agent.driver.simulated import SimulatedPrinter
from agent.journal import Journal
from agent.observers import Happening, LayerBegan, Observers
from agent.plant import Plant
from agent.printing import Printing
from agent.uplink import Uplink as AgentUplink
from cloud.configuration import CoordinatorSettings
from cloud.engines.inline import InlineEngine
from cloud.prepared import PreparedPart
from cloud.sessions import PrinterSession
from cosmic.errors import CaptureError, EngineError
from fallback import make_ladder
from protocol.messages import OpenJob
from tests.simulation.network import End, Network
from tests.support import virtual_time
from thermal.part import Part

LAYERS = 3
FAULTS = (
    "cut",
    "silent",
    "stall up",
    "stall down",
    "crash",
    "slow engine",
    "engine fails",
    "slow network",
    "no frame",
)
MACHINE_FAULTS = ("late", "lost", "doubled", "wrong_cell", "restart", "fault")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, at a time in seconds, for so many seconds."""

    at_s: float
    kind: str
    lasts_s: float


def schedule_of(seed: int) -> list[Fault]:
    """Return the faults of a seed: none to eight, in the order of their times."""
    generator = random.Random(seed)
    count = generator.choice((0, 1, 1, 2, 3, 4, 6, 8))
    faults = [
        Fault(generator.uniform(0.0, 8.0), generator.choice(FAULTS), generator.choice((0.02, 0.1, 0.4, 1.5)))
        for _ in range(count)
    ]
    return sorted(faults, key=lambda fault: fault.at_s)


def machine_of(seed: int) -> tuple[SimulatedFaults, str]:
    """Return what goes wrong with the machine in the world of a seed, and how it is handed its cells."""
    generator = random.Random(f"machine {seed}")
    dispatch = generator.choice(("cell", "cell", "layer"))
    if generator.random() < 0.5:
        return SimulatedFaults(), dispatch
    shares: dict[str, float] = {
        kind: generator.choice((0.01, 0.05, 0.2)) for kind in MACHINE_FAULTS if generator.random() < 0.4
    }
    at = [f"abort {generator.randrange(LAYERS)}:{generator.randrange(36)}"] if generator.random() < 0.1 else []
    late_ms = generator.choice((5.0, 30.0, 100.0))
    return SimulatedFaults(seed=seed, late_ms=late_ms, restart_s=0.2, at=at, **shares), dispatch


class SlowableEngine(InlineEngine):
    """The inline engine with a virtual time for every product, and faults."""

    def __init__(self, part: Part, executor: ThreadPoolExecutor, generator: random.Random) -> None:
        super().__init__(part, executor)
        self.product_s = 0.003
        self.failing = False
        self._generator = generator

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        await asyncio.sleep(self.product_s * (0.5 + self._generator.random()))
        if self.failing:
            raise EngineError("workers died")
        return await super().apply(geometry, cell, theta)


class FailingCamera(SimulatedCamera):
    """Gives no frame while it fails; keeps those it gave."""

    failing = False

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant, noise_K=2.0, seed=5)
        self.maps: dict[int, NDArray[np.float32]] = {}

    async def capture(self, layer: int) -> NDArray[np.float32]:
        if self.failing:
            raise CaptureError("frame frozen")
        self.maps[layer] = await super().capture(layer)
        return self.maps[layer]


class World:
    """One job under the faults of `schedule`. After `run`, `lines` hold everything that was logged."""

    def __init__(
        self,
        part: Part,
        seed: int,
        schedule: list[Fault],
        machine: SimulatedFaults | None = None,
        dispatch: str = "cell",
    ) -> None:
        generator = random.Random(f"world {seed}")
        self.part = part
        self.schedule = schedule
        self.machine = machine or SimulatedFaults()
        self.dispatch = dispatch
        self.lines: list[Any] = []
        self.network = Network(generator)
        self.sent_maps: dict[int, NDArray[np.float32]] = {}
        self.last_fault_s = max((fault.at_s + fault.lasts_s for fault in schedule), default=0.0)
        self.layer_began_s: dict[int, float] = {}
        self.ended_s = 0.0
        lookahead = generator.choice((None, None, 1, 2, 5, 12))
        self.lookahead = lookahead if dispatch == "cell" else None
        self.fallback = generator.choice(("random", "farthest", "smartscan"))
        self._generator = generator
        self._seed = seed
        self._sessions: set[asyncio.Task[None]] = set()
        self._executor = ThreadPoolExecutor(1)

    def run(self) -> World:
        """Print the job to its end."""
        with capture_logs() as lines, patch("agent.uplink.link.connect", self.network.connect):
            virtual_time.run(self._run())
        self.lines = [dict(line) for line in lines]
        self._executor.shutdown()
        return self

    async def _run(self) -> None:
        engine = self.engine = SlowableEngine(self.part, self._executor, self._generator)
        await engine.load(lambda _done, _total, _what: None)
        self._prepared = PreparedPart(self.part, engine)
        self.network.serve = self._serve
        printing = self._agent()
        loop = asyncio.get_running_loop()
        for fault in self.schedule:
            loop.call_at(fault.at_s, self._begin, fault)
        await printing.run()
        self.ended_s = loop.time()
        for session in list(self._sessions):
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _agent(self) -> Printing:
        settings = AgentConfiguration(
            printer=Printer(
                first_cell_limit_ms=300.0,
                sequence_limit_ms=600.0,
                dispatch=cast("Any", self.dispatch),
                simulated=Simulated(layers=LAYERS, spreading_s=0.3, start_limit_s=1.0, faults=self.machine),
            ),
            capture=Capture(noise_K=2.0, seed=5),
            uplink=Uplink(url="ws://memory", lookahead=self.lookahead, backoff_max_s=0.4),
            fallback=Fallback(order=self.fallback, smartscan_limit_ms=1e6),
        )
        plant = Plant(self.part, settings.capture.residual)
        driver = self.driver = SimulatedPrinter(self.part, settings.printer.simulated, plant)
        self.camera = FailingCamera(plant)
        journal = Journal("job", settings.printer.guard_ms / 1e3)
        ladder = make_ladder([self.fallback], self._seed)
        printing = Printing(settings, self.part, driver, self.camera, ladder, Observers(journal))
        self.printing = printing
        job = OpenJob(job="job", part=self.part.digest, printer="printer", lookahead=self.lookahead)
        printing.coordinator.uplink = AgentUplink(settings.uplink, job, printing.coordinator, seed=self._seed)
        printing.observers.add(self)
        return printing

    def observe(self, happening: Happening) -> None:
        """Note when layers begin."""
        if isinstance(happening, LayerBegan):
            self.layer_began_s[happening.layer] = happening.at_s

    def _serve(self, end: End) -> None:
        session = PrinterSession(cast("Any", end), "printer", cast("Any", self), CoordinatorSettings())
        task = asyncio.create_task(session.run())
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def open(self, _digest: str, progress: Callable[[int, int, str], None]) -> PreparedPart:
        """Stand where the coordinator's pool of parts stands: loading takes a while."""
        await asyncio.sleep(0.05)
        progress(1, 1, "operators")
        return self._prepared

    def release(self, _digest: str) -> None:
        """The part stays loaded."""

    # --- faults -----------------------------------------------------------------------------------------------

    def _begin(self, fault: Fault) -> None:
        wire = self.network.wire
        match fault.kind:
            case "cut" if wire is not None:
                wire.close()
            case "silent" if wire is not None:
                wire.go_silent()
            case "stall up" | "stall down" if wire is not None:
                wire.stall(0 if fault.kind == "stall up" else 1, fault.lasts_s)
            case "crash":
                self._crash(fault.lasts_s)
            case "slow engine":
                self._for_a_while(fault.lasts_s, self.engine, "product_s", 0.060)
            case "engine fails":
                self._for_a_while(fault.lasts_s, self.engine, "failing", True)
            case "slow network":
                self._for_a_while(fault.lasts_s, self.network, "latency_s", 0.050)
            case "no frame":
                self._for_a_while(fault.lasts_s, self.camera, "failing", True)
            case _:
                pass

    def _crash(self, away_s: float) -> None:
        for session in list(self._sessions):
            session.cancel()
        if self.network.wire is not None:
            self.network.wire.close()
        self._for_a_while(away_s, self.network, "serve", None, usual=self._serve)

    def _for_a_while(self, seconds: float, owner: object, name: str, value: Any, usual: Any = None) -> None:
        """Set an attribute now, and to what it usually is after `seconds`."""
        normal = {"product_s": 0.003, "failing": False, "latency_s": 0.002}.get(name, usual)
        setattr(owner, name, value)
        asyncio.get_running_loop().call_later(seconds, setattr, owner, name, normal)
