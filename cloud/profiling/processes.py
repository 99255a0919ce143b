"""Processes of this machine, measured as the local engine runs them: mapped blocks, vectors in shared memory."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter

import msgspec
import numpy as np

from cloud.engines.blocks import PlanGroups, check_block_files, function_blocks, held_bytes
from cloud.engines.local.memory import SharedVectors
from cloud.engines.local.process import WorkerLost, WorkerProcess
from cloud.plans import Plan
from cloud.platforms import Load
from cosmic.errors import EngineError
from thermal.part import Part

COPIES = 50
"""Copies of the largest map that are measured."""


class ProcessesBench:
    """Worker processes, one for every row range of the plan; see Bench.

    part: in a folder, with the plan's blocks.
    """

    def __init__(self, part: Part, plan: Plan) -> None:
        self.part = part
        self.plan = plan
        self.cold_start_s: list[float] = []
        self.load_bytes_s: list[float] = []
        self.copy_bytes_s: float | None = None
        self._vectors: SharedVectors | None = None
        self._workers: list[WorkerProcess] = []
        self._sequence = 0
        self._waiting: set[int] = set()
        self._answered: asyncio.Future[None] | None = None
        self._turn = 0

    async def open(self) -> None:
        """See Bench."""
        check_block_files(self.part, self.plan)
        elements = max(geometry.elements for geometry in self.part.geometries)
        self._vectors = SharedVectors(elements, 1, self.plan.precision)
        blocks = function_blocks(self.part, self.plan, PlanGroups(self.part, self.plan))
        store = {"folder": str(self.part.folder)}
        for number, held in enumerate(blocks.values()):
            worker = WorkerProcess(number, 0, self._served, self._lost)
            self._workers.append(worker)
            started_s = perf_counter()
            await worker.start(self._vectors)
            await worker.invoke({"kind": "warm"})
            self.cold_start_s.append(perf_counter() - started_s)
            event = msgspec.to_builtins(Load(precision=self.plan.precision, blocks=held, store=store))
            answer = await worker.invoke(event)
            if answer["kind"] != "loaded":
                raise EngineError(answer["error"], where="profile", remedy="profile again, in another folder")
            self.load_bytes_s.append(held_bytes(self.plan, held) / max(answer["duration_ms"] / 1e3, 1e-6))
        self.copy_bytes_s = self._copied(elements)

    async def delay(self) -> float:
        """See Bench: processes always run, so that this is a request there and back."""
        worker = self._workers[self._turn % len(self._workers)]
        self._turn += 1
        started_s = perf_counter()
        await worker.invoke({"kind": "warm"})
        return perf_counter() - started_s

    async def begin(self) -> None:
        """See Bench: they always run."""

    async def window(self, geometry: int, workers: int) -> float:
        """See Bench."""
        assert self._vectors is not None
        outline = self.part.geometries[geometry]
        theta = np.full(outline.elements, 300.0)
        self._sequence += 1
        self._waiting = set(range(workers))
        self._answered = asyncio.get_running_loop().create_future()
        started_s = perf_counter()
        self._vectors.put(theta)
        for worker in self._workers[:workers]:
            worker.serve(self._sequence, geometry, int(outline.lengths[0]))
        await self._answered
        self._vectors.total(outline.elements)
        return perf_counter() - started_s

    async def end(self) -> tuple[float, int]:
        """See Bench: processes do not say."""
        return 0.0, 0

    async def gone(self, idle_s: float) -> tuple[int, int]:
        """See Bench: processes keep their state."""
        del idle_s
        return 0, len(self._workers)

    async def close(self) -> None:
        """See Bench."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        if self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    def _copied(self, elements: int) -> float:
        """Return at what rate a window's vectors are copied, bytes/s, counted as if each worker got its own."""
        assert self._vectors is not None
        theta, taken_s = np.full(elements, 300.0), []
        for _ in range(COPIES):
            started_s = perf_counter()
            self._vectors.put(theta)
            self._vectors.total(elements)
            taken_s.append(perf_counter() - started_s)
        counted = elements * self.plan.rows + -(-elements // self.plan.rows)
        return counted * np.dtype(self.plan.precision).itemsize / median(taken_s)

    def _served(self, number: int, sequence: int, wrong: int) -> None:
        if sequence != self._sequence or self._answered is None or self._answered.done():
            return
        if wrong:
            self._answered.set_exception(EngineError("a worker holds no such block", where=f"worker {number}"))
            return
        self._waiting.discard(number)
        if not self._waiting:
            self._answered.set_result(None)

    def _lost(self, number: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(
                EngineError(f"worker {number} ended", where="profile", remedy="check the machine's memory")
            )


__all__ = ["ProcessesBench", "WorkerLost"]
