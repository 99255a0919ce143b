"""Workers in trouble: the layer goes on, the cause is in the record, and the bill is right."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from shapely.geometry import box

from cloud.bills import Bill
from cloud.configuration import EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.grouped.layer import GroupedLayer
from cloud.engines.simulated import simulated_engine
from cloud.plans import FunctionId, Mode, Plan
from cloud.simulation import virtual_time
from cloud.simulation.platform import Reply, SimulatedPlatform
from cloud.simulation.printing import Decided, decide_layer
from cosmic.errors import EngineError
from tests.cloud.conftest import a_map
from tests.cloud.quiet import quiet_profile
from thermal.building import build_from_outline
from thermal.order import order_layer
from thermal.part import Part

SICK = FunctionId(1, 0, 0)


@dataclass
class Printed:
    decided: Decided
    work: GroupedLayer
    bill: Bill
    platform: SimulatedPlatform


def print_layer(
    part: Part,
    mode: Mode = "reuse",
    *,
    spare: bool = True,
    before: Callable[[GroupedEngine, SimulatedPlatform], Coroutine[Any, Any, None]] | None = None,
    **profile: Any,
) -> Printed:
    """Decide one layer with 4 groups of 2 functions; `before` sets what goes wrong."""
    plan = Plan(part=part.digest, engine="simulated", groups=4, rows=2, mode=mode)
    settings = EngineSettings(spare=spare, apply_timeout_ms=1000.0, spare_after_ms=100.0)

    async def main() -> Printed:
        engine, platform = simulated_engine(
            part, plan, settings, executor=threads, profile=quiet_profile(**profile), seed=2
        )
        await engine.load(lambda *_: None)
        if before is not None:
            await before(engine, platform)
        work = engine.begin_layer(0, "job")
        assert isinstance(work, GroupedLayer)
        try:
            decided = await decide_layer(part, 0, a_map(part, 0, seed=1), work)
            bill = engine.bill("job")
            assert bill is not None
            return Printed(decided, work, bill, platform)
        finally:
            await engine.close()

    with ThreadPoolExecutor(1) as threads:
        result: Printed = virtual_time.run(main())
    return result


@pytest.fixture(scope="module")
def expected(square: Part) -> list[int]:
    return order_layer(square, 0, a_map(square, 0, seed=1)).order


def first_answer(change: Callable[[Reply], list[Reply]]) -> Any:
    """Return a `before` that changes the first answer of the sick function."""

    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        seen = []

        def reply(function: FunctionId, _sequence: int, given: Reply) -> list[Reply]:
            if function == SICK and not seen:
                seen.append(function)
                return change(given)
            return [given]

        platform.faults.reply = reply

    return before


def with_nan(given: Reply) -> list[Reply]:
    partial = np.array(given[0])
    partial[3] = math.nan
    return [(partial, "")]


WRONG: dict[str, tuple[Callable[[Reply], list[Reply]], str]] = {
    "wrong shape": (lambda _given: [(np.zeros(7), "")], "wrong"),
    "not finite": (with_nan, "wrong"),
    "no block": (lambda _given: [(None, "no block of this operator is in memory")], "wrong"),
    "hangs": (lambda _given: [], "hung"),
}


@pytest.mark.parametrize("spare", [True, False], ids=["spare", "asked again"])
@pytest.mark.parametrize("what", WRONG)
def test_answer_that_is_wrong_or_missing_costs_no_decision(
    square: Part, expected: list[int], what: str, spare: bool
) -> None:
    change, cause = WRONG[what]
    printed = print_layer(square, spare=spare, before=first_answer(change))
    assert printed.decided.order == expected
    assert printed.work.figures()["faults"] == {cause: 1}
    assert printed.work.spared == (1 if spare else 0)


def test_answer_that_comes_twice_counts_once(square: Part, expected: list[int]) -> None:
    printed = print_layer(square, before=first_answer(lambda given: [given, (np.zeros(7), ""), given]))
    assert printed.decided.order == expected
    assert printed.work.figures()["faults"] == {}


@pytest.mark.parametrize("spare", [True, False], ids=["spare", "asked again"])
@pytest.mark.parametrize("mode", ["reuse", "speculative", "persistent"])
def test_worker_that_dies_in_a_window_costs_no_decision(
    square: Part, expected: list[int], mode: Mode, spare: bool
) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        died = []

        def reply(function: FunctionId, _sequence: int, given: Reply) -> list[Reply]:
            if function == SICK and not died:
                died.append(platform.link.lose(function))
                return []
            return [given]

        platform.faults.reply = reply

    printed = print_layer(square, mode, spare=spare, before=before)
    assert printed.decided.order == expected
    assert printed.work.figures()["faults"] == {"lost": 1}
    assert printed.work.spared == (1 if spare else 0)


@pytest.mark.parametrize("spare", [True, False], ids=["spare", "loaded again"])
def test_function_that_turned_cold_is_loaded_again_in_the_layer(
    square: Part, expected: list[int], spare: bool
) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        platform.evict(SICK)

    printed = print_layer(square, spare=spare, before=before, cold_start_ms=50.0)
    assert printed.decided.order == expected
    assert printed.bill.total.loads == 8 + 1
    faults = printed.work.figures()["faults"]
    assert faults.get("cold", 0) == printed.work.spared
    assert (printed.work.spared > 0) == spare


def test_throttled_function_is_asked_again(square: Part, expected: list[int]) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        refused: list[FunctionId] = []

        def invoke(function: FunctionId) -> bool:
            if function == SICK and len(refused) < 2:
                refused.append(function)
                return True
            return False

        platform.faults.invoke = invoke

    printed = print_layer(square, spare=False, before=before)
    assert printed.decided.order == expected
    assert printed.work.figures()["faults"] == {"throttled": 2}
    assert printed.bill.total.requests == 8 + printed.platform.counts.serves - 2  # nobody pays for a refusal


def test_function_that_never_works_fails_the_layer_where_there_is_no_spare(square: Part) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        platform.faults.invoke = lambda function: function == SICK

    with pytest.raises(EngineError, match="throttled") as error:
        print_layer(square, spare=False, before=before)
    assert error.value.why == "tried 3 times"


def test_function_that_never_works_costs_no_decision_where_there_is_a_spare(
    square: Part, expected: list[int]
) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        platform.faults.invoke = lambda function: function == SICK

    printed = print_layer(square, before=before)
    assert printed.decided.order == expected
    assert printed.work.spared == printed.work.causes["throttled"] > 0


def test_load_that_is_refused_for_good_says_why(square: Part) -> None:
    plan = Plan(part=square.digest, engine="simulated")

    async def main() -> None:
        engine, platform = simulated_engine(square, plan, EngineSettings(), profile=quiet_profile())
        platform.faults.invoke = lambda _function: True
        await engine.load(lambda *_: None)

    with pytest.raises(EngineError, match="too many requests"):
        virtual_time.run(main())


def test_every_accepted_invocation_is_on_the_bill_once(square: Part) -> None:
    for mode in ("on_demand", "reuse", "speculative", "persistent"):
        printed = print_layer(square, mode)  # type: ignore[arg-type]
        counts, total = printed.platform.counts, printed.bill.total
        assert counts.serves == total.requests - total.loads
        assert total.seconds - total.load_seconds >= counts.busy_s
        assert sum(line.dollars for line in printed.bill.groups.values()) == pytest.approx(total.dollars)


@pytest.mark.parametrize("spare", [True, False], ids=["spare", "asked again"])
@pytest.mark.parametrize("delay_s", [2.0, 1e6], ids=["comes late", "never comes"])
def test_invocation_that_ends_before_it_connects_is_on_the_bill(
    square: Part, expected: list[int], delay_s: float, spare: bool
) -> None:
    async def before(_engine: GroupedEngine, platform: SimulatedPlatform) -> None:
        delays = iter([delay_s])
        platform.faults.delay = lambda function: next(delays, 0.0) if function == SICK else 0.0

    printed = print_layer(square, "reuse", spare=spare, before=before)
    counts, total = printed.platform.counts, printed.bill.total
    assert printed.decided.order == expected
    assert set(printed.work.figures()["faults"]) == {"late"}
    assert counts.serves == total.requests - total.loads


def test_modes_cost_what_they_promise(square: Part) -> None:
    """On demand pays for no waiting, persistent for all of it; speculation waits less than reuse."""
    printed = {mode: print_layer(square, mode) for mode in ("on_demand", "reuse", "speculative", "persistent")}  # type: ignore[arg-type]
    served = {mode: one.bill.total.seconds - one.bill.total.load_seconds for mode, one in printed.items()}
    runtime = {mode: one.decided.runtime_s for mode, one in printed.items()}
    assert runtime["persistent"] < runtime["speculative"] < runtime["reuse"] < runtime["on_demand"]
    assert served["on_demand"] < served["persistent"]
    assert printed["persistent"].platform.counts.serves == 8
    assert printed["reuse"].platform.counts.serves < printed["on_demand"].platform.counts.serves == 72


def test_closing_the_engine_in_a_layer_ends_it_and_releases_everybody(square: Part) -> None:
    plan = Plan(part=square.digest, engine="simulated", groups=4, rows=2, mode="persistent")

    async def main() -> tuple[Any, int]:
        engine, platform = simulated_engine(square, plan, EngineSettings(), profile=quiet_profile())
        await engine.load(lambda *_: None)
        work = engine.begin_layer(0, "job")
        deciding = asyncio.create_task(decide_layer(square, 0, a_map(square, 0, seed=1), work))
        await asyncio.sleep(0.03)
        await engine.close()
        result = (await asyncio.gather(deciding, return_exceptions=True))[0]
        return result, len(platform.link._workers)

    result, connected = virtual_time.run(main())
    assert isinstance(result, EngineError)
    assert connected == 0


def test_plan_whose_blocks_do_not_fit_into_the_functions_is_refused(square: Part) -> None:
    plan = Plan(part=square.digest, engine="simulated", memory_mb=128, rows=1)
    assert simulated_engine(square, plan, EngineSettings())[0].name
    full = Plan(part=square.digest, engine="simulated", memory_mb=128, groups=1, precision="float64")
    large = build_from_outline(box(0, 0, 16.0, 16.0), "large", square.process, island_mm=3.2)
    with pytest.raises(EngineError, match=r"needs \d+ MiB") as error:
        simulated_engine(large, msgspec.structs.replace(full, part=large.digest), EngineSettings())
    assert "85% of 128 MiB" in error.value.why
