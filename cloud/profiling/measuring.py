"""Everything that is measured of one engine, in order, with progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloud.profiling.coordinator import measure_coordinator
from cloud.profiling.figures import Figures
from cloud.profiling.interface import Bench
from cloud.profiling.parts import Told
from cloud.profiling.sampling import Samples, least_samples, quantile, share_of
from cloud.profiling.windows import measure_windows, take_apart
from thermal.part import Part

ROUNDS = 3
"""Times that workers are left idle for a pause, so that each is a sample so often."""

TAIL_SAMPLES = 40
"""Delays at least that may be measured: fewer say nothing of their 90th percentile."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        samples_max: of one quantity at most.
        width: of an interval, half of it over the value, below which no more samples are taken.
        idle_s: pauses after which workers are asked whether they still have their state, s.
    """

    samples_max: int = 100
    width: float = 0.05
    idle_s: Sequence[float] = (1.0, 5.0)

    def samples(self) -> Samples:
        """Return samples to be taken."""
        return Samples(least=min(10, self.samples_max), most=self.samples_max, width=self.width)


async def measure_bench(bench: Bench, effort: Effort, figures: Figures, told: Told) -> None:
    """Measure workers; they are let go of whatever happens. Raises EngineError."""
    try:
        told("workers", 0, 1)
        await bench.open()
        told("workers", 1, 1)
        await _delays(bench, effort, figures, told)
        total = len(bench.part.geometries) * len(bench.workers)
        windows = await measure_windows(bench, effort.samples, _counter(told, "windows", total))
        take_apart(windows, figures, "windows of several sizes")
        for done, idle_s in enumerate(effort.idle_s):
            told("idle", done, len(effort.idle_s))
            found = [await bench.gone(idle_s) for _ in range(ROUNDS)]
            figures.cold.append((idle_s, share_of(sum(gone for gone, _ in found), sum(of for _, of in found))))
        told("idle", len(effort.idle_s), len(effort.idle_s))
        cold = quantile(bench.cold_start_s, 0.5).scaled(1e3)
        figures.note("cold_start_ms", cold, "first request to a fresh worker, beyond a warm one")
        figures.note("load_bytes_s", quantile(bench.load_bytes_s, 0.5), "workers reading their blocks")
    finally:
        await bench.close()


async def measure_own(part: Part, effort: Effort, figures: Figures, told: Told) -> None:
    """Measure the coordinator's own work on this machine."""
    advanced = _counter(told, "coordinator", len(part.geometries))
    await measure_coordinator(part, effort.samples, figures, advanced)


async def _delays(bench: Bench, effort: Effort, figures: Figures, told: Told) -> None:
    """Measure invocation delays until median and 90th percentile are known."""
    most = max(3 * effort.samples_max, TAIL_SAMPLES)  # the tail needs more than the middle
    taken: list[float] = []
    while len(taken) < most:
        taken.append(await bench.delay())
        told("delays", len(taken), most)
        if len(taken) >= 10 and all(
            _known(taken, share, effort.width * scale) for share, scale in ((0.5, 1), (0.9, 2))
        ):
            break
    told("delays", most, most)
    source = "from asking for a warm worker until it is ready"
    middle, tail = quantile(taken, 0.5).scaled(1e3), quantile(taken, 0.9).scaled(1e3)
    least = quantile(taken, 0.0).scaled(1e3)
    if not least.value < middle.value:  # equal to the clock's tick
        least = least.scaled(0.99)
    figures.note("invocation_least_ms", least, source + ": the least")
    figures.note("invocation_median_ms", middle, source)
    figures.note("invocation_p90_ms", tail, source)


def _known(taken: Sequence[float], share: float, width: float) -> bool:
    found = quantile(taken, share)
    return len(taken) >= least_samples(share) and (found.high - found.low) / 2 <= width * found.value


def _counter(told: Told, what: str, total: int) -> Callable[[], None]:
    done = 0

    def advanced() -> None:
        nonlocal done
        done += 1
        told(what, min(done, total), total)

    told(what, 0, total)
    return advanced
