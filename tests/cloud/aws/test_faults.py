"""Functions in trouble, as real processes: the layer goes on, the cause is in the record, the bill is right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from cloud.bills import Line
from cloud.engines import WarmReport
from cloud.engines.grouped import GroupedEngine
from cloud.engines.grouped.layer import GroupedLayer
from cloud.invocation.keepwarm import KeepWarm
from cloud.plans import FunctionId
from cloud.serving.warming import Warming
from cloud.simulation.printing import decide_layer
from tests.cloud.aws.conftest import Account
from tests.cloud.aws.test_platform import SMALL, engine_of
from tests.cloud.conftest import a_map
from tests.support.lambda_emulator import paper_delays_ms
from thermal.order import order_layer

TAKEN_IN_S = 20.0
"""Longest wait for answers under way: only a failing test waits as long."""

TROUBLE_AT = 3
"""The window before which something happens."""

SICK = """
import os as _os
from cloud.link import worker as _link
_answer, _ready = _link.TcpChannel.answer, _link.TcpChannel.ready
_group = _os.environ["AWS_LAMBDA_FUNCTION_NAME"].split("-")[-3]
_done = []
def _sick_answer(self, sequence, partial, error):
    if not _done and _group in {"g0", "g1", "g2"}:
        _done.append(1)
        if _group == "g0":
            partial = partial * float("nan")
        elif _group == "g1":
            partial = partial[:-1]
        else:
            _answer(self, sequence, partial, error)
    _answer(self, sequence, partial, error)
def _stale_ready(self, function, token, environment, resident):
    if not _done and _group == "g3":
        _done.append(1)
        resident = ["0" * 16 for _ in resident]
    _ready(self, function, token, environment, resident)
_link.TcpChannel.answer, _link.TcpChannel.ready = _sick_answer, _stale_ready
"""
"""Put at the end of the deployed function: once each, g0 answers NaN, g1 too few rows, g2 twice, g3 is stale."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """For the coordinator's spare."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def expected(account: Account) -> list[int]:
    return order_layer(account.part, SMALL, a_map(account.part, SMALL, seed=1)).order


async def layer(
    account: Account, engine: GroupedEngine, trouble: Callable[[], object] | None = None
) -> tuple[list[int], GroupedLayer]:
    """Decide a layer; before one window `trouble` comes."""
    work = engine.begin_layer(account.part.geometry_of(SMALL).number, "job")
    assert isinstance(work, GroupedLayer)
    apply, windows = work.apply, 0

    async def watched(cell, theta, guess=None):  # type: ignore[no-untyped-def]
        nonlocal windows
        windows += 1
        if windows == TROUBLE_AT and trouble is not None:
            await asyncio.to_thread(trouble)
        return await apply(cell, theta, guess)

    work.apply = watched  # type: ignore[method-assign]
    decided = await decide_layer(account.part, SMALL, a_map(account.part, SMALL, seed=1), work)
    return decided.order, work


async def billed(account: Account, engine: GroupedEngine) -> Line:
    """Return what the job is billed, once the engine has taken in every answer that the platform gave."""
    await asyncio.to_thread(account.emulator.wait_idle)
    async with asyncio.timeout(TAKEN_IN_S):
        while engine.meter.everything.requests < len(account.emulator.usage):
            await asyncio.sleep(0.01)
    bill = engine.bill("job")
    assert bill is not None
    return bill.total


def name(account: Account, group: int) -> str:
    return FunctionId(group, 0, 0).name(account.name)


async def test_third_of_the_environments_evicted_in_spreading_is_loaded_before_the_layer(
    account: Account, threads: ThreadPoolExecutor
) -> None:
    account.emulator.delays_ms = paper_delays_ms(1)
    found: list[tuple[int, WarmReport]] = []
    told = asyncio.Event()

    def tell(number: int, report: WarmReport) -> None:
        found.append((number, report))
        told.set()

    async with engine_of(account, threads=threads, groups=3, mode="speculative") as engine:
        warming = Warming(KeepWarm(0.2, 60.0), engine, "job", tell)
        running = asyncio.create_task(warming.run())
        for number in (0, 1):
            warming.spreading(number)
            await told.wait()
            told.clear()
            evicted = 0
            while not evicted:  # a dummy request may be under way
                evicted = await asyncio.to_thread(account.emulator.evict, name(account, number))
            await told.wait()  # the round after it
            told.clear()
            warming.schedule.layer_began()
            order, work = await layer(account, engine)
            assert order == expected(account)
            assert (work.figures()["faults"], work.spared) == ({}, 0)
        running.cancel()
        total = await billed(account, engine)
    assert [(number, report.cold, report.reloaded) for number, report in found] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 1),
    ]
    assert total.loads == 3 + 2
    assert total.requests == len(account.emulator.usage)


async def test_worker_killed_throttled_or_hung_in_a_layer_costs_no_decision(
    account: Account, threads: ThreadPoolExecutor
) -> None:
    emulator = account.emulator
    troubles: list[tuple[Callable[[], object], set[str]]] = [
        (lambda: emulator.kill(name(account, 0)), {"lost"}),
        (lambda: emulator.kill(name(account, 0)), {"lost"}),
        (lambda: (emulator.kill(name(account, 0)), emulator.throttle(1)), {"lost", "throttled"}),
    ]
    async with engine_of(account, threads=threads, groups=1, mode="persistent") as engine:
        for trouble, causes in troubles:
            await engine.warm("job")
            with structlog.testing.capture_logs() as lines:
                order, work = await layer(account, engine, trouble)
            assert order == expected(account)
            assert causes <= {line["cause"] for line in lines if line["event"] == "function_fault"}
            assert work.windows == len(order)
            assert work.spared == sum(work.causes.values()) > 0
        total = await billed(account, engine)
        assert total.requests == len(emulator.usage)
        await engine.warm("job")
        order, work = await layer(account, engine, lambda: emulator.stop(name(account, 0)))
        assert order == expected(account)
        assert work.figures()["faults"]["hung"] == 1


async def test_environment_lost_between_windows_is_cold_in_the_layer(
    account: Account, threads: ThreadPoolExecutor
) -> None:
    account.emulator.delays_ms = paper_delays_ms(1)
    async with engine_of(account, threads=threads, groups=2, mode="on_demand") as engine:

        def evict() -> None:
            account.emulator.wait_idle()
            assert account.emulator.evict() == 2

        order, work = await layer(account, engine, evict)
        assert order == expected(account)
        assert set(work.figures()["faults"]) == {"cold"}
        assert work.spared == work.causes["cold"] > 0
        total = await billed(account, engine)
        assert total.requests == len(account.emulator.usage)


async def test_answer_that_is_nan_too_short_double_or_stale_costs_no_decision(
    account: Account, threads: ThreadPoolExecutor
) -> None:
    account.emulator.delays_ms = paper_delays_ms(1)
    async with engine_of(account, threads=threads, sick=SICK, groups=4, mode="persistent") as engine:
        order, work = await layer(account, engine)
        assert order == expected(account)
        faults = work.figures()["faults"]
        assert faults["wrong"] == 2  # NaN and shape; the second answer is left alone
        assert faults["cold"] >= 1  # stale digests: it is loaded again, and so are new environments
        assert set(faults) == {"wrong", "cold"}
        total = await billed(account, engine)
        assert total.requests == len(account.emulator.usage)
