"""The simulated platform: delays a group, machines, and that times follow from the profile."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from cloud.plans import Plan
from cloud.platforms import Hello, Serve, WindowTask
from cloud.platforms.link import Floats
from cloud.simulation import virtual_time
from cloud.simulation.platform import SimulatedPlatform
from cloud.simulation.profile import Profile, read_profile
from thermal.part import Part


class Listener:
    """Notes who came and what was answered, with the time."""

    def __init__(self) -> None:
        self.came: list[tuple[int, Hello, float]] = []
        self.answered_s: list[float] = []

    def worker_ready(self, worker: int, hello: Hello) -> None:
        self.came.append((worker, hello, asyncio.get_running_loop().time()))

    def partial_came(self, worker: int, sequence: int, partial: Floats | None, error: str) -> None:
        del worker, sequence, error
        assert partial is not None
        self.answered_s.append(asyncio.get_running_loop().time())

    def worker_lost(self, worker: int, cause: str) -> None:
        raise AssertionError(f"worker {worker}: {cause}")

    def worker_done(self, worker: int, summary: object) -> None:
        del worker, summary


def calm() -> Profile:
    return msgspec.structs.replace(read_profile(), cold_share=(0.0,) * 4, product_p90_factor=1.0)


def invoked(part: Part, plan: Plan, profile: Profile, *, window: bool = False) -> Listener:
    """Invoke every function twice, loaded the second time; return what the listener saw the second time."""

    async def main() -> Listener:
        platform, listener = SimulatedPlatform(part, plan, profile, seed=1, dense=False), Listener()
        await platform.link.open(listener)
        for function in plan.functions:
            await platform.invoke(function, Serve(function=str(function), address="", token="", limit_s=1.0))
        await asyncio.sleep(10.0)
        listener.came.clear()
        started_s = asyncio.get_running_loop().time()
        for function in plan.functions:
            await platform.invoke(function, Serve(function=str(function), address="", token="", limit_s=1.0))
        await asyncio.sleep(1.0)
        listener.came = [(worker, hello, at_s - started_s) for worker, hello, at_s in listener.came]
        if window:
            elements = part.geometries[0].elements
            started_s = asyncio.get_running_loop().time()
            columns = {worker: (0, elements) for worker, _, _ in listener.came}
            platform.link.send_window(WindowTask(1, 0, 49, np.ones(elements), columns))
            await asyncio.sleep(1.0)
            listener.answered_s = [at_s - started_s for at_s in listener.answered_s]
        return listener

    return virtual_time.run(main())


def plan_of(part: Part, **values: object) -> Plan:
    return Plan(part=part.digest, engine="simulated", **values)  # type: ignore[arg-type]


def test_the_functions_of_a_group_come_together_where_the_profile_says_so(square: Part) -> None:
    plan = plan_of(square, groups=3, rows=4)
    for per, different in (("group", 3), ("function", 12)):
        came = invoked(square, plan, msgspec.structs.replace(calm(), invocation_per=per)).came
        assert len(came) == 12
        assert len({round(at_s, 9) for _, _, at_s in came}) == different


def test_a_machine_is_there_at_once(square: Part) -> None:
    came = invoked(square, plan_of(square, rows=2, always_on=True, memory_mb=65_536), calm()).came
    assert {round(at_s * 1e3, 6) for _, _, at_s in came} == {0.25}


@pytest.mark.parametrize(("always_on", "memory_mb", "rate"), [(False, 10_240, 74e9), (True, 65_536, 74e9 * 4 / 6)])
def test_a_window_takes_way_map_product_and_answer(
    square: Part, always_on: bool, memory_mb: int, rate: float
) -> None:
    plan = plan_of(square, rows=2, always_on=always_on, memory_mb=memory_mb)
    (first, last) = invoked(square, plan, calm(), window=True).answered_s
    n = square.geometries[0].elements
    answer_s = n / 2 * 8 / 805e6
    expected_s = 2 * 0.25e-3 + n * 8 / 375e6 + n / 2 * n * 8 / rate + answer_s
    assert first == pytest.approx(expected_s, rel=1e-3)
    assert last == pytest.approx(expected_s + n * 8 / 805e6, rel=1e-3)  # its map left after the first one's
