"""All jobs over a few processes: what is missing is made, the large jobs first; interrupted, it goes on later."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from time import monotonic

from cloud.evaluation.jobs import Task, evaluate
from cloud.evaluation.records import Record, read_record, record_file
from cloud.planner.platform import read_platform
from cosmic.errors import InputError
from thermal.preparing.workers import worker_processes

Told = Callable[[int, int, float | None], None]
"""(records there, records wanted, seconds left or None where that cannot be said yet)."""

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Every process has one: jobs run side by side."""

STOP = "interrupted"
"""File that tells the processes to end after the system that they are at."""

LOOK_S = 2.0
"""Time between two looks at what is there, seconds."""


def run_all(tasks: Sequence[Task], processes: int, told: Told) -> list[Record]:
    """Make every record that is missing, and return all: job by job, in the order of the tasks and systems.

    Args:
        tasks: the jobs; of one folder.
        processes: that work; 0: this one does, and its log is full of what happens to functions.
        told: how far it is, at the beginning, every two seconds and at the end.

    Raises:
        CosmicError: a part, a record or the profile is wrong; what is there stays.
        KeyboardInterrupt: interrupted; what is there stays, and the next call goes on.
    """
    folder = Path(tasks[0].folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STOP).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(folder), remedy="choose another folder with --out"
        ) from error
    platform, _ = read_platform(tasks[0].profile)
    wanted = sum(len(task.systems) for task in tasks)
    left = {task.name: len(task.missing(platform)) for task in tasks}
    began_s, begun = monotonic(), wanted - sum(left.values())

    def tell() -> None:
        done = wanted - sum(len(task.missing(platform)) for task in tasks)
        taken_s = monotonic() - began_s
        told(done, wanted, taken_s / (done - begun) * (wanted - done) if done > begun else None)

    tell()
    open_ = sorted((task for task in tasks if left[task.name]), key=lambda task: -task.area_cm2)
    if processes == 0:
        for task in open_:
            evaluate(task)
            tell()
    elif open_:
        _side_by_side(open_, min(processes, len(open_)), folder, tell)
    found = [read_record(record_file(folder, task.name, name)) for task in tasks for name in task.systems]
    return [record for record in found if record is not None]


def _side_by_side(tasks: Sequence[Task], processes: int, folder: Path, tell: Callable[[], None]) -> None:
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    with worker_processes(processes) as executor:
        pending: set[Future[None]] = {executor.submit(_evaluate, task) for task in tasks}
        try:
            while pending:
                done, pending = wait(pending, LOOK_S, FIRST_COMPLETED)
                for future in done:
                    future.result()
                tell()
        except BaseException:
            (folder / STOP).touch()
            raise


def _evaluate(task: Task) -> None:
    """Evaluate a job in a process of its own."""
    import logging  # noqa: PLC0415  this process's own

    import structlog  # noqa: PLC0415  likewise

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stop = Path(task.folder) / STOP
    if not stop.exists():
        evaluate(task, stop.exists)
