"""A platform of functions, measured through the interfaces that the engine uses: invocations, loads, the link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import numpy as np

from cloud.engines.blocks import PlanGroups, function_blocks, held_bytes
from cloud.plans import FunctionId, Plan
from cloud.platforms import (
    Answer,
    Hello,
    Link,
    Load,
    Platform,
    PlatformError,
    Serve,
    ServeSummary,
    WarmUp,
    WindowTask,
)
from cloud.platforms.link import Floats, Worker
from cloud.platforms.tokens import CallbackTokens
from cosmic.errors import EngineError
from thermal.part import Part

WAIT_S = 60.0
"""Longest wait for a function, seconds."""

TRIES_MAX = 5
"""How often an event is sent that the platform does not take for the moment."""

_Result = TypeVar("_Result")


class FunctionsBench:
    """The functions of one plan on a platform; see Bench.

    store: where the platform's workers read blocks from.
    tokens: what the link checks workers with.
    """

    def __init__(
        self, part: Part, plan: Plan, platform: Platform, link: Link, tokens: CallbackTokens, store: dict[str, str]
    ) -> None:
        self.part = part
        self.plan = plan
        self.cold_start_s: list[float] = []
        self.load_bytes_s: list[float] = []
        self.copy_bytes_s: float | None = None
        self._platform = platform
        self._link = link
        self._tokens = tokens
        self._store = store
        self._blocks = function_blocks(part, plan, PlanGroups(part, plan))
        self._serial = 0
        self._sequence = 0
        self._turn = 0
        self._ready: dict[FunctionId, asyncio.Future[Worker]] = {}
        self._done: dict[Worker, asyncio.Future[ServeSummary]] = {}
        self._serving: list[Worker] = []
        self._waiting: set[Worker] = set()
        self._answered: asyncio.Future[None] | None = None

    @property
    def precision(self) -> str:
        """See Bench."""
        return self.plan.precision

    @property
    def workers(self) -> Sequence[int]:
        """See Bench: powers of two, and all."""
        return sorted({*(2**power for power in range(6) if 2**power < self.plan.rows), self.plan.rows})

    def rows(self, workers: int) -> int:
        """See Bench: whoever is asked, the cut is the plan's."""
        del workers
        return self.plan.rows

    async def open(self) -> None:
        """See Bench."""
        await self._link.open(self)
        for function, blocks in self._blocks.items():
            fresh_s = await self._timed_warm(function)
            event = Load(precision=self.plan.precision, blocks=blocks, store=self._store)
            answer = await self._asked(function, event)
            if answer.kind != "loaded":
                raise EngineError(answer.error, where=str(function), remedy="build the profile's part again")
            self.load_bytes_s.append(held_bytes(self.plan, blocks) / max(answer.duration_ms / 1e3, 1e-6))
            warm_s = min([await self._timed_warm(function) for _ in range(3)])
            self.cold_start_s.append(max(0.0, fresh_s - warm_s))

    async def delay(self) -> float:
        """See Bench. Functions take turns."""
        functions = list(self._blocks)
        function = functions[self._turn % len(functions)]
        self._turn += 1
        started_s = self._now_s()
        worker = await self._invoked(function)
        taken_s = self._now_s() - started_s
        await self._released([worker])
        return taken_s

    async def begin(self) -> None:
        """See Bench."""
        self._serving = list(await asyncio.gather(*(self._invoked(function) for function in self._blocks)))

    async def window(self, geometry: int, workers: int) -> float:
        """See Bench."""
        outline = self.part.geometries[geometry]
        self._sequence += 1
        asked = self._serving[:workers]
        self._waiting = set(asked)
        self._answered = asyncio.get_running_loop().create_future()
        theta = np.full(outline.elements, 300.0, dtype=self.plan.precision)
        task = WindowTask(
            self._sequence, geometry, int(outline.lengths[0]), theta,
            dict.fromkeys(asked, (0, outline.elements)),
        )  # fmt: skip
        started_s = self._now_s()
        self._link.send_window(task)
        async with _limit("a window"):
            await self._answered
        return self._now_s() - started_s

    async def end(self) -> tuple[float, int]:
        """See Bench."""
        summaries = await self._released(self._serving)
        self._serving = []
        return sum(one.busy_ms for one in summaries) / 1e3, sum(one.windows for one in summaries)

    async def gone(self, idle_s: float) -> tuple[int, int]:
        """See Bench."""
        before = [(await self._asked(function, WarmUp())).environment for function in self._blocks]
        await asyncio.sleep(idle_s)
        after = [await self._asked(function, WarmUp()) for function in self._blocks]
        for function, answer, known in zip(self._blocks, after, before, strict=True):
            if answer.environment != known:
                event = Load(precision=self.plan.precision, blocks=self._blocks[function], store=self._store)
                await self._asked(function, event)
        return sum(one.environment != known for one, known in zip(after, before, strict=True)), len(after)

    async def close(self) -> None:
        """See Bench."""
        with contextlib.suppress(EngineError):
            await self._released(self._serving)
        await self._link.close()
        await self._platform.close()

    # --- LinkListener -----------------------------------------------------------------------------------

    def worker_ready(self, worker: Worker, hello: Hello) -> None:
        """Take a worker that connected."""
        waiting = self._ready.pop(hello.function, None)
        if waiting is None or waiting.done():
            self._link.drop(worker)
            return
        self._done[worker] = asyncio.get_running_loop().create_future()
        waiting.set_result(worker)

    def partial_came(self, worker: Worker, sequence: int, partial: Floats | None, error: str) -> None:
        """Take an answer."""
        if sequence != self._sequence or self._answered is None or self._answered.done():
            return
        if partial is None:
            self._answered.set_exception(EngineError(error or "no product", where=f"worker {worker}"))
            return
        self._waiting.discard(worker)
        if not self._waiting:
            self._answered.set_result(None)

    def worker_lost(self, worker: Worker, cause: str) -> None:
        """Take the loss of a worker: what waits for it fails."""
        error = EngineError(f"a worker was lost: {cause}", remedy="profile again; see the platform's log")
        for future in (self._answered, self._done.get(worker)):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # also where nobody waits for it any more

    def worker_done(self, worker: Worker, summary: ServeSummary) -> None:
        """Take a worker's last word."""
        waiting = self._done.get(worker)
        if waiting is not None and not waiting.done():
            waiting.set_result(summary)

    # --- parts of it ------------------------------------------------------------------------------------

    async def _timed_warm(self, function: FunctionId) -> float:
        started_s = self._now_s()
        await self._asked(function, WarmUp())
        return self._now_s() - started_s

    async def _asked(self, function: FunctionId, event: Load | WarmUp) -> Answer:
        return await _again(lambda: self._platform.ask(function, event))

    async def _invoked(self, function: FunctionId) -> Worker:
        self._serial += 1
        token = self._tokens.issue(function, "profile", self._serial, self._now_s() + WAIT_S)
        event = Serve(function=str(function), address=self._link.address, token=token, limit_s=WAIT_S)
        waiting: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._ready[function] = waiting
        async with _limit(f"function {function}"):
            _, worker = await asyncio.gather(_again(lambda: self._platform.invoke(function, event)), waiting)
        return worker

    async def _released(self, workers: list[Worker]) -> list[ServeSummary]:
        for worker in workers:
            self._link.release(worker)
        async with _limit("a function's end"):
            summaries = [await self._done[worker] for worker in workers]
        for worker in workers:
            del self._done[worker]
        return summaries

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


async def _again(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return what a call returns; asked again where the platform has too many requests for the moment."""
    for tries in range(1, TRIES_MAX + 1):
        try:
            return await call()
        except PlatformError as error:
            if error.cause != "throttled" or tries == TRIES_MAX:
                raise
            await asyncio.sleep(0.2 * 2**tries)
    raise AssertionError


@contextlib.asynccontextmanager
async def _limit(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_S):
            yield
    except TimeoutError:
        raise EngineError(
            f"{what} did not come within {WAIT_S:g} s",
            where="profile",
            remedy="check that functions reach this machine (--advertise), and their log",
        ) from None
