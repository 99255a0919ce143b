"""A group's functions as one: who holds them, since when they are ready, and the window that they work on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from cloud.engines.grouped.layer import WorkerFault
from cloud.engines.grouped.rounds import Round
from cloud.plans import FunctionId


@dataclass(slots=True, eq=False)
class Asked:
    """The window that a crew is working on."""

    round: Round
    over: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Crew:
    """The functions of one group.

    Attributes:
        holders: layers that keep the functions running, by identity.
        turn: windows of several layers take turns.
        whole_s: when all functions were invoked together; None where only some were: no sample for D.
        ready_s: since when all are ready, loop time; None where they are not.
        job: on whose bill they run.
        waiting: those who wait until all are ready.
        asked: the window in progress.
    """

    functions: tuple[FunctionId, ...]
    holders: set[int] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    whole_s: float | None = None
    ready_s: float | None = None
    job: str = ""
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    asked: Asked | None = None

    def fail(self, fault: WorkerFault) -> None:
        """Tell whoever waits for the functions, or for their answers, that one is at fault."""
        for future in [*self.waiting, *([self.asked.over] if self.asked is not None else [])]:
            if not future.done():
                future.set_exception(fault)
