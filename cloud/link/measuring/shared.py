"""Workers on one machine: our engine `local` as the controller uses it, and the floor below it.

The floor is shared memory and the cheapest wake-up that the system has: one write to an eventfd, or of one byte to
a pipe, wakes a worker that blocks in a read, and the worker's wakes the coordinator, which does nothing else: no
event loop, no time-outs, no loss of workers, no check of what came. As every other way it starts with a map of the
coordinator's own and ends with one: two copies of the map are in it.
"""

from __future__ import annotations

import asyncio
import math
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
from shapely.geometry import box

from cloud.configuration import EngineSettings
from cloud.engines.local import LocalEngine
from cloud.link.measuring.candidates import Floats64, a_map
from cloud.link.measuring.rounds import Rounds
from cloud.plans import Plan
from thermal.building import build_from_outline
from thermal.operators.blockfiles import LABEL, BlockSet
from thermal.operators.blocks import block_set_folder
from thermal.part import Part, write_part
from thermal.process import Process

ISLAND_MM = 3.0

Ends = list[tuple[int, int]]
"""For every worker the descriptor that it waits for, and the one that it writes to."""


def shared_eventfd(workers: int, values: int, rounds: Rounds) -> list[float]:
    """The floor with eventfds: they add up, so that one read may take several answers."""
    with ExitStack() as ends:
        go = [_closed_by(ends, os.eventfd(0)) for _ in range(workers)]
        done = _closed_by(ends, os.eventfd(0))

        def wake() -> None:
            for one in go:
                os.eventfd_write(one, 1)

        def gather() -> None:
            left = workers
            while left:
                left -= os.eventfd_read(done)

        return _bare("eventfd", [(one, done) for one in go], values, rounds, wake, gather)


def shared_pipes(workers: int, values: int, rounds: Rounds) -> list[float]:
    """The floor with pipes."""
    with ExitStack() as ends:
        go = [_pipe(ends) for _ in range(workers)]
        done, told = _pipe(ends)

        def wake() -> None:
            for _, one in go:
                os.write(one, b"x")

        def gather() -> None:
            left = workers
            while left:
                left -= len(os.read(done, left))

        return _bare("pipe", [(one, told) for one, _ in go], values, rounds, wake, gather)


def local_engine(workers: int, values: int, rounds: Rounds) -> list[float]:
    """Engine `local`: `LayerWork.apply`, and worker processes that copy their rows instead of multiplying."""

    async def run(part: Part) -> list[float]:
        plan = Plan(part=part.digest, rows=workers)
        engine = LocalEngine(part, EngineSettings(name="local"), plan, program="cloud.link.measuring.rows")
        await engine.load(lambda *_: None)
        try:
            layer = engine.begin_layer(0)
            cells = len(part.geometries[0].cells)
            theta = a_map(values)
            taken = []
            for number in rounds:
                started_s = perf_counter()
                y = await layer.apply(number % cells, theta)
                taken.append(perf_counter() - started_s)
            if not np.array_equal(y, theta):
                raise AssertionError("the workers answered something else")
        finally:
            await engine.close()
        return taken

    with tempfile.TemporaryDirectory(prefix="cosmic-link-") as folder:
        return asyncio.run(run(_part(Path(folder) / "map", workers, values)))


def _bare(
    kind: str, ends_of: Ends, values: int, rounds: Rounds, wake: Callable[[], None], gather: Callable[[], None]
) -> list[float]:
    """Measure rounds of one kind of wake-up."""
    asked = values // len(ends_of) * len(ends_of)
    with _memory(values) as (descriptor, vectors), _workers(kind, descriptor, ends_of, values):
        theta = a_map(values)
        taken = []
        for _ in rounds:
            started_s = perf_counter()
            vectors[0] = theta
            wake()
            gather()
            y = vectors[1].copy()
            taken.append(perf_counter() - started_s)
    if not np.array_equal(y[:asked], theta[:asked]):
        raise AssertionError("the workers answered something else")
    return taken


@contextmanager
def _memory(values: int) -> Iterator[tuple[int, Floats64]]:
    """Give nameless shared memory: its descriptor, and float64[2, values] in it, theta and what comes back."""
    descriptor = os.memfd_create("cosmic-floor")
    try:
        os.ftruncate(descriptor, 2 * values * 8)
        memory = mmap.mmap(descriptor, 2 * values * 8)
        yield descriptor, np.frombuffer(memory).reshape(2, values)
    finally:
        os.close(descriptor)


@contextmanager
def _workers(kind: str, memory: int, ends_of: Ends, values: int) -> Iterator[None]:
    rows = values // len(ends_of)
    words = [sys.executable, "-m", "cloud.link.measuring.peer", kind]
    numbers = [str(number) for number in (rows, values, os.getpid())]
    started = [
        subprocess.Popen(  # noqa: S603 - our own program
            [*words, f"{memory}:{go}:{done}:{number}", *numbers], pass_fds=(memory, go, done)
        )
        for number, (go, done) in enumerate(ends_of)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _part(folder: Path, workers: int, values: int) -> Part:
    """Write a part of `values` elements, and labels of operators in `workers` x 1 blocks that no file holds."""
    width = next(width for width in range(math.isqrt(values), 0, -1) if values % width == 0)
    process = Process()
    side_mm = process.element_m * 1e3
    outline = box(0.0, 0.0, values // width * side_mm, width * side_mm)
    part = write_part(build_from_outline(outline, "map", process, island_mm=ISLAND_MM), folder)
    [geometry] = part.geometries
    label = BlockSet(part.digest, values, (workers, 1), "float64", geometry.distinct_lengths)
    blocks = block_set_folder(folder, 0, label.blocks, label.precision)
    blocks.mkdir(parents=True)
    (blocks / LABEL).write_bytes(msgspec.json.encode(label))
    return part


def _closed_by(ends: ExitStack, descriptor: int) -> int:
    ends.callback(os.close, descriptor)
    return descriptor


def _pipe(ends: ExitStack) -> tuple[int, int]:
    """Return the ends of a pipe, to read and to write."""
    read, write = os.pipe()
    return _closed_by(ends, read), _closed_by(ends, write)
