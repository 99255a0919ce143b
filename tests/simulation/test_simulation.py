"""The invariants of protocol.md on everything at once, under seeded faults; and that broken code is found out."""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Callable
from typing import Any

import pytest

from agent.keeper import WindowKeeper
from agent.observers import Observers, WindowEnded
from agent.printing.deadlines import Deadlines
from cloud.deciding.controller import LayerController
from tests.simulation.campaign import failure, minimised, run_seed
from tests.simulation.part import LAYERS
from tests.simulation.schedule import Fault, Setup, schedule_of, setup_of
from tests.simulation.world import World, log_of

SEEDS = int(os.environ.get("SIMULATE_SEEDS", "10"))
FOUND_WITHIN = 200


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_the_invariants_hold_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + 10):
        violations = run_seed(seed).violations
        assert not violations, f"{violations}; run 'make simulate SEED={seed}'"


@pytest.mark.parametrize("engine", ["inline", "persistent", "reuse", "speculative", "on_demand"])
def test_without_faults_every_window_is_decided(engine: str) -> None:
    world = World(Setup(seed=1, engine=engine, groups=(2, 2, 1), driver="socket", spreading_s=1.0), []).run()
    assert set(world.outcomes) == {"on_time"}
    assert world.layers == LAYERS


def test_the_same_seed_gives_the_same_log_and_recording_byte_for_byte() -> None:
    found = (
        seed for seed in range(500) if setup_of(seed).recording and len(schedule_of(seed, setup_of(seed))) >= 4
    )
    seed = next(found)
    first, second = (World(setup_of(seed), schedule_of(seed, setup_of(seed))).run() for _ in range(2))
    assert log_of(first) == log_of(second)
    assert first.recordings
    assert first.recordings == second.recordings


def test_printing_does_not_notice_the_broker() -> None:
    troubles = [Fault(0.5, "broker blocks", 0.1), Fault(1.2, "broker gone", 0.02), Fault(5.0, "broker gone", 0.4)]
    with_it = World(Setup(seed=3, broker=True, lookahead=2), troubles).run()
    without = World(Setup(seed=3, lookahead=2), []).run()
    assert _windows(with_it) == _windows(without)
    assert with_it.broker is not None
    assert with_it.broker.published.total() > 10


def test_printing_does_not_notice_the_wall_clock() -> None:
    steps = [Fault(0.6, "clock steps", 0.02), Fault(3.0, "clock steps", 0.4)]
    stepped = World(Setup(seed=4, lookahead=2), steps).run()
    assert _windows(stepped) == _windows(World(Setup(seed=4, lookahead=2), []).run())
    assert stepped.wall_step_s != 0.0


def test_an_agent_that_is_killed_in_a_layer_is_followed_by_one_that_takes_the_layer_up() -> None:
    world = World(Setup(seed=5, driver="socket"), [Fault(0.9, "agent killed", 0.02)]).run()
    assert world.layers == LAYERS
    assert world.outcomes["fallback_machine"] > 0
    assert world.printers[0].starts == 2


def test_a_schedule_is_made_as_small_as_it_can_be() -> None:
    faults = [Fault(float(number), kind, 0.1) for number, kind in enumerate(("cut", "silent", "no frame", "cut"))]

    def fails(_setup: Setup, schedule: Any) -> str:
        return "wrong" if {"silent", "cut"} <= {fault.kind for fault in schedule} else ""

    assert [fault.at_s for fault in minimised(Setup(seed=0), faults, fails)] == [1.0, 3.0]


def _windows(world: World) -> list[dict[str, Any]]:
    return [line for line in world.lines if line["event"] == "window"]


# --- planted bugs: code that breaks a promise is found within 200 seeds -----------------------------------------


def _late_decisions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision counts whatever its window, layer and epoch."""
    monkeypatch.setattr(WindowKeeper, "_invalid", lambda *_: None)


def _old_epochs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision of an order that was left counts."""
    invalid = WindowKeeper._invalid

    def careless(keeper: WindowKeeper, message: Any, window: int, cell: int) -> Any:
        drop = invalid(keeper, message, window, cell)
        if drop is None or drop.value != "stale_epoch" or window < len(keeper.handed):
            return drop
        return None if cell in keeper._left else drop

    monkeypatch.setattr(WindowKeeper, "_invalid", careless)


def _rejoins_forget_the_last_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rejoin the coordinator is told of one cell less than was printed."""
    monkeypatch.setattr(WindowKeeper, "_settled", property(lambda keeper: keeper.printed[:-1]))


def _cells_come_back_with_a_rejoin(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rejoin the cell handed over last counts as not scanned: it may be scanned twice."""
    rejoin = WindowKeeper.rejoin

    def careless(keeper: WindowKeeper) -> Any:
        if keeper._handed and keeper._handed[-1] not in keeper._left:
            insort(keeper._left, keeper._handed[-1])
        return rejoin(keeper)

    monkeypatch.setattr(WindowKeeper, "rejoin", careless)


def _deadlines_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback comes 10 ms after the deadline."""
    set_timer = Deadlines.set_timer

    def late(deadlines: Deadlines) -> None:
        set_timer(deadlines)
        timer = deadlines._timer
        if timer is not None:
            timer.cancel()
            loop: Any = timer._loop  # type: ignore[attr-defined]
            deadlines._timer = loop.call_at(timer.when() + 0.012, deadlines._deadline, timer.when())

    monkeypatch.setattr(Deadlines, "set_timer", late)


def _deviations_are_not_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator takes note of a deviation, and goes on from the heat of the order that was left."""

    def careless(controller: LayerController, printed: Any) -> None:
        controller.order = list(printed)
        controller._ends = controller._ends_of(controller.order)
        controller._position = len(controller.order)
        controller._printed = controller._first_undecided = len(controller.order)
        controller._carry = None
        controller._scanned = controller._mask()

    monkeypatch.setattr(LayerController, "_deviate", careless)


def _records_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that fell back for want of a connection has no record."""
    tell = Observers.tell

    def careless(observers: Any, happening: Any) -> None:
        lost = isinstance(happening, WindowEnded) and happening.handover.outcome.value == "fallback_disconnected"
        if not lost:
            tell(observers, happening)

    monkeypatch.setattr(Observers, "tell", careless)


PLANTED: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    _late_decisions_count: "3",
    _old_epochs_count: "6",
    _rejoins_forget_the_last_cell: "5",
    _cells_come_back_with_a_rejoin: "1",
    _deadlines_are_missed: "2",
    _deviations_are_not_carried: "6",
    _records_are_lost: "8",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(FOUND_WITHIN):
        setup = setup_of(seed)
        found = failure(setup, schedule_of(seed, setup))
        if found:
            assert f"invariant {PLANTED[plant]}" in found, f"seed {seed}: {found}"
            return
    raise AssertionError(f"{FOUND_WITHIN} seeds did not find it")
