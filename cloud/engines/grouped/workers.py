"""The functions of a plan while they run: invoked, ready, released, lost. Every change follows the table `NEXT`.

Knows nothing of layers and windows: it is told which function to invoke and release, and tells when one is ready
or at fault. Every invocation that was accepted ends up on the meter once, with the time from ready to its end; one
that nobody heard of again with the least time that is billed, once it is given up. Only one that was released
before its worker came, and whose function is not needed any more, is forgotten should it never come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import structlog

from cloud.bills import Meter
from cloud.invocation.estimates import RunningQuantile
from cloud.plans import FunctionId
from cloud.platforms import Hello, Link, Platform, PlatformError, Serve, ServeSummary
from cloud.platforms.link import Worker
from cloud.platforms.tokens import CallbackTokens

ENDING_S = 0.1
"""Longest wait for a run to end before the next one is asked for, seconds: less than a cold start takes."""


class State(Enum):
    """Where a function stands."""

    IDLE = "idle"
    """Not invoked, or released."""
    INVOKED = "invoked"
    """The platform was asked; its worker has not come yet."""
    READY = "ready"
    """Its worker is connected and holds the blocks."""


class Event(Enum):
    """What happens to a function."""

    INVOKE = "invoke"
    CONNECT = "connect"
    RELEASE = "release"
    FAULT = "fault"


NEXT: Mapping[State, Mapping[Event, State]] = {
    State.IDLE: {Event.INVOKE: State.INVOKED},
    State.INVOKED: {Event.CONNECT: State.READY, Event.RELEASE: State.IDLE, Event.FAULT: State.IDLE},
    State.READY: {Event.RELEASE: State.IDLE, Event.FAULT: State.IDLE},
}
"""State x event -> state; what is not here does not happen."""


@dataclass(slots=True, eq=False)
class _Invocation:
    """One run of a function."""

    function: FunctionId
    job: str
    invoked_s: float
    token: str
    worker: Worker | None = None
    ready_s: float = 0.0
    billed_s: float = 0.0
    accepted: bool = False
    given_up: bool = False
    metered: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """One function of the plan.

    Attributes:
        state: where it stands.
        cold: its environment was found without the blocks, and has not been loaded since.
        coming: a run that was released before its worker came. Another run beside it would get an environment of
            its own, which holds nothing; so whoever needs the function takes this one.
        ending: a run that was told to end, or a dummy request, and is not over yet: the next run waits for it.
    """

    function: FunctionId
    state: State = State.IDLE
    cold: bool = False
    run: _Invocation | None = None
    coming: _Invocation | None = None
    ending: asyncio.Future[None] | None = None

    def step(self, event: Event) -> None:
        """Follow the table."""
        self.state = NEXT[self.state][event]


class Functions:
    """Runs the functions of one plan.

    tokens: what the link checks workers with as well.
    wanted: for every function the digests of its blocks.
    ready: told a function whose worker is ready.
    fault: told a function and what is wrong with its worker.
    token_s: how long a token is good, seconds.
    idle_limit_s: a worker ends itself after so long without a window, seconds.

    Attributes:
        around: what the platform bills for its own runtime around the worker's code, seconds.
    """

    def __init__(
        self,
        platform: Platform,
        link: Link,
        tokens: CallbackTokens,
        meter: Meter,
        wanted: Mapping[FunctionId, frozenset[str]],
        *,
        ready: Callable[[FunctionId], None],
        fault: Callable[[FunctionId, str], None],
        token_s: float,
        idle_limit_s: float,
    ) -> None:
        self.around = RunningQuantile(0.5, 0.0)
        self.members = {function: Member(function) for function in wanted}
        self._platform = platform
        self._link = link
        self._meter = meter
        self._wanted = wanted
        self._ready = ready
        self._fault = fault
        self._token_s = token_s
        self._idle_limit_s = idle_limit_s
        self._tokens = tokens
        self._serial = 0
        self._by_token: dict[str, tuple[Member, _Invocation]] = {}
        self._by_worker: dict[Worker, tuple[Member, _Invocation]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger().bind(platform=platform.name)

    def worker_of(self, function: FunctionId) -> Worker:
        """Return the worker of a function that is ready."""
        run = self.members[function].run
        assert run is not None
        assert run.worker is not None
        return run.worker

    def function_of(self, worker: Worker) -> FunctionId | None:
        """Return the function that a worker runs, None for one that is not wanted any more."""
        known = self._by_worker.get(worker)
        return known[0].function if known is not None and known[0].run is known[1] else None

    def invoke(self, function: FunctionId, job: str) -> bool:
        """Have the platform run a function. Returns at once; `ready` or `fault` follows.

        Return False where it is on its way already.
        """
        member = self.members[function]
        member.step(Event.INVOKE)
        if member.coming is not None:
            member.run, member.coming = member.coming, None
            return False
        now_s = self._now_s()
        self._serial += 1
        token = self._tokens.issue(function, "job", self._serial, now_s + self._token_s)
        run = _Invocation(function, job, now_s, token)
        member.run = run
        self._by_token[token] = (member, run)
        event = Serve(function=str(function), address=self._link.address, token=token, limit_s=self._idle_limit_s)
        task = asyncio.get_running_loop().create_task(self._call(member, run, event))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return True

    def release(self, function: FunctionId) -> None:
        """Let go of a function that is invoked or ready."""
        member = self.members[function]
        run = member.run
        member.step(Event.RELEASE)
        member.run = None
        if run is not None and run.worker is None:
            member.coming = run
        elif run is not None and run.worker is not None:
            self._end(member, run, run.worker)

    def drop(self, function: FunctionId) -> None:
        """Cut off a function whose worker answers wrong, or not at all."""
        member = self.members[function]
        run = member.run
        if run is None:
            return
        member.step(Event.FAULT)
        member.run = None
        if run.worker is not None:
            self._over(run)
            self._by_worker.pop(run.worker, None)
            self._link.drop(run.worker)
        else:
            run.given_up = True
            self._meter_silent(run)

    def connected(self, worker: Worker, hello: Hello) -> None:
        """Take a worker that came by the link."""
        known = self._by_token.pop(hello.token, None)
        if known is None:
            self._log.warning("worker_unknown", function=str(hello.function), environment=hello.environment)
            self._link.drop(worker)
            self._meter.used("", hello.function.group, "serve", 0.0)  # the platform ran it, whatever it told us
            return
        member, run = known
        run.worker, run.ready_s = worker, self._now_s()
        if member.run is not run:  # released before it came: paid for all the same
            if member.coming is run:
                member.coming = None
            self._by_worker[worker] = (member, run)
            self._end(member, run, worker)
            return
        if not self._wanted[member.function] <= hello.resident:
            member.cold = True
            self.drop(member.function)
            self._fault(member.function, "cold: its environment does not hold the blocks of the plan")
            return
        self._by_worker[worker] = (member, run)
        member.step(Event.CONNECT)
        self._ready(member.function)

    def lost(self, worker: Worker, cause: str) -> None:
        """Take the loss of a worker."""
        known = self._by_worker.pop(worker, None)
        if known is None:
            return
        self._ended(known[0])
        if known[0].run is not known[1]:
            return
        member, run = known
        self._over(run)
        member.step(Event.FAULT)
        member.run = None
        self._fault(member.function, f"lost: {cause}")

    def ended(self, worker: Worker, summary: ServeSummary) -> None:
        """Forget a worker that was released and said its last: how long it was paid for it knows best."""
        known = self._by_worker.pop(worker, None)
        if known is None:
            return
        member, run = known
        self._ended(member)
        if summary.duration_ms:
            took_s = summary.duration_ms / 1e3 + self.around.value
            self._meter.corrected(run.job, run.function.group, "serve", run.billed_s, took_s)

    async def close(self) -> None:
        """Let go of everything that runs."""
        for member in self.members.values():
            if member.state is not State.IDLE:
                self.release(member.function)
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    @contextmanager
    def asking(self, member: Member) -> Iterator[None]:
        """Note that a function answers something else meanwhile."""
        member.ending = asked = member.ending or asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            if not asked.done():
                asked.set_result(None)
            if member.ending is asked:
                member.ending = None

    def _end(self, member: Member, run: _Invocation, worker: Worker) -> None:
        """Tell a worker to end, and remember that it has not yet."""
        self._over(run)
        if member.ending is None:
            member.ending = asyncio.get_running_loop().create_future()
        self._link.release(worker)

    @staticmethod
    def _ended(member: Member) -> None:
        if member.ending is not None and not member.ending.done():
            member.ending.set_result(None)
        member.ending = None

    async def _call(self, member: Member, run: _Invocation, event: Serve) -> None:
        try:
            if member.ending is not None:
                await asyncio.wait([member.ending], timeout=ENDING_S)
                await asyncio.sleep(self.around.value)  # its environment is free once the runtime has answered
            await self._platform.invoke(member.function, event)
            run.accepted = True
            if run.given_up:
                self._meter_silent(run)
        except PlatformError as error:
            self._by_token.pop(run.token, None)
            if member.coming is run:
                member.coming = None
            if member.run is run:
                member.step(Event.FAULT)
                member.run = None
                self._fault(member.function, f"{error.cause}: {error.what}")

    def _over(self, run: _Invocation) -> None:
        assert run.worker is not None
        before_s, run.billed_s = run.billed_s, self._now_s() - run.ready_s
        if run.metered:
            self._meter.corrected(run.job, run.function.group, "serve", before_s, run.billed_s)
        else:
            run.metered = True
            self._meter.used(run.job, run.function.group, "serve", run.billed_s)

    def _meter_silent(self, run: _Invocation) -> None:
        """Count an invocation that was given up before its worker came: the platform bills what it accepted."""
        if run.accepted and not run.metered and run.worker is None:
            run.metered = True
            self._meter.used(run.job, run.function.group, "serve", 0.0)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
