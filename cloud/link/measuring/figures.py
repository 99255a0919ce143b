"""The figures of all ways: median and p99 of a round, in one run after the other on one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter

import numpy as np

from cloud.link.measuring.actors import dask_actors, ray_actors
from cloud.link.measuring.candidates import Way, bare_sockets, our_link, streams, websockets, zeromq
from cloud.link.measuring.rounds import WARM, Rounds
from cloud.link.measuring.shared import local_engine, shared_eventfd, shared_pipes

VALUES = 39_936
"""float64 values of a map of 312 KB (figures.md: the 16 cm2 gear)."""

WAY_S = 24.0
"""Longest time of a way with one number of workers, seconds: every pass has its share of it for rounds, and there
is no other pass once it is over. Starts are not cut short: actors of Ray and Dask take up to a minute."""

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
    """One way with one number of workers. Times of a round in milliseconds; None: not measured, `why` says it.

    Attributes:
        rounds: that were counted, in the middle pass.
    """

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


Pass = tuple[int, float, float]
"""Rounds that were counted, median and p99 in milliseconds."""

Told = Callable[[str], None]
"""Takes what begins now, for whoever watches."""


def measure(
    workers: Sequence[int] = (4, 16, 34),
    *,
    values: int = VALUES,
    rounds: int = 200,
    passes: int = 3,
    ways: Sequence[str] | None = None,
    way_s: float = WAY_S,
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
        way_s: longest time of a way with one number of workers, seconds; then it has fewer rounds and passes.
        told: is told every result as it comes.
        begins: is told what begins now.
    """
    results = []
    names = list(ways or WAYS)
    for count in workers:
        seen: dict[str, list[Pass]] = {name: [] for name in names}
        spent_s = dict.fromkeys(names, 0.0)
        why = {name: _missing(name) for name in names}
        for turn in range(passes):  # in turn, so that what else the machine does falls on all of them
            for name in names:
                if why[name] or spent_s[name] > way_s:
                    continue
                if begins is not None:
                    begins(f"{count} workers, pass {turn + 1} of {passes}: {name}")
                started_s = perf_counter()
                try:
                    seen[name].append(_one(name, count, values, Rounds(rounds, way_s / passes)))
                except Exception as error:  # noqa: BLE001  a peer that does not start is said, and others go on
                    why[name] = f"failed: {type(error).__name__}: {str(error).strip().splitlines()[:1]}"
                spent_s[name] += perf_counter() - started_s
        for name in names:
            one = _figures(name, count, seen[name], why[name])
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


def _missing(name: str) -> str:
    library = WAYS[name][0]
    return "" if library is None or find_spec(library) is not None else f"{library} is not installed"


def _one(name: str, workers: int, values: int, rounds: Rounds) -> Pass:
    taken_ms = np.array(WAYS[name][1](workers, values, rounds)[WARM:]) * 1e3
    median, p99 = np.percentile(taken_ms, [50, 99])
    return taken_ms.size, float(median), float(p99)


def _figures(name: str, workers: int, seen: Sequence[Pass], why: str) -> Figures:
    """Return the middle of all passes."""
    if not seen:
        return Figures(name, workers, 0, 0, None, None, why)
    rounds, median, p99 = np.median(np.array(seen), axis=0)
    return Figures(name, workers, int(rounds), len(seen), round(float(median), 3), round(float(p99), 3), why)
