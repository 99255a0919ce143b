"""An actor a function, replaced when it is gone or hangs. Events are calls; windows go by the link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

import cosmic
from cloud.engines.ray.cluster import Cluster, ray_library
from cloud.plans import FunctionId
from cloud.platforms.interface import Answer, Billing, Load, PlatformError, Serve, WarmUp
from cloud.worker_actor import WorkerActor
from cosmic.errors import EngineError

STUCK_S = 0.5
"""An actor that was let go of and still serves after so long hangs, and is replaced, seconds."""

SETTLED_S = 5.0
"""An actor that dies sooner after its start is not replaced before it is asked for, seconds."""


@dataclass(slots=True, eq=False)
class _Place:
    """Where a function's actor is."""

    handle: Any = None
    started_s: float = 0.0
    serving: Any = None
    end: Any = None
    """Ray's reference of a call that ends with the actor."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class RayPlatform:
    """The actors of one plan, started when they are first asked.

    cluster: entered before anything is asked.
    options: for every function what Ray is told of its actor (`num_cpus`, `memory`).
    billing: by what rules the machines are paid for.
    """

    def __init__(self, cluster: Cluster, options: Mapping[FunctionId, dict[str, Any]], billing: Billing) -> None:
        self._cluster = cluster
        self._options = options
        self._billing = billing
        self._places = {function: _Place() for function in options}
        self._watches: set[asyncio.Task[None]] = set()
        self._closing = False
        self._log = structlog.get_logger().bind(platform=self.name)

    @property
    def name(self) -> str:
        """`ray`, and where its cluster's head is."""
        return f"ray {self._cluster.address}" if self._cluster.address else "ray"

    async def start(self) -> None:
        """Start all actors at once."""
        handles = await self._cluster.make(WorkerActor, [self._option(function) for function in self._places])
        for function, handle in zip(self._places, handles, strict=True):
            self._settle(function, handle)

    async def ask(self, function: FunctionId, event: Load | WarmUp) -> Answer:
        """Have an actor answer; one that turns out to be gone is replaced. See Platform."""
        place = self._places[function]
        async with place.turn:
            for attempt in (1, 2):
                await self._ready(function)
                try:
                    said = await place.handle.invoked.remote(msgspec.to_builtins(event))
                except ray_library("ray.exceptions").RayError as error:
                    fault = self._fault(function, error)
                    self._forget(place)
                    if attempt == 2 or not fault.transient:
                        raise fault from error
                    continue
                if said["version"] != cosmic.__version__:
                    raise PlatformError(
                        f"the cluster has version {said['version']} of cosmic-lpbf",
                        cause="refused",
                        where=self.name,
                        why=f"this coordinator is {cosmic.__version__}",
                        remedy="install the same version on every machine",
                        transient=False,
                    )
                return msgspec.convert(said, Answer)
        raise AssertionError("unreachable")

    async def invoke(self, function: FunctionId, event: Serve) -> None:
        """Have an actor serve; returns when it is asked. See Platform."""
        place = self._places[function]
        async with place.turn:
            await self._ready(function)
            place.serving = place.handle.invoked.remote(msgspec.to_builtins(event))

    def billing(self) -> Billing:
        """Machines that always run."""
        return self._billing

    async def close(self) -> None:
        """End all actors, and leave the cluster."""
        self._closing = True
        for place in self._places.values():
            self._kill(place)
            self._forget(place)
        watches = list(self._watches)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await self._cluster.leave()

    async def _ready(self, function: FunctionId) -> None:
        """Have an actor there that does nothing. Its turn is the caller's. Raises PlatformError."""
        place = self._places[function]
        if self._closing:
            raise PlatformError("the engine was closed", cause="refused", where=self.name, transient=False)
        if place.serving is not None:
            try:
                await asyncio.wait_for(place.serving, STUCK_S)
                place.serving = None
            except TimeoutError:
                self._log.warning("worker_stuck", function=str(function), limit_s=STUCK_S)
                self._kill(place)
                self._forget(place)
            except ray_library("ray.exceptions").RayError:
                self._forget(place)
        if place.handle is None:
            [handle] = await self._cluster.make(WorkerActor, [self._option(function)])
            self._settle(function, handle)

    def _option(self, function: FunctionId) -> dict[str, Any]:
        return {**self._options[function], "max_concurrency": 2, "max_restarts": 0}

    def _settle(self, function: FunctionId, handle: Any) -> None:
        place = self._places[function]
        loop = asyncio.get_running_loop()
        place.handle, place.started_s, place.serving = handle, loop.time(), None
        place.end = handle.last.remote()
        watch = loop.create_task(self._watch(function, handle, place.end))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, function: FunctionId, handle: Any, end: Any) -> None:
        """Replace an actor as soon as it is gone, not when it is needed."""
        try:
            await end
        except ray_library("ray.exceptions").RayError as error:
            place = self._places[function]
            if self._closing or place.handle is not handle:
                return
            self._log.warning("worker_lost", function=str(function), cause=str(self._fault(function, error).what))
            async with place.turn:
                if place.handle is not handle:
                    return
                settled = asyncio.get_running_loop().time() - place.started_s > SETTLED_S
                self._forget(place)
                if settled:  # else when it is asked for: one that keeps dying is not started for ever
                    await self._ready(function)

    def _fault(self, function: FunctionId, error: Exception) -> PlatformError:
        """Return what Ray says, in our words."""
        text = str(error)
        where = f"{self.name}, function {function}"
        if "ModuleNotFoundError" in text or "failed to import" in text:
            return PlatformError(
                "a machine of the cluster does not have cosmic-lpbf",
                cause="missing",
                where=where,
                remedy='pip install "cosmic-lpbf[ray]" on every machine, of the same version',
                transient=False,
            )
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return PlatformError(
            f"the actor is gone: {(lines or [type(error).__name__])[-1][:200]}", cause="failed", where=where
        )

    @staticmethod
    def _kill(place: _Place) -> None:
        if place.handle is not None:
            ray_library().kill(place.handle, no_restart=True)

    @staticmethod
    def _forget(place: _Place) -> None:
        place.handle = place.serving = place.end = None


def check_room(needed: Mapping[FunctionId, dict[str, Any]], free: Mapping[str, float], where: str) -> None:
    """Check that a cluster has room for all actors. Raises EngineError."""
    cpus = sum(float(one["num_cpus"]) for one in needed.values())
    memory = sum(int(one["memory"]) for one in needed.values())
    free_cpus, free_memory = free.get("CPU", 0.0), free.get("memory", 0.0)
    if cpus > free_cpus:
        raise EngineError(
            f"the Ray cluster is too small: {len(needed)} workers need {cpus:g} CPUs",
            where=where,
            why=f"{free_cpus:g} are free",
            remedy="add machines (ray start --address=...), use fewer groups or blocks, or lower engine.ray.cpus",
        )
    if memory > free_memory:
        raise EngineError(
            f"the Ray cluster is too small: {len(needed)} workers need {memory / 2**30:.1f} GiB",
            where=where,
            why=f"{free_memory / 2**30:.1f} GiB are free",
            remedy="add machines (ray start --address=...), use float32, or the inline engine",
        )
