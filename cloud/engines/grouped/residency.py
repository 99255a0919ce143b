"""What functions hold: loads their blocks, asks whether they still do, and loads those again that lost them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from cloud.bills import Meter
from cloud.configuration import EngineSettings
from cloud.engines.grouped.workers import Functions, State
from cloud.engines.interface import WarmReport
from cloud.plans import FunctionId
from cloud.platforms import Answer, BlockRef, Load, Platform, PlatformError, WarmUp
from cosmic.errors import EngineError

ASKED_AT_ONCE_MAX = 64
"""Loads and warm requests under way at a time."""

RETRY_S = 0.2
"""First wait before a load is asked for again, seconds; doubled every time."""


class Residency:
    """The blocks of every function.

    name: the engine's, for errors.
    blocks: of every function.
    store: where the platform's workers read blocks from; see cloud.platforms.Load.
    loaded_again: told a function that was loaded again, and the job whose bill that was on.
    """

    def __init__(
        self,
        name: str,
        precision: str,
        blocks: Mapping[FunctionId, tuple[BlockRef, ...]],
        store: dict[str, str],
        settings: EngineSettings,
        platform: Platform,
        functions: Functions,
        meter: Meter,
        loaded_again: Callable[[FunctionId, str], None],
    ) -> None:
        self._name = name
        self._precision = precision
        self._blocks = blocks
        self._store = store
        self._settings = settings
        self._platform = platform
        self._functions = functions
        self._meter = meter
        self._told = loaded_again
        self._wanted = digests_of(blocks)
        self._reloading: dict[FunctionId, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(ASKED_AT_ONCE_MAX)
        self._closing = False
        self._log = structlog.get_logger().bind(engine=name)

    @property
    def reloading(self) -> int:
        """How many functions are being loaded again."""
        return len(self._reloading)

    async def load(self, function: FunctionId, job: str) -> None:
        """Have a function read its blocks; asked again where that may help. Raises EngineError."""
        event = Load(precision=self._precision, blocks=self._blocks[function], store=self._store)
        for attempt in range(self._settings.tries_max):
            try:
                answer = await self._ask(function, event, job)
            except PlatformError as error:
                if not error.transient or attempt + 1 == self._settings.tries_max:
                    raise
                await asyncio.sleep(RETRY_S * 2**attempt)
                continue
            if answer.kind == "loaded" and self._wanted[function] <= set(answer.resident):
                self._functions.members[function].cold = False
                return
            raise EngineError(
                answer.error or "not all blocks were loaded",
                where=f"{self._name}, function {function}",
                remedy="check that the part's dense operators are in the store",
            )

    async def warm(self, job: str) -> WarmReport:
        """Ask every function that does not run for what it holds, and load those that lost it."""
        found = await asyncio.gather(*(self._warm(function, job) for function in self._blocks))
        return WarmReport(len(found), sum(cold for cold, _ in found), sum(reloaded for _, reloaded in found))

    def reload(self, function: FunctionId, job: str) -> None:
        """Begin to load a function again, unless that is under way."""
        if function in self._reloading or self._closing:
            return
        task = asyncio.get_running_loop().create_task(self._again(function, job))
        self._reloading[function] = task
        task.add_done_callback(lambda _: self._reloading.pop(function, None))

    async def close(self) -> None:
        """Give up what is being loaded."""
        self._closing = True
        for task in list(self._reloading.values()):
            task.cancel()
        await asyncio.gather(*self._reloading.values(), return_exceptions=True)

    async def _again(self, function: FunctionId, job: str) -> None:
        try:
            await self.load(function, job)
        except EngineError as error:
            self._log.error("function_not_loaded", function=str(function), cause=str(error))
            return
        self._log.info("function_loaded_again", function=str(function))
        self._told(function, job)

    async def _warm(self, function: FunctionId, job: str) -> tuple[bool, bool]:
        """Return whether a function was found cold, and whether it was loaded again."""
        member = self._functions.members[function]
        if member.state is not State.IDLE:  # a second request would get a second environment
            return False, False
        task = self._reloading.get(function)
        if task is None:
            try:
                with self._functions.asking(member):
                    answer = await self._ask(function, WarmUp(), job)
            except PlatformError as error:
                self._log.warning("not_warm", function=str(function), cause=str(error))
                return True, False
            if self._wanted[function] <= set(answer.resident):
                member.cold = False
                return False, False
            member.cold = True
            self.reload(function, job)
            task = self._reloading.get(function)
        if task is not None:
            await asyncio.wait([task])
        return True, not member.cold

    async def _ask(self, function: FunctionId, event: Load | WarmUp, job: str) -> Answer:
        """Return a function's answer. Raises PlatformError, also where it takes too long."""
        limit_s = self._settings.load_timeout_s
        async with self._few:
            try:
                async with asyncio.timeout(limit_s):
                    answer = await self._platform.ask(function, event)
            except TimeoutError:
                raise PlatformError(
                    f"function {function} did not answer within {limit_s:g} s",
                    cause="unreachable",
                    where=self._name,
                ) from None
        took_s = (answer.billed_ms or answer.duration_ms) / 1e3
        if answer.billed_ms and isinstance(event, WarmUp):
            self._functions.around.add(answer.around_ms / 1e3)
        self._meter.used(job, function.group, "load" if isinstance(event, Load) else "warm", took_s)
        return answer


def digests_of(blocks: Mapping[FunctionId, tuple[BlockRef, ...]]) -> dict[FunctionId, frozenset[str]]:
    """Return the digests of the blocks that every function is to hold."""
    return {function: frozenset(block.digest for block in held) for function, held in blocks.items()}
