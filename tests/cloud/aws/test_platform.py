"""A layer through engine, link and the Lambda platform, with functions under the real runtime client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.aws.checks import Place, check_place, find_place
from cloud.aws.clients import Amazon
from cloud.aws.deploying import deploy
from cloud.aws.engine import lambda_engine
from cloud.aws.errors import VersionError
from cloud.aws.layout import lay_out
from cloud.aws.package import fetch_wheels, make_package
from cloud.aws.platform import LambdaPlatform
from cloud.deciding.controller import Carry, Decision, Idle, LayerController
from cloud.engines.grouped import GroupedEngine
from cloud.plans import FunctionId, Plan
from cloud.platforms.interface import PlatformError, Serve, WarmUp
from tests.cloud.aws.conftest import Account
from tests.cloud.conftest import a_map
from tests.support.amazon import REGION
from tests.support.lambda_emulator import paper_delays_ms
from thermal.operators import dense_from_files
from thermal.order import order_layer
from thermal.smartscan import SmartScan

SMALL = 2  # the layer with the small geometry


def deployed(account: Account, plan: Plan, *, reports: bool = False) -> Place:
    """Deploy a plan as the command does."""
    layout = lay_out(account.part, plan, account.name, reports=reports)
    place = find_place(account.amazon, None, f"cosmic-{account.name}")
    existing = check_place(account.amazon, layout, place)
    package = make_package(fetch_wheels(account.wheels))
    deploy(account.amazon, layout, place, package, existing, lambda *_: None)
    return place


@asynccontextmanager
async def engine_of(
    account: Account,
    *,
    reports: bool = False,
    threads: ThreadPoolExecutor | None = None,
    sick: str = "",
    **changes: Any,
) -> AsyncIterator[GroupedEngine]:
    """Deploy a plan, and give its engine, loaded.

    threads: for a spare; None: there is none.
    sick: code that is put at the end of the deployed function.
    """
    plan = Plan(part=account.part.digest, engine="lambda", memory_mb=512, **changes)
    place = await asyncio.to_thread(deployed, account, plan, reports=reports)
    account.unpack(place.bucket)
    with (account.folder / "code" / "cloud" / "aws" / "function.py").open("a") as file:
        file.write(sick)
    settings = account.engine_settings(spare_after_ms=2_000.0)
    engine = await lambda_engine(account.part, plan, settings, executor=threads)
    try:
        await engine.load(lambda *_: None)
        yield engine
    finally:
        await engine.close()


def expected(account: Account, blocks: tuple[int, int]) -> list[int]:
    assert account.part.folder is not None
    dense = dense_from_files(account.part.folder, account.part.geometry_of(SMALL), blocks)
    return order_layer(account.part, SMALL, a_map(account.part, SMALL, seed=1), dense).order


async def printed(account: Account, engine: GroupedEngine, job: str = "job") -> list[int]:
    """Return the order in which the coordinator's controller prints the layer over the engine."""
    geometry = account.part.geometry_of(SMALL)
    scan = SmartScan(geometry, account.part.process)
    theta = scan.theta_from_map(a_map(account.part, SMALL, seed=1))
    controller = LayerController(scan, geometry.lengths, theta, layer=SMALL, epoch=0)
    work = engine.begin_layer(geometry.number, job)
    order = []
    while not isinstance(step := controller.step(), Idle):
        if isinstance(step, Carry):
            controller.carried(step, await work.apply(step.cell, step.theta))
        elif isinstance(step, Decision):
            order.append(step.cell)
    work.end()
    return order


async def test_layer_has_the_order_of_one_process_in_spite_of_delays_and_evictions(account: Account) -> None:
    account.emulator.delays_ms = paper_delays_ms(1)
    async with engine_of(account, groups=2, mode="reuse") as engine:
        assert await printed(account, engine) == expected(account, (1, 1))
        # Between layers the platform takes environments away; keep-warm finds it and loads again.
        await asyncio.to_thread(account.emulator.wait_idle)
        assert account.emulator.evict() == 2
        report = await engine.warm("job")
        assert (report.workers, report.cold, report.reloaded) == (2, 2, 2)
        assert await printed(account, engine) == expected(account, (1, 1))
        bill = engine.bill("job")
        assert bill is not None
    serves = [one for one in account.emulator.usage if one.kind == "Event"]
    assert serves
    assert {one.error for one in serves} == {""}
    assert {one.memory_mb for one in account.emulator.usage} == {512}


async def test_columns_are_summed_and_an_environment_killed_in_a_layer_is_replaced(account: Account) -> None:
    async with engine_of(account, groups=1, rows=2, columns=2, mode="persistent") as engine:
        geometry = account.part.geometry_of(SMALL)
        theta = (a_map(account.part, SMALL, seed=1) - 293.0).astype(np.float64)
        assert account.part.folder is not None
        dense = dense_from_files(account.part.folder, geometry, (2, 2))
        work = engine.begin_layer(geometry.number, "job")
        first: NDArray[np.float64] = await work.apply(0, theta)
        np.testing.assert_array_equal(first, dense.apply(int(geometry.lengths[0]), theta))
        victim = FunctionId(0, 1, 0).name(account.name)
        killed = await asyncio.to_thread(account.emulator.kill, victim)
        assert killed == 1
        again = await work.apply(0, theta)
        np.testing.assert_allclose(again, first, rtol=1e-7)
        work.end()


async def platform_of(account: Account) -> LambdaPlatform:
    return LambdaPlatform(
        account.name, Plan(part=account.part.digest, engine="lambda", memory_mb=512), account.amazon
    )


async def test_what_lambda_refuses_is_named(account: Account) -> None:
    platform = await platform_of(account)
    with pytest.raises(PlatformError) as missing:
        await platform.ask(FunctionId(0, 0, 0), WarmUp())
    assert (missing.value.cause, missing.value.transient) == ("missing", False)
    account.emulator._functions[FunctionId(0, 0, 0).name(account.name)] = None  # type: ignore[assignment]
    account.emulator.throttle(1)
    with pytest.raises(PlatformError) as throttled:
        await platform.invoke(FunctionId(0, 0, 0), Serve(function="g0-0-0", address="", token="t", limit_s=1.0))
    assert (throttled.value.cause, throttled.value.transient) == ("throttled", True)
    huge = Serve(function="g0-0-0", address="x" * 2**20, token="t", limit_s=1.0)
    with pytest.raises(PlatformError) as refused:
        await platform.invoke(FunctionId(0, 0, 0), huge)
    assert (refused.value.cause, refused.value.transient) == ("refused", False)
    assert platform.name == f"lambda {REGION}"
    await platform.close()


async def test_nobody_there_is_unreachable(account: Account) -> None:
    nowhere = LambdaPlatform("x", Plan(part="0" * 64, engine="lambda"), Amazon(REGION, "http://127.0.0.1:9"))
    with pytest.raises(PlatformError) as unreachable:
        await nowhere.ask(FunctionId(0, 0, 0), WarmUp())
    assert unreachable.value.cause == "unreachable"
    await nowhere.close()


async def test_functions_that_are_missing_or_of_another_version_are_named(account: Account) -> None:
    platform = await platform_of(account)
    with pytest.raises(VersionError, match="1 functions are missing"):
        await asyncio.to_thread(platform.check)
    await asyncio.to_thread(deployed, account, Plan(part=account.part.digest, engine="lambda", memory_mb=512))
    await asyncio.to_thread(platform.check)
    client = account.amazon.client("lambda")
    for one in client.list_functions()["Functions"]:
        client.tag_resource(Resource=one["FunctionArn"], Tags={"cosmic:version": "older"})
    with pytest.raises(VersionError, match="of another version") as error:
        await asyncio.to_thread(platform.check)
    assert error.value.remedy.startswith("deploy the plan again")
    await platform.close()
