"""The window keeper: it is told what happened, with the time, and answers which cell to hand over next.

It takes a buffered decision as soon as the window before has begun, and the fallback order's cell at the deadline
(`end of the current cell - guard`) when no valid decision is there. It never waits and never fails while cells are
left. Times are seconds of the event loop's monotonic clock, passed in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.keeper.table import TABLE, Event, State
from agent.keeper.values import INVALID, Drop, Dropped, Handover, Outcome, Rejoin, Source
from cosmic.errors import DriverError, LayerComplete, LocalProtocolError
from fallback import Ladder, Layout
from protocol.messages import Decisions, Deviated, Printed


@dataclass(frozen=True, slots=True)
class _Decision:
    """A decision waiting for its window. `carried`: from before a rejoin, replaced when a newer one comes."""

    cell: int
    came_s: float
    uniformity: float | None
    carried: bool = False


class WindowKeeper:
    """Decides what is scanned in every window of a layer.

    Attributes:
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
        self._sources: list[Source] = []
        self._started = 0
        self._finished = 0
        self._buffer: dict[int, _Decision] = {}
        self._window_of: dict[int, int] = {}
        self._decided: set[int] = set()
        self._rejected: set[int] = set()
        self._must_tell = False
        self._told_epoch = 0
        self._deadline_s = 0.0

    @property
    def state(self) -> State:
        """Where the layer stands."""
        return self._state

    @property
    def deadline_s(self) -> float | None:
        """When the next window's cell must be with the driver, loop seconds; None when none is wanted."""
        return self._deadline_s if self._state is State.OPEN else None

    @property
    def printed(self) -> tuple[int, ...]:
        """The cells of the layer that have started, in order; the last one is being scanned."""
        return tuple(self._handed[: self._started])

    @property
    def buffered(self) -> int:
        """How many windows in a row from the next one on have a decision waiting."""
        count = 0
        while len(self._handed) + count in self._buffer:
            count += 1
        return count

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
        self._sources = []
        self._started = 0
        self._finished = 0
        self._deadline_s = deadline_s
        self._forget_decisions()
        self._must_tell = False
        self._told_epoch = 0
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
        if self.start_windows > 1 and not self._handed and self._state is State.OPEN and 0 in self._buffer:
            self._deadline_s = min(self._deadline_s, self._buffer[0].came_s + self.start_wait_s)
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

    def take(self, now_s: float) -> Handover:
        """Return the cell for the next window: the decision where there is one, else the fallback's.

        Never waits, never fails while cells are left.
        Raises LayerComplete when every cell of the layer has been handed over.
        """
        if not self._left:
            raise LayerComplete(f"every cell of layer {self.layer} has been handed over")
        self._move(Event.TAKEN)
        window = len(self._handed)
        decision = self._buffer.pop(window, None)
        if decision is not None:
            cell, outcome = decision.cell, Outcome.ON_TIME
            del self._window_of[cell]
        else:
            cell = self._ladder.next_cell(self._left, self._handed[-1] if self._handed else None)
            outcome = self._cause(window)
        source: Source = "coordinator" if decision is not None else "fallback"
        place = bisect_left(self._left, cell)
        assert self._left[place : place + 1] == [cell], "every cell is scanned exactly once"
        del self._left[place]
        self._handed.append(cell)
        self._sources.append(source)
        self._ladder.handed(cell)
        handover = Handover(
            layer=self.layer,
            window=window,
            cell=cell,
            source=source,
            order=self._ladder.answered_by if decision is None else "",
            outcome=outcome,
            epoch=self.epoch,
            deadline_s=self._deadline_s,
            slack_s=self._deadline_s - now_s,
            ahead_s=self._deadline_s - decision.came_s if decision is not None else None,
            uniformity=decision.uniformity if decision is not None else None,
        )
        if decision is None:
            self._leave_order()
        return handover

    def started(self, cell: int, now_s: float) -> Deviated | None:
        """Be told that the printer began `cell`; return what the coordinator must hear, if anything.

        Raises DriverError when it is not the cell that was handed over.
        """
        if self._state is not State.CHOSEN or cell != self._handed[-1]:
            expected = f"cell {self._handed[-1]}" if self._state is State.CHOSEN else "none"
            raise DriverError(
                f"the printer began cell {cell}",
                where=f"layer {self.layer}, window {self._started}",
                why=f"expected was {expected}",
                remedy="check the driver: it must scan what it was handed, once",
            )
        self._move(Event.STARTED if self._left else Event.STARTED_LAST)
        self._started += 1
        self._deadline_s = now_s + self._windows_s[cell] - self.guard_s
        if not self._must_tell:
            return None
        if self.epoch == self._told_epoch:  # a coordinator joined between the hand-over and the start
            self.epoch += 1
            self._forget_decisions()
        self._must_tell = False
        self._told_epoch = self.epoch
        return Deviated(layer=self.layer, epoch=self.epoch, printed=list(self.printed))

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
            source=self._sources[window],
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
        self._buffer = {window: replace(kept, carried=True) for window, kept in self._buffer.items()}
        self._decided.clear()
        self._rejected.clear()
        return Rejoin(self.layer, self.epoch, self.printed)

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

    def _forget_decisions(self) -> None:
        self._buffer.clear()
        self._window_of.clear()
        self._decided.clear()
        self._rejected.clear()

    def _leave_order(self) -> None:
        """The printed order has left the decided one: what was decided for later windows no longer follows."""
        self.epoch += 1
        self._must_tell = True
        self._forget_decisions()

    def _cause(self, window: int) -> Outcome:
        if window in self._rejected:
            return Outcome.FALLBACK_REJECTED
        return Outcome.FALLBACK_TIMEOUT if self._link_up else Outcome.FALLBACK_DISCONNECTED

    def _accept(
        self, message: Decisions, window: int, cell: int, now_s: float, uniformity: float | None
    ) -> Drop | None:
        drop = self._invalid(message, window, cell)
        if drop is not None:
            if drop in INVALID:
                self._rejected.add(window)
            return drop
        elsewhere = self._window_of.pop(cell, None)
        if elsewhere is not None:  # carried over for another window: the newer decision stands
            del self._buffer[elsewhere]
        replaced = self._buffer.get(window)
        if replaced is not None:
            del self._window_of[replaced.cell]
        self._buffer[window] = _Decision(cell, now_s, uniformity)
        self._window_of[cell] = window
        self._decided.add(cell)
        return None

    def _invalid(self, message: Decisions, window: int, cell: int) -> Drop | None:
        """Return why a decision does not count (protocol.md, invariant 3), None when it does."""
        if self._state is State.IDLE or message.layer != self.layer:
            return Drop.STALE_LAYER
        if message.epoch != self.epoch:
            return Drop.STALE_EPOCH
        if window >= len(self._windows_s):
            return Drop.NO_SUCH_WINDOW
        if window < len(self._handed):
            if self._handed[window] != cell:  # after a rejoin: the new coordinator decided otherwise
                self._leave_order()
            return Drop.PAST_WINDOW
        if cell >= len(self._windows_s):
            return Drop.NO_SUCH_CELL
        place = bisect_left(self._left, cell)
        if place == len(self._left) or self._left[place] != cell:
            return Drop.CELL_SCANNED
        waiting = self._buffer.get(window)
        if cell in self._decided or (waiting is not None and not waiting.carried):
            return Drop.CELL_DECIDED
        return None
