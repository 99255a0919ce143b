"""The figures of all ways: median and p99 of a round, in one run after the other on one machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from cloud.link.measuring.actors import dask_actors, ray_actors
from cloud.link.measuring.candidates import Way, bare_sockets, our_link, streams, websockets, zeromq

VALUES = 39_936
"""float64 values of a map of 312 KB (figures.md: the 16 cm2 gear)."""

WARM_ROUNDS = 20
"""Rounds that are not counted: connections grow their windows, memory is touched for the first time."""

WAYS: dict[str, tuple[str | None, Way]] = {
    "bare sockets": (None, bare_sockets),
    "cloud.link": (None, our_link),
    "asyncio streams": (None, streams),
    "ZeroMQ": ("zmq", zeromq),
    "websockets": ("websockets", websockets),
    "Ray actors": ("ray", ray_actors),
    "Dask actors": ("distributed", dask_actors),
}
"""Name -> the library it needs, and the way."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One way with one number of workers. Times of a round in milliseconds; None: not measured, `why` says it."""

    way: str
    workers: int
    rounds: int
    median_ms: float | None
    p99_ms: float | None
    why: str = ""


def measure(
    workers: Sequence[int] = (4, 16, 34),
    *,
    values: int = VALUES,
    rounds: int = 200,
    passes: int = 3,
    ways: Sequence[str] | None = None,
    told: Callable[[Figures], None] | None = None,
) -> list[Figures]:
    """Measure every way with every number of workers.

    Args:
        workers: numbers of workers.
        values: float64 values of the map; each worker gets all and returns values / workers.
        rounds: rounds that are counted, in every pass.
        passes: how often every way is measured; the middle one of their figures is given.
        ways: names of WAYS; None: all.
        told: is told every result as it comes.
    """
    results = []
    names = list(ways or WAYS)
    for count in workers:
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _ in range(passes):  # in turn, so that what else the machine does falls on all of them
            for name in names:
                library, way = WAYS[name]
                if library is None or find_spec(library) is not None:
                    taken_ms = np.array(way(count, values, WARM_ROUNDS + rounds)[WARM_ROUNDS:]) * 1e3
                    median, p99 = np.percentile(taken_ms, [50, 99])
                    seen[name].append((float(median), float(p99)))
        for name in names:
            if seen[name]:
                median, p99 = np.median(np.array(seen[name]), axis=0)
                one = Figures(name, count, rounds, round(float(median), 3), round(float(p99), 3))
            else:
                one = Figures(name, count, rounds, None, None, f"{WAYS[name][0]} is not installed")
            results.append(one)
            if told is not None:
                told(one)
    return results
