"""Loaded parts: shared, kept, let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.configuration import CoordinatorSettings, EngineSettings, Parts
from cloud.parts import PartLibrary, UnknownPart
from cloud.parts.pool import PartPool
from cosmic.errors import EngineError
from thermal.part import Part


def a_pool(directory: Path, *, engine: EngineSettings | None = None, idle_s: float = 300.0) -> PartPool:
    parts = Parts(directory=str(directory), idle_s=idle_s)
    return PartPool(PartLibrary(directory), CoordinatorSettings(parts=parts, engine=engine or EngineSettings()))


@pytest.fixture
async def pool(parts_directory: Path) -> AsyncIterator[PartPool]:
    made = a_pool(parts_directory)
    yield made
    await made.close()


def nothing(*_progress: object) -> None:
    pass


async def test_printers_of_one_part_share_it_and_all_hear_its_progress(pool: PartPool, part: Part) -> None:
    heard: list[int] = []
    opened = [pool.open(part.digest, lambda done, *_: heard.append(done)) for _ in range(3)]
    first, *others = await asyncio.gather(*opened)
    assert all(other is first for other in others)
    assert heard == [1, 1, 1, 2, 2, 2]


async def test_part_in_use_stays_and_one_that_is_not_goes_after_a_while(parts_directory: Path, part: Part) -> None:
    pool = a_pool(parts_directory, idle_s=1e-6)
    await pool.open(part.digest, nothing)
    await pool.open(part.digest, nothing)
    pool.release(part.digest)
    await asyncio.sleep(0)
    assert pool.loaded == 1
    pool.release(part.digest)
    while pool.loaded:
        await asyncio.sleep(0)
    await pool.close()


async def test_printer_that_leaves_while_its_part_loads_does_not_stop_the_loading(
    pool: PartPool, part: Part
) -> None:
    leaving = asyncio.create_task(pool.open(part.digest, nothing))
    staying = asyncio.create_task(pool.open(part.digest, nothing))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).part.digest == part.digest


async def test_failure_is_told_to_all_and_tried_again_for_the_next(parts_directory: Path, part: Part) -> None:
    pool = a_pool(parts_directory, engine=EngineSettings(name="local", blocks_rows=3))
    for _ in range(2):
        results = await asyncio.gather(*(pool.open(part.digest, nothing) for _ in range(2)), return_exceptions=True)
        assert [type(result) for result in results] == [EngineError, EngineError]
        assert pool.loaded == 0
    with pytest.raises(UnknownPart):
        await pool.open("0" * 64, nothing)
    await pool.close()


async def test_closing_while_a_part_loads_ends_its_workers(parts_directory: Path, part: Part) -> None:
    pool = a_pool(parts_directory, engine=EngineSettings(name="local", blocks_rows=4))
    progressed = asyncio.Event()
    opening = asyncio.create_task(pool.open(part.digest, lambda *_: progressed.set()))
    await progressed.wait()
    await pool.close()
    with pytest.raises(asyncio.CancelledError):
        await opening
