"""The clock of a replay: timers to the dot, held where told, with patience."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from agent.replay.clock import ReplayLoop


def run(main: Coroutine[Any, Any, Any], *, patience_s: float = 30.0) -> Any:
    with asyncio.Runner(loop_factory=lambda: ReplayLoop(100.0, 1000.0, patience_s)) as runner:
        return runner.run(main)


def loop() -> ReplayLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, ReplayLoop)
    return running


def test_it_begins_where_told_and_timers_run_at_exactly_their_time() -> None:
    async def main() -> list[float]:
        seen: list[float] = []
        done = asyncio.Event()
        for at_s in (1075.0, 1002.5, 1031.25):
            loop().call_at(at_s, lambda: seen.append(loop().time()))
        loop().call_at(1080.0, done.set)
        await done.wait()
        return seen

    assert run(main()) == [1002.5, 1031.25, 1075.0]


def test_a_moment_that_is_held_does_not_pass_before_it_is_released() -> None:
    async def main() -> tuple[float, float]:
        loop().hold("decision", 101.0)
        asyncio.get_running_loop().call_at(105.0, lambda: None)
        work = asyncio.to_thread(sum, range(3_000_000))  # real work, while the clock would run for minutes
        await work
        held_at_s = loop().time()
        loop().release("decision")
        await asyncio.sleep(1.0)
        return held_at_s, loop().time()

    held_at_s, after_s = run(main())
    assert held_at_s <= 101.0
    assert after_s >= held_at_s + 1.0


def test_all_who_hold_it_must_release_it() -> None:
    async def main() -> float:
        loop().hold("link")
        loop().hold("decision", 200.0)
        loop().release("decision")
        await asyncio.to_thread(sum, range(1_000_000))
        return loop().time()

    assert run(main()) <= 100.0 + 1.0, "what ran before the hold"


def test_patience_ends_and_says_whose_it_was() -> None:
    async def main() -> list[str]:
        given_up: list[str] = []
        loop().gave_up = given_up.append
        loop().hold("link")
        await asyncio.sleep(5.0)
        return given_up

    assert run(main(), patience_s=0.05) == ["link"]
