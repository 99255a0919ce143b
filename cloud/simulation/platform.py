"""A simulated platform and its link: functions that start, lose their state, and answer, by a profile.

Runs on any event loop; on a virtual clock a job takes the time of its products alone. Seeded: the same seed gives
the same times. Faults can be set from outside, as tests and evaluations need them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cloud.plans import FunctionId, Plan
from cloud.platforms import (
    Answer,
    Billing,
    Hello,
    LinkListener,
    Load,
    PlatformError,
    Serve,
    ServeSummary,
    WarmUp,
    WindowTask,
)
from cloud.platforms.link import Floats, Worker
from cloud.simulation.products import PartProducts, Products
from cloud.simulation.profile import Profile
from thermal.operators import block_ranges
from thermal.part import Part

Reply = tuple[Floats | None, str]
"""A worker's partial product, or None and what is wrong."""

FUNCTION_VCPUS = 6.0
"""Processors of the function whose product rate a profile gives (papers/cosmic.txt, section 5.1)."""

MACHINE_GB_PER_VCPU = 16.0
"""Memory of a machine for each of its processors: the x2gd series (papers/cosmic.txt, section 5.1)."""

WARM_MS = 1.0
"""Billed time of a dummy request: a few ms a second are negligible (papers/cosmic.txt, section 3.1.2); ours."""


@dataclass(slots=True, eq=False)
class _Environment:
    """A function's instance."""

    number: int
    used_s: float
    resident: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class _Serving:
    """A connected worker."""

    function: FunctionId
    environment: _Environment
    windows: int = 0
    busy_s: float = 0.0
    free_s: float = 0.0


@dataclass(slots=True)
class Faults:
    """What goes wrong on purpose.

    Attributes:
        reply: changes what a worker answers: (function, sequence, reply) -> replies to send in its place; none
            for a worker that hangs.
        invoke: whether an invocation is throttled.
        delay: added to an invocation's delay, seconds.
    """

    reply: Callable[[FunctionId, int, Reply], list[Reply]] | None = None
    invoke: Callable[[FunctionId], bool] = lambda _function: False
    delay: Callable[[FunctionId], float] = lambda _function: 0.0


@dataclass(slots=True)
class Counts:
    """What the platform was asked for."""

    loads: int = 0
    warms: int = 0
    serves: int = 0
    cold_starts: int = 0
    throttled: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    busy_s: float = 0.0
    windows: int = 0
    extra: dict[str, int] = field(default_factory=dict)


class SimulatedPlatform:
    """The functions of one plan. See Platform.

    Attributes:
        faults: what goes wrong on purpose.
        counts: what was asked for.
        link: the way to the workers.
    """

    def __init__(
        self, part: Part, plan: Plan, profile: Profile, seed: int = 0, *, dense: bool | None = None
    ) -> None:
        self.faults = Faults()
        self.counts = Counts()
        self._plan = plan
        self._profile = profile
        self._random = np.random.default_rng(seed)
        self._environments: dict[FunctionId, _Environment] = {}
        self._started = 0
        self._invoked_s: dict[FunctionId, list[float]] = {}
        self._together: dict[int, tuple[float, float]] = {}
        self.link = SimulatedLink(part, plan, profile, self._random, self.faults, self.counts, dense=dense)

    @property
    def name(self) -> str:
        """`simulated` and the profile."""
        return f"simulated {self._profile.name}"

    def billing(self) -> Billing:
        """Return the profile's rules; machines that always run are billed as such."""
        if self._plan.always_on:
            return Billing(price="x2gd.xlarge", always_on=True)
        return Billing(price=self._profile.price, step_ms=self._profile.billing_step_ms)

    async def ask(self, function: FunctionId, event: Load | WarmUp) -> Answer:
        """Run a function; see Platform."""
        delay_s = self._begin(function)
        environment, fresh = self._environment(function)
        await asyncio.sleep(delay_s + (self._profile.cold_start_ms / 1e3 if fresh else 0.0))
        duration_s = WARM_MS / 1e3
        kind = "warm"
        if isinstance(event, Load):
            self.counts.loads += 1
            kind = "loaded"
            values = sum((b.rows[1] - b.rows[0]) * (b.columns[1] - b.columns[0]) for b in event.blocks)
            missing = {block.digest for block in event.blocks} - environment.resident
            share = len(missing) / max(1, len(event.blocks))
            duration_s += share * values * np.dtype(event.precision).itemsize / self._profile.load_bytes_s
            environment.resident = frozenset(block.digest for block in event.blocks)
        else:
            self.counts.warms += 1
        await asyncio.sleep(duration_s)
        environment.used_s = self._now_s()
        return Answer(
            kind=kind,  # type: ignore[arg-type]
            environment=f"environment-{environment.number}",
            resident=tuple(sorted(environment.resident)),
            memory_mb=float(self._plan.memory_mb),
            duration_ms=duration_s * 1e3,
        )

    async def invoke(self, function: FunctionId, event: Serve) -> None:
        """Have a function serve; its worker comes by the link; see Platform."""
        self.counts.serves += 1
        delay_s = self._begin(function) + self.faults.delay(function)
        environment, fresh = self._environment(function)
        if fresh:
            delay_s += self._profile.cold_start_ms / 1e3
        self.link.connect_later(delay_s, function, event.token, environment)

    async def close(self) -> None:
        """Nothing is held."""

    def evict(self, function: FunctionId) -> None:
        """Take a function's environment away, as platforms do."""
        self._environments.pop(function, None)

    def _begin(self, function: FunctionId) -> float:
        """Return the delay of a request. Raises PlatformError where it is one too many."""
        now_s = self._now_s()
        recent = [at for at in self._invoked_s.get(function, []) if at > now_s - 1.0]
        limit = self._profile.invocations_per_s_max
        if (
            (limit and len(recent) >= limit)
            or self.faults.invoke(function)
            or self._random.random() < self._profile.throttled_share
        ):
            self.counts.throttled += 1
            raise PlatformError("too many requests", cause="throttled", where=str(function))
        self._invoked_s[function] = [*recent, now_s]
        if self._plan.always_on:  # a machine is there
            return self._profile.one_way_ms / 1e3
        if self._profile.invocation_per == "function":
            return self._profile.invocation_s(self._random)
        invoked_s, delay_s = self._together.get(function.group, (-1.0, 0.0))
        if invoked_s != now_s:
            delay_s = self._profile.invocation_s(self._random)
            self._together[function.group] = (now_s, delay_s)
        return delay_s

    def _environment(self, function: FunctionId) -> tuple[_Environment, bool]:
        """Return a function's environment, and whether it is a fresh one."""
        now_s = self._now_s()
        known = self._environments.get(function)
        if known is not None and not self._profile.cold(now_s - known.used_s, self._random):
            return known, False
        self.counts.cold_starts += 1
        self._started += 1
        known = _Environment(self._started, now_s)
        self._environments[function] = known
        return known, True

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


class SimulatedLink:
    """The way between the coordinator and simulated workers. See Link.

    Messages of the coordinator leave one after the other at its bandwidth, and answers come in the same way.
    """

    def __init__(
        self,
        part: Part,
        plan: Plan,
        profile: Profile,
        random: np.random.Generator,
        faults: Faults,
        counts: Counts,
        *,
        dense: bool | None = None,
    ) -> None:
        self._part = part
        self._plan = plan
        self._profile = profile
        self._random = random
        self._faults = faults
        self._counts = counts
        self._products = PartProducts(part, plan.precision, dense=dense)
        # A product is as fast as there are processors: machines have fewer for their memory than functions.
        self._speed_mb = plan.memory_mb
        if plan.always_on:
            vcpus = plan.memory_mb / 1024 / MACHINE_GB_PER_VCPU
            self._speed_mb = round(profile.product_memory_mb * vcpus / FUNCTION_VCPUS)
        self._listener: LinkListener | None = None
        self._workers: dict[Worker, _Serving] = {}
        self._number = 0
        self._out_free_s = 0.0
        self._in_free_s = 0.0

    @property
    def address(self) -> str:
        """Nobody dials it."""
        return "simulated"

    async def open(self, listener: LinkListener) -> None:
        """Begin to listen."""
        self._listener = listener

    def connect_later(self, delay_s: float, function: FunctionId, token: str, environment: _Environment) -> None:
        """Have a worker connect after the invocation's delay, which holds the way to the coordinator as well."""
        asyncio.get_running_loop().call_later(delay_s, self._connect, function, token, environment)

    def send_window(self, task: WindowTask) -> None:
        """Send theta; every worker answers in its time. See Link."""
        loop = asyncio.get_running_loop()
        geometry = self._part.geometries[task.geometry]
        rows = block_ranges(geometry.elements, self._plan.rows)
        columns = block_ranges(geometry.elements, self._plan.columns)
        products = self._products.of(task.geometry, task.length, task.theta, rows, columns)
        profile = self._profile
        value_bytes = task.theta.itemsize
        at_s = max(loop.time(), self._out_free_s)
        for worker, (left, right) in task.columns.items():
            serving = self._workers.get(worker)
            if serving is None:
                continue
            sent_bytes = (right - left) * value_bytes
            at_s += sent_bytes / profile.coordinator_bytes_s + profile.message_ms / 1e3
            there_s = at_s + profile.one_way_ms / 1e3
            there_s += max(0.0, sent_bytes / profile.worker_bytes_s - sent_bytes / profile.coordinator_bytes_s)
            first, end = rows[serving.function.row]
            block_bytes = (end - first) * (right - left) * value_bytes
            began_s = max(there_s, serving.free_s)
            busy_s = profile.product_s(block_bytes, self._speed_mb, self._random)
            serving.free_s = began_s + busy_s
            serving.windows += 1
            serving.busy_s += busy_s
            self._counts.windows += 1
            self._counts.busy_s += busy_s
            self._counts.bytes_out += sent_bytes
            loop.call_at(serving.free_s, self._computed, worker, serving, task.sequence, products)
        self._out_free_s = at_s

    def release(self, worker: Worker) -> None:
        """Have a worker end."""
        serving = self._workers.pop(worker, None)
        if serving is None:
            return
        loop = asyncio.get_running_loop()
        serving.environment.used_s = loop.time()
        loop.call_later(self._profile.one_way_ms / 1e3, self._done, worker, serving)

    def drop(self, worker: Worker) -> None:
        """Cut a worker off."""
        serving = self._workers.pop(worker, None)
        if serving is not None:
            serving.environment.used_s = asyncio.get_running_loop().time()

    def lose(self, function: FunctionId, cause: str = "killed") -> bool:
        """Have the worker of a function die; False where none is connected."""
        for worker, serving in list(self._workers.items()):
            if serving.function == function:
                del self._workers[worker]
                assert self._listener is not None
                self._listener.worker_lost(worker, cause)
                return True
        return False

    async def close(self) -> None:
        """Cut everybody off."""
        self._workers.clear()
        self._listener = None

    def _connect(self, function: FunctionId, token: str, environment: _Environment) -> None:
        if self._listener is None:
            return
        self._number += 1
        environment.used_s = asyncio.get_running_loop().time()
        self._workers[self._number] = _Serving(function, environment)
        hello = Hello(function, token, f"environment-{environment.number}", environment.resident)
        self._listener.worker_ready(self._number, hello)

    def _computed(self, worker: Worker, serving: _Serving, sequence: int, products: Products) -> None:
        """Put an answer on its way back."""
        function = serving.function
        reply: Reply = (products[function.row, function.column], "")
        replies = [reply] if self._faults.reply is None else self._faults.reply(function, sequence, reply)
        loop = asyncio.get_running_loop()
        for partial, error in replies:
            size = 0 if partial is None else partial.nbytes
            self._counts.bytes_in += size
            profile = self._profile
            at_s = max(loop.time() + profile.one_way_ms / 1e3, self._in_free_s)
            at_s += size / profile.coordinator_bytes_s + profile.message_ms / 1e3
            self._in_free_s = at_s
            loop.call_at(at_s, self._answered, worker, sequence, partial, error)

    def _answered(self, worker: Worker, sequence: int, partial: Floats | None, error: str) -> None:
        if self._listener is not None and worker in self._workers:
            self._listener.partial_came(worker, sequence, partial, error)

    def _done(self, worker: Worker, serving: _Serving) -> None:
        if self._listener is not None:
            summary = ServeSummary(windows=serving.windows, busy_ms=serving.busy_s * 1e3)
            self._listener.worker_done(worker, summary)
