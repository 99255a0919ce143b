"""The worker's side of the shared memory: real pipes, eventfd, memory and files; the worker runs in a thread."""

from __future__ import annotations

import json
import mmap
import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import worker_process
from cloud.engines.local.memory import SharedVectors
from cloud.worker import NO_SUCH_BLOCK, OK, Worker
from cloud.worker_process import EVENT, WINDOW, MappedFiles, answer

ELEMENTS = 5
LIMIT_S = 10.0


class Stage:
    """A coordinator's end, and a worker with the upper rows of one operator."""

    def __init__(self, folder: Path) -> None:
        self.values = np.arange(15.0).reshape(3, ELEMENTS)
        np.save(folder / "block.npy", self.values)
        self.event: dict[str, Any] = {
            "kind": "load",
            "precision": "float64",
            "store": {"folder": str(folder)},
            "blocks": [
                {
                    "digest": "d" * 16,
                    "file": "block.npy",
                    "geometry": 0,
                    "length": 4,
                    "rows": [0, 3],
                    "columns": [0, ELEMENTS],
                }
            ],
        }
        self.vectors = SharedVectors(ELEMENTS, 1, "float64", 2)
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        woken, self.wake = os.pipe()
        memory = mmap.mmap(self.vectors.descriptor, os.fstat(self.vectors.descriptor).st_size)
        shared = worker_process.SharedVectors(memory, "float64", ELEMENTS, 0, 1, 2)
        words = Worker(MappedFiles), shared, theirs, woken, self.vectors.answered
        self._thread = threading.Thread(target=answer, args=words)
        self._thread.start()
        self._ends = theirs, woken

    def tell(self, event: dict[str, Any]) -> dict[str, Any]:
        """Send an event and return its answer."""
        self.link.send(json.dumps(event).encode())
        os.write(self.wake, EVENT)
        told: dict[str, Any] = json.loads(self.link.recv(worker_process.MESSAGE_BYTES_MAX))
        return told

    def ask(self, sequence: int, theta: NDArray[np.float64], length: int = 4, *, asleep: bool = False) -> None:
        """Ask the worker for a window."""
        self.vectors.put(theta)
        self.vectors.ask(sequence, 0, length, asleep=asleep)
        os.write(self.wake, WINDOW)

    def close(self) -> None:
        """End the worker by closing its pipe."""
        os.close(self.wake)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        self.link.close()
        self._ends[0].close()
        os.close(self._ends[1])
        self.vectors.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_window_is_answered_in_shared_memory_with_its_number(stage: Stage) -> None:
    assert stage.tell(stage.event)["kind"] == "loaded"
    theta = np.array([1.0, -2.0, 0.5, 4.0, 3.0])
    for sequence in (7, 8):
        stage.ask(sequence, theta * sequence)
        assert stage.vectors.come(range(1, 2), sequence, LIMIT_S)
        assert stage.vectors.answer(1) == (sequence, OK)
        assert np.array_equal(stage.vectors.partial(0, 0, 3), stage.values @ (theta * sequence))
    assert stage.vectors.answer(0) == (0, OK)  # the other worker's word is its own


def test_coordinator_that_looks_is_not_woken_and_one_that_sleeps_is(stage: Stage) -> None:
    stage.tell(stage.event)
    stage.ask(1, np.ones(ELEMENTS))
    assert stage.vectors.come(range(1, 2), 1, LIMIT_S)
    assert not select.select([stage.vectors.answered], [], [], 0)[0]
    stage.ask(2, np.ones(ELEMENTS), asleep=True)
    assert select.select([stage.vectors.answered], [], [], LIMIT_S)[0]
    assert stage.vectors.answer(1) == (2, OK)


def test_operator_that_is_not_held_is_said_and_does_not_count_as_an_answer(stage: Stage) -> None:
    stage.ask(3, np.ones(ELEMENTS), length=99, asleep=True)
    assert select.select([stage.vectors.answered], [], [], LIMIT_S)[0]
    assert stage.vectors.answer(1) == (3, NO_SUCH_BLOCK)
    assert not stage.vectors.come(range(1, 2), 3, 0.0)


def test_events_between_windows_are_answered_and_later_windows_see_what_was_loaded(stage: Stage) -> None:
    stage.ask(1, np.ones(ELEMENTS), asleep=True)
    assert select.select([stage.vectors.answered], [], [], LIMIT_S)[0]
    assert stage.vectors.answer(1) == (1, NO_SUCH_BLOCK)
    assert stage.tell({"kind": "warm"})["resident"] == []
    assert stage.tell(stage.event)["resident"] == ["d" * 16]
    stage.ask(2, np.ones(ELEMENTS))
    assert stage.vectors.come(range(1, 2), 2, LIMIT_S)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "FileNotFoundError"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "it was cut off"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x02\x00" + path.read_bytes()[8:]), r"version (2, 0)"),
        (lambda path: np.save(path, np.ones((3, ELEMENTS), dtype=np.int64)), "not a C-ordered array of floats"),
        (lambda path: np.save(path, np.ones((2, ELEMENTS))), "the block is float64[2, 5]"),
    ],
    ids=["missing", "cut off", "other version", "not floats", "other shape"],
)
def test_block_file_that_is_not_right_is_named(stage: Stage, tmp_path: Path, damage: Any, said: str) -> None:
    damage(tmp_path / "block.npy")
    answered = stage.tell(stage.event)
    assert answered["kind"] == "failed"
    assert said in answered["error"]
    assert "block.npy" in answered["error"]
