"""The parts that are loaded: shared by their jobs, kept for a while after the last one, bounded in number.

A printer that lost its connection finds its part ready when it comes back.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from cloud.configuration import CoordinatorSettings
from cloud.engines import Progress
from cloud.engines.turns import ProductThreads
from cloud.parts import PartLibrary
from cosmic.errors import CosmicError

if TYPE_CHECKING:
    from cloud.parts.prepared import PreparedPart


class PoolFull(CosmicError):
    """As many parts as may be are in use already."""


@dataclass(slots=True, eq=False)
class _Entry:
    loading: asyncio.Task[PreparedPart]
    users: int = 0
    listeners: list[Progress] = field(default_factory=list)
    eviction: asyncio.TimerHandle | None = None


class PartPool:
    """Loaded parts by digest.

    Attributes:
        executor: threads for numerics, shared by all parts.
    """

    def __init__(self, library: PartLibrary, settings: CoordinatorSettings) -> None:
        self.executor = ProductThreads(max(2, os.cpu_count() or 2))
        self._library = library
        self._settings = settings
        self._entries: dict[str, _Entry] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._importing: asyncio.Task[ModuleType] | None = None
        self._log = structlog.get_logger()

    @property
    def loaded(self) -> int:
        """Parts loaded or being loaded."""
        return len(self._entries)

    def begin(self) -> None:
        """Import the numerics meanwhile, in a thread: the first printer then waits for less of it."""
        self._numerics()

    async def open(self, digest: str, progress: Progress) -> PreparedPart:
        """Return the part with `digest`, loading it where it is not loaded; `release` it afterwards.

        Raises PartError, EngineError, and PoolFull where every place is in use.
        """
        entry = self._entries.get(digest)
        if entry is None:
            self._make_room()
            entry = _Entry(asyncio.get_running_loop().create_task(self._load(digest)))
            self._entries[digest] = entry
        if entry.eviction is not None:
            entry.eviction.cancel()
            entry.eviction = None
        entry.users += 1
        entry.listeners.append(progress)
        try:
            return await asyncio.shield(entry.loading)  # loading goes on for whoever else waits
        except BaseException:
            self._leave(digest, entry)
            raise
        finally:
            entry.listeners.remove(progress)

    def release(self, digest: str) -> None:
        """Note that a job has ended; its part is let go of when nobody comes back in time."""
        self._leave(digest, self._entries[digest])

    async def close(self) -> None:
        """End all engines."""
        for digest, entry in list(self._entries.items()):
            self._evict(digest, entry)
        await asyncio.gather(*self._closing)
        if self._importing is not None:
            await asyncio.wait([self._importing])
        self.executor.shutdown(wait=False, cancel_futures=True)

    async def _load(self, digest: str) -> PreparedPart:
        prepared = await asyncio.shield(self._numerics())
        folder = await self._library.folder_of(digest)
        loop = asyncio.get_running_loop()
        started_s = loop.time()

        def progress(done: int, total: int, what: str) -> None:
            entry = self._entries.get(digest)
            for listener in entry.listeners if entry is not None else ():
                listener(done, total, what)

        part: PreparedPart = await prepared.prepare(folder, self._settings.engine, self.executor, progress)
        self._log.info(
            "part_loaded",
            part=part.part.name,
            digest=digest,
            engine=part.engine.name,
            load_ms=round((loop.time() - started_s) * 1e3, 1),
        )
        return part

    def _numerics(self) -> asyncio.Task[ModuleType]:
        if self._importing is None:
            work = asyncio.to_thread(importlib.import_module, "cloud.parts.prepared")
            self._importing = asyncio.get_running_loop().create_task(work)
        return self._importing

    def _make_room(self) -> None:
        if len(self._entries) < self._settings.parts.loaded_max:
            return
        idle = next((item for item in self._entries.items() if item[1].users == 0), None)
        if idle is None:
            raise PoolFull(
                "no place for another part",
                why=f"{self._settings.parts.loaded_max} are in use (parts.loaded_max)",
                remedy="wait for a job to end, or raise the limit",
            )
        self._evict(*idle)

    def _leave(self, digest: str, entry: _Entry) -> None:
        entry.users -= 1
        assert entry.users >= 0
        if entry.users or self._entries.get(digest) is not entry:
            return
        loading = entry.loading
        if loading.done() and (loading.cancelled() or loading.exception() is not None):
            del self._entries[digest]  # the next job tries again
            return
        loop = asyncio.get_running_loop()
        entry.eviction = loop.call_later(self._settings.parts.idle_s, self._evict, digest, entry)

    def _evict(self, digest: str, entry: _Entry) -> None:
        if self._entries.get(digest) is not entry:
            return
        del self._entries[digest]
        if entry.eviction is not None:
            entry.eviction.cancel()
        task = asyncio.get_running_loop().create_task(self._unload(entry))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _unload(self, entry: _Entry) -> None:
        entry.loading.cancel()
        await asyncio.wait([entry.loading])
        if not entry.loading.cancelled() and entry.loading.exception() is None:
            await entry.loading.result().engine.close()
