"""What to compute next for a layer, and which cell to scan in which window.

The controller is told the map, the printed cells and the operator's results; it answers with the next step:
carry the state across a cell, send a decision, wait, or nothing more. It does no I/O, has no clock, and does
not know where the operator is applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.deciding.snapshots import Snapshots
from cosmic.errors import EngineError

SNAPSHOT_BYTES_MAX = 16 * 1024 * 1024
"""Default room for states to go back to, bytes a layer."""

URGENT_WINDOWS = 2
"""A decision for a window at most so many after the one being scanned is urgent: it waits for nothing."""


class Scan(Protocol):
    """The rule, as thermal.smartscan.SmartScan has it."""

    def choose(self, theta: NDArray[np.float64], scanned: NDArray[np.bool_]) -> int:
        """Return the cell to scan next."""
        ...

    def advance(self, y: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
        """Return the state after `cell`, a new array, from the operator's result `y`."""
        ...

    def uniformity(self, theta: NDArray[np.float64]) -> float:
        """Return R of a state."""
        ...


class Predictor(Protocol):
    """What guesses the next cell; see cloud.deciding.guesses."""

    def predict(self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_]) -> Sequence[int]:
        """Return the cells that may well follow `cell`, the likeliest first."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """Apply the operator of cells of `length` elements to `theta`, float64[n], K above ambient."""

    window: int
    cell: int
    length: int
    theta: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decision:
    """Scan `cell` in `window`. `urgent`: the printer needs it soon, so it waits for nothing."""

    epoch: int
    window: int
    cell: int
    urgent: bool


class Idle(Enum):
    """Nothing to do now."""

    WAIT = "the look-ahead is reached, or an operator's result is awaited"
    DONE = "every cell is decided, and the state carried to the layer's end"


Step = Carry | Decision | Idle


class LayerController:
    """One layer of one job.

    Attributes:
        layer: the layer.
        epoch: the epoch that decisions belong to.
        order: printed and decided cells, by window.
        decided: decisions made, over all epochs.
        caught_up: windows carried over that were printed and not decided in their epoch.
        epochs: epochs seen.
    """

    def __init__(
        self,
        scan: Scan,
        lengths: Sequence[int] | NDArray[np.int64],
        theta: NDArray[np.float64],
        *,
        layer: int,
        epoch: int,
        printed: Sequence[int] = (),
        windows_reported: int = 0,
        lookahead: int | None = None,
        snapshot_bytes_max: int = SNAPSHOT_BYTES_MAX,
        predictor: Predictor | None = None,
    ) -> None:
        """Begin a layer.

        scan: the rule of the layer's geometry.
        lengths: int[cells], elements of every cell.
        theta: float64[n], K above ambient, of the layer's first map.
        printed: cells printed already, in order, the one being scanned last.
        windows_reported: windows known to be scanned to their end.
        lookahead: windows decided ahead of the one being scanned, None for the whole layer.
        snapshot_bytes_max: room for states to go back to, bytes.
        predictor: guesses the cell after the one being carried over; None: nobody wants guesses.
        """
        self.layer = layer
        self.epoch = epoch
        self.order = list(printed)
        self.decided = 0
        self.caught_up = 0
        self.epochs = 1
        self._scan = scan
        self._predictor = predictor
        self._lengths = [int(length) for length in lengths]
        self._ends = self._ends_of(self.order)
        self._lookahead = lookahead
        self._windows_reported = windows_reported
        self._printed = len(self.order)
        self._first_undecided = len(self.order)
        self._scanned = self._mask()
        self._position = 0
        self._theta = theta
        self._carry: Carry | None = None
        self._snapshots = Snapshots(snapshot_bytes_max)
        self._snapshots.keep(0, theta)

    @property
    def cells(self) -> int:
        """Cells of the layer."""
        return len(self._lengths)

    @property
    def snapshot_bytes(self) -> int:
        """Size of the states held to go back to, bytes."""
        return self._snapshots.bytes_held

    def ahead(self, carry: Carry) -> int:
        """Return how many elements are scanned from the end of the last window reported to the end of `carry`'s.

        Negative where that window was reported already.
        """
        return self._ends[carry.window + 1] - self._ends[min(self._windows_reported, len(self.order))]

    def step(self) -> Step:
        """Return what to do next. A `Carry` is answered with `carried`, a `Decision` is sent."""
        if self._carry is not None:
            return Idle.WAIT
        known = len(self.order)
        assert self._position <= known
        if self._position < known:
            cell = self.order[self._position]
            self._carry = Carry(self._position, cell, self._lengths[cell], self._theta)
            return self._carry
        if known == self.cells:
            return Idle.DONE
        if self._lookahead is not None and known >= self._windows_reported + 1 + self._lookahead:
            return Idle.WAIT
        return self._decide(known)

    def carried(self, carry: Carry, y: NDArray[np.float64]) -> float | None:
        """Take the operator's result of `carry`: `y = M_c theta`, float64[n].

        Returns R predicted at the end of that window, or None for a result that a deviation made useless.
        Raises EngineError for one that is not finite, and stays where it was. R shows it: there is no look at all
        values beside the one that R takes.
        """
        if carry is not self._carry:
            return None
        with np.errstate(invalid="ignore", over="ignore"):
            theta = self._scan.advance(y, carry.cell)
            uniformity = self._scan.uniformity(theta)
        if not isfinite(uniformity):
            raise EngineError(
                "a product is not finite",
                where=f"cells of {carry.length} elements",
                why="blocks, operator or map hold values that no temperature has",
                remedy="build the part's operators again, and check its process settings",
            )
        self._carry = None
        self._theta = theta
        self._position += 1
        if carry.window < self._first_undecided:
            self.caught_up += 1
        self._snapshots.keep(self._position, self._theta)
        self._snapshots.forget_before(min(self._printed, self._position))
        return uniformity

    def guess(self, carry: Carry) -> Sequence[int]:
        """Return the cells that may well follow the one of `carry`, the likeliest first; the known one if it is."""
        following = carry.window + 1
        if carry is not self._carry or following >= self.cells:
            return ()
        if following < len(self.order):
            return (self.order[following],)
        if self._predictor is None:
            return ()
        return self._predictor.predict(carry.theta, carry.cell, self._scanned)

    def observe(self, epoch: int, printed: Sequence[int], windows_reported: int) -> bool:
        """Take what the agent has told so far: its epoch, all printed cells, and windows scanned to their end.

        Returns True where the order decided here was left: decisions not sent yet are void then. That is said by a
        new epoch, or shown by a cell printed otherwise than decided, or before it was decided here: after a
        rejoin the printer goes on with what an earlier coordinator decided.
        """
        self._windows_reported = windows_reported
        if epoch != self.epoch:
            self.epoch = epoch
            self.epochs += 1
            self._deviate(printed)
            return True
        if self.order[: len(printed)] != list(printed):
            self._deviate(printed)
            return True
        self._printed = len(printed)
        return False

    def _decide(self, window: int) -> Decision:
        cell = self._scan.choose(self._theta, self._scanned)
        assert not self._scanned[cell]
        self._scanned[cell] = True
        self.order.append(cell)
        self._ends.append(self._ends[-1] + self._lengths[cell])
        self.decided += 1
        return Decision(self.epoch, window, cell, urgent=window <= self._windows_reported + URGENT_WINDOWS)

    def _deviate(self, printed: Sequence[int]) -> None:
        """Go back to the last state that the printed and the decided order share, and on from there."""
        common = 0
        for ours, theirs in zip(self.order, printed, strict=False):
            if ours != theirs:
                break
            common += 1
        if self._position > common:
            self._position, self._theta = self._snapshots.latest(common)
            self._snapshots.forget_after(self._position)
            self._carry = None
        elif self._position == common:  # the cell being carried over is not the one printed, or not known
            self._carry = None
        self.order = list(printed)
        self._ends = self._ends_of(self.order)
        self._printed = len(self.order)
        self._first_undecided = len(self.order)
        self._scanned = self._mask()

    def _ends_of(self, order: Sequence[int]) -> list[int]:
        """Return the elements scanned before every window of `order` and after its last."""
        return list(accumulate((self._lengths[cell] for cell in order), initial=0))

    def _mask(self) -> NDArray[np.bool_]:
        scanned = np.zeros(self.cells, dtype=np.bool_)
        scanned[self.order] = True
        assert int(scanned.sum()) == len(self.order)
        return scanned
