"""What every engine must hold: any engine, mode, dealing and cut gives the order of one process.

An engine joins by a `Candidate`: how it is made, and the event loop it runs on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.aws.engine import lambda_engine
from cloud.configuration import EngineSettings, RaySettings
from cloud.engines import Engine
from cloud.engines.inline import InlineEngine
from cloud.engines.local import LocalEngine
from cloud.engines.ray import ray_engine
from cloud.engines.simulated import simulated_engine
from cloud.plans import Mode, Plan
from cloud.plans.dealings import clustered, transition_counts
from cloud.plans.strategies import COMPARISONS, comparison_plan
from cloud.simulation import virtual_time
from cloud.simulation.printing import decide_layer
from cosmic.errors import EngineError
from tests.cloud.aws.conftest import Account, account, server, wheels  # noqa: F401  fixtures
from tests.cloud.aws.test_platform import deployed
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
    """

    make: Callable[[Part, Plan], AbstractAsyncContextManager[Engine]]
    run: Run


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


@asynccontextmanager
async def over_ray(address: str, part: Part, plan: Plan) -> AsyncIterator[Engine]:
    settings = EngineSettings(name="ray", ray=RaySettings(address=address, cpus=0.5))
    engine = await ray_engine(part, plan, settings)
    await engine.load(lambda *_: None)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def over_lambda(place_of: Account, part: Part, plan: Plan) -> AsyncIterator[Engine]:
    plan = msgspec.structs.replace(plan, engine="lambda", memory_mb=512)
    place = await asyncio.to_thread(deployed, place_of, plan)
    place_of.unpack(place.bucket)
    engine = await lambda_engine(part, plan, place_of.engine_settings())
    try:
        await engine.load(lambda *_: None)
        yield engine
    finally:
        await engine.close()


MODES: tuple[Mode, ...] = ("on_demand", "reuse", "speculative", "persistent")
DEALINGS = ("contiguous", "round-robin", "clustered")
CUTS: tuple[tuple[int, tuple[int, int]], ...] = ((1, (4, 1)), (3, (2, 2)), (5, (1, 1)))

# Where processes are real, a plan of each kind is tried; where they are simulated, every plan.
PLANS_CUT = [
    ("inline", "contiguous", 1, (4, 1)),
    *[("local", dealing, groups, blocks) for dealing, (groups, blocks) in zip(DEALINGS, CUTS, strict=True)],
    *[("simulated", dealing, groups, blocks) for dealing in DEALINGS for groups, blocks in CUTS],
    ("ray", "contiguous", 1, (4, 1)),
    ("ray", "clustered", 3, (1, 1)),
    ("lambda", "round-robin", 1, (2, 2)),
]
PLANS_MODE = [
    *[("simulated", mode, groups, (2, 2)) for mode in MODES for groups in (1, 4, 36)],
    ("ray", "speculative", 3, (1, 1)),
    ("lambda", "speculative", 3, (1, 1)),
]


@pytest.fixture
def candidate(request: pytest.FixtureRequest) -> Candidate:
    """The engine of the test's parameter; what it needs is started for it alone."""
    name = request.param
    if name == "ray":
        return Candidate(partial(over_ray, request.getfixturevalue("ray_cluster")), asyncio.run)
    if name == "lambda":
        return Candidate(partial(over_lambda, request.getfixturevalue("account")), asyncio.run)
    if name == "simulated":
        return Candidate(simulated, virtual_time.run)
    return Candidate({"inline": inline, "local": local}[name], asyncio.run)


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


@pytest.mark.parametrize(("candidate", "dealing", "groups", "blocks"), PLANS_CUT, indirect=["candidate"])
def test_order_is_that_of_one_process_for_any_groups_and_cut(
    part: Part,
    expected: list[list[int]],
    candidate: Candidate,
    dealing: str,
    groups: int,
    blocks: tuple[int, int],
) -> None:
    plan = plan_for(part, expected, groups=groups, dealing=dealing, rows=blocks[0], columns=blocks[1], mode="reuse")
    assert orders(part, plan, candidate) == expected


@pytest.mark.parametrize(("candidate", "mode", "groups", "blocks"), PLANS_MODE, indirect=["candidate"])
def test_order_is_that_of_one_process_in_any_mode(
    part: Part, expected: list[list[int]], candidate: Candidate, mode: str, groups: int, blocks: tuple[int, int]
) -> None:
    plan = plan_for(part, expected, groups=groups, rows=blocks[0], columns=blocks[1], mode=mode)
    assert orders(part, plan, candidate) == expected


@pytest.mark.parametrize("candidate", ["simulated"], indirect=True)
@pytest.mark.parametrize("strategy", COMPARISONS)
def test_comparison_systems_decide_as_well(
    part: Part, expected: list[list[int]], candidate: Candidate, strategy: str
) -> None:
    plan = comparison_plan(strategy, part, rows=2)
    assert orders(part, plan, candidate) == expected


@pytest.mark.parametrize("candidate", ["inline", "local", "simulated", "ray"], indirect=True)
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


@pytest.mark.parametrize("candidate", ["local", "simulated", "ray"], indirect=True)
def test_engine_refuses_a_plan_of_another_part(part: Part, candidate: Candidate) -> None:
    async def main() -> None:
        async with candidate.make(part, Plan(part="0" * 64)):
            pass

    with pytest.raises(EngineError, match="the plan is for another part"):
        candidate.run(main())
