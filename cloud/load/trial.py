"""One trial: so many printers for so long; and the search for the most that are served without a fallback."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from cloud.load.printer import LightPrinter, Tally, Work
from cloud.load.stage import INLINE, MeasuredCoordinator

OPEN_LIMIT_S = 60.0
REFUSALS = 3
"""Jobs refused one after the other before admission control counts as reached."""

PAUSE_S = 0.3
"""Between two jobs that are opened to see when one is refused, seconds."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial has measured; shares are of one processor.

    Attributes:
        printers: that printed.
        refused: jobs refused with `busy`.
        lost: connections lost, and jobs failed.
        windows: deadlines met or missed; `fallbacks` of them had no decision in time.
        slack_ms_median: how long before its deadline a decision was there; `slack_ms_p01`, `slack_ms_min` as well.
        clients_late_ms: how late the printers' own process looked, at most.
        coordinator_cpu: processors that the coordinator used, `clients_cpu` that the printers' process used.
        load_average: of the machine at the end, one minute.
    """

    printers: int
    refused: int
    lost: int
    seconds: float
    windows: int
    fallbacks: int
    slack_ms_median: float | None
    slack_ms_p01: float | None
    slack_ms_min: float | None
    clients_late_ms: float
    coordinator_cpu: float
    clients_cpu: float
    resident_mb: float
    load_average: float
    cause: str = ""

    @property
    def held(self) -> bool:
        """Whether every window had its decision."""
        return self.fallbacks == 0 and self.lost == 0 and self.refused == 0 and self.windows > 0


class Printers:
    """Light printers of one coordinator, all in this process."""

    def __init__(self, coordinator: MeasuredCoordinator, work: Work, seed: int) -> None:
        self.tally = Tally()
        self._coordinator = coordinator
        self._work = work
        self._random = random.Random(seed)  # noqa: S311  phases, not secrets
        self._all: list[LightPrinter] = []

    @property
    def period_s(self) -> float:
        """Time from a layer to the next, seconds."""
        return sum(self._work.windows_s) + self._work.spreading_s

    async def add(self, *, at_once: bool = False) -> bool:
        """Open another job, which begins in a random phase of the layer; return whether it was taken."""
        name = f"printer-{len(self._all)}"
        phase_s = 0.0 if at_once else self._random.uniform(0.0, self.period_s)
        token = self._coordinator.token(name)
        printer = LightPrinter(name, token, self._work, self.tally, phase_s, len(self._all))
        self._all.append(printer)
        opened = self.tally.opened
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: printer, "127.0.0.1", self._coordinator.port)
        await asyncio.wait_for(printer.settled, OPEN_LIMIT_S)
        return self.tally.opened > opened

    async def stop(self) -> None:
        """End all jobs."""
        for printer in self._all:
            printer.stop()
        await asyncio.sleep(0.5)


async def run_trial(
    coordinator: MeasuredCoordinator, work: Work, printers: int, seconds: float, seed: int = 0
) -> Trial:
    """Return what `printers` printers measure in `seconds`, after every one has begun its first layer."""
    all_of_them = Printers(coordinator, work, seed)
    cpu_s, clients_s, began_s = coordinator.used().cpu_s, process_time(), asyncio.get_running_loop().time()
    for _ in range(printers):
        await all_of_them.add()
    await asyncio.sleep(all_of_them.period_s + seconds)
    trial = _trial(coordinator, all_of_them.tally, cpu_s, clients_s, began_s)
    await all_of_them.stop()
    return trial


async def run_admission(coordinator: MeasuredCoordinator, work: Work, most: int, seconds: float) -> Trial:
    """Open jobs until they are refused, at most `most`; return what those admitted measure, `seconds` longer."""
    all_of_them = Printers(coordinator, work, 0)
    cpu_s, clients_s, began_s = coordinator.used().cpu_s, process_time(), asyncio.get_running_loop().time()
    while all_of_them.tally.opened < most and all_of_them.tally.busy < REFUSALS and not all_of_them.tally.lost:
        await all_of_them.add(at_once=True)
        await asyncio.sleep(PAUSE_S)
    await asyncio.sleep(seconds)
    trial = _trial(coordinator, all_of_them.tally, cpu_s, clients_s, began_s)
    await all_of_them.stop()
    return trial


def _trial(coordinator: MeasuredCoordinator, tally: Tally, cpu_s: float, clients_s: float, began_s: float) -> Trial:
    used = coordinator.used()
    seconds = asyncio.get_running_loop().time() - began_s
    slack_ms = np.asarray(tally.slack_s) * 1e3
    quantiles = np.quantile(slack_ms, [0.5, 0.01, 0.0]) if slack_ms.size else [None] * 3
    median, p01, least = (None if value is None else round(float(value), 1) for value in quantiles)
    return Trial(
        printers=tally.opened,
        refused=tally.busy,
        lost=tally.lost,
        seconds=round(seconds, 1),
        windows=tally.windows,
        fallbacks=tally.fallbacks,
        slack_ms_median=median,
        slack_ms_p01=p01,
        slack_ms_min=least,
        clients_late_ms=round(tally.late_s * 1e3, 1),
        coordinator_cpu=round((used.cpu_s - cpu_s) / seconds, 2),
        clients_cpu=round((process_time() - clients_s) / seconds, 2),
        resident_mb=round(used.resident_mb_max, 1),
        load_average=round(os.getloadavg()[0], 1),
        cause=tally.causes[-1] if tally.causes else "",
    )


async def search(
    folder: Path,
    work: Work,
    first: int,
    most: int,
    seconds: float,
    told: Callable[[Trial], None],
    engine: Mapping[str, object] = INLINE,
) -> tuple[int, list[Trial]]:
    """Return the most printers without a fallback, and all trials: doubled until one fails, then halved.

    No job is refused here: `load_max` is out of reach, and every trial has a coordinator of its own, since one that
    was late takes no job until it is no more.
    """
    trials: list[Trial] = []
    held, failed, next_one = 0, most + 1, min(first, most)
    while failed - held > 1 and next_one <= most:
        limits = {"load_max": 1000.0, "connections_max": 4 * most}
        coordinator = MeasuredCoordinator(folder, f"search-{len(trials)}", limits, engine)
        try:
            trials.append(await run_trial(coordinator, work, next_one, seconds, len(trials)))
        finally:
            coordinator.end()
        told(trials[-1])
        if trials[-1].held:
            held = next_one
        else:
            failed = next_one
        next_one = min(2 * held, most) if failed > most else (held + failed) // 2
        if failed - held <= max(1, held // 16):
            break
    return held, trials
