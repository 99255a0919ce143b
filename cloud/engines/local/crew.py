"""The workers of a local engine: brought up, found dead, replaced, ended. What they are asked is not known here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from cloud.configuration import EngineSettings
from cloud.engines.interface import Progress, WarmReport
from cloud.engines.local.memory import SharedVectors
from cloud.engines.local.process import WorkerLost, WorkerProcess
from cosmic.errors import EngineError

SETTLED_S = 1.0
"""A worker that dies later than this after loading is replaced at once, before anybody asks for it, seconds."""


class Crew:
    """Worker processes, numbered from 0; a worker that dies is replaced while the others keep what they hold.

    name: the engine's, for errors.
    columns: column ranges of the blocks; worker `number` has the range `number % columns`.
    gone: told the number of a worker that will not answer what it was asked.
    program: module that a worker's process runs.
    log: the engine's.
    """

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        columns: int,
        gone: Callable[[int], None],
        program: str,
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._name = name
        self._settings = settings
        self._columns = columns
        self._gone = gone
        self._program = program
        self._loads: list[list[dict[str, Any]]] = []
        self._vectors: SharedVectors | None = None
        self._workers: list[WorkerProcess] = []
        self._loading: set[int] = set()
        self._loaded_s: dict[int, float] = {}
        self._reviving: dict[int, asyncio.Task[None]] = {}
        self._wakes: dict[range, list[int]] = {}
        self._closing = False
        self._cold = 0
        self._reloaded = 0
        self._log = log

    @property
    def pids(self) -> list[int | None]:
        """Process ids of the workers, by number."""
        return [worker.pid for worker in self._workers]

    def states(self) -> dict[str, int]:
        """Return how many workers are ready and how many are started again."""
        return {"ready": len(self._workers) - len(self._reviving), "starting": len(self._reviving)}

    async def load(self, loads: list[list[dict[str, Any]]], vectors: SharedVectors, progress: Progress) -> None:
        """Start all workers, each with its load events. Raises EngineError; `close` ends what was started."""
        self._loads, self._vectors = loads, vectors
        total = sum(len(events) for events in loads)
        done = 0

        def loaded() -> None:
            nonlocal done
            done += 1
            progress(done, total, "blocks")

        self._workers = [self._new_worker(number) for number in range(len(loads))]
        await _all_or_none(self._bring_up(worker, loaded) for worker in self._workers)

    def wakes(self, numbers: range) -> list[int] | None:
        """Return the pipes whose bytes wake these workers; None where one of them is not there."""
        known = self._wakes.get(numbers)
        if known is None and all(self._workers[one].alive and one not in self._reviving for one in numbers):
            known = self._wakes[numbers] = [self._workers[one].wake for one in numbers]
        return known

    def serve(self, number: int) -> bool:
        """Wake a worker for a window; return False where it is gone."""
        return self._workers[number].serve()

    async def warm(self) -> WarmReport:
        """Ask every worker for what it holds; those found dead since the last time are loaded again."""
        everyone = range(len(self._workers))
        await self.all_alive(everyone)
        asked = [worker.invoke({"kind": "warm"}) for worker in self._workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for events, answer in zip(self._loads, answers, strict=True):
            if isinstance(answer, dict):
                assert len(answer["resident"]) == len(events)
            elif not isinstance(answer, WorkerLost):
                raise answer
        await self.all_alive(everyone)
        cold, reloaded, self._cold, self._reloaded = self._cold, self._reloaded, 0, 0
        return WarmReport(len(self._workers), cold, reloaded)

    async def all_alive(self, numbers: Sequence[int]) -> None:
        """Wait for those of the workers that are being replaced.

        Raises EngineError where one cannot be, or does not stay.
        """
        for _ in range(self._settings.tries_max):
            if self._closing:
                raise EngineError("the engine was closed", where=self._name)
            for number in numbers:
                if not self._workers[number].alive:
                    self.replace(number)
            repairs = [task for number, task in self._reviving.items() if number in numbers]
            if not repairs:
                return
            # Shielded: a layer given up in the meantime must not stop the repair.
            await asyncio.gather(*(asyncio.shield(task) for task in repairs))
        raise EngineError(
            "workers do not stay alive",
            where=self._name,
            why=f"replaced {self._settings.tries_max} times in a row",
            remedy="check the machine's memory, and the log for why they ended",
        )

    def replace(self, number: int) -> None:
        """Begin to put a new worker in the place of one, unless that is under way."""
        if number in self._reviving or self._closing:
            return
        self._wakes.clear()
        task = asyncio.get_running_loop().create_task(self._revive(number))
        self._reviving[number] = task
        task.add_done_callback(lambda _: self._revived(number, task))

    async def replaced(self) -> None:
        """Wait until nobody is being replaced."""
        while self._reviving:
            await asyncio.gather(*self._reviving.values())

    async def close(self) -> None:
        """End all workers."""
        self._closing = True
        self._wakes.clear()
        repairs = list(self._reviving.values())
        for task in repairs:
            task.cancel()
        await asyncio.gather(*repairs, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def _lost(self, number: int) -> None:
        self._wakes.clear()
        if self._closing or number in self._loading:  # whoever loads it is told, and says so
            return
        self._log.warning("worker_lost", worker=number, pid=self._workers[number].pid)
        if asyncio.get_running_loop().time() - self._loaded_s[number] > SETTLED_S:
            self.replace(number)  # else when it is asked for: one that keeps dying is not started for ever
        self._gone(number)

    def _revived(self, number: int, task: asyncio.Task[None]) -> None:
        del self._reviving[number]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("worker_not_replaced", worker=number, cause=str(error))

    async def _revive(self, number: int) -> None:
        """Put a new, loaded worker in the place of one that is gone. Raises EngineError."""
        self._cold += 1
        await self._workers[number].stop()
        worker = self._new_worker(number)
        self._workers[number] = worker
        try:
            await self._bring_up(worker, lambda: None)
        except EngineError:
            await worker.stop()
            raise
        self._reloaded += 1
        self._log.info("worker_back", worker=number, pid=worker.pid)

    async def _bring_up(self, worker: WorkerProcess, loaded: Callable[[], None]) -> None:
        """Start a worker and load its blocks."""
        assert self._vectors is not None
        self._loading.add(worker.number)
        try:
            async with asyncio.timeout(self._settings.load_timeout_s):
                await worker.start(self._vectors)
                for event in self._loads[worker.number]:
                    answer = await worker.invoke(event)
                    if answer["kind"] != "loaded":
                        raise EngineError(
                            answer["error"], where=self._name, remedy="build the part's dense operators again"
                        )
                    loaded()
            self._loaded_s[worker.number] = asyncio.get_running_loop().time()
        except WorkerLost:
            raise EngineError(
                f"worker {worker.number} ended while loading",
                where=self._name,
                remedy="check the machine's memory, and the log for what the worker said",
            ) from None
        except TimeoutError:
            raise EngineError(
                f"worker {worker.number} did not load in time",
                where=self._name,
                why=f"the limit is {self._settings.load_timeout_s:g} s (engine.load_timeout_s)",
                remedy="raise the limit, or put the part on a faster disk",
            ) from None
        finally:
            self._loading.discard(worker.number)

    def _new_worker(self, number: int) -> WorkerProcess:
        return WorkerProcess(number, number % self._columns, self._lost, self._program)


async def _all_or_none(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of `work` at once; when one fails, stop the others, wait for their end, and raise its error."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
