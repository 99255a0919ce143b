"""Computes the inputs of geometries, here or in processes of their own, and writes their array files."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path

from thermal.arrays import encode_cut, encode_geometry
from thermal.geometry import CutLayer, Geometry
from thermal.preparing.shared import CellsDone, SharedInputs
from thermal.process import Process

# Each process remembers the inputs that it computed last, for one process setting: builds go part by part.
_shared: dict[Process, SharedInputs] = {}


def geometry_from(layer: CutLayer, number: int, process: Process, progress: CellsDone | None = None) -> Geometry:
    """Return the geometry of a cut layer: computes the inputs of its cells."""
    if process not in _shared:
        _shared.clear()
        _shared[process] = SharedInputs(process)
    return _shared[process].geometry(layer, number, progress)


def write_geometry(
    layer: CutLayer, process: Process, file: Path, *, lazy: bool, progress: CellsDone | None = None
) -> tuple[str, int]:
    """Write the array file of a cut layer whole or not at all; return its SHA-256, hex, and size.

    Args:
        layer: elements and cells.
        process: for the inputs.
        file: its name; its folder exists.
        lazy: leave the inputs to whoever uses the geometry first.
        progress: told after every cell.

    Raises:
        OSError: it cannot be written.
    """
    content = encode_cut(layer) if lazy else encode_geometry(geometry_from(layer, 0, process, progress))
    descriptor, partial = tempfile.mkstemp(prefix=".", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(partial).chmod(0o644)  # mkstemp's files are for their owner alone
        Path(partial).replace(file)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest(), len(content)


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """Give an executor of `count` processes; leaving it early drops what has not begun.

    The processes leave an interrupt to the one that started them, and end with it, however it ends.
    """
    context = multiprocessing.get_context("spawn")  # forking a process that has threads may hang it
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
