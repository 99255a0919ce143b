"""The coordinator's end of the way between it and its workers: theta out, partial products back.

Events come by a listener, on the event loop; nothing here waits. A link refuses a worker whose token is unknown
or expired before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.plans import FunctionId
from cloud.platforms.interface import ServeSummary

Worker = int
"""A connected worker, by a number that the link gives and never gives again."""

Floats = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker that is ready: its token proved `function`.

    Attributes:
        token: the one of its `Serve` event.
        environment: names the environment it runs in.
        resident: digests of the blocks in its memory.
    """

    function: FunctionId
    token: str
    environment: str
    resident: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class WindowTask:
    """One window's question to the workers of a group.

    Attributes:
        sequence: number of the question; an answer names it.
        geometry: number of the layer geometry.
        length: elements of the cell.
        theta: the whole map, float64[n] or float32[n], K; not changed while the window lasts.
        columns: for every worker asked, first element and end of its part of theta.
    """

    sequence: int
    geometry: int
    length: int
    theta: Floats
    columns: Mapping[Worker, tuple[int, int]]


class LinkListener(Protocol):
    """Hears what comes by the link."""

    def worker_ready(self, worker: Worker, hello: Hello) -> None:
        """A worker connected, with a good token."""
        ...

    def partial_came(self, worker: Worker, sequence: int, partial: Floats | None, error: str) -> None:
        """A worker answered question `sequence`: its rows of the product, or None and what is wrong.

        partial: float64[rows] or float32[rows]; valid until the listener returns unless it was copied.
        """
        ...

    def worker_lost(self, worker: Worker, cause: str) -> None:
        """A worker is gone without having been released."""
        ...

    def worker_done(self, worker: Worker, summary: ServeSummary) -> None:
        """A worker that was released has said its last."""
        ...


class Link(Protocol):
    """Carries windows and partial products for one engine."""

    @property
    def address(self) -> str:
        """What `Serve.address` says; known once open."""
        ...

    async def open(self, listener: LinkListener) -> None:
        """Begin to listen. Raises EngineError where that cannot be done."""
        ...

    def send_window(self, task: WindowTask) -> None:
        """Send every worker of the task its part of theta. Never waits; a lost worker is told to the listener."""
        ...

    def release(self, worker: Worker) -> None:
        """Tell a worker to end. Never waits."""
        ...

    def drop(self, worker: Worker) -> None:
        """Cut a worker off at once: it hangs, or nobody wants it. The listener hears no more of it."""
        ...

    async def close(self) -> None:
        """Cut every worker off and stop listening."""
        ...
