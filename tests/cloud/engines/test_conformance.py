"""What every engine must hold: any engine, mode, dealing and cut gives the order of one process.

An engine joins by a `Candidate`: how it is made, and the event loop it runs on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.configuration import EngineSettings
from cloud.dealings import clustered, transition_counts
from cloud.engines import Engine
from cloud.engines.inline import InlineEngine
from cloud.engines.local import LocalEngine
from cloud.engines.simulated import simulated_engine
from cloud.plans import Plan
from cloud.simulation import virtual_time
from cloud.simulation.printing import decide_layer
from cloud.strategies import COMPARISONS, comparison_plan
from cosmic.errors import EngineError
from tests.cloud.conftest import a_map
from thermal.order import order_layer
from thermal.part import Part

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True)
class Candidate:
    """An engine that is to conform.

    Attributes:
        make: (part, plan) -> the engine, loaded while the context is entered.
        run: runs a coroutine to its end on the engine's kind of event loop.
        functions: whether the plan's modes and groups mean something to it.
    """

    make: Callable[[Part, Plan], AbstractAsyncContextManager[Engine]]
    run: Run
    functions: bool


@asynccontextmanager
async def inline(part: Part, plan: Plan) -> AsyncIterator[Engine]:
    with ThreadPoolExecutor(1) as threads:
        engine = InlineEngine(part, threads)
        await engine.load(lambda *_: None)
        yield engine
        await engine.close()


@asynccontextmanager
async def local(part: Part, plan: Plan) -> AsyncIterator[Engine]:
    engine = LocalEngine(part, EngineSettings(name="local"), plan)
    await engine.load(lambda *_: None)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def simulated(part: Part, plan: Plan) -> AsyncIterator[Engine]:
    engine, _ = simulated_engine(part, plan, EngineSettings(name="simulated"), seed=3)
    await engine.load(lambda *_: None)
    try:
        yield engine
    finally:
        await engine.close()


CANDIDATES = {
    "inline": Candidate(inline, asyncio.run, functions=False),
    "local": Candidate(local, asyncio.run, functions=False),
    "simulated": Candidate(simulated, virtual_time.run, functions=True),
}

MODES = ("on_demand", "reuse", "speculative", "persistent")


@pytest.fixture(params=CANDIDATES)
def candidate(request: pytest.FixtureRequest) -> Candidate:
    return CANDIDATES[request.param]


def orders(part: Part, plan: Plan, candidate: Candidate) -> list[list[int]]:
    async def main() -> list[list[int]]:
        found = []
        async with candidate.make(part, plan) as engine:
            for layer in (0, 2):
                map_K = a_map(part, layer, seed=layer)
                work = engine.begin_layer(part.geometry_of(layer).number, "job")
                found.append((await decide_layer(part, layer, map_K, work)).order)
        return found

    result: list[list[int]] = candidate.run(main())
    return result


@pytest.fixture(scope="module")
def expected(part: Part) -> list[list[int]]:
    return [order_layer(part, layer, a_map(part, layer, seed=layer)).order for layer in (0, 2)]


def plan_for(part: Part, expected: list[list[int]], **changes: Any) -> Plan:
    if changes.get("dealing") == "clustered":
        listed = tuple(clustered(transition_counts([order], len(order)), changes["groups"]) for order in expected)
        changes["listed"] = listed
    return Plan(part=part.digest, **changes)


@pytest.mark.parametrize("dealing", ["contiguous", "round-robin", "clustered"])
@pytest.mark.parametrize(("groups", "blocks"), [(1, (4, 1)), (3, (2, 2)), (5, (1, 1))])
def test_order_is_that_of_one_process_for_any_groups_and_cut(
    part: Part,
    expected: list[list[int]],
    candidate: Candidate,
    dealing: str,
    groups: int,
    blocks: tuple[int, int],
) -> None:
    if candidate is CANDIDATES["inline"] and (groups, dealing) != (1, "contiguous"):
        pytest.skip("no workers: every plan is the same")
    plans_local = {(1, "contiguous"), (3, "round-robin"), (3, "clustered")}
    if candidate is CANDIDATES["local"] and (groups, dealing) not in plans_local:
        pytest.skip("real processes: one plan of each dealing")
    plan = plan_for(part, expected, groups=groups, dealing=dealing, rows=blocks[0], columns=blocks[1], mode="reuse")
    assert orders(part, plan, candidate) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("groups", [1, 4, 36])
def test_order_is_that_of_one_process_in_any_mode(
    part: Part, expected: list[list[int]], candidate: Candidate, mode: str, groups: int
) -> None:
    if not candidate.functions:
        pytest.skip("processes of this machine run all the time, whatever the mode")
    plan = plan_for(part, expected, groups=groups, rows=2, columns=2, mode=mode)
    assert orders(part, plan, candidate) == expected


@pytest.mark.parametrize("strategy", COMPARISONS)
def test_comparison_systems_decide_as_well(
    part: Part, expected: list[list[int]], candidate: Candidate, strategy: str
) -> None:
    if not candidate.functions:
        pytest.skip("36 groups of processes are no way to run this")
    plan = comparison_plan(strategy, part, rows=2)
    assert orders(part, plan, candidate) == expected


def test_product_is_the_same_to_the_last_bit_whatever_the_timing(
    part: Part, expected: list[list[int]], candidate: Candidate
) -> None:
    plan = plan_for(part, expected, groups=1, rows=2, columns=2, mode="reuse")
    theta = a_map(part, 0, seed=5).astype(np.float64) - 293.0

    async def main() -> list[NDArray[np.float64]]:
        async with candidate.make(part, plan) as engine:
            works = [engine.begin_layer(0, f"job {k}") for k in range(3)]
            results = await asyncio.gather(*(work.apply(7, theta) for work in works))
            for work in works:
                work.end()
        return list(results)

    first, *others = candidate.run(main())
    assert all(np.array_equal(first, other) for other in others)


def test_engine_refuses_a_plan_of_another_part(part: Part, candidate: Candidate) -> None:
    if candidate is CANDIDATES["inline"]:
        pytest.skip("no workers: no plan")

    async def main() -> None:
        async with candidate.make(part, Plan(part="0" * 64)):
            pass

    with pytest.raises(EngineError, match="the plan is for another part"):
        candidate.run(main())
