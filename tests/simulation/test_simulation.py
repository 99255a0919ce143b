"""The invariants of protocol.md, on the real agent and coordinator, under seeded schedules of faults."""

from __future__ import annotations

import os

import pytest

from agent.keeper import WindowKeeper
from tests.simulation.invariants import check, log_of
from tests.simulation.world import World, machine_of, schedule_of
from thermal.part import Part

SEEDS = int(os.environ.get("SIMULATE_SEEDS", "60"))


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_the_invariants_hold_whatever_goes_wrong(square: Part, first: int) -> None:
    for seed in range(first, first + 10):
        try:
            check(World(square, seed, schedule_of(seed), *machine_of(seed)).run())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}; run 'make simulate SEED={seed}'") from error


def test_without_faults_every_window_is_decided(square: Part) -> None:
    world = World(square, 1, []).run()
    check(world)
    windows = [line for line in world.lines if line["event"] == "window"]
    assert {line["outcome"] for line in windows} == {"on_time"}


def test_the_same_seed_gives_the_same_log_byte_for_byte(square: Part) -> None:
    seed = next(seed for seed in range(100) if len(schedule_of(seed)) >= 4)
    first, second = (World(square, seed, schedule_of(seed), *machine_of(seed)).run() for _ in range(2))
    assert log_of(first) == log_of(second)


def test_a_planted_bug_is_found(square: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    def accept_stale(keeper: WindowKeeper, message: object, window: int, cell: int) -> None:
        return None  # a late decision, or one of an order that was left, is applied

    monkeypatch.setattr(WindowKeeper, "_invalid", accept_stale)
    for seed in range(60):
        try:
            check(World(square, seed, schedule_of(seed), *machine_of(seed)).run())
        except Exception:  # noqa: BLE001  whatever it breaks, it was found
            return
    raise AssertionError("60 seeds did not find it")
