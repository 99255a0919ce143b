"""Runs seeds of the simulation: `make simulate N=1000`, or one of them: `make simulate SEED=17`.

A seed that fails is run again with ever fewer faults; the smallest schedule that still fails is printed.
"""

from __future__ import annotations

import argparse
import sys
import time

from shapely.geometry import box

from tests.simulation.invariants import check
from tests.simulation.world import Fault, World, machine_of, schedule_of
from thermal.building import build_from_outline
from thermal.part import Part
from thermal.process import Process

SAY_EVERY_S = 3.0


def square() -> Part:
    """Return the part that is printed: 36 islands, three layers, windows of 40 ms."""
    process = Process(element_m=2e-4, speed_m_s=0.08, spreading_s=1.0)
    return build_from_outline(box(0, 0, 4.8, 4.8), "square", process, layers=3, island_mm=0.8)


def failure(part: Part, seed: int, schedule: list[Fault]) -> str | None:
    """Return what does not hold under `schedule`, None when everything does."""
    try:
        check(World(part, seed, schedule, *machine_of(seed)).run())
    except Exception as error:  # noqa: BLE001  whatever goes wrong is a finding
        return f"{type(error).__name__}: {error}"
    return None


def minimised(part: Part, seed: int, schedule: list[Fault]) -> list[Fault]:
    """Return a schedule that still fails and of which no fault can be left out."""
    for fault in list(schedule):
        fewer = [other for other in schedule if other is not fault]
        if failure(part, seed, fewer) is not None:
            schedule = fewer
    return schedule


def main() -> int:
    """Run what was asked for; exit 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds, from 0")
    parser.add_argument("--seed", type=int, help="one seed alone")
    wanted = parser.parse_args()
    seeds = [wanted.seed] if wanted.seed is not None else list(range(wanted.seeds))
    part, began_s, said_s, simulated_s, windows = square(), time.monotonic(), time.monotonic(), 0.0, 0
    for done, seed in enumerate(seeds, 1):
        schedule = schedule_of(seed)
        world = World(part, seed, schedule, *machine_of(seed))
        found = None
        try:
            check(world.run())
        except Exception as error:  # noqa: BLE001  whatever goes wrong is a finding
            found = f"{type(error).__name__}: {error}"
        simulated_s += world.ended_s
        windows += sum(line["event"] == "window" for line in world.lines)
        if found is not None:
            machine, dispatch = machine_of(seed)
            sys.stdout.write(
                f"seed {seed}: {found}\ndispatch {dispatch}, {machine}\nthe smallest schedule that fails:\n"
            )
            sys.stdout.writelines(f"  {fault}\n" for fault in minimised(part, seed, schedule))
            return 1
        if time.monotonic() - said_s > SAY_EVERY_S:
            said_s = time.monotonic()
            sys.stderr.write(f"{done} of {len(seeds)} seeds\n")
    wall_s = time.monotonic() - began_s
    sys.stdout.write(
        f"{len(seeds)} seeds, {windows} windows, 0 violations; "
        f"{simulated_s:.0f} s simulated in {wall_s:.0f} s, {simulated_s / wall_s:.0f} times real time\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
