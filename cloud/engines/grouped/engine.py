"""The engine over a platform of functions: loads them, keeps them warm, asks groups for windows, bills.

The controller does not know which platform it is; neither does this engine. When groups are invoked is a layer's
schedule (cloud.invocation); a worker at fault costs its window the spare's time, never a silent wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.bills import Bill, Meter, Price, price_of
from cloud.configuration import EngineSettings
from cloud.engines.blocks import PlanGroups, check_memory, function_blocks
from cloud.engines.grouped.comparison import BillComparison
from cloud.engines.grouped.crews import Asked, Crew
from cloud.engines.grouped.layer import GroupedLayer, WorkerFault
from cloud.engines.grouped.residency import Residency, digests_of
from cloud.engines.grouped.rounds import Round
from cloud.engines.grouped.workers import Functions, State
from cloud.engines.interface import LayerWork, Progress, WarmReport
from cloud.invocation import Timing
from cloud.plans import FunctionId, Plan
from cloud.platforms import Hello, Link, Platform, ServeSummary, WindowTask
from cloud.platforms.link import Floats, Worker
from cloud.platforms.tokens import CallbackTokens
from cosmic.errors import EngineError
from thermal.operators import block_ranges
from thermal.part import Part

TOKEN_S = 900.0
"""How long a worker's token is good, seconds: the longest run of a function on the platforms known."""

IDLE_LIMIT_S = 30.0
"""A worker ends itself after so long without a window, seconds: a coordinator that is gone costs no more."""


class Spare(Protocol):
    """Computes windows where workers cannot: the inline engine."""

    async def load(self, progress: Progress) -> None:
        """Prepare."""
        ...

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n]."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class GroupedEngine:
    """The dense operators of `part`, spread over the functions of `plan`.

    tokens: what the link checks workers with.
    store: where the platform's workers read blocks from; see cloud.platforms.Load.
    spare: computes windows where workers are at fault; None: nobody does.
    price: what the platform charges; None: the row of the shipped prices that it names.

    Attributes:
        timing: what was learned of the platform's times.
        meter: what has been used.
    """

    def __init__(
        self,
        part: Part,
        plan: Plan,
        settings: EngineSettings,
        platform: Platform,
        link: Link,
        tokens: CallbackTokens,
        store: dict[str, str],
        *,
        spare: Spare | None = None,
        price: Price | None = None,
    ) -> None:
        self.timing = Timing()
        billing = platform.billing()
        self.meter = Meter(billing, price or price_of(billing.price), plan.memory_mb, len(plan.functions))
        self._part = part
        self._plan = plan
        self._settings = settings
        self._platform = platform
        self._link = link
        self._spare = spare
        self._groups = PlanGroups(part, plan)
        self._blocks = function_blocks(part, plan, self._groups)
        check_memory(plan, self._blocks)
        self._ranges = [
            (block_ranges(geometry.elements, plan.rows), block_ranges(geometry.elements, plan.columns))
            for geometry in part.geometries
        ]
        self._crews = [Crew(plan.functions_of(group)) for group in range(plan.groups)]
        self._functions = Functions(
            platform,
            link,
            tokens,
            self.meter,
            digests_of(self._blocks),
            ready=self._ready,
            fault=self._fault,
            token_s=TOKEN_S,
            idle_limit_s=IDLE_LIMIT_S,
        )
        self._residency = Residency(
            self.name,
            plan.precision,
            self._blocks,
            store,
            settings,
            platform,
            self._functions,
            self.meter,
            self._loaded_again,
        )
        self._sequence = 0
        self._closing = False
        self._log = structlog.get_logger().bind(engine=self.name, part=part.name)
        self._comparison = BillComparison(platform, self.meter, self._log)

    @property
    def name(self) -> str:
        """Platform, groups, blocks, precision and mode: `simulated 12 x 8x1 float64 speculative`."""
        plan = self._plan
        return f"{self._platform.name} {plan.groups} x {plan.rows}x{plan.columns} {plan.precision} {plan.mode}"

    # --- Engine -----------------------------------------------------------------------------------------

    async def load(self, progress: Progress) -> None:
        """Have every function read its blocks. Raises EngineError where one cannot."""
        done = 0

        async def one(function: FunctionId) -> None:
            nonlocal done
            await self._residency.load(function, "")
            done += 1
            progress(done, len(self._blocks), "functions")

        await self._link.open(self)
        try:
            if self._spare is not None:
                await self._spare.load(lambda *_: None)
            async with asyncio.TaskGroup() as tasks:
                for function in self._blocks:
                    tasks.create_task(one(function))
        except ExceptionGroup as group:
            await self.close()
            raise group.exceptions[0] from None
        except BaseException:
            await self.close()
            raise

    def begin_layer(self, geometry: int, job: str = "") -> LayerWork:
        """Return what applies the operators of one layer; see Engine."""
        self.meter.opened(job, self._now_s())
        used = [
            group for group in range(self._plan.groups) if self._groups.lengths(geometry, group)
        ]  # a group without cells of this geometry is not invoked for it
        return GroupedLayer(
            self, geometry, used, self._plan.mode, self.timing, job=job, tries_max=self._settings.tries_max
        )

    async def warm(self, job: str = "") -> WarmReport:
        """Ask every function that does not run for what it holds, load those that lost it; see Engine."""
        return await self._residency.warm(job)

    def bill(self, job: str) -> Bill | None:
        """Return what a job has cost, and forget it; see Engine.

        Where the platform reports what it bills, the log compares both once the reports are there.
        """
        self._comparison.begin(job)
        return self.meter.take(job, self.name, self._plan.strategy, self._now_s())

    async def compared(self) -> None:
        """Wait for comparisons of bills under way."""
        await self._comparison.close()

    def worker_states(self) -> dict[str, int]:
        """Return how many functions are in which state; see TellsWorkers."""
        counted = dict.fromkeys((state.value for state in State), 0)
        for member in self._functions.members.values():
            counted[member.state.value] += 1
        return {**counted, "reloading": self._residency.reloading}

    async def close(self) -> None:
        """Release every function and let go of the platform."""
        self._closing = True
        await self._residency.close()
        await self._functions.close()
        for crew in self._crews:
            crew.fail(WorkerFault("the engine was closed", cause="closed", where=self.name))
        await self._link.close()
        await self._comparison.close()
        await self._platform.close()
        if self._spare is not None:
            await self._spare.close()

    # --- groups, for layers -----------------------------------------------------------------------------

    def group_of(self, geometry: int, cell: int) -> int:
        """Return the group of a cell."""
        return self._groups.group(geometry, cell)

    def hold(self, layer: object, group: int, job: str) -> None:
        """Invoke the functions of a group that do not run, and keep them for a layer."""
        if self._closing:
            raise EngineError("the engine was closed", where=self.name)
        crew = self._crews[group]
        crew.holders.add(id(layer))
        crew.job = job
        members = [self._functions.members[function] for function in crew.functions]
        idle = [member for member in members if member.state is State.IDLE]
        if len(idle) == len(members):
            crew.whole_s = self._now_s()
        elif idle:
            crew.whole_s = None
        for member in idle:
            if member.cold:
                self._residency.reload(member.function, job)
            elif not self._functions.invoke(member.function, job):
                crew.whole_s = None

    def let_go(self, layer: object, group: int) -> None:
        """Release a group that no other layer holds."""
        crew = self._crews[group]
        crew.holders.discard(id(layer))
        if crew.holders:
            return
        crew.ready_s = crew.whole_s = None
        for function in crew.functions:
            if self._functions.members[function].state is not State.IDLE:
                self._functions.release(function)

    def ready_s(self, group: int) -> float | None:
        """Return since when a group is ready, loop time in seconds; None where it is not."""
        return self._crews[group].ready_s

    async def ready(self, group: int) -> None:
        """Wait until a group is ready. Raises WorkerFault, also where that takes too long."""
        crew = self._crews[group]
        if self._spare is not None and any(self._functions.members[function].cold for function in crew.functions):
            raise WorkerFault("a function is being loaded again", cause="cold", where=f"group {group}")
        if self._all_ready(crew):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        crew.waiting.append(future)
        try:
            async with asyncio.timeout(self._patience_s):
                await future
        except TimeoutError:
            late = [f for f in crew.functions if self._functions.members[f].state is not State.READY]
            for function in late:
                self._functions.drop(function)
            raise WorkerFault(
                f"{', '.join(map(str, late))}: not ready within {self._patience_s * 1e3:g} ms",
                cause="late",
                where=f"group {group}",
            ) from None
        finally:
            crew.waiting.remove(future)

    async def ask(
        self,
        group: int,
        geometry: int,
        cell: int,
        theta: NDArray[np.float64],
        sent: Callable[[], None],
    ) -> NDArray[np.float64]:
        """Return a product of a group that is ready. Raises WorkerFault."""
        crew = self._crews[group]
        async with crew.turn:
            if not self._all_ready(crew):
                raise WorkerFault("a function ended before the window", cause="lost", where=f"group {group}")
            rows, columns = self._ranges[geometry]
            workers = {self._functions.worker_of(function): function for function in crew.functions}
            self._sequence += 1
            asked = Asked(
                Round(self._sequence, workers, rows, len(columns)), asyncio.get_running_loop().create_future()
            )
            crew.asked = asked
            task = WindowTask(
                self._sequence,
                geometry,
                self._groups.length(geometry, cell),
                theta.astype(self._plan.precision, copy=False),
                {worker: columns[function.column] for worker, function in workers.items()},
            )
            try:
                self._link.send_window(task)
                sent()
                async with asyncio.timeout(self._patience_s):
                    await asked.over
            except TimeoutError:
                hung = asked.round.waiting()
                for function in hung:
                    self._functions.drop(function)
                raise WorkerFault(
                    f"{', '.join(map(str, hung))}: no answer within {self._patience_s * 1e3:g} ms",
                    cause="hung",
                    where=f"group {group}",
                ) from None
            finally:
                crew.asked = None
            return asked.round.total()

    async def spare(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the product as the spare computes it; None where there is no spare."""
        return None if self._spare is None else await self._spare.apply(geometry, cell, theta)

    # --- LinkListener -----------------------------------------------------------------------------------

    def worker_ready(self, worker: Worker, hello: Hello) -> None:
        """Take a worker that connected."""
        self._functions.connected(worker, hello)

    def partial_came(self, worker: Worker, sequence: int, partial: Floats | None, error: str) -> None:
        """Take a worker's answer; one to another window than the present one is left alone."""
        function = self._functions.function_of(worker)
        if function is None:
            return
        crew = self._crews[function.group]
        asked = crew.asked
        if asked is None or asked.round.sequence != sequence or asked.over.done():
            return
        wrong = asked.round.take(worker, partial, error)
        if wrong:
            self._functions.drop(function)
            self._fault(function, f"wrong: {wrong}")
        elif asked.round.complete:
            asked.over.set_result(None)

    def worker_lost(self, worker: Worker, cause: str) -> None:
        """Take the loss of a worker."""
        self._functions.lost(worker, cause)

    def worker_done(self, worker: Worker, summary: ServeSummary) -> None:
        """Take a released worker's last word."""
        self._functions.ended(worker, summary)

    # --- what happens to functions ----------------------------------------------------------------------

    @property
    def _patience_s(self) -> float:
        """How long a function may take before it is at fault, seconds."""
        settings = self._settings
        return (settings.apply_timeout_ms if self._spare is None else settings.spare_after_ms) / 1e3

    def _all_ready(self, crew: Crew) -> bool:
        return all(self._functions.members[function].state is State.READY for function in crew.functions)

    def _ready(self, function: FunctionId) -> None:
        crew = self._crews[function.group]
        if not self._all_ready(crew):
            return
        crew.ready_s = self._now_s()
        if crew.whole_s is not None:
            self.timing.delay.add(crew.ready_s - crew.whole_s)
        for future in crew.waiting:
            if not future.done():
                future.set_result(None)

    def _fault(self, function: FunctionId, what: str) -> None:
        """Take a function at fault: whoever waits for its group is told; a cold one is loaded again."""
        crew = self._crews[function.group]
        crew.whole_s = None
        cause = what.partition(":")[0]
        self._log.warning("function_fault", function=str(function), cause=cause, what=what)
        if self._functions.members[function].cold:
            self._residency.reload(function, crew.job)
            if self._spare is None:  # nobody else can: whoever waits goes on waiting, as long as is allowed
                return
        crew.fail(WorkerFault(f"{function}: {what}", cause=cause, where=f"group {function.group}"))

    def _loaded_again(self, function: FunctionId, job: str) -> None:
        crew = self._crews[function.group]
        if crew.holders and self._functions.members[function].state is State.IDLE:
            self._functions.invoke(function, job)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
