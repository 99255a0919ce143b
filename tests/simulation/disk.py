"""The recorder on a disk that can be full or slow: its real code, in a thread that takes turns with the loop."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any, cast

import msgspec

from agent.recorder.channels import JobHeader
from agent.recorder.reading import Damage, read_entries
from agent.recorder.recorder import Limits, Recorder
from agent.recorder.writing import Disk
from tests.support.virtual_processes import Process, ProcessLoop, Signal, TurnThread
from thermal.part import Part


class FaultyDisk:
    """Where recordings go. Bytes really reach `folder`; times are virtual."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.full = False
        self.slow_s = 0.0

    def write(self, fd: int, content: bytes) -> int:
        """Write, after a while where the disk is slow. Raises OSError where it is full."""
        if self.slow_s:
            cast("TurnThread", threading.current_thread()).pause(self.slow_s)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, content)


def recorder(loop: ProcessLoop, process: Process, disk: FaultyDisk, part: Part, job: str, printer: str) -> Recorder:
    """Return the recorder of one agent: its thread, and what it waits for, are the loop's."""
    header = JobHeader(
        job=job,
        part=part.name,
        digest=part.digest,
        printer=printer,
        started="2026-01-01T00:00:00.000000Z",
        started_ns=1_767_225_600_000_000_000,
        agent="simulated",
        protocol="cosmic.v1",
    )
    limits = Limits(directory=disk.folder, bytes_max=10**9, file_bytes_max=10**8)
    made = Recorder(limits, header, {}, guard_s=0.005, disk=Disk(disk.write, lambda _fd: None))
    thread: Any = TurnThread(loop, process, made._write_all)
    made._thread = thread
    made._end = cast("threading.Event", Signal(loop, thread, step_s=0.4))
    made._opened = cast("threading.Event", Signal(loop, thread))
    return made


def windows_in(path: Path) -> tuple[list[tuple[int, int]], list[Damage]]:
    """Return layer and window of every window record in a file, and what of the file is damaged."""

    damage: list[Damage] = []
    found = []
    for entry in read_entries(path, damage):
        if entry.kind == "message" and entry.name == "window":
            values = msgspec.json.decode(entry.content)
            found.append((int(values["layer"]), int(values["window"])))
    return found, damage
