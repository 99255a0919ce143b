"""The figures of all ways: median and p99 of a round, in one run after the other on one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from cloud.link.measuring.actors import dask_actors, ray_actors
from cloud.link.measuring.candidates import Way, bare_sockets, our_link, streams, websockets, zeromq
from cloud.link.measuring.shared import local_engine, shared_eventfd, shared_pipes

VALUES = 39_936
"""float64 values of a map of 312 KB (figures.md: the 16 cm2 gear)."""

WARM_ROUNDS = 20
"""Rounds that are not counted: connections grow their windows, memory is touched for the first time."""

SLOW_ROUNDS = 100
SLOW_PASSES = 1
"""Most rounds and passes of actors with more than SLOW_WORKERS workers: they start for half a minute each time."""

SLOW_WORKERS = 16

WAYS: dict[str, tuple[str | None, Way]] = {
    "shared memory, eventfd": (None, shared_eventfd),
    "shared memory, pipes": (None, shared_pipes),
    "engine local": (None, local_engine),
    "bare sockets": (None, bare_sockets),
    "cloud.link": (None, our_link),
    "asyncio streams": (None, streams),
    "ZeroMQ": ("zmq", zeromq),
    "websockets": ("websockets", websockets),
    "Ray actors": ("ray", ray_actors),
    "Dask actors": ("distributed", dask_actors),
}
"""Name -> the library it needs, and the way."""

SHARED_FLOORS = ("shared memory, eventfd", "shared memory, pipes")
ACTORS = ("Ray actors", "Dask actors")


@dataclass(frozen=True, slots=True)
class Figures:
    """One way with one number of workers. Times of a round in milliseconds; None: not measured, `why` says it."""

    way: str
    workers: int
    rounds: int
    passes: int
    median_ms: float | None
    p99_ms: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a way is to reach beside another: `ratio` of their times, to be `at_least` or `at_most` the limit."""

    what: str
    ratio: float | None
    limit: str
    met: bool | None


Told = Callable[[str], None]
"""Takes what begins now, for whoever watches."""


def measure(
    workers: Sequence[int] = (4, 16, 34),
    *,
    values: int = VALUES,
    rounds: int = 200,
    passes: int = 3,
    ways: Sequence[str] | None = None,
    told: Callable[[Figures], None] | None = None,
    begins: Told | None = None,
) -> list[Figures]:
    """Measure every way with every number of workers.

    Args:
        workers: numbers of workers.
        values: float64 values of the map; each worker gets all and returns values / workers.
        rounds: rounds that are counted, in every pass.
        passes: how often every way is measured; the middle one of their figures is given.
        ways: names of WAYS; None: all.
        told: is told every result as it comes.
        begins: is told what begins now.
    """
    results = []
    names = list(ways or WAYS)
    for count in workers:
        plans = {name: _rounds(name, count, rounds, passes) for name in names}
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        why = {name: _missing(name) for name in names}
        for turn in range(passes):  # in turn, so that what else the machine does falls on all of them
            for name in names:
                if why[name] or turn >= plans[name][1]:
                    continue
                if begins is not None:
                    begins(f"{count} workers, pass {turn + 1} of {plans[name][1]}: {name}")
                try:
                    seen[name].append(_one(name, count, values, plans[name][0]))
                except Exception as error:  # noqa: BLE001  a peer that does not start is said, and others go on
                    why[name] = f"failed: {type(error).__name__}: {str(error).strip().splitlines()[:1]}"
        for name in names:
            median, p99 = _middle(seen[name]) if seen[name] else (None, None)
            one = Figures(name, count, plans[name][0], len(seen[name]), median, p99, why[name])
            results.append(one)
            if told is not None:
                told(one)
    return results


def targets(results: Sequence[Figures]) -> list[Target]:
    """Return what was to be reached (docs/explanation/decisions/worker-link.md), and whether it was."""
    by: Mapping[tuple[str, int], Figures] = {(one.way, one.workers): one for one in results}
    floors = [floor.median_ms for name in SHARED_FLOORS if (floor := by.get((name, 4))) and floor.median_ms]
    local = by.get(("engine local", 4))
    found = []
    if local is not None:
        found.append(
            _at_least("engine local, 4 workers, median: times faster than Ray actors", by, local, "Ray actors", 3.0)
        )
        ratio = round(local.median_ms / min(floors), 2) if floors and local.median_ms else None
        found.append(
            Target(
                "engine local, 4 workers, median: times that of shared memory alone",
                ratio,
                "at most 1.5",
                None if ratio is None else ratio <= 1.5,
            )
        )
    link = by.get(("cloud.link", 16))
    if link is not None:
        for other in ACTORS:
            for figure in ("median", "p99"):
                what = f"cloud.link, 16 workers, {figure}: times faster than {other}"
                found.append(_at_least(what, by, link, other, 2.0, figure))
    return found


def _at_least(
    what: str,
    by: Mapping[tuple[str, int], Figures],
    ours: Figures,
    other: str,
    limit: float,
    figure: str = "median",
) -> Target:
    theirs = by.get((other, ours.workers))
    our_ms = getattr(ours, f"{figure}_ms")
    their_ms = None if theirs is None else getattr(theirs, f"{figure}_ms")
    ratio = round(their_ms / our_ms, 2) if our_ms and their_ms else None
    return Target(what, ratio, f"at least {limit:g}", None if ratio is None else ratio >= limit)


def _rounds(name: str, workers: int, rounds: int, passes: int) -> tuple[int, int]:
    """Return rounds and passes of a way: fewer for what would take minutes."""
    if name in ACTORS and workers > SLOW_WORKERS:
        return min(rounds, SLOW_ROUNDS), min(passes, SLOW_PASSES)
    return rounds, passes


def _missing(name: str) -> str:
    library = WAYS[name][0]
    return "" if library is None or find_spec(library) is not None else f"{library} is not installed"


def _one(name: str, workers: int, values: int, rounds: int) -> tuple[float, float]:
    taken_ms = np.array(WAYS[name][1](workers, values, WARM_ROUNDS + rounds)[WARM_ROUNDS:]) * 1e3
    median, p99 = np.percentile(taken_ms, [50, 99])
    return float(median), float(p99)


def _middle(seen: Sequence[tuple[float, float]]) -> tuple[float, float]:
    median, p99 = np.median(np.array(seen), axis=0)
    return round(float(median), 3), round(float(p99), 3)
