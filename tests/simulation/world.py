"""A whole job on virtual time: printers, agents, coordinator, workers, broker, disk, and what goes wrong."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import structlog

from agent.mqtt.connection import Connector
from cloud.engines import inline
from cloud.parts import prepared
from cloud.serving import layers
from cosmic import logs
from tests.simulation import faults
from tests.simulation.agent_process import PrinterSide
from tests.simulation.broker import Broker, Client
from tests.simulation.coordinator_process import Coordinator, Ground
from tests.simulation.disk import FaultyDisk
from tests.simulation.invariants import check_end, checks
from tests.simulation.network import Network
from tests.simulation.part import LAYERS, cheap_numerics, plate
from tests.simulation.schedule import Fault, Setup
from tests.support.virtual_processes import Process, ProcessLoop, current

BUGS = frozenset(
    {
        "internal_error",
        "uplink_stopped",
        "fallback_failed",
        "observer_failed",
        "no_prediction",
        "mqtt_stopped",
        "driver_error",
    }
)
"""Log lines that only a bug writes. A machine that breaks the rules makes a `driver_error` as well."""

WALL_S = 1_767_225_600.0
"""Wall time at the beginning."""


class Violation(AssertionError):
    """An invariant does not hold."""


class World:
    """One job under the faults of `schedule`; `run` raises Violation.

    Attributes:
        lines: everything that was logged, with the virtual time and the process.
        outcomes: windows by outcome.
        checks: how often each invariant was checked.
        ended_s: virtual time at the end.
        last_fault_s: when the last fault is over.
    """

    def __init__(self, setup: Setup, schedule: Sequence[Fault]) -> None:
        self.setup = setup
        self.schedule = tuple(schedule)
        self.part = plate()
        self.loop = ProcessLoop()
        self.lines: list[dict[str, Any]] = []
        self.outcomes: Counter[str] = Counter()
        self.checks: Counter[int] = Counter()
        self.layers = 0
        self.last_fault_s = max((fault.at_s + fault.lasts_s for fault in schedule), default=0.0)
        self.ended_s = 0.0
        self.wall_step_s = 0.0
        self._listeners: dict[logs.LineListener, Process | None] = {}
        self.network = Network(random.Random(f"network {setup.seed}"))
        self.ground = Ground(self.part, setup)
        self.broker = Broker() if setup.broker else None
        self.disk: FaultyDisk | None = None
        self.recordings: list[bytes] = []
        self._violation = ""
        self._over = False
        self._wrong: asyncio.Future[None] = self.loop.create_future()
        self._folder: Path | None = None

    def run(self) -> World:
        """Print the job to its end. Raises Violation."""
        collecting = gc.isenabled()
        gc.disable()
        checks.clear()
        try:
            with self._surroundings():
                try:
                    self.loop.run(self._run())
                    self._look_back()
                finally:
                    self.checks.update(checks)
                    self._bury()
        finally:
            if collecting:
                gc.enable()
        return self

    def violated(self, what: str) -> None:
        """Note that an invariant does not hold, and end the world."""
        if not self._violation:
            self._violation = f"{what} (at {self.loop.time():.6f} s)"
            if not self._wrong.done():
                self._wrong.set_result(None)

    def client(self, connector: Any) -> Client:
        """Stand where `Connector.client` stands."""
        assert self.broker is not None
        return self.broker.client(connector._will(), connector._settings.answer_s)

    async def _run(self) -> None:
        self.coordinator = Coordinator(self.loop, self.network)
        self.printers = [PrinterSide(self, number) for number in range(self.setup.printers)]
        self.coordinator.start()
        for printer in self.printers:
            printer.start()
        for fault in self.schedule:
            self.loop.call_at(fault.at_s, faults.begin, self, fault)
        ended = asyncio.gather(*(printer.ended for printer in self.printers))
        limit_s = 60.0 + LAYERS * (self.setup.spreading_s + 10.0)
        await asyncio.wait((ended, self._wrong), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        self.ended_s = self.loop.time()
        if not ended.done() and not self._violation:
            self.violated("1: the job did not end")
        if not self._violation:
            await asyncio.sleep(0.1)  # what is on its way arrives
            check_end(self)
        self.coordinator.process.kill()
        for printer in self.printers:
            printer.process.kill()
            printer.machine_process.kill()
        ended.cancel()

    def _look_back(self) -> None:
        if not self._violation:
            for task in self.loop.kept:
                if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
                    error = task.exception()
                    self.violated(f"a bug was met: nobody looked at {type(error).__name__}: {error}")
        if self.disk is not None:
            self.recordings = [path.read_bytes() for path in sorted(self.disk.folder.rglob("*.mcap"))]
        if self._violation:
            raise Violation(self._violation)

    def _log_line(self, _logger: Any, method: str, line: Any) -> Any:
        process = current()
        name = process.name if process is not None else ""
        if self._over or (process is not None and not process.alive):
            raise structlog.DropEvent
        event = line.get("event")
        for listener, whose in self._listeners.items():
            if whose is process:
                listener(method, str(event), {key: value for key, value in line.items() if key != "event"})
        if line.pop("exc_info", False):
            line["exception"] = " ".join(traceback.format_exc().split("\n")[-4:])
        if event == "window":
            self.outcomes[line["outcome"]] += 1
        if "path" in line and self.disk is not None:
            line["path"] = str(line["path"]).removeprefix(str(self.disk.folder))  # it has another name every time
        self.lines.append({"at_s": self.loop.time(), "process": name, "level": method, **line})
        if event in BUGS and (event != "driver_error" or self.setup.well):
            self.violated(f"a bug was met: {line}")
        raise structlog.DropEvent

    @contextmanager
    def _listening(self, listener: logs.LineListener) -> Iterator[None]:
        """Tell `listener` the log lines of the process that asks."""
        self._listeners[listener] = current()
        try:
            yield
        finally:
            self._listeners.pop(listener, None)

    def _unhandled(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.violated(f"a bug was met: {context.get('message')}: {type(error).__name__}: {error}")

    def _bury(self) -> None:
        """End what killed processes left, here and not whenever it is collected; it changes nothing any more."""
        self._over = True
        for task in self.loop.kept:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):
                    task.get_coro().close()  # type: ignore[union-attr]
        self.loop.kept.clear()

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        """Have everything that the processes reach for be this world's."""
        usual = structlog.get_config()
        self.loop.set_exception_handler(self._unhandled)
        with ExitStack() as stack:
            for target, stand_in in (
                ("agent.uplink.link.dial", self.network.dial),
                ("agent.driver.socket.printer.listen", self._listen),
                ("agent.mqtt.payloads.now", self._now),
                ("agent.mqtt.publisher.now", self._now),
                ("agent.recorder.recorder.listening", self._listening),
            ):
                stack.enter_context(patch(target, stand_in))
            stack.enter_context(patch.object(Connector, "client", _method(self.client)))
            stack.enter_context(patch.object(Connector, "_name_is_known", _at_once))
            stack.enter_context(patch.object(time, "time", self._wall_s))
            for module, clock in itertools.product((layers, prepared, inline), ("perf_counter", "thread_time")):
                if hasattr(module, clock):  # what is measured on this machine must not be seen
                    stack.enter_context(patch.object(module, clock, self.loop.time))
            stack.enter_context(cheap_numerics())
            stack.enter_context(self.ground.under())
            if self.setup.recording:
                folder = tempfile.mkdtemp(prefix="cosmic-simulated-")
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                self.disk = FaultyDisk(Path(folder))
            stack.callback(structlog.configure, **usual)
            structlog.configure(
                processors=[self._log_line],
                wrapper_class=structlog.make_filtering_bound_logger(20),
                cache_logger_on_first_use=False,
            )
            yield

    def _listen(self, settings: Any, connected: Any) -> Any:
        number = int(settings.path.rpartition("-")[2])
        return self.printers[number].socket.listen(settings, connected)

    def _wall_s(self) -> float:
        return WALL_S + self.loop.time() + self.wall_step_s

    def _now(self) -> str:
        return f"{self._wall_s():.3f}"


def log_of(world: World) -> bytes:
    """Return all that was logged, as bytes."""
    return msgspec.json.encode(world.lines, enc_hook=_plain)


def _method(function: Any) -> Any:
    """Return `function` as a method: it is given whose it is."""
    return lambda owner: function(owner)  # noqa: PLW0108  a bound method would not be


async def _at_once(_connector: Connector) -> None:
    """Know the broker's name."""


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
