"""The window keeper: it is told what happened, with the time, and answers which cell to hand over next.

It takes a buffered decision as soon as the window before has begun, and the fallback order's cell at the deadline
(`end of the current cell - guard`) when no valid decision is there. It never waits and never fails while cells are
left. Times are seconds of the event loop's monotonic clock, passed in.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from agent.keeper.buffer import Decision, LookAhead
from agent.keeper.table import TABLE, Event, State
from agent.keeper.values import INVALID, Drop, Dropped, Handover, Outcome, Rejoin
from cosmic.errors import DriverError, LayerComplete, LocalProtocolError
from fallback import Ladder, Layout
from protocol.messages import Decisions, Deviated, Printed

PROMISED_MAX = 32
"""Most fallback cells that are promised ahead: the windows that a round trip may take without losing the layer."""


class WindowKeeper:
    """Decides what is scanned in every window of a layer.

    A fallback opens an epoch, and a decision of an older one does not count. Where an answer takes longer than a
    window, the next fallback would open another epoch before it is there, and so on to the layer's end. So when
    answers are seen to come too late for the epoch they belong to, the next fallback also promises the cells of the
    windows after it, twice as many each time: decisions then begin behind them.

    Attributes:
        promise_broken: the machine left the order while cells were promised: the coordinator must be joined anew.
        layer: the layer in progress.
        epoch: how often the printed order has left the decided order, or the coordinator was joined anew.
        dropped: how many decisions did not count, by cause, since the keeper was made.
    """

    def __init__(
        self, ladder: Ladder, *, guard_s: float, start_windows: int = 1, start_wait_s: float = 0.0
    ) -> None:
        """Keep windows with `ladder` as the fallback; decide `guard_s` before the current cell ends.

        start_windows: decisions that must be waiting before the layer's first cell is handed over: the look-ahead
            is empty then, and the first windows would hang on every single answer.
        start_wait_s: how long that is waited for once the first decision is there, seconds.
        """
        self.layer = -1
        self.epoch = 0
        self.dropped: Counter[Drop] = Counter()
        self.guard_s = guard_s
        self.start_windows = start_windows
        self.start_wait_s = start_wait_s
        self._ladder = ladder
        self._state = State.IDLE
        self._link_up = False
        self._left: list[int] = []
        self._windows_s: Sequence[float] = ()
        self._handed: list[int] = []
        self._records: list[Handover] = []
        self._started = 0
        self._finished = 0
        self._buffer = LookAhead()
        self._must_tell = False
        self._told_epoch = 0
        self.promise_broken = False
        self._promise = 0
        self._chain_epoch = 0
        self._answered_late = False
        self._deadline_s = 0.0
        self._ends_s = 0.0

    @property
    def state(self) -> State:
        """Where the layer stands."""
        return self._state

    @property
    def deadline_s(self) -> float | None:
        """When the next window's cell must be with the driver, loop seconds; None when none is wanted."""
        return self._deadline_s if self._state is State.OPEN else None

    @property
    def ends_s(self) -> float:
        """When the cell being scanned ends, loop seconds: after that its end is overdue."""
        return self._ends_s

    @property
    def printed(self) -> tuple[int, ...]:
        """The cells of the layer that have started, in order; the last one is being scanned."""
        return tuple(self._handed[: self._started])

    @property
    def buffered(self) -> int:
        """How many windows in a row from the next one on have a decision waiting."""
        return self._buffer.in_a_row(len(self._handed))

    @property
    def promised(self) -> tuple[int, ...]:
        """The cells of the next windows that the coordinator was told of already, in order."""
        return tuple(self._buffer.promised)

    @property
    def left(self) -> int:
        """How many cells of the layer have not been handed over."""
        return len(self._left)

    @property
    def handed(self) -> tuple[int, ...]:
        """The cells of the layer that were handed over, in order, started or not."""
        return tuple(self._handed)

    @property
    def unstarted(self) -> tuple[Handover, ...]:
        """The hand-overs whose cell has not started, in order."""
        return tuple(self._records[self._started :])

    def record(self, window: int) -> Handover:
        """Return the one record of a window that has its cell."""
        return self._records[window]

    def link(self, up: bool) -> None:
        """Be told whether the coordinator can be reached. The buffer stays valid across a loss."""
        self._link_up = up

    def start_layer(self, layer: int, windows_s: Sequence[float], *, layout: Layout, deadline_s: float) -> None:
        """Begin `layer`, whose cell `c` takes `windows_s[c]` seconds and lies as `layout` says.

        deadline_s: loop time at which the first cell must be with the driver at the latest.
        """
        self._move(Event.LAYER)
        self.layer = layer
        self.epoch = 0
        self._windows_s = windows_s
        self._left = list(range(len(windows_s)))
        self._handed = []
        self._records = []
        self._started = 0
        self._finished = 0
        self._deadline_s = deadline_s
        self._buffer.forget()
        self._must_tell = False
        self._told_epoch = 0
        self.promise_broken = False
        self._promise = 0
        self._chain_epoch = 0
        self._answered_late = False
        self._ladder.start_layer(layer, layout)

    def decisions(self, message: Decisions, now_s: float) -> list[Dropped]:
        """Take in decisions; return those that do not count (invariant 3), for the log."""
        dropped: list[Dropped] = []
        for offset, cell in enumerate(message.cells):
            window = message.first_window + offset
            uniformity = message.uniformity[offset] if message.uniformity is not None else None
            drop = self._accept(message, window, cell, now_s, uniformity)
            if drop is not None:
                self.dropped[drop] += 1
                dropped.append(Dropped(message.layer, message.epoch, window, cell, drop))
        first = self._buffer.waiting(0)
        if self.start_windows > 1 and not self._handed and self._state is State.OPEN and first is not None:
            self._deadline_s = min(self._deadline_s, first.came_s + self.start_wait_s)
        return dropped

    def offer(self, now_s: float) -> Handover | None:
        """Return the next window's hand-over where a valid decision is there already, else None.

        A layer's first one waits until `start_windows` decisions are there.
        """
        if self._state is not State.OPEN or len(self._handed) not in self._buffer:
            return None
        if not self._handed and self.buffered < min(self.start_windows, len(self._windows_s)):
            return None
        return self.take(now_s)

    def offer_rest(self, now_s: float) -> list[Handover]:
        """Return the hand-overs of all cells left where every one of their decisions is there, else none."""
        if self._state is not State.OPEN or self.buffered < len(self._left):
            return []
        return self.take_rest(now_s)

    def take(self, now_s: float) -> Handover:
        """Return the cell for the next window: the decision where there is one, else the fallback's.

        Never waits, never fails while cells are left.
        Raises LayerComplete when every cell of the layer has been handed over.
        """
        if not self._left:
            raise LayerComplete(f"every cell of layer {self.layer} has been handed over")
        self._move(Event.TAKEN)
        waiting = self._buffer.waiting(len(self._handed))
        handover = self._choose(now_s)
        if waiting is None:
            self._leave_order()
            self._look_back()
        return handover

    def take_rest(self, now_s: float) -> list[Handover]:
        """Return the hand-overs of all cells left: the decided ones, from the first one missing the fallback's.

        Raises LayerComplete when every cell of the layer has been handed over.
        """
        if not self._left:
            raise LayerComplete(f"every cell of layer {self.layer} has been handed over")
        self._move(Event.TAKEN_REST)
        chosen: list[Handover] = []
        while self._left:
            waiting = self._buffer.waiting(len(self._handed))
            chosen.append(self._choose(now_s))
            if waiting is None:
                self._buffer.forget_waiting()
        if chosen[-1].source == "fallback":
            self._leave_order()
        return chosen

    def started(self, cell: int, now_s: float) -> Deviated | None:
        """Be told that the printer began `cell`; return what the coordinator must hear, if anything.

        A cell that was not handed over, and was not scanned before, is taken as the machine's own choice: the
        window's record says so, and the coordinator hears of it like of a fallback.
        Raises DriverError for a cell that the layer does not have, or that was scanned before.
        """
        window = self._started
        if window >= len(self._handed) or self._handed[window] != cell:
            self._stray(window, cell, now_s)
        self._started += 1
        self._move(Event.STARTED_LAST if self.complete else Event.STARTED)
        self._ends_s = now_s + self._windows_s[cell]
        self._deadline_s = self._ends_s - self.guard_s
        if not self._must_tell:
            return None
        if self.epoch == self._told_epoch:  # a coordinator joined between the hand-over and the start
            self.epoch += 1
            self._buffer.forget()
        self._must_tell = False
        self._told_epoch = self.epoch
        self._promise_ahead(now_s)
        printed = [*self._settled, *self.promised]
        return Deviated(layer=self.layer, epoch=self.epoch, printed=printed)

    def finished(self) -> Printed:
        """Be told that the cell being scanned has ended; return what the coordinator must hear."""
        if self._finished >= self._started:
            raise DriverError(
                "the printer finished a cell",
                where=f"layer {self.layer}",
                why="none was being scanned",
                remedy="check the driver's events",
            )
        window = self._finished
        self._finished += 1
        return Printed(
            layer=self.layer,
            epoch=self._told_epoch,
            window=window,
            cell=self._handed[window],
            source=self._records[window].source,
        )

    def rejoin(self) -> Rejoin | None:
        """Open a new epoch for a coordinator that joins in the middle of the layer; None without a layer.

        The buffered decisions stay: the printed order has not left them, and a coordinator that starts from the
        same map and the same cells decides the same. Its own decisions replace them as they come; where one differs
        for a window already handed over, the order has been left, and that is said with the next cell.
        """
        if self._state is State.IDLE:
            return None
        self.epoch += 1
        self._told_epoch = self.epoch
        self.promise_broken = False
        self._buffer.carry()
        return Rejoin(self.layer, self.epoch, self._settled)

    def end_layer(self) -> None:
        """Be told that the layer is over."""
        self._move(Event.ENDED)

    @property
    def complete(self) -> bool:
        """True when every cell of the layer has started."""
        return self._started == len(self._windows_s)

    # --- inside -----------------------------------------------------------------------------------------------

    def _move(self, event: Event) -> None:
        following = TABLE[self._state].get(event)
        if following is None:
            raise LocalProtocolError(f"window keeper told {event.value!r} in state {self._state.value!r}")
        self._state = following

    @property
    def _settled(self) -> tuple[int, ...]:
        """The cells that nobody decides any more: those that have started, and a sequence as a whole."""
        return self.handed if self._state is State.HANDED else self.printed

    def _choose(self, now_s: float) -> Handover:
        """Choose the cell for the next window, and note that it is handed over."""
        window = len(self._handed)
        decision = self._buffer.pop(window)
        by = ""
        if decision is None:
            cell = self._ladder.next_cell(self._left, self._handed[-1] if self._handed else None)
            by = self._ladder.answered_by
        else:
            cell, by = decision.cell, decision.promised_by
        outcome = self._cause(window) if by else Outcome.ON_TIME
        self._use_up(cell)
        self._handed.append(cell)
        self._ladder.handed(cell)
        handover = Handover(
            layer=self.layer,
            window=window,
            cell=cell,
            source="fallback" if by else "coordinator",
            order=by,
            outcome=outcome,
            epoch=self.epoch,
            deadline_s=self._deadline_s,
            slack_s=self._deadline_s - now_s,
            ahead_s=None if by or decision is None else self._deadline_s - decision.came_s,
            uniformity=None if decision is None else decision.uniformity,
        )
        self._records.append(handover)
        return handover

    def _use_up(self, cell: int) -> None:
        place = bisect_left(self._left, cell)
        assert self._left[place : place + 1] == [cell], "every cell is scanned exactly once"
        del self._left[place]

    def _stray(self, window: int, cell: int, now_s: float) -> None:
        """Take `cell`, which the machine chose, for `window`."""
        if self._state in (State.IDLE, State.LAST) or not 0 <= cell < len(self._windows_s):
            raise self._impossible(cell, f"layer {self.layer} has no such cell to begin")
        if cell in self._handed[:window]:
            raise self._impossible(cell, "it was scanned before: every cell is scanned once")
        record = Handover(
            layer=self.layer,
            window=window,
            cell=cell,
            source="fallback",
            order="machine",
            outcome=Outcome.FALLBACK_MACHINE,
            epoch=self.epoch,
            deadline_s=self._deadline_s,
            slack_s=self._deadline_s - now_s if window >= len(self._handed) else self._records[window].slack_s,
            ahead_s=None,
            uniformity=None,
        )
        if cell in self._handed[window:]:  # a later one of the sequence: the others follow it
            place = self._handed.index(cell, window)
            del self._handed[place], self._records[place]
            self._records[window:place] = [
                replace(moved, window=moved.window + 1) for moved in self._records[window:place]
            ]
        else:
            self._use_up(cell)
            if window < len(self._handed):  # the cell that was handed over instead is still to be scanned
                insort(self._left, self._handed.pop(window))
                del self._records[window]
        self._handed.insert(window, cell)
        self._records.insert(window, record)
        self._ladder.strayed(self._handed)
        self._leave_order()

    def _impossible(self, cell: int, why: str) -> DriverError:
        return DriverError(
            f"the printer began cell {cell}",
            where=f"layer {self.layer}, window {self._started}",
            why=why,
            remedy="check the driver: it must scan what it was handed, once",
        )

    def _leave_order(self) -> None:
        """The printed order has left the decided one: what was decided for later windows no longer follows."""
        self.epoch += 1
        self._must_tell = True
        self.promise_broken |= bool(self.promised)
        self._buffer.forget()

    def _look_back(self) -> None:
        """After a fallback: note whether the answers to those just before it came too late to count."""
        window = len(self._handed) - 1
        if window == 0 or self._records[window - 1].source == "coordinator":
            self._chain_epoch = self.epoch
        elif self._answered_late:
            self._promise = min(max(1, 2 * self._promise), PROMISED_MAX)
        self._answered_late = False

    def _promise_ahead(self, now_s: float) -> None:
        """Choose the cells of the next windows now, where answers would come too late for them.

        Not while the link is down (nobody hears of it), and not where the printer's own SmartScan stands in: its
        cells are as good as the coordinator's.
        """
        left, last = list(self._left), self._handed[-1]
        window = len(self._handed)
        if not self._link_up or self._ladder.thinker is not None or window > self._started:
            return
        for _ in range(min(self._promise, len(left))):
            last = self._ladder.next_cell(left, last)
            left.remove(last)
            self._buffer.put(window, Decision(last, now_s, None, promised_by=self._ladder.answered_by))
            window += 1

    def _cause(self, window: int) -> Outcome:
        if window in self._buffer.rejected:
            return Outcome.FALLBACK_REJECTED
        return Outcome.FALLBACK_TIMEOUT if self._link_up else Outcome.FALLBACK_DISCONNECTED

    def _accept(
        self, message: Decisions, window: int, cell: int, now_s: float, uniformity: float | None
    ) -> Drop | None:
        drop = self._invalid(message, window, cell)
        if drop is None:
            self._buffer.put(window, Decision(cell, now_s, uniformity))
        elif drop in INVALID:
            self._buffer.rejected.add(window)
        return drop

    def _invalid(self, message: Decisions, window: int, cell: int) -> Drop | None:
        """Return why a decision does not count (protocol.md, invariant 3), None when it does."""
        if self._state is State.IDLE or message.layer != self.layer:
            return Drop.STALE_LAYER
        if message.epoch != self.epoch:
            self._answered_late |= self._chain_epoch <= message.epoch < self.epoch
            return Drop.STALE_EPOCH
        if window >= len(self._windows_s):
            return Drop.NO_SUCH_WINDOW
        if window < len(self._handed):
            if self._handed[window] != cell and self._state is not State.HANDED:
                self._leave_order()  # after a rejoin: the new coordinator decided otherwise
            return Drop.PAST_WINDOW
        if cell >= len(self._windows_s):
            return Drop.NO_SUCH_CELL
        place = bisect_left(self._left, cell)
        if place == len(self._left) or self._left[place] != cell:
            return Drop.CELL_SCANNED
        waiting = self._buffer.waiting(window)
        if cell in self._buffer.decided or (waiting is not None and not waiting.carried):
            return Drop.CELL_DECIDED
        return None
