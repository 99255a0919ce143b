"""Processes of this machine, measured through the local engine as the coordinator runs it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from time import perf_counter

import numpy as np

from cloud.configuration import EngineSettings
from cloud.engines.interface import LayerWork
from cloud.engines.local import LocalEngine
from cloud.plans import Plan
from thermal.operators import block_set_folder
from thermal.part import Part

COPIES = 50
"""Copies of the largest map that are measured."""

READ_BYTES_MAX = 2**28
"""Of block files that are read to find the rate of reading."""


class ProcessesBench:
    """Local engines of one, two and more row ranges, a process each; see Bench.

    part: in a folder, with the blocks of every cut.
    cuts: numbers of row ranges, ascending.
    """

    def __init__(self, part: Part, cuts: Sequence[int], precision: str) -> None:
        self.part = part
        self.plans = {
            cut: Plan(part=part.digest, engine="local", rows=cut, precision=precision)  # type: ignore[arg-type]
            for cut in cuts
        }
        self.cold_start_s: list[float] = []
        self.load_bytes_s: list[float] = []
        self.copy_bytes_s: float | None = None
        self._engines: dict[int, LocalEngine] = {}
        self._layers: dict[tuple[int, int], LayerWork] = {}
        self._thetas = [np.full(geometry.elements, 300.0) for geometry in part.geometries]

    @property
    def precision(self) -> str:
        """See Bench."""
        return next(iter(self.plans.values())).precision

    @property
    def workers(self) -> Sequence[int]:
        """See Bench."""
        return tuple(self.plans)

    def rows(self, workers: int) -> int:
        """See Bench: as many row ranges as workers."""
        return workers

    async def open(self) -> None:
        """See Bench."""
        for cut, plan in self.plans.items():
            engine = LocalEngine(self.part, EngineSettings(name="local"), plan)
            started_s = perf_counter()
            await engine.load(lambda *_: None)
            self._engines[cut] = engine
            self.cold_start_s.append((perf_counter() - started_s) / cut)
            for geometry in self.part.geometries:
                self._layers[cut, geometry.number] = engine.begin_layer(geometry.number, "profile")
        self.load_bytes_s += self._read()
        self.copy_bytes_s = self._copied()

    async def delay(self) -> float:
        """See Bench: processes always run, so that this is a request there and back."""
        engine = self._engines[self.workers[0]]
        started_s = perf_counter()
        await engine.warm("profile")
        return (perf_counter() - started_s) / self.workers[0]

    async def begin(self) -> None:
        """See Bench: they always run."""

    async def window(self, geometry: int, workers: int) -> float:
        """See Bench."""
        started_s = perf_counter()
        await self._layers[workers, geometry].apply(0, self._thetas[geometry])
        return perf_counter() - started_s

    async def end(self) -> tuple[float, int]:
        """See Bench: processes do not say."""
        return 0.0, 0

    async def gone(self, idle_s: float) -> tuple[int, int]:
        """See Bench: processes keep their state."""
        del idle_s
        return 0, sum(self.workers)

    async def close(self) -> None:
        """See Bench."""
        for engine in self._engines.values():
            await engine.close()

    def _copied(self) -> float:
        """Return at what rate a map goes into shared memory and a result comes out, bytes/s: n values each."""
        theta, taken_s = self._thetas[-1], []
        shared = np.empty(theta.size, dtype=self.precision)
        for _ in range(COPIES):
            started_s = perf_counter()
            shared[:] = theta
            shared.astype(np.float64)
            taken_s.append(perf_counter() - started_s)
        return 2 * theta.size * shared.itemsize / max(median(taken_s), 1e-9)

    def _read(self) -> list[float]:
        """Return at what rates block files are read, bytes/s: as processes have them, from the page cache."""
        assert self.part.folder is not None
        cut = self.workers[-1]
        folder = block_set_folder(self.part.folder, self.part.geometries[-1].number, (cut, 1), self.precision)
        found = []
        for file in sorted(folder.glob("*.npy"))[:16]:
            started_s = perf_counter()
            with file.open("rb") as opened:
                size = len(opened.read(READ_BYTES_MAX))
            found.append(size / max(perf_counter() - started_s, 1e-9))
        return found
