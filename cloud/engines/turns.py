"""Turns on threads and on the loop, shared by all layers in progress: asyncio around cloud.sharing.turns."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cloud.sharing.turns import Line


class Tally:
    """How many products there were, and how many came too late.

    Attributes:
        given: turns and products counted so far.
        late: those of them that were asked for in time and given after they were due.
    """

    def __init__(self) -> None:
        self.given = 0
        self.late = 0

    def count(self, *, late: bool) -> None:
        """Count one."""
        self.given += 1
        self.late += late


class Turns:
    """At most `slots` turns at a time; a free one goes to whoever is due first.

    A slot that becomes free is given away one round of the loop later, so that the layer that has just used it can
    put in its next claim beside the others'.

    tally: counts the turns; None: nobody wants to know.
    """

    def __init__(self, slots: int, tally: Tally | None = None) -> None:
        self._tally = Tally() if tally is None else tally
        self._free = slots
        self._line: Line[asyncio.Future[None]] = Line()
        self._granting = False

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._line)

    async def take(self, due_s: float) -> None:
        """Return when it is the caller's turn; `give_back` ends it."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        in_time = loop.time() < due_s
        self._line.join(due_s, turn)
        self._grant_soon()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            turn.cancel()
            raise
        self._tally.count(late=in_time and loop.time() > due_s)

    def give_back(self) -> None:
        """End a turn."""
        self._free += 1
        self._grant_soon()

    def _grant_soon(self) -> None:
        if not self._granting and self._free and self._line:
            self._granting = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._grant)

    def _grant(self) -> None:
        self._granting = False
        while self._free and self._line:
            turn = self._line.next()
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


class ProductTurns:
    """The turns of all who share threads for products.

    Attributes:
        threads: on a thread; one more than threads, so that none is idle while the loop is busy.
        loop: on the loop's thread, for products too short for another.
        layers: layers in progress.
        tally: of all turns and products of the coordinator.
    """

    def __init__(self, threads: int) -> None:
        self.tally = Tally()
        self.threads = Turns(threads + 1, self.tally)
        self.loop = Turns(1, self.tally)
        self.layers = 0

    def of_engine(self) -> Turns:
        """Return the turns on an engine that has one product in work at a time."""
        return Turns(1, self.tally)


class ProductThreads(ThreadPoolExecutor):
    """The coordinator's threads for products, with the turns on them."""

    def __init__(self, count: int) -> None:
        super().__init__(max_workers=count, thread_name_prefix="product")
        self.turns = ProductTurns(count)
