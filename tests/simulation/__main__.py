"""Runs seeds of the simulation: `make simulate N=1000`, or one of them: `make simulate SEED=17`.

A seed that fails is run again with ever fewer faults; the smallest schedule that still fails is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.simulation.campaign import Sums, failure, minimised, run_seeds
from tests.simulation.schedule import schedule_of, setup_of
from tests.simulation.world import Violation, World, log_of

SAY_EVERY_S = 5.0
FAILURES_SHOWN = 3


def main() -> int:
    """Run what was asked for; exit 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--minutes", type=float, help="stop after so long, with what was run by then")
    parser.add_argument("--log", type=Path, help="with --seed: write everything that was logged here, JSON")
    wanted = parser.parse_args()
    if wanted.seed is not None:
        return _one(wanted.seed, wanted.log)
    sums = _many(range(wanted.first, wanted.first + wanted.seeds), wanted.jobs, wanted.minutes)
    _show(sums)
    for seed in sorted(sums.violations)[:FAILURES_SHOWN]:
        _explain(seed)
    return 1 if sums.violations else 0


def _many(seeds: range, jobs: int, minutes: float | None) -> Sums:
    """Run `seeds`, or as many as `minutes` allow, saying how far they are."""
    sums, began_s = Sums(), time.monotonic()
    said_s = began_s
    for each in run_seeds(seeds, jobs):
        sums.add(each)
        now_s = time.monotonic()
        for seed, what in each.violations.items():
            sys.stderr.write(f"seed {seed}: {what}\n")
        if minutes is not None and now_s - began_s > minutes * 60:
            break
        if now_s - said_s > SAY_EVERY_S:
            said_s = now_s
            rate = sums.seeds / (now_s - began_s)
            left_s = (len(seeds) - sums.seeds) / rate
            sys.stderr.write(
                f"{sums.seeds} of {len(seeds)} seeds, {sums.windows} windows, {len(sums.violations)} violations; "
                f"{rate:.1f} seeds/s, {left_s:.0f} s left\n"
            )
    return sums


def _one(seed: int, log: Path | None) -> int:
    """Run one seed and say what happened in it."""
    setup = setup_of(seed)
    world = World(setup, schedule_of(seed, setup))
    found = ""
    try:
        world.run()
    except Violation as error:
        found = str(error)
    if log is not None:
        log.write_bytes(log_of(world))
    if found:
        _explain(seed)
        return 1
    sys.stdout.write(f"{setup}\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in world.schedule)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(world.outcomes.items()))
    sys.stdout.write(f"seed {seed}: 0 violations in {world.ended_s:.3f} simulated seconds; windows: {outcomes}\n")
    return 0


def _explain(seed: int) -> None:
    """Print why a seed fails, and the smallest schedule with which it does."""
    setup = setup_of(seed)
    least = minimised(setup, schedule_of(seed, setup), failure)
    sys.stdout.write(f"seed {seed}: {failure(setup, least)}\n{setup}\nthe smallest schedule that fails:\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in least)
    sys.stdout.write(f"again: make simulate SEED={seed}\n")


def _show(sums: Sums) -> None:
    """Print the table of what was simulated."""
    table = Table("what", "figure", box=None)
    table.add_row("seeds", f"{sums.seeds:,}")
    table.add_row("layers", f"{sums.layers:,}")
    table.add_row("windows", f"{sums.windows:,}")
    table.add_row("faults", f"{sums.faults.total():,}")
    table.add_row("violations", f"{len(sums.violations):,}")
    table.add_row("simulated", f"{sums.simulated_s:,.0f} s, {sums.spreading_s:,.0f} s of them spreading")
    table.add_row("processor time", f"{sums.cpu_s:,.0f} s")
    table.add_row("speed on one core", f"{sums.speed:.0f} times real time")
    table.add_row("the same without spreading", f"{sums.speed_scanning:.0f} times real time")
    console = Console(width=100)
    console.print(table)
    _count(console, "outcome of windows", sums.outcomes)
    _count(console, "checks", Counter({f"invariant {number}": count for number, count in sums.checks.items()}))
    _count(console, "fault", sums.faults)


def _count(console: Console, what: str, counts: Counter[str]) -> None:
    table = Table(what, "count", box=None)
    for name, count in sorted(counts.items()):
        table.add_row(name, f"{count:,}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
