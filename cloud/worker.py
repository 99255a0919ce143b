"""A worker: holds its block of the operators and answers with partial products. Imports numpy and no more.

One program, however it is started: as a process of the coordinator's machine (cloud.worker_process), as a
serverless function, as an actor. Who starts it hands in where blocks are read from (a store) and how the
coordinator is reached (a channel). What is in memory stays for as long as the environment lives; digests say
what it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

OK = 0
NO_SUCH_BLOCK = 1
WRONG_LENGTH = 2

ERRORS = {
    OK: "",
    NO_SUCH_BLOCK: "no block of this operator is in memory",
    WRONG_LENGTH: "theta has not the length of the block's columns",
}
"""What the numbers of a window's answer mean."""

ERROR_LENGTH_MAX = 1000
"""Longest explanation of a failure, characters."""

Floats = NDArray[np.float64] | NDArray[np.float32]
Event = dict[str, Any]
"""An event as cloud.platforms.interface defines it, as built-in types."""


class Question(NamedTuple):
    """One window: number of the question, geometry, length of the cell, theta of the worker's columns."""

    sequence: int
    geometry: int
    length: int
    theta: Floats


class Store(Protocol):
    """Where block files are."""

    def read(self, blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Floats]]:
        """Yield every block of an event with its array, C-ordered, in any order; all at once where that is faster.

        Raises OSError or ValueError, which becomes the event's answer.
        """
        ...


class Channel(Protocol):
    """The worker's end of the way to the coordinator, connected."""

    def ready(self, function: str, token: str, environment: str, resident: Sequence[str]) -> None:
        """Say that windows may come."""
        ...

    def receive(self) -> Question | None:
        """Return the next window, or None once released, or when the coordinator is gone or silent for too long."""
        ...

    def answer(self, sequence: int, partial: Floats | None, error: str) -> None:
        """Send a window's answer: float[rows], or None and what is wrong."""
        ...

    def close(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Send the summary, end the connection, and return the summary with the bytes that went over it."""
        ...


class Block(NamedTuple):
    """A block in memory, and its place in the operator: (first, end) of rows and columns."""

    digest: str
    values: Floats
    rows: tuple[int, int]
    columns: tuple[int, int]


class Worker:
    """One environment's state, and what it does with an event.

    open_store: makes the store that a `load` event describes.
    connect: makes the channel that a `serve` event describes; may raise OSError.

    Attributes:
        environment: names this environment; another one than before means that state is gone.
    """

    def __init__(
        self,
        open_store: Callable[[dict[str, str]], Store],
        connect: Callable[[Event], Channel] | None = None,
    ) -> None:
        self.environment = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._open_store = open_store
        self._connect = connect
        self._blocks: dict[tuple[int, int], Block] = {}

    def invoked(self, event: Event) -> dict[str, Any]:
        """Answer an event of kind `load`, `warm` or `serve`; never raises for what an event says."""
        started_s = time.perf_counter()
        try:
            if event["kind"] == "load":
                answer = self._load(event)
            elif event["kind"] == "serve":
                answer = self._serve(event, started_s)
            else:
                answer = {"kind": "warm"}
        except (OSError, ValueError, MemoryError) as error:
            answer = {"kind": "failed", "error": f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]}
        answer["environment"] = self.environment
        answer["resident"] = self.resident
        answer["memory_mb"] = memory_mb()
        answer["duration_ms"] = (time.perf_counter() - started_s) * 1e3
        return answer

    @property
    def resident(self) -> list[str]:
        """Digests of the blocks in memory."""
        return [block.digest for block in self._blocks.values()]

    def block(self, geometry: int, length: int) -> Block | None:
        """Return the block of an operator, None where it is not in memory."""
        return self._blocks.get((geometry, length))

    def product(self, question: Question) -> tuple[Floats | None, int]:
        """Return the partial product of a window and what is wrong, 0 for nothing."""
        block = self._blocks.get((question.geometry, question.length))
        if block is None:
            return None, NO_SUCH_BLOCK
        if question.theta.size != block.values.shape[1]:
            return None, WRONG_LENGTH
        return np.dot(block.values, question.theta.astype(block.values.dtype, copy=False)), OK

    def _load(self, event: Event) -> dict[str, Any]:
        """Read what is not in memory yet; forget what the event does not name, unless it says otherwise."""
        wanted = {block["digest"] for block in event["blocks"]}
        if event.get("forget_others", True):  # first: two sets at once would not fit
            self._blocks = {place: held for place, held in self._blocks.items() if held.digest in wanted}
        known = set(self.resident)
        missing = [block for block in event["blocks"] if block["digest"] not in known]
        for block, values in self._open_store(event["store"]).read(missing):
            rows, columns = tuple(block["rows"]), tuple(block["columns"])
            shape = (rows[1] - rows[0], columns[1] - columns[0])
            if values.shape != shape or values.dtype != np.dtype(event["precision"]):
                raise ValueError(
                    f"{block['file']}: the block is {values.dtype}{list(values.shape)},"
                    f" not {event['precision']}{list(shape)}"
                )
            place = (block["geometry"], block["length"])
            self._blocks[place] = Block(block["digest"], values, rows, columns)
        return {"kind": "loaded"}

    def _serve(self, event: Event, began_s: float) -> dict[str, Any]:
        """Answer windows until released; return what was done."""
        if self._connect is None:
            raise ValueError("this worker has no way to a coordinator")
        channel = self._connect(event)
        summary = {"windows": 0, "busy_ms": 0.0, "duration_ms": 0.0}
        try:
            channel.ready(event["function"], event["token"], self.environment, self.resident)
            while (question := channel.receive()) is not None:
                started_s = time.perf_counter()
                partial, wrong = self.product(question)
                summary["busy_ms"] += (time.perf_counter() - started_s) * 1e3
                summary["windows"] += 1
                channel.answer(question.sequence, partial, ERRORS[wrong])
        finally:
            summary["duration_ms"] = (time.perf_counter() - began_s) * 1e3
            summary = channel.close(summary)
        return {"kind": "served", **summary}


def memory_mb() -> float:
    """Return the memory that this process has in use, MiB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib costs import time in every worker
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError):
        return 0.0
