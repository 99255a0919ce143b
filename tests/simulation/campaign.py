"""Many seeds, over all cores: what they came to, and how fast. A seed that fails is made small."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.simulation.part import LAYERS
from tests.simulation.schedule import MACHINE, Fault, Setup, schedule_of, setup_of
from tests.simulation.world import Violation, World

COLLECT_EVERY = 10
"""Worlds after which what they left is collected."""


@dataclass(slots=True)
class Sums:
    """What seeds came to.

    Attributes:
        seeds: how many were run.
        layers: layers printed whole or broken off.
        outcomes: windows by outcome.
        faults: faults that were let happen, by kind.
        checks: how often each invariant was checked.
        violations: what did not hold, by seed.
        simulated_s: virtual seconds.
        spreading_s: those of them in which powder was laid.
        cpu_s: processor time that they took.
    """

    seeds: int = 0
    layers: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[int] = field(default_factory=Counter)
    violations: dict[int, str] = field(default_factory=dict)
    simulated_s: float = 0.0
    spreading_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, other: Sums) -> None:
        """Add what other seeds came to."""
        self.seeds += other.seeds
        self.layers += other.layers
        self.outcomes.update(other.outcomes)
        self.faults.update(other.faults)
        self.checks.update(other.checks)
        self.violations.update(other.violations)
        self.simulated_s += other.simulated_s
        self.spreading_s += other.spreading_s
        self.cpu_s += other.cpu_s

    @property
    def windows(self) -> int:
        """Windows that were printed."""
        return self.outcomes.total()

    @property
    def speed(self) -> float:
        """Virtual seconds for a second of one processor."""
        return self.simulated_s / max(self.cpu_s, 1e-9)

    @property
    def speed_scanning(self) -> float:
        """The same without the time in which powder is laid and little happens."""
        return (self.simulated_s - self.spreading_s) / max(self.cpu_s, 1e-9)


def run_seed(seed: int) -> Sums:
    """Run one seed."""
    if seed % COLLECT_EVERY == 0:
        gc.collect()
    setup = setup_of(seed)
    schedule = schedule_of(seed, setup)
    sums = Sums(seeds=1, faults=Counter(fault.kind for fault in schedule))
    sums.faults.update(f"machine: {kind}" for kind in MACHINE if getattr(setup.machine, kind))
    sums.faults.update("machine: abort" for _ in setup.machine.at)
    world = World(setup, schedule)
    began_s = time.process_time()
    try:
        world.run()
    except Violation as error:
        sums.violations[seed] = str(error)
    sums.cpu_s = time.process_time() - began_s
    sums.checks = world.checks
    sums.outcomes, sums.layers, sums.simulated_s = world.outcomes, world.layers, world.ended_s
    sums.spreading_s = min(world.ended_s, LAYERS * setup.spreading_s)
    return sums


def run_seeds(seeds: Sequence[int], jobs: int) -> Iterator[Sums]:
    """Yield what each of `seeds` came to, in no order, over so many processes."""
    if jobs == 1 or len(seeds) == 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=4)


def failure(setup: Setup, schedule: Sequence[Fault]) -> str:
    """Return what does not hold under `schedule`, nothing when everything does."""
    try:
        World(setup, schedule).run()
    except Violation as error:
        return str(error)
    return ""


def minimised(
    setup: Setup, schedule: Sequence[Fault], fails: Callable[[Setup, Sequence[Fault]], str]
) -> list[Fault]:
    """Return a schedule that still fails and of which no fault can be left out."""
    least = list(schedule)
    for fault in schedule:
        fewer = [other for other in least if other is not fault]
        if fails(setup, fewer):
            least = fewer
    return least
