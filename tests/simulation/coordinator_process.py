"""The coordinator as a process: real sessions, the real pool of parts, real engines. It can be killed.

The platform of its functions is somebody else's: it outlives the coordinator, as its functions' state does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.configuration import CoordinatorSettings, EngineSettings
from cloud.engines import Engine
from cloud.engines.grouped import GroupedEngine
from cloud.engines.inline import InlineEngine
from cloud.engines.simulated import _Spare
from cloud.parts.pool import PartPool
from cloud.platforms.tokens import CallbackTokens
from cloud.serving.ledger import Ledger
from cloud.serving.sessions import PrinterSession
from cloud.simulation.platform import SimulatedPlatform
from cloud.simulation.profile import Profile, read_profile
from cosmic.errors import EngineError
from tests.simulation.network import End, Network
from tests.simulation.part import plan_of
from tests.simulation.schedule import Setup
from tests.support.virtual_processes import Process, ProcessLoop
from thermal.part import Part

PRODUCT_S = 0.003
"""What a product of the inline engine takes, seconds; half as much again at most."""

_no_threads = cast("ThreadPoolExecutor", None)


class SlowableEngine(InlineEngine):
    """The inline engine with a virtual time for every product, and faults."""

    def __init__(self, part: Part, ground: Ground) -> None:
        super().__init__(part, _no_threads)
        self._ground = ground

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product after a while, or fail."""
        ground = self._ground
        await asyncio.sleep(ground.product_s * (0.5 + ground.generator.random()))
        if ground.failing:
            raise EngineError("the engine fails")
        return await super().apply(geometry, cell, theta)


class Ground:
    """What engines stand on: the platform with its faults. It is there whatever becomes of the coordinator."""

    def __init__(self, part: Part, setup: Setup) -> None:
        self.generator = random.Random(f"ground {setup.seed}")
        self.product_s = PRODUCT_S
        self.failing = False
        self.profile: Profile = read_profile("paper")
        self.plan = None if setup.engine == "inline" else plan_of(part, *setup.groups, setup.engine)
        self.platform = (
            None if self.plan is None else SimulatedPlatform(part, self.plan, self.profile, setup.seed, dense=True)
        )
        self._part = part

    async def engine(self, part: Part, settings: EngineSettings, _executor: object) -> Engine:
        """Make an engine that is not loaded, as `make_engine` does."""
        if self.plan is None or self.platform is None:
            return SlowableEngine(part, self)
        for worker in list(self.platform.link._workers):
            self.platform.link.drop(worker)
        spare = _Spare(part, _no_threads, None, self.profile.spare_ms)
        link, store = self.platform.link, {"folder": ""}
        return GroupedEngine(part, self.plan, settings, self.platform, link, CallbackTokens(), store, spare=spare)

    def be_slow(self, *, slow: bool) -> None:
        """Have workers take some 50 ms for a product, or as long as they usually do."""
        if self.platform is not None:
            rate = 1e6 if slow else self.profile.product_bytes_s
            self.platform.link._profile = msgspec.structs.replace(self.profile, product_bytes_s=rate)

    @contextmanager
    def under(self) -> Iterator[None]:
        """Have the pool find the part in memory, and make its engines here."""
        with (
            patch("cloud.parts.prepared.load_part", lambda _folder: self._part),
            patch("cloud.parts.prepared.make_engine", self.engine),
            patch("cloud.parts.prepared._speculates", lambda _part, _settings: False),
        ):
            yield


class _Library:
    """Knows where the part is."""

    async def folder_of(self, _digest: str) -> Path:
        return Path()


class Coordinator:
    """Serves printers until it is killed.

    Attributes:
        sessions: those that run, by printer; a lost one may still be there beside a new one.
    """

    def __init__(self, loop: ProcessLoop, network: Network) -> None:
        self.process = Process(loop, "coordinator")
        self.sessions: dict[PrinterSession, str] = {}
        self.settings = CoordinatorSettings(engine=EngineSettings(warm_interval_s=1.0))
        self._ledger = Ledger()
        self._pool: PartPool | None = None
        self._network = network

    def start(self) -> None:
        """Listen."""
        self.process.call(self._listen)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self._network.reset(self.process)

    async def end(self) -> None:
        """End in order: every printer is told."""
        self._network.serve = None
        await asyncio.gather(*(session.shut_down() for session in list(self.sessions)))

    def _listen(self) -> None:
        self._pool = PartPool(cast("Any", _Library()), self.settings)
        self._pool.begin()
        self._network.serve, self._network.server = self._serve, self.process

    def _serve(self, end: End, printer: str) -> None:
        assert self._pool is not None
        session = PrinterSession(cast("Any", end), printer, self._pool, self.settings, self._ledger)
        self.sessions[session] = printer
        asyncio.get_running_loop().create_task(session.run()).add_done_callback(
            lambda _done: self.sessions.pop(session, None)
        )
