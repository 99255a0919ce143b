"""The engine of one machine, with real worker processes."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from cloud.access.tokens import TokenFile
from cloud.configuration import EngineSettings
from cloud.deciding.controller import Carry, Decision, Idle, LayerController
from cloud.engines.choosing import plan_of
from cloud.engines.local import LocalEngine
from cloud.engines.local.layer import LocalLayer
from cloud.engines.turns import ProductThreads, Tally, Turns
from cloud.parts.prepared import prepare
from cloud.plans import Plan
from cloud.sharing.cores import usable_cores
from cosmic.errors import EngineError
from tests.cloud.conftest import BLOCKS
from tests.cloud.printer import Printer, dial
from thermal.operators import dense_from_files
from thermal.order import order_layer
from thermal.part import Part, load_part
from thermal.smartscan import SmartScan

WAIT_S = 30.0


def made(part: Part, **changes: Any) -> LocalEngine:
    settings = EngineSettings(name="local", **changes)
    return LocalEngine(part, settings, plan_of(part, settings))


@asynccontextmanager
async def loaded(part: Part, blocks: tuple[int, int] = (4, 1), **changes: Any) -> AsyncIterator[LocalEngine]:
    engine = made(part, blocks_rows=blocks[0], blocks_columns=blocks[1], **changes)
    await engine.load(lambda *_: None)
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
def theta(map_K: NDArray[np.float32]) -> NDArray[np.float64]:
    return map_K.astype(np.float64) - 293.0


def pids(engine: LocalEngine) -> list[int]:
    return [pid for pid in engine.pids if pid is not None]


def wait_until_gone(processes: Iterable[int]) -> None:
    """Return when none of `processes` runs any more."""
    for pid in processes:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([descriptor], [], [], WAIT_S)[0], f"process {pid} still runs"
        finally:
            os.close(descriptor)


@pytest.mark.parametrize("blocks", BLOCKS)
async def test_result_is_that_of_the_dense_operator(
    part: Part, theta: NDArray[np.float64], blocks: tuple[int, int]
) -> None:
    assert part.folder is not None
    async with loaded(part, blocks) as engine:
        assert engine.name == f"local {blocks[0]}x{blocks[1]} float64"
        assert len(pids(engine)) == blocks[0] * blocks[1]
        for geometry in part.geometries:
            dense = dense_from_files(part.folder, geometry, blocks)
            for length in geometry.distinct_lengths:
                given = theta[: geometry.elements]
                cell = geometry.lengths.tolist().index(length)
                y = await engine.apply(geometry.number, cell, given)
                np.testing.assert_allclose(y, dense.apply(length, given), rtol=1e-12)
                assert np.array_equal(y, await engine.apply(geometry.number, cell, given))


@pytest.mark.parametrize("blocks", BLOCKS)
async def test_order_is_that_of_one_process(
    part: Part, map_K: NDArray[np.float32], blocks: tuple[int, int]
) -> None:
    geometry = part.geometry_of(0)
    scan = SmartScan(geometry, part.process)
    controller = LayerController(
        scan, geometry.lengths, scan.theta_from_map(map_K), layer=0, epoch=0, snapshot_bytes_max=2**20
    )
    order = []
    async with loaded(part, blocks) as engine:
        while not isinstance(step := controller.step(), Idle):
            if isinstance(step, Carry):
                controller.carried(step, await engine.apply(0, step.cell, step.theta))
            elif isinstance(step, Decision):
                order.append(step.cell)
    assert order == order_layer(part, 0, map_K).order


async def test_progress_counts_every_block_of_every_worker(part: Part) -> None:
    seen: list[tuple[int, int, str]] = []
    engine = made(part, blocks_rows=2, blocks_columns=2)
    await engine.load(lambda *progress: seen.append(progress))
    await engine.close()
    total = 4 * sum(len(geometry.distinct_lengths) for geometry in part.geometries)
    assert seen == [(done, total, "blocks") for done in range(1, total + 1)]


async def test_printers_that_share_the_engine_get_their_own_results(part: Part, theta: NDArray[np.float64]) -> None:
    async with loaded(part) as engine:
        alone = [await engine.apply(0, 25, theta * k) for k in range(1, 9)]
        together = await asyncio.gather(*(engine.apply(0, 25, theta * k) for k in range(1, 9)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


async def test_worker_killed_in_the_middle_of_a_window_is_replaced_and_the_product_comes(
    part: Part, theta: NDArray[np.float64]
) -> None:
    async with loaded(part, apply_timeout_ms=60_000.0) as engine:
        expected = await engine.apply(0, 25, theta)
        before = pids(engine)
        os.kill(before[2], signal.SIGSTOP)
        asked = asyncio.create_task(engine.apply(0, 25, theta))
        while engine._round is None or engine._round.waiting != {2}:  # the last to answer would tell it
            await asyncio.sleep(0)
            if engine._round is not None:
                engine._take_answers(engine._round)
        os.kill(before[2], signal.SIGKILL)
        assert np.array_equal(await asked, expected)
        after = pids(engine)
        assert after[2] != before[2]
        assert after[:2] + after[3:] == before[:2] + before[3:]
        report = await engine.warm()
        assert (report.workers, report.cold, report.reloaded) == (4, 1, 1)
        assert (await engine.warm()).cold == 0


async def test_worker_killed_between_layers_is_found_cold_and_loaded_again(
    part: Part, theta: NDArray[np.float64]
) -> None:
    async with loaded(part) as engine:
        expected = await engine.apply(0, 25, theta)
        for pid in pids(engine)[:2]:
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(pids(engine)[:2])
        report = await engine.warm()
        assert (report.workers, report.cold, report.reloaded) == (4, 2, 2)
        assert np.array_equal(await engine.apply(0, 25, theta), expected)


async def test_worker_that_hangs_is_replaced_after_the_time_limit(part: Part, theta: NDArray[np.float64]) -> None:
    async with loaded(part, apply_timeout_ms=200.0) as engine:
        expected = await engine.apply(0, 25, theta)
        stopped = pids(engine)[1]
        os.kill(stopped, signal.SIGSTOP)
        assert np.array_equal(await engine.apply(0, 25, theta), expected)
        assert not psutil.pid_exists(stopped)


async def test_engine_fails_after_its_tries_and_works_again_afterwards(
    part: Part, theta: NDArray[np.float64]
) -> None:
    async with loaded(part, apply_timeout_ms=200.0, tries_max=1) as engine:
        expected = await engine.apply(0, 25, theta)
        os.kill(pids(engine)[0], signal.SIGSTOP)
        with pytest.raises(EngineError, match="no product from worker 0") as error:
            await engine.apply(0, 25, theta)
        assert "asked 1 times" in error.value.why
        await engine._crew.replaced()
        assert np.array_equal(await engine.apply(0, 25, theta), expected)


async def test_layer_given_up_in_the_middle_of_a_window_leaves_the_engine_in_order(
    part: Part, theta: NDArray[np.float64]
) -> None:
    async with loaded(part) as engine:
        expected = await engine.apply(0, 25, theta)
        for _ in range(20):
            given_up = asyncio.create_task(engine.apply(0, 25, 2.0 * theta))
            await asyncio.sleep(0)
            given_up.cancel()
            assert np.array_equal(await engine.apply(0, 25, theta), expected)


async def test_missing_blocks_are_named_with_the_command_that_makes_them(part: Part) -> None:
    engine = made(part, blocks_rows=3)
    with pytest.raises(EngineError) as error:
        await engine.load(lambda *_: None)
    assert "cosmic-cloud part build ... --operators dense --blocks 3x1" in error.value.remedy
    assert pids(engine) == []


@pytest.mark.parametrize("damage", ["cut", "missing", "other shape"])
async def test_damaged_block_is_found_while_loading(part: Part, tmp_path: Path, damage: str) -> None:
    assert part.folder is not None
    copy = tmp_path / "plate"
    shutil.copytree(part.folder, copy)
    block = copy / "operators" / "geometry-0001" / "float64-2x2" / "length-00025-block-1-0.npy"
    if damage == "cut":
        block.write_bytes(block.read_bytes()[:-8])
    elif damage == "missing":
        block.unlink()
    else:
        np.save(block, np.zeros((3, 4)))
    engine = made(load_part(copy), blocks_rows=2, blocks_columns=2)
    with pytest.raises(EngineError, match=r"length-00025-block-1-0\.npy"):
        await engine.load(lambda *_: None)
    wait_until_gone(pids(engine))


async def test_workers_end_with_a_coordinator_that_is_killed(
    part: Part, parts_directory: Path, tmp_path: Path
) -> None:
    token = TokenFile(tmp_path / "tokens.json").add("press-1")
    settings = tmp_path / "coordinator.toml"
    settings.write_text(
        f"[listen]\nport = 0\n[parts]\ndirectory = '{parts_directory}'\n"
        f"[tokens]\nfile = '{tmp_path}/tokens.json'\n[engine]\nname = 'local'\nblocks_rows = 4\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import cloud.commands; cloud.commands.main()",
        "serve",
        "--config",
        str(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        listening = msgspec.json.decode(await process.stdout.readline())
        assert listening["event"] == "listening"
        async with dial(f"127.0.0.1:{listening['port']}", token) as socket:
            ready = await Printer(socket).open(part)
            assert ready.engine == "local 4x1 float64"
            workers = [child.pid for child in psutil.Process(process.pid).children()]
            assert len(workers) == 4
            process.kill()
            await process.wait()
            wait_until_gone(workers)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_worker_prints_nothing_and_needs_no_more_than_numpy() -> None:
    names = "structlog", "scipy", "msgspec", "websockets", "asyncio", "thermal", "protocol"
    code = f"import sys, json, cloud.worker; print(json.dumps([n for n in {names!r} if n in sys.modules]))"
    import subprocess

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert json.loads(result.stdout) == []


async def test_groups_hold_only_the_operators_of_their_cells(part: Part, theta: NDArray[np.float64]) -> None:
    async with loaded(part, (2, 2), groups=3, dealing="round-robin") as engine:
        assert engine.name == "local 3 x 2x2 float64"
        assert len(pids(engine)) == 12
        geometry = part.geometries[1]
        given = theta[: geometry.elements]
        assert part.folder is not None
        dense = dense_from_files(part.folder, geometry, (2, 2))
        for cell, length in enumerate(geometry.lengths.tolist()):
            np.testing.assert_allclose(await engine.apply(1, cell, given), dense.apply(length, given), rtol=1e-12)


async def test_plan_of_another_part_is_refused(part: Part) -> None:
    plan = Plan(part="0" * 64, engine="local")
    with pytest.raises(EngineError, match="the plan is for another part"):
        LocalEngine(part, EngineSettings(name="local"), plan)


async def test_worker_whose_product_is_not_finite_is_named(
    part: Part, theta: NDArray[np.float64], tmp_path: Path
) -> None:
    assert part.folder is not None
    copy = tmp_path / "plate"
    shutil.copytree(part.folder, copy)
    block = copy / "operators" / "geometry-0000" / "float64-2x2" / "length-00025-block-1-0.npy"
    values = np.load(block)
    values[3, 4] = np.nan
    np.save(block, values)
    async with loaded(load_part(copy), (2, 2)) as engine:
        layer = engine.begin_layer(0)
        cell = int(np.flatnonzero(part.geometries[0].lengths == 25)[0])
        for _ in range(2):  # the second is waited for in place
            y = await layer.apply(cell, theta)
            assert not np.isfinite(y).all()
            assert layer.suspects(cell).endswith("worker 2")


async def test_nobody_is_named_where_all_products_are_finite(part: Part, theta: NDArray[np.float64]) -> None:
    async with loaded(part, (2, 2)) as engine:
        layer = engine.begin_layer(0)
        await layer.apply(0, theta)
        assert layer.suspects(0) == ""


async def test_values_whose_squares_overflow_are_a_result(part: Part, theta: NDArray[np.float64]) -> None:
    async with loaded(part) as engine:
        expected = await engine.apply(0, 25, theta)
        for _ in range(3):
            np.testing.assert_allclose(await engine.apply(0, 25, theta * 2.0**600), expected * 2.0**600, rtol=1e-12)


async def test_what_a_product_takes_is_known_when_the_workers_are_loaded(part: Part) -> None:
    async with loaded(part, (2, 2)) as engine:
        cost = engine.cost(0)
        assert cost.engine_s > 0.0
        assert cost.product_s == pytest.approx(cost.engine_s * min(4, usable_cores()))
        assert engine.cost(1) == cost, "not measured yet: that of the largest geometry"


async def test_a_part_that_is_prepared_for_local_workers_tells_what_a_window_takes(part: Part) -> None:
    assert part.folder is not None
    settings = EngineSettings(name="local", blocks_rows=2, blocks_columns=2)
    with ProductThreads(1) as threads:
        prepared = await prepare(part.folder, settings, threads, lambda *_: None)
        try:
            assert prepared.cost.engine_s > 0.0
            assert prepared.cost.product_s > 0.0
            assert prepared.cost.loop_s > 0.0
        finally:
            await prepared.engine.close()


async def test_the_product_that_is_due_first_is_made_first_where_layers_share_the_workers(
    part: Part, theta: NDArray[np.float64]
) -> None:
    tally, made_for = Tally(), []
    settings = EngineSettings(name="local", blocks_rows=2, blocks_columns=2)
    engine = LocalEngine(part, settings, plan_of(part, settings), turns=Turns(1, tally))
    await engine.load(lambda *_: None)
    now_s = asyncio.get_running_loop().time()

    async def window(layer: LocalLayer, name: str, due_s: float) -> None:
        layer.due_s = due_s
        expected = await engine.apply(0, 0, theta) if name == "alone" else None
        y = await layer.apply(0, theta)
        assert expected is None or np.array_equal(y, expected)
        assert layer.spent.engine_s > 0.0
        made_for.append(name)

    try:
        alone = engine.begin_layer(0)
        assert isinstance(alone, LocalLayer)
        await window(alone, "alone", now_s)
        assert tally.given == 0, "turns cost time, and nobody could be first"
        layers = [alone, engine.begin_layer(0), engine.begin_layer(0)]
        dues_s = {"far ahead": now_s + 600.0, "in time": now_s + 300.0, "in a hurry": now_s + 60.0}
        work = [window(layer, *due) for layer, due in zip(layers, dues_s.items(), strict=True)]  # type: ignore[arg-type]
        await asyncio.gather(*work)
        assert made_for == ["alone", "in a hurry", "in time", "far ahead"]
        assert (tally.given, tally.late) == (3, 0)
        for layer in layers[1:]:
            layer.end()
            layer.end()
        await window(alone, "alone", now_s)
        assert tally.given == 3
    finally:
        await engine.close()
