"""The engine without workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.engines import inline
from cloud.engines.inline import InlineEngine
from thermal.operators import Polynomial
from thermal.part import Part


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.mark.parametrize("thread_ms", [0.0, 1e9], ids=["in a thread", "on the loop"])
async def test_result_is_that_of_the_polynomial_operator(
    part: Part,
    map_K: NDArray[np.float32],
    executor: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    thread_ms: float,
) -> None:
    monkeypatch.setattr(inline, "THREAD_MS", thread_ms)
    engine = InlineEngine(part, executor)
    assert engine.tolerance == part.manifest.operator.tolerance
    seen: list[tuple[int, int, str]] = []
    await engine.load(lambda *progress: seen.append(progress))
    assert seen == [(1, 2, "operators"), (2, 2, "operators")]
    geometry = part.geometry_of(0)
    theta = map_K.astype(np.float64)
    expected = Polynomial(geometry, part.process, engine.tolerance).apply(25, theta)
    assert np.array_equal(await engine.apply(0, 25, theta), expected)
    assert (await engine.warm()).workers == 0
    await engine.close()


async def test_operators_held_are_bounded_and_made_again(
    part: Part, map_K: NDArray[np.float32], executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "OPERATORS_MAX", 1)
    engine = InlineEngine(part, executor, 1e-8)
    await engine.load(lambda *_: None)
    theta = map_K.astype(np.float64)
    first = await engine.apply(0, 25, theta)
    await engine.apply(1, 5, theta[: part.geometry_of(2).elements])
    assert len(engine._operators) == 1
    assert np.array_equal(await engine.apply(0, 25, theta), first)


async def test_time_of_a_product_is_the_processors_not_that_of_waiting_for_it(
    part: Part, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that others use as well must not make a job look as if it needed more than it does."""
    waited_s = 0.05

    class Waiting:
        def apply(self, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
            del length
            threading.Event().wait(waited_s)
            return theta

    monkeypatch.setattr(inline, "build_operator", lambda *_, **__: Waiting())
    engine = InlineEngine(part, executor, 1e-8)
    await engine.load(lambda *_: None)
    product_s = engine.cost(0).product_s
    assert product_s < waited_s / 2
