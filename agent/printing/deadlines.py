"""Hands the next cell to the driver: as soon as its decision is there, at its deadline with whatever there is.

Nothing here waits for anything: between an event of the driver and `driver.scan` there is only the keeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from agent.driver import Driver
from agent.keeper import Handover, State, WindowKeeper
from agent.loop_lag import LoopLag
from agent.observers import HandedOver, Observers
from agent.printing.layer import Layer
from agent.thinker import Thinker

THINK_BELOW_WINDOWS = 3
"""Decisions waiting below which the printer's own SmartScan begins to follow, where it is configured."""

WAKE_EARLY_S = 0.002
"""How long before a deadline its timer is set: what the loop may be late without missing it, seconds.

The loop's own clock steps by 1 ms."""


class Deadlines:
    """Keeps the deadlines of the layer in progress.

    Attributes:
        layer: the layer in progress, None between layers.
        lag: how late the loop runs what is due.
        handed_s: loop time of the last hand-over.
        handed_over: called after every hand-over.
    """

    def __init__(
        self,
        keeper: WindowKeeper,
        driver: Driver,
        observers: Observers,
        thinker: Thinker | None,
        link_up: Callable[[], bool],
        *,
        whole: bool,
    ) -> None:
        """Prepare. `whole`: hand over a layer's whole order at once, by its own deadline."""
        self.layer: Layer | None = None
        self.lag = LoopLag()
        self.handed_s = 0.0
        self.handed_over: Callable[[], None] = lambda: None
        self._keeper = keeper
        self._driver = driver
        self._observers = observers
        self._thinker = thinker
        self._link_up = link_up
        self._whole = whole
        self._timer: asyncio.TimerHandle | None = None

    def offer(self) -> None:
        """Hand over the next cell if its decision is there; the whole order if all of it is."""
        now_s = asyncio.get_running_loop().time()
        if self._whole:
            self._hand_over(self._keeper.offer_rest(now_s))
        elif (handover := self._keeper.offer(now_s)) is not None:
            self._hand_over([handover])

    def hand_over_rest(self) -> int:
        """Hand over all cells that are left of the layer, now; return how many the machine has to scan."""
        if self._keeper.state in (State.OPEN, State.CHOSEN) and self._keeper.left:
            self._hand_over(self._keeper.take_rest(asyncio.get_running_loop().time()), rest=True)
        return len(self._keeper.unstarted)

    def hand_over_again(self) -> None:
        """Hand over what has not started once more: the machine may have forgotten it. Nothing changes by it."""
        self._give(self._keeper.unstarted, sequence=self._keeper.state is State.HANDED)

    def set_timer(self) -> None:
        """Wake up for the keeper's deadline, if there is one."""
        self.stop_timer()
        deadline_s = self._keeper.deadline_s
        if deadline_s is None:
            return
        loop = asyncio.get_running_loop()
        due_s = deadline_s - WAKE_EARLY_S
        if not self._keeper.printed and not self._link_up():
            due_s = loop.time()  # nobody is there to wait for: the printer need not stand still
        self._timer = loop.call_at(due_s, self._deadline, due_s)

    def stop_timer(self) -> None:
        """Forget the deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def think(self) -> None:
        """Let the printer's own SmartScan follow while the coordinator is away, or its decisions run out."""
        if self._thinker is not None and (not self._link_up() or self._keeper.buffered < THINK_BELOW_WINDOWS):
            self._thinker.follow()

    def _deadline(self, due_s: float) -> None:
        """Hand over the next cell, whatever there is."""
        now_s = asyncio.get_running_loop().time()
        self.lag.note(now_s - due_s)
        self._timer = None
        if self._keeper.deadline_s is None:
            return
        self._hand_over(self._keeper.take_rest(now_s) if self._whole else [self._keeper.take(now_s)])

    def _hand_over(self, handovers: Sequence[Handover], *, rest: bool = False) -> None:
        if not handovers:
            return
        self._give(handovers, sequence=self._whole or rest)
        now_s = self.handed_s = asyncio.get_running_loop().time()
        self.stop_timer()
        self.think()
        if self.layer is not None and handovers[0].window == 0:
            self.layer.first_cell_s = now_s - self.layer.ready_s
        for handover in handovers:
            self._observers.tell(HandedOver(handover, now_s))
        self.handed_over()

    def _give(self, handovers: Sequence[Handover], *, sequence: bool) -> None:
        if sequence and handovers:
            self._driver.sequence(handovers[0].window, [handover.cell for handover in handovers])
            return
        for handover in handovers:
            self._driver.scan(handover.window, handover.cell)
