"""Takes note of what the printing tells: the layer in progress, its windows, and sums for metrics. Bounded memory.

It is an observer: each happening costs it microseconds on the loop. What is made of the notes is in view.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from agent.driver.interface import CellStarted
from agent.http.state import Row
from agent.keeper import Drop, Outcome
from agent.observers import (
    DecisionReceived,
    DriverTold,
    Happening,
    JobEnded,
    LayerBegan,
    LayerEnded,
    LinkChanged,
    MapTaken,
    OrderLeft,
    SpreadingBegan,
    WindowEnded,
    now_s,
)
from cosmic.web.counts import Counts

ROWS_MAX = 1000
"""Windows that are kept for the page."""

RECENT = 100
"""Windows over which slack and loop lag are summed up."""

SLACK_BOUNDS_S = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
AHEAD_BOUNDS_S = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


@dataclass(slots=True)
class Layer:
    """The layer in progress, or the one that ended last."""

    number: int
    windows_s: Sequence[float]
    order: list[int] = field(default_factory=list)
    fallback_windows: list[int] = field(default_factory=list)
    fallbacks: Counter[Outcome] = field(default_factory=Counter)
    fallback_cause: str = ""
    late: int = 0
    left_s: float = 0.0
    map_K: NDArray[np.float32] | None = None
    map_version: int = 0
    map_range_K: tuple[float, float] | None = None
    map_from: str = ""
    no_frame: str = ""
    uniformity: float | None = None
    epoch: int = 0
    ended: bool = False
    window_began_s: float | None = None


@dataclass(slots=True)
class Sums:
    """What has been counted since the agent's start."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    slack: Counts = field(default_factory=lambda: Counts(SLACK_BOUNDS_S))
    ahead: Counts = field(default_factory=lambda: Counts(AHEAD_BOUNDS_S))
    lag: Counts = field(default_factory=lambda: Counts(LAG_BOUNDS_S))
    layers: int = 0
    starved_s: float = 0.0
    losses: int = 0
    no_frames: int = 0
    drops: Counter[Drop] = field(default_factory=Counter)


class Live:
    """The notes of one printer.

    windows_s: returns how long each cell of a layer takes, seconds.
    guard_s: how long before a cell's end the next one is due, seconds.

    Attributes:
        layer: the layer in progress or the one that ended last, None before the first.
        spreading_until_s: loop time at which powder is laid, None while a layer is scanned.
        rows: the last windows.
        rows_seen: windows since the agent's start.
        sums: what has been counted.
        changed: set whenever something was noted.
    """

    def __init__(self, windows_s: Callable[[int], Sequence[float]], guard_s: float) -> None:
        self.layer: Layer | None = None
        self.spreading_until_s: float | None = None
        self.rows: deque[Row] = deque(maxlen=ROWS_MAX)
        self.rows_seen = 0
        self.slacks_s: deque[float] = deque(maxlen=RECENT)
        self.aheads_s: deque[float] = deque(maxlen=RECENT)
        self.lags_s: deque[float] = deque(maxlen=RECENT)
        self.sums = Sums()
        self.changed = asyncio.Event()
        self._windows_s = windows_s
        self._guard_s = guard_s
        self._maps = 0
        self._up = False

    def rows_from(self, first: int) -> tuple[int, list[Row]]:
        """Return the kept rows from number `first` on, and the number of the first that is returned."""
        first = max(first, self.rows_seen - len(self.rows))
        return first, list(islice(self.rows, len(self.rows) - (self.rows_seen - first), None))

    def observe(self, happening: Happening) -> None:
        """Take note of `happening`."""
        match happening:
            case WindowEnded():
                self._window_ended(happening)
            case DriverTold(event=CellStarted() as started):
                self._cell_started(started)
            case DecisionReceived(drop=drop):
                if drop is not None:
                    self.sums.drops[drop] += 1
                return  # the whole layer's decisions come at once: nothing that the page must hurry for
            case LinkChanged(up=up):
                self.sums.losses += self._up and not up
                self._up = up
            case SpreadingBegan(seconds=seconds):
                self.spreading_until_s = now_s() + seconds
            case JobEnded():
                self.spreading_until_s = None
            case _:
                self._of_the_layer(happening)
        self.changed.set()

    def _of_the_layer(self, happening: Happening) -> None:
        layer = self.layer
        match happening:
            case LayerBegan(layer=number):
                self.layer = Layer(number, windows_s := self._windows_s(number), left_s=float(sum(windows_s)))
                self.spreading_until_s = None
            case MapTaken() if layer is not None and layer.number == happening.layer:
                self._map_taken(layer, happening)
            case OrderLeft(epoch=epoch) if layer is not None:
                layer.epoch = epoch
            case LayerEnded(starved_ms=starved_ms):
                self.sums.layers += 1
                self.sums.starved_s += starved_ms / 1e3
                if layer is not None:
                    layer.ended, layer.window_began_s = True, None
            case _:
                pass

    def _map_taken(self, layer: Layer, taken: MapTaken) -> None:
        self._maps += 1
        layer.map_K, layer.map_version, layer.map_from = taken.map_K, self._maps, taken.map_from
        layer.map_range_K = float(taken.map_K.min()), float(taken.map_K.max())
        layer.no_frame = taken.cause
        self.sums.no_frames += bool(taken.cause)

    def _cell_started(self, started: CellStarted) -> None:
        layer = self.layer
        if layer is None or layer.number != started.layer or not 0 <= started.cell < len(layer.windows_s):
            return
        if len(layer.order) >= 2 * len(layer.windows_s):  # a driver that tells without end
            return
        layer.order.append(started.cell)
        layer.left_s -= layer.windows_s[started.cell]
        layer.window_began_s = started.at_s

    def _window_ended(self, ended: WindowEnded) -> None:
        handover = ended.handover
        self._count(ended)
        layer = self.layer
        if layer is not None and layer.number == handover.layer:
            layer.uniformity = handover.uniformity if handover.uniformity is not None else layer.uniformity
            layer.late += handover.slack_s < -self._guard_s
            if handover.outcome is not Outcome.ON_TIME:
                layer.fallbacks[handover.outcome] += 1
                layer.fallback_windows.append(handover.window)
                layer.fallback_cause = ended.cause
        self.rows_seen += 1
        self.rows.append(
            Row(
                layer=handover.layer,
                window=handover.window,
                cell=ended.cell,
                outcome=handover.outcome.value,
                slack_ms=round(handover.slack_s * 1e3, 2),
                ahead_ms=None if handover.ahead_s is None else round(handover.ahead_s * 1e3, 1),
                cause=ended.cause,
            )
        )

    def _count(self, ended: WindowEnded) -> None:
        handover, sums = ended.handover, self.sums
        sums.outcomes[handover.outcome] += 1
        sums.slack.add(handover.slack_s)
        sums.lag.add(ended.loop_lag_s)
        self.slacks_s.append(handover.slack_s)
        self.lags_s.append(ended.loop_lag_s)
        if handover.ahead_s is not None:
            sums.ahead.add(handover.ahead_s)
            self.aheads_s.append(handover.ahead_s)
