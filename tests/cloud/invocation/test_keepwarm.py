"""Keep-warm: the schedule alone, then over simulated functions that lose their state."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.configuration import EngineSettings
from cloud.engines import WarmReport
from cloud.engines.simulated import simulated_engine
from cloud.invocation.keepwarm import KeepWarm, Warmth
from cloud.plans import FunctionId, Plan
from cloud.serving.warming import Warming
from cloud.simulation import virtual_time
from cloud.simulation.printing import decide_layer
from tests.cloud.conftest import a_map
from tests.cloud.quiet import quiet_profile
from thermal.order import order_layer
from thermal.part import Part


def test_rounds_come_at_the_interval_while_powder_is_spread() -> None:
    schedule = KeepWarm(interval_s=5.0, silence_s=120.0)
    assert schedule.due(0.0) is None
    schedule.spreading(3, 10.0)
    assert schedule.due(10.0) == 0.0
    assert schedule.due(10.1) is None  # under way
    schedule.answered()
    assert schedule.due(11.0) == pytest.approx(4.0)
    assert schedule.due(15.0) == 0.0
    schedule.answered()
    schedule.layer_began()
    assert schedule.due(30.0) is None


def test_round_that_takes_longer_than_the_interval_is_not_overtaken() -> None:
    schedule = KeepWarm(interval_s=5.0, silence_s=120.0)
    schedule.spreading(0, 0.0)
    assert schedule.due(0.0) == 0.0
    assert schedule.due(7.0) is None
    schedule.answered()
    assert schedule.due(7.0) == 0.0


def test_nobody_pays_for_a_printer_that_is_silent_or_closed() -> None:
    schedule = KeepWarm(interval_s=5.0, silence_s=12.0)
    schedule.spreading(0, 0.0)
    rounds = 0
    now_s = 0.0
    while (wait_s := schedule.due(now_s)) is not None:
        rounds += wait_s == 0.0
        now_s += wait_s
        schedule.answered()
    assert (rounds, now_s) == (3, 12.0)
    schedule.spreading(1, 100.0)
    assert schedule.due(100.0) == 0.0
    schedule.answered()
    schedule.closed()
    assert schedule.state is Warmth.OFF
    assert schedule.due(101.0) is None


def test_next_spreading_starts_a_round_at_once() -> None:
    schedule = KeepWarm(interval_s=5.0, silence_s=60.0)
    schedule.spreading(0, 0.0)
    assert schedule.due(0.0) == 0.0
    schedule.answered()
    schedule.layer_began()
    schedule.spreading(1, 2.0)
    assert schedule.due(2.0) == 0.0


def test_third_of_the_functions_evicted_while_powder_is_spread_is_loaded_before_the_layer(square: Part) -> None:
    """All reloaded before the layer, no decision late, and every request is on the bill."""
    plan = Plan(part=square.digest, engine="simulated", groups=6, rows=2, mode="speculative")
    found: list[tuple[int, WarmReport]] = []
    map_K = a_map(square, 0, seed=1)

    async def main() -> None:
        engine, platform = simulated_engine(
            square, plan, EngineSettings(), profile=quiet_profile(), executor=threads, seed=1
        )
        await engine.load(lambda *_: None)
        warming = Warming(KeepWarm(5.0, 60.0), engine, "job", lambda *told: found.append(told))
        running = asyncio.create_task(warming.run())
        warming.spreading(0)
        await asyncio.sleep(7.0)
        for group in (0, 2, 4, 5):
            platform.evict(FunctionId(group, 0, 0))
        await asyncio.sleep(8.0)
        warming.schedule.layer_began()
        work = engine.begin_layer(0, "job")
        decided = await decide_layer(square, 0, map_K, work)
        figures = work.figures()
        running.cancel()
        bill = engine.bill("job")
        await engine.close()
        assert decided.order == order_layer(square, 0, map_K).order
        assert decided.late(square.geometry_of(0).windows_s(square.process)) == 0
        assert (figures["faults"], figures["windows_spared"]) == ({}, 0)
        assert bill is not None
        assert (bill.total.warm_requests, bill.total.loads) == (3 * 12, 12 + 4)

    with ThreadPoolExecutor(1) as threads:
        virtual_time.run(main())
    assert found == [(0, WarmReport(12, 0, 0)), (0, WarmReport(12, 4, 4))]
