"""The local engine: worker processes hold the dense blocks; those of a cell's group answer a window together.

A window costs one write of theta into shared memory, a wake-up to and from every worker of the group, and the sum
over the column ranges: nothing is serialised. A worker that dies is replaced while the others keep their answers.
Processes cost nothing while they wait: whatever the plan's mode, all of them run from the load to the end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.configuration import EngineSettings
from cloud.engines.blocks import PlanGroups, block_folder, block_source, check_block_files, function_blocks
from cloud.engines.interface import LayerWork, Progress, WarmReport
from cloud.engines.local.crew import Crew
from cloud.engines.local.layer import LocalLayer
from cloud.engines.local.memory import SharedVectors
from cloud.engines.local.process import PROGRAM
from cloud.engines.turns import Turns
from cloud.plans import Plan
from cloud.platforms import Load
from cloud.sharing.admission import Cost
from cloud.sharing.cores import usable_cores
from cloud.worker import ERRORS, OK
from cloud.worker_process import BLOCKS_MAX, WINDOW
from cosmic.errors import EngineError
from thermal.operators import block_ranges
from thermal.operators.blockfiles import COMPUTED
from thermal.part import Part

HERE_S = 1e-3
"""Answers that lately came within this are waited for in place, seconds: the loop's way there and back takes longer
than they do (inline.THREAD_MS allows the loop to be held as long)."""

MEASURED = 3
"""Products made when workers are loaded: the first finds memory cold, the last tells the time of those to come."""


@dataclass(slots=True)
class _Round:
    """One window's question: who has not answered yet, and what went wrong."""

    sequence: int
    waiting: set[int]
    started_s: float
    failed: set[int] = field(default_factory=set)
    wrong: int = OK
    over: asyncio.Future[None] | None = None
    limit: asyncio.TimerHandle | None = None

    def settle(self, number: int, *, answered: bool, wrong: int = OK) -> None:
        """Note that a worker answered, or will not."""
        if number not in self.waiting:
            return
        self.waiting.discard(number)
        self.wrong = self.wrong or wrong
        if not answered:
            self.failed.add(number)
        if not self.waiting and self.over is not None and self.limit is not None:
            self.limit.cancel()
            self.over.set_result(None)

    async def end(self) -> None:
        """Wait until all have answered, or will not; whoever gives that up does not end the question."""
        if self.waiting:
            assert self.over is not None
            await asyncio.shield(self.over)


class LocalEngine:
    """The dense operators of `part`, whose folder has their block files (`part build --operators dense`).

    program: module that a worker's process runs.
    turns: on the engine; None: its own.

    Attributes:
        layers: layers in progress.
        turns: where they wait for the workers.
        spent: what the last product took.
    """

    def __init__(
        self,
        part: Part,
        settings: EngineSettings,
        plan: Plan,
        *,
        program: str = PROGRAM,
        turns: Turns | None = None,
    ) -> None:
        self.layers = 0
        self.turns = Turns(1) if turns is None else turns
        self.spent = Cost()
        self._part = part
        self._settings = settings
        self._plan = plan
        self._groups = PlanGroups(part, plan)
        self._source = block_source(part, plan)
        self._vectors: SharedVectors | None = None
        self._log = structlog.get_logger().bind(engine=self.name, part=part.name)
        self._crew = Crew(self.name, settings, plan.columns, self._will_not_answer, program, self._log)
        self._round: _Round | None = None
        self._sequence = 0
        self._took_s: dict[int, float] = {}
        self._queued = 0
        self._cells: dict[tuple[int, int], tuple[int, range]] = {}
        self._turn = asyncio.Lock()
        self._parallel = min(float(plan.rows * plan.columns), usable_cores())
        self._closing = False

    @property
    def name(self) -> str:
        """`local`, groups where there are some, blocks and precision, as in `local 3 x 2x2 float64`.

        It ends with `imported` where the operators are not computed from the part's own model.
        """
        plan = self._plan
        groups = f"{plan.groups} x " if plan.groups > 1 else ""
        source = "" if self._source == COMPUTED else f" {self._source}"
        return f"local {groups}{plan.rows}x{plan.columns} {plan.precision}{source}"

    @property
    def pids(self) -> list[int | None]:
        """Process ids of the workers, group by group and row by row."""
        return self._crew.pids

    async def load(self, progress: Progress) -> None:
        """Start all workers at once, each loading its blocks. Raises EngineError, and ends what was started."""
        loads = await asyncio.to_thread(self._events)
        try:
            self._vectors = SharedVectors(
                max(geometry.elements for geometry in self._part.geometries),
                self._plan.columns,
                self._plan.precision,
                len(loads),
            )
            asyncio.get_running_loop().add_reader(self._vectors.answered, self._answered)
            await self._crew.load(loads, self._vectors, progress)
            await self._first_products()
        except OSError as error:
            await self.close()
            raise EngineError(
                f"no shared memory: {error.strerror}", remedy="free memory, or use coarser elements"
            ) from error
        except BaseException:
            await self.close()
            raise

    def begin_layer(self, geometry: int, job: str = "") -> LayerWork:
        """Return what applies the operators of one layer; see Engine."""
        del job
        return LocalLayer(self, geometry)

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n]; see LayerWork. Printers take turns, in the order they ask."""
        length, group = self._asked_of(geometry, cell)
        quick, asked = self._at_once(geometry, length, group, theta)
        if quick is not None:
            return quick
        self._queued += 1
        try:
            return await self._in_turn(asked, geometry, length, group, theta)
        finally:
            self._queued -= 1

    async def _in_turn(
        self, asked: _Round | None, geometry: int, length: int, group: range, theta: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the product of a window, asked already or not; replace workers that do not answer."""
        async with self._turn:
            vectors = self._vectors
            if vectors is None or self._closing:
                raise EngineError("the engine is not loaded", where=self.name)
            if asked is None:
                if self._round is not None:  # of a window that was given up: its workers still read theta
                    await self._round.end()
                vectors.put(theta)
            unanswered: Collection[int] = group
            for _ in range(self._settings.tries_max):
                if asked is None:
                    await self._crew.all_alive(group)
                    asked = self._ask(unanswered, geometry, length)
                unanswered = await self._answers(asked, geometry, length)
                if not unanswered:
                    break
                asked = None
            else:
                raise EngineError(
                    f"no product from worker {min(unanswered)}",
                    where=self.name,
                    why=f"asked {self._settings.tries_max} times, {self._settings.apply_timeout_ms:g} ms each",
                    remedy="check the machine's memory and load, and the log for why workers ended",
                )
            return vectors.total(theta.size)

    def suspects(self, geometry: int, cell: int) -> str:
        """Return the workers whose partial products, those of the last window, are not finite; see LayerWork."""
        assert self._vectors is not None
        rows, columns = block_ranges(self._part.geometries[geometry].elements, self._plan.rows), self._plan.columns
        _, group = self._asked_of(geometry, cell)
        wrong = [
            number
            for place, number in enumerate(group)
            if not np.isfinite(self._vectors.partial(place % columns, *rows[place // columns])).all()
        ]
        return f"{self.name}, worker {', '.join(map(str, wrong))}" if wrong else ""

    async def warm(self, job: str = "") -> WarmReport:
        """Ask every worker for what it holds; those found dead since the last time are loaded again."""
        del job
        async with self._turn:
            return await self._crew.warm()

    def bill(self, job: str) -> None:
        """Return None: the coordinator's own machine is paid for whatever it does."""
        del job

    def worker_states(self) -> dict[str, int]:
        """Return how many workers are ready and how many are started again; see TellsWorkers."""
        return self._crew.states()

    async def close(self) -> None:
        """End the workers and give the memory back."""
        self._closing = True
        await self._crew.close()
        if self._round is not None:
            for number in list(self._round.waiting):
                self._round.settle(number, answered=False)
        async with self._turn:  # whoever is in the middle of a window has been told
            if self._vectors is not None:
                asyncio.get_running_loop().remove_reader(self._vectors.answered)
                self._vectors.close()
                self._vectors = None

    def cost(self, geometry: int) -> Cost:
        """Return what the last product of a geometry took, the longest one when it was loaded; see TellsCost."""
        taken_s = self._took_s.get(geometry) or max(self._took_s.values(), default=0.0)
        return Cost(product_s=taken_s * self._parallel, engine_s=taken_s)

    async def _first_products(self) -> None:
        """Have the longest product of the largest geometry made: its time says what a job needs."""
        geometry = self._part.largest
        number = geometry.number
        theta, cell = np.zeros(geometry.elements), int(np.argmax(geometry.lengths))
        for _ in range(MEASURED):
            await self.apply(number, cell, theta)

    def _took(self, geometry: int, taken_s: float) -> None:
        self._took_s[geometry] = taken_s
        self.spent = self.cost(geometry)

    def _asked_of(self, geometry: int, cell: int) -> tuple[int, range]:
        """Return the length of a cell, and the workers of its group."""
        known = self._cells.get((geometry, cell))
        if known is None:
            group = self._groups.workers(self._groups.group(geometry, cell))
            self._cells[geometry, cell] = known = self._groups.length(geometry, cell), group
        return known

    def _at_once(
        self, geometry: int, length: int, group: range, theta: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64] | None, _Round | None]:
        """Return the product where it comes within HERE_S and nothing is the matter.

        Else None, and the question where it was asked. It is not asked where answers lately took longer, or
        somebody else is at it. One piece without the event loop, and of few steps: workers have had the processor
        when they run, and everything that a step needs comes from far away.
        """
        if self._took_s.get(geometry, HERE_S) >= HERE_S or self._queued or self._turn.locked():
            return None, None
        wakes = self._crew.wakes(group)
        if wakes is None or (self._round is not None and self._round.waiting):
            return None, None
        vectors = self._vectors
        assert vectors is not None
        started_s = perf_counter()
        vectors.put(theta)
        self._sequence += 1
        vectors.ask(self._sequence, geometry, length, asleep=False)
        for wake in wakes:
            try:
                os.write(wake, WINDOW)
            except BrokenPipeError:  # it is gone, as the reader finds, too
                continue
        if vectors.come(group, self._sequence, HERE_S):
            self._took(geometry, perf_counter() - started_s)
            return vectors.total(theta.size), None
        self._round = asked = _Round(self._sequence, set(group), started_s)
        vectors.sleep()
        self._take_answers(asked)
        self._limit(asked)
        asyncio.get_running_loop().call_later(HERE_S, self._answered)
        return None, asked

    def _ask(self, numbers: Collection[int], geometry: int, length: int) -> _Round:
        """Ask workers for a window's product."""
        assert self._vectors is not None
        self._sequence += 1
        self._round = asked = _Round(self._sequence, set(numbers), perf_counter())
        self._vectors.ask(self._sequence, geometry, length, asleep=True)
        for number in numbers:
            if not self._crew.serve(number):
                self._will_not_answer(number)
        self._limit(asked)
        return asked

    def _limit(self, asked: _Round) -> None:
        """Give a question that is not answered yet to the event loop, which ends it in time."""
        if asked.waiting:
            loop = asyncio.get_running_loop()
            asked.over = loop.create_future()
            asked.limit = loop.call_later(self._settings.apply_timeout_ms / 1e3, self._too_late, asked)

    async def _answers(self, asked: _Round, geometry: int, length: int) -> set[int]:
        """Wait until a question is over; return those that did not answer, which are being replaced."""
        assert self._vectors is not None
        await asked.end()
        if not asked.failed:
            self._took(geometry, perf_counter() - asked.started_s)
        if asked.wrong != OK:
            raise EngineError(
                f"no worker holds the operator of cells of {length} elements",
                where=f"{self.name}, geometry {geometry}",
                why=ERRORS[asked.wrong],
                remedy="build the part's dense operators again",
            )
        return asked.failed

    def _too_late(self, asked: _Round) -> None:
        """Replace the workers that did not answer in time: what they would still write must not come later."""
        self._take_answers(asked)
        for number in sorted(asked.waiting):
            self._log.warning("worker_too_late", worker=number, limit_ms=self._settings.apply_timeout_ms)
            self._crew.replace(number)
            self._will_not_answer(number)

    def _answered(self) -> None:
        """Take the answers that are there; workers have said that there are some."""
        if self._vectors is None:
            return
        with suppress(BlockingIOError):
            os.eventfd_read(self._vectors.answered)
        if self._round is not None:
            self._take_answers(self._round)

    def _take_answers(self, asked: _Round) -> None:
        assert self._vectors is not None
        for number in tuple(asked.waiting):
            sequence, wrong = self._vectors.answer(number)
            if sequence == asked.sequence:
                asked.settle(number, answered=True, wrong=wrong)

    def _will_not_answer(self, number: int) -> None:
        """Go on without a worker in the present window, unless its answer is there."""
        asked = self._round
        if asked is None or not asked.waiting or self._vectors is None:
            return
        self._take_answers(asked)
        asked.settle(number, answered=False)

    def _events(self) -> list[list[dict[str, Any]]]:
        """Return the load events of every worker, a block each. Raises EngineError where blocks are missing."""
        check_block_files(self._part, self._plan)
        events = []
        for function, blocks in function_blocks(self._part, self._plan, self._groups).items():
            if len(blocks) > BLOCKS_MAX:
                raise EngineError(
                    f"worker {function} would hold {len(blocks)} blocks",
                    where=self.name,
                    why=f"the limit is {BLOCKS_MAX}",
                    remedy="use more groups, or the inline engine",
                )
            store = {"folder": str(block_folder(self._part).absolute())}
            events.append(
                [
                    msgspec.to_builtins(
                        Load(precision=self._plan.precision, blocks=(block,), store=store, forget_others=False)
                    )
                    for block in blocks
                ]
            )
        return events
