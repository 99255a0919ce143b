"""Makes of what a driver tells what must have happened: events lost are inferred, repeated ones dropped.

A machine's events may be late, doubled or missing, and a machine may start anew in the middle of a layer. What is
behind this file sees every layer begin, every cell start and finish once and in order, and every layer end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.driver.interface import (
    CellFinished,
    CellStarted,
    Connected,
    DriverEvent,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Position,
    SpreadingStarted,
)
from cosmic.errors import DriverError

_NONE = -1


class Follower:
    """Follows one job of a machine.

    Attributes:
        inferred: how many events were not told and must have happened, since the layer began.
        repeated: how many events told nothing new, since the layer began.
    """

    def __init__(self, windows_of: Callable[[int], Sequence[float]]) -> None:
        """Begin before the job. `windows_of`: how long each cell of a layer takes, seconds."""
        self.inferred = 0
        self.repeated = 0
        self._begun = False
        self._over = False
        self._spread = _NONE
        self._ended = _NONE
        self._layer: int | None = None
        self._cells: list[int] = []
        self._finished = 0
        self._windows_of = windows_of
        self._handed: Sequence[int] = ()
        self._windows_s: Sequence[float] = ()
        self._now_s = 0.0

    @property
    def over(self) -> bool:
        """True when the job is over."""
        return self._over

    @property
    def scanning(self) -> bool:
        """True while a cell has started and not finished."""
        return self._finished < len(self._cells)

    def follow(self, event: DriverEvent, now_s: float, handed: Sequence[int]) -> list[DriverEvent]:
        """Return what happened, in order: `event` itself, with what must have come before it, or nothing.

        Args:
            event: what the driver told.
            now_s: loop time.
            handed: the cells of the layer in progress that were handed over, in order.

        Raises:
            DriverError: it cannot have happened; nothing has changed then.
        """
        self._handed, self._now_s = handed, now_s
        match event:
            case CellStarted():
                found = self._started(event)
            case CellFinished():
                found = self._finish(event)
            case Position():
                found = self._position(event)
            case Fault() | Connected():
                return [event]
            case _:
                found = self._step(event)
        if not found and not isinstance(event, Position):
            self.repeated += 1
        self.inferred += sum(happened is not event for happened in found)
        return found

    def _step(self, event: JobStarted | SpreadingStarted | LayerReady | LayerDone | JobDone) -> list[DriverEvent]:
        """Follow what concerns a whole layer or the job."""
        if self._over:
            return []
        match event:
            case JobStarted():
                known, self._begun = self._begun, True
                return [] if known else [event]
            case SpreadingStarted(layer=layer):
                if layer <= max(self._spread, self._ended) or layer == self._layer:
                    return []
                closed = self._close(all_scanned=True)
                self._spread = layer
                return [*closed, event]
            case LayerReady(layer=layer):
                if layer <= self._ended or layer == self._layer:
                    return []
                closed = self._close(all_scanned=True)
                self._begin(layer)
                return [*closed, event]
            case LayerDone(layer=layer):
                return self._close(all_scanned=True, told=event) if layer == self._layer else []
            case _:
                self._over = True
                return [*self._close(all_scanned=event.complete), event]

    def _started(self, event: CellStarted) -> list[DriverEvent]:
        if event.layer != self._layer or event.window < len(self._cells):
            self._check_known(event)
            return []
        self._check_next(event)
        return [*self._up_to(event.window, event.at_s), *self._begin_cell(event)]

    def _finish(self, event: CellFinished) -> list[DriverEvent]:
        if event.layer != self._layer or event.window < self._finished:
            self._check_known(event)
            return []
        found: list[DriverEvent] = []
        if event.window >= len(self._cells):
            self._check_next(event)
            began_s = event.at_s - self._windows_s[event.cell]
            found += self._up_to(event.window, began_s)
            found += self._begin_cell(CellStarted(event.layer, event.window, event.cell, began_s))
        self._check_known(event)
        self._finished += 1
        return [*found, event]

    def _position(self, event: Position) -> list[DriverEvent]:
        current = _NONE if self._layer is None else self._layer
        if self._over or event.layer < current or event.layer <= self._ended:
            return []
        if not event.ready:
            return self._close(all_scanned=True) if event.layer > current else []
        self._check_scanned(event, self._cells if event.layer == current else [])
        found: list[DriverEvent] = []
        if event.layer > current:
            found += self._close(all_scanned=True)
            self._begin(event.layer)
            found.append(LayerReady(event.layer))
        for window in range(len(self._cells), len(event.scanned)):
            found += self._begin_cell(CellStarted(event.layer, window, event.scanned[window], event.at_s))
        if not event.scanning and len(event.scanned) == len(self._cells):
            found += self._finish_open(event.at_s)
        return found

    # --- what must have happened ------------------------------------------------------------------------------

    def _begin(self, layer: int) -> None:
        self._layer, self._cells, self._finished = layer, [], 0
        self._handed, self._windows_s = (), self._windows_of(layer)
        self.inferred = self.repeated = 0

    def _begin_cell(self, event: CellStarted) -> list[DriverEvent]:
        """Begin the next cell; the one before is over then."""
        over = self._finish_open(event.at_s)
        self._cells.append(event.cell)
        return [*over, event]

    def _finish_open(self, at_s: float) -> list[DriverEvent]:
        if not self.scanning or self._layer is None:
            return []
        window = self._finished
        self._finished += 1
        return [CellFinished(self._layer, window, self._cells[window], at_s)]

    def _up_to(self, window: int, at_s: float) -> list[DriverEvent]:
        """Return the cells before `window` that nobody told of: as they were handed over."""
        found: list[DriverEvent] = []
        assert self._layer is not None, "a window belongs to a layer in progress"
        while len(self._cells) < window:
            missing = len(self._cells)
            found += self._begin_cell(CellStarted(self._layer, missing, self._handed[missing], at_s))
        return found

    def _close(self, *, all_scanned: bool, told: LayerDone | None = None) -> list[DriverEvent]:
        """Return what is missing to the end of the layer in progress, and its end."""
        if self._layer is None:
            return []
        found: list[DriverEvent] = []
        if all_scanned and len(self._handed) == len(self._windows_s):
            found += self._up_to(len(self._handed), self._now_s)
        found += self._finish_open(self._now_s)
        found.append(told or LayerDone(self._layer, 0.0))
        self._ended, self._layer = self._layer, None
        return found

    # --- what cannot have happened ----------------------------------------------------------------------------

    def _check_next(self, event: CellStarted | CellFinished) -> None:
        """Raise DriverError where a window cannot have begun with that cell."""
        known = len(self._cells)
        if event.window > len(self._handed):
            why = f"no cell was handed over for window {len(self._handed)}"
            raise self._impossible(f"window {event.window} began", why)
        self._check_cells([*self._cells, *self._handed[known : event.window], event.cell])

    def _check_scanned(self, position: Position, known: Sequence[int]) -> None:
        """Raise DriverError where the cells of a position cannot be those of the layer."""
        for window, (cell, before) in enumerate(zip(position.scanned, known, strict=False)):
            if cell != before:
                raise self._impossible(f"cell {cell} was told for window {window}", f"it was cell {before} before")
        size = len(self._windows_of(position.layer))
        self._check_cells(position.scanned, size)

    def _check_cells(self, cells: Sequence[int], size: int | None = None) -> None:
        """Raise DriverError for a cell that the layer does not have, or that is there twice."""
        size = len(self._windows_s) if size is None else size
        if any(not 0 <= cell < size for cell in cells):
            cell = next(cell for cell in cells if not 0 <= cell < size)
            raise self._impossible(f"cell {cell} began", f"the layer has cells 0 to {size - 1}")
        if len(set(cells)) < len(cells):
            cell = next(cell for place, cell in enumerate(cells) if cell in cells[:place])
            raise self._impossible(f"cell {cell} began", "it was scanned before: every cell is scanned once")

    def _check_known(self, event: CellStarted | CellFinished) -> None:
        """Raise DriverError where an event contradicts what was told before."""
        if event.layer == self._layer:
            before = self._cells[event.window]
            if before != event.cell:
                what = f"cell {event.cell} was told for window {event.window}"
                raise self._impossible(what, f"it was cell {before} before")
        elif not self._over and event.layer > self._ended:
            raise DriverError(
                f"a cell of layer {event.layer} was told",
                where=f"window {event.window}",
                why="that layer has not begun",
                remedy="tell layer_ready first",
            )

    def _impossible(self, what: str, why: str) -> DriverError:
        return DriverError(
            what,
            where=f"layer {self._layer}, window {len(self._cells)}",
            why=why,
            remedy="check the driver: it must scan what it was handed, once",
        )
