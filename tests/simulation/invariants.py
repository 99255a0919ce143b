"""What protocol.md promises, checked at everything that an agent tells its bystanders, and once more at the end.

A watch keeps a model of its own of every layer: what was handed over, decided and announced, and the heat that
SmartScan decides by. The machine's own list of what it scanned is the truth that everything is held against.
Invariant 9 is a property of two runs: see test_simulation.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.keeper import Handover, WindowKeeper
from agent.observers import (
    CoordinatorFailed,
    DecisionReceived,
    HandedOver,
    Happening,
    JobEnded,
    LayerBegan,
    LayerEnded,
    MapTaken,
    OrderLeft,
    WindowEnded,
)
from tests.simulation.disk import windows_in
from tests.simulation.network import PING_S
from tests.simulation.part import CELLS, LAYERS
from thermal.operators import Polynomial
from thermal.part import Part
from thermal.smartscan import SmartScan

if TYPE_CHECKING:
    from tests.simulation.agent_process import PrinterSide
    from tests.simulation.world import World

RECOVERY_S = 0.6 + 0.5 + CELLS * 0.0045 * 1.5 + 0.1
"""Worst case from the last fault's end to decisions: back-off, loading, catching up over the cells, round trips."""

FUNCTIONS_RECOVERY_S = 0.6 + 1.0 + CELLS * 0.02 * 2 + 0.1
"""The same over functions: cold ones are loaded, and every window has an invocation."""

LOOKAHEAD_SAFE = 5
"""Windows ahead from which single late answers are no matter."""

LOOKAHEAD_SPARE = 12
"""The same over functions: one that does not come is given up after 200 ms (`engine.spare_after_ms`), as long as
five windows are; the spare computes that window then."""

checks: Counter[int] = Counter()
"""How often each invariant was checked in the world that runs."""

SILENT = frozenset({"silent", "half-open up", "half-open down"})
ROUNDING_S = 1e-9


class Watch:
    """Watches one agent of one printer; an observer."""

    def __init__(self, world: World, side: PrinterSide, keeper: WindowKeeper) -> None:
        self._world = world
        self._side = side
        self._keeper = keeper
        self._layer = -1
        self._cells = 0
        self._handed: tuple[int, ...] = ()
        self._windows_ended = 0
        self._announced = 0
        self._left = False
        self._decided: dict[int, int] = {}
        self._refused = False
        self._promised: list[int] = []
        self._was_promised = False
        self._heat: _Heat | None = None
        self.jobs_ended = 0
        self.reason = ""
        self.layers: list[int] = []
        self.windows: list[tuple[int, int]] = []
        self._quiet_s = world.last_fault_s + (
            RECOVERY_S if world.setup.engine == "inline" else FUNCTIONS_RECOVERY_S
        )
        if any(fault.kind in SILENT for fault in world.schedule):
            self._quiet_s += PING_S
        self._evicted = any(fault.kind == "evicted" for fault in world.schedule)

    def observe(self, happening: Happening) -> None:
        """Check what just happened."""
        try:
            match happening:
                case DecisionReceived():
                    self._received(happening)
                case HandedOver():
                    self._handed_over(happening)
                case WindowEnded():
                    self._window_ended(happening)
                case LayerBegan():
                    self._layer_began(happening)
                case MapTaken() if happening.layer == self._layer:
                    self._heat = _Heat(self._world, happening)
                case OrderLeft():
                    self._order_left(happening)
                case CoordinatorFailed() if happening.layer == self._layer:
                    self._refused = True
                case LayerEnded():
                    self._layer_ended(happening)
                case JobEnded():
                    self.jobs_ended += 1
                    self.reason = happening.reason
                case _:
                    pass
        except AssertionError as error:
            self._world.violated(f"{self._side.name}, layer {self._layer}: {error}")

    # --- the layer ------------------------------------------------------------------------------------------

    def _layer_began(self, began: LayerBegan) -> None:
        _hold(began.layer > self._layer, 1, f"layer {began.layer} began after layer {self._layer}")
        self._layer, self._cells = began.layer, began.cells
        self._handed, self._windows_ended, self._announced = (), 0, 0
        self._left = self._refused = False
        self._decided, self._heat, self._promised = {}, None, []
        self._was_promised = False

    def _received(self, told: DecisionReceived) -> None:
        """3: what counts is for this layer and epoch, for a window in the future, of a cell that is left."""
        if told.drop is not None:
            return
        what = f"the decision of cell {told.cell} for window {told.window} in epoch {told.epoch} counted"
        handed = self._keeper.handed
        # It is told after the keeper took what it could hand over at once.
        before = handed[: told.window]
        _hold(told.layer == self._layer, 3, f"{what}, but it is for layer {told.layer}")
        _hold(told.epoch >= self._announced, 3, f"{what}, after epoch {self._announced} was announced")
        _hold(not (self._left and told.epoch <= self._announced), 3, f"{what}, after a fallback left that order")
        _hold(told.window >= len(self._handed) - self._just_handed(told), 3, f"{what}, but the window has its cell")
        _hold(told.cell not in before, 3, f"{what}, but it was scanned before")
        window = self._decided.get(told.cell, told.window)
        _hold(window == told.window, 3, f"{what}, and was decided for window {window} before")
        self._decided[told.cell] = told.window

    def _just_handed(self, told: DecisionReceived) -> int:
        """Return how many windows from this decision's on were handed over by its own message."""
        handed = self._handed
        return len(handed) - told.window if told.window < len(handed) and handed[told.window] == told.cell else 0

    def _handed_over(self, told: HandedOver) -> None:
        handover, handed, before = told.handover, self._keeper.handed, self._handed
        window = handover.window
        _hold(len(set(handed)) == len(handed), 1, f"window {window}: a cell twice in {handed}")
        _hold(handed[window : window + 1] == (handover.cell,), 2, f"window {window} has {handed[window:]}")
        if self._orderly:
            _hold(window == len(before), 2, f"window {window} was handed over after {len(before)} windows")
            _hold(handed[:window] == before, 4, f"{before} became {handed[:window]}")
        self._handed = handed[: window + 1]
        self._in_time(handover, told.at_s)
        self._agreed()
        self._recovered(handover, told.at_s)
        if handover.source == "coordinator":
            self._follows_smartscan(handover)
        elif self._promised[:1] == [handover.cell]:
            del self._promised[0]  # the coordinator was told of it: its decisions follow it
        else:
            self._left, self._decided = True, {}

    def _in_time(self, handover: Handover, at_s: float) -> None:
        """2: never after its deadline, unless the agent's own loop stood still."""
        if handover.slack_s < -ROUNDING_S and self._orderly:
            stalled = any(
                from_s < at_s + ROUNDING_S and to_s > handover.deadline_s - 0.01
                for from_s, to_s in self._side.stalls
            )
            _hold(stalled, 2, f"window {handover.window} came {-handover.slack_s * 1e3:.3f} ms after its deadline")

    def _follows_smartscan(self, handover: Handover) -> None:
        """6: a decided cell is the one that SmartScan chooses in one process after the cells before it."""
        _hold(self._heat is not None, 6, f"window {handover.window} was decided before there was a map")
        assert self._heat is not None
        expected = self._heat.choice(self._handed[: handover.window])
        what = f"window {handover.window}: cell {handover.cell} is not SmartScan's {expected}"
        _hold(handover.cell == expected, 6, what)

    def _agreed(self) -> None:
        """5: what the coordinator was told is how the layer was really printed."""
        if not self._orderly and (self._world.setup.dispatch == "layer" or self._was_promised):
            return
        truth = self._side.printer.scanned
        for session, printer in self._world.coordinator.sessions.items():
            state = session._session
            if printer != self._side.name or state.layer is None or state.layer not in truth:
                continue
            scanned = truth[state.layer]
            prefix = state.prefix
            known = len(scanned)
            agreed = prefix[:known] == scanned[: len(prefix)]
            _hold(agreed, 5, f"the coordinator has {prefix}, the machine scanned {scanned}")

    def _recovered(self, handover: Handover, at_s: float) -> None:
        """7: after the last fault and the time to recover, windows are decided."""
        setup = self._world.setup
        if self._evicted and handover.window == 0 and at_s > self._world.last_fault_s:
            # Nobody hears of an eviction: it is found when the function is asked next, at the latest in this layer.
            self._quiet_s, self._evicted = max(self._quiet_s, at_s + FUNCTIONS_RECOVERY_S), False
        needed = LOOKAHEAD_SAFE if setup.engine == "inline" else LOOKAHEAD_SPARE
        safe = setup.lookahead is None or setup.lookahead >= needed
        safe = safe and setup.engine != "on_demand"  # an invocation a window takes as long as the shortest windows
        if (
            self._evicted
            or at_s < self._quiet_s
            or not self._orderly
            or self._refused
            or not safe
            or setup.printers > 1
        ):
            return
        cause, decided = handover.outcome.value, handover.source == "coordinator"
        _hold(
            decided, 7, f"window {handover.window} fell back ({cause}) {at_s - self._quiet_s:.3f} s after recovery"
        )

    def _order_left(self, told: OrderLeft) -> None:
        _hold(told.epoch > self._announced, 5, f"epoch {told.epoch} was announced after {self._announced}")
        printed, handed = self._keeper.printed, self._keeper.handed
        self._promised = list(self._keeper.promised)
        self._was_promised |= bool(self._promised)  # a machine that scans another cell is ahead of what was told
        known = (
            printed,
            handed,
            printed + self._keeper.promised,
        )  # the last are printed next, or it is joined anew
        _hold(told.printed in known, 5, f"{told.printed} was announced of {self._keeper.printed} printed")
        self._announced, self._left = told.epoch, False
        self._decided = {}

    def _window_ended(self, ended: WindowEnded) -> None:
        """8: one record for every window, with what the machine really scanned."""
        window, scanned = ended.handover.window, self._side.printer.scanned[self._layer]
        _hold(window == self._windows_ended, 8, f"a record of window {window} after {self._windows_ended}")
        self._windows_ended += 1
        _hold(window < len(scanned), 8, f"a record of window {window}, of which the machine knows nothing")
        what = f"window {window} is recorded as cell {ended.cell}, the machine scanned {scanned[window]}"
        _hold(ended.cell == scanned[window], 4, what)
        fell_back = ended.handover.outcome.value != "on_time"
        _hold(fell_back == (ended.handover.source == "fallback"), 8, f"window {window}: outcome and source differ")
        self.windows.append((self._layer, window))
        self._agreed()

    def _layer_ended(self, ended: LayerEnded) -> None:
        order = list(ended.order)
        scanned = self._side.printer.scanned[ended.layer]
        _hold(order == scanned[: len(order)], 4, f"the layer's order is {order}, the machine scanned {scanned}")
        _hold(self._windows_ended == len(order), 8, f"{self._windows_ended} records of {len(order)} windows")
        if self._orderly and not self._side.stalls:
            _hold(ended.starved_ms < 1e-6, 2, f"the laser stood still for {ended.starved_ms} ms")
        self.layers.append(ended.layer)

    @property
    def _orderly(self) -> bool:
        """The machine keeps to the rules, and this agent saw all of the job."""
        return self._world.setup.well and self._side.starts == 1


class _Heat:
    """A layer's heat as the decisions must see it."""

    def __init__(self, world: World, taken: MapTaken) -> None:
        self._geometry = world.part.geometry_of(taken.layer)
        self._scan, self._operator = _numerics(world.part, taken.layer)
        self._first: NDArray[np.float64] = self._scan.theta_from_map(taken.map_K)
        self._theta = self._first
        self._scanned = np.zeros(len(self._geometry.cells), dtype=np.bool_)
        self._cells: tuple[int, ...] = ()

    def choice(self, printed: tuple[int, ...]) -> int:
        """Return what SmartScan chooses after the cells `printed`."""
        if printed[: len(self._cells)] != self._cells:
            self._theta, self._cells = self._first, ()
            self._scanned[:] = False
        for cell in printed[len(self._cells) :]:
            y = self._operator.apply(int(self._geometry.lengths[cell]), self._theta)
            self._theta = self._scan.advance(y, cell)
            self._scanned[cell] = True
        self._cells = printed
        return self._scan.choose(self._theta, self._scanned)


@lru_cache(maxsize=LAYERS)
def _numerics(part: Part, layer: int) -> tuple[SmartScan, Polynomial]:
    """Return rule and operator of a layer: watches share them, and nobody else."""
    geometry = part.geometry_of(layer)
    operator = Polynomial(geometry, part.process, part.manifest.operator.tolerance)
    return SmartScan(geometry, part.process), operator


def _hold(holds: bool, invariant: int, what: str) -> None:
    """Raise AssertionError naming the invariant that does not hold."""
    checks[invariant] += 1
    if not holds:
        raise AssertionError(f"invariant {invariant}: {what}")


def check_end(world: World) -> None:
    """Note what does not hold when every job is over."""
    try:
        for side in world.printers:
            _check_job(world, side)
        if world.disk is not None:
            _check_recordings(world)
        if world.broker is not None:
            _check_broker(world)
    except AssertionError as error:
        world.violated(str(error))


def _check_job(world: World, side: PrinterSide) -> None:
    watch, machine = side.watch, world.setup.machine
    assert watch is not None, "an agent ran"
    _hold(watch.jobs_ended == 1, 8, f"{side.name}: the job was closed {watch.jobs_ended} times")
    broken_off = any(text.startswith("abort") for text in machine.at)
    last = max(side.printer.scanned)
    _hold(broken_off or last == LAYERS - 1, 1, f"{side.name}: the job ended in layer {last}")
    for layer, scanned in side.printer.scanned.items():
        cells = len(world.part.geometry_of(layer).cells)
        _hold(len(set(scanned)) == len(scanned), 1, f"{side.name}, layer {layer}: a cell twice in {scanned}")
        whole = len(scanned) == cells or (broken_off and layer == last)
        _hold(whole, 1, f"{side.name}, layer {layer}: {len(scanned)} of {cells} cells")
        world.layers += 1
    if side.starts == 1 and not broken_off:
        expected = [
            (layer, window) for layer, order in side.printer.scanned.items() for window in range(len(order))
        ]
        _hold(watch.windows == expected, 8, f"{side.name}: {len(watch.windows)} records of {len(expected)} windows")


def _check_recordings(world: World) -> None:
    """A recording holds every window, but for what a fault of the disk or a kill took, and is readable always."""
    failed = any(fault.kind.startswith("disk") for fault in world.schedule)
    for side in world.printers:
        for number, recorder in enumerate(side.recorders, 1):
            if not recorder.path.exists():
                _hold(failed or number < len(side.recorders), 8, f"{side.name}: no recording {recorder.path.name}")
                continue
            windows, damage = windows_in(recorder.path)
            last = number == len(side.recorders)
            bad: list[Any] = [each for each in damage if each.kind == "damaged" or (last and not failed)]
            _hold(not bad, 8, f"{side.name}: the recording is damaged: {bad}")
            _hold(len(set(windows)) == len(windows), 8, f"{side.name}: a window is recorded twice")
            if last and not failed and side.watch is not None:
                _hold(windows == side.watch.windows, 8, f"{side.name}: {len(windows)} windows are recorded")


def _check_broker(world: World) -> None:
    """Whoever looks at the broker knows that the agents are gone, and what the jobs came to."""
    broker = world.broker
    assert broker is not None
    troubled_s = max(broker.gone_until_s, broker.blocked_until_s) + 6.0
    if world.loop.time() < troubled_s:
        return
    for side in world.printers:
        status = broker.retained.get(f"cosmic/site/{side.name}/status")
        _hold(status == b"offline", 8, f"{side.name}: the broker says {status!r} of an agent that is gone")
