"""The file driver with real folders: files come whole or in halves, decided or not, and go out whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration, BuildFiles, Capture, Printer
from agent.driver.choose import ladder_of
from agent.driver.file import BuildFilePrinter
from agent.journal import Journal
from agent.observers import Observers
from agent.plant import Plant
from agent.printing import Printing
from agent.status import Status
from cosmic.errors import ConfigurationError, DriverError
from protocol.messages import Decisions
from tests.agent.driver.file.build_files import read_ascii, read_binary, write_ascii, write_binary
from tests.support.virtual_coordinator import VirtualCoordinator
from thermal.part import Part

CELLS = 36


class Plantside:
    """The machine's software: two folders and a real agent between them."""

    def __init__(self, part: Part, folder: Path, *, coordinator: bool = True, **file: Any) -> None:
        self.input, self.output = folder / "in", folder / "out"
        self.input.mkdir(exist_ok=True)
        self.output.mkdir(exist_ok=True)
        files = BuildFiles(
            input_directory=str(self.input),
            output_directory=str(self.output),
            **{"settle_ms": 20.0, "poll_ms": 5.0, "first_number": 1, **file},
        )
        settings = AgentConfiguration(
            printer=Printer(driver="file", file=files, sequence_limit_ms=300.0), capture=Capture()
        )
        self.driver = BuildFilePrinter(part, files)
        self.status = Status("job")
        camera = SimulatedCamera(Plant(part, 0.9), noise_K=1.0, seed=0)
        observers = Observers(Journal("job", 0.005), self.status)
        ladder = ladder_of(self.driver, ["random"], 0)
        self.printing = Printing(settings, part, self.driver, camera, ladder, observers)
        self.coordinator = VirtualCoordinator(part, self.printing.coordinator, decide_s=0.0, delay_s=0.001)
        if coordinator:
            self.printing.coordinator.uplink = self.coordinator  # type: ignore[assignment]

    async def written(self, name: str) -> bytes:
        async with asyncio.timeout(10.0):
            while not (self.output / name).exists():
                await asyncio.sleep(0.002)
        return (self.output / name).read_bytes()

    async def fault(self, words: str) -> None:
        async with asyncio.timeout(10.0):
            while words not in self.status.fault:
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def printing(plant: Plantside) -> AsyncIterator[list[Any]]:
    with capture_logs() as lines:
        task = asyncio.create_task(plant.printing.run())
        try:
            yield lines  # type: ignore[misc]
            plant.printing.stop("SIGTERM")
            await asyncio.wait_for(task, 10.0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def cells_of(hatches: list[Any]) -> list[int]:
    """Return the cells of ASCII hatches in the order scanned."""
    values = [[float(value) for value in hatch[1:]] for hatch in hatches]
    cells = [int((y0 + y1) / 160) * 6 + int((x0 + x1) / 160) for x0, y0, x1, y1 in values]
    return list(dict.fromkeys(cells))


async def test_every_layers_file_is_written_back_in_the_decided_order(square: Part, tmp_path: Path) -> None:
    plant = Plantside(square, tmp_path)
    async with printing(plant) as lines:
        for number in (1, 2, 3):
            raw = write_ascii(number)
            (plant.input / f"layer-{number:05d}.cli").write_bytes(raw)
            written = await plant.written(f"layer-{number:05d}.cli")
            before, after = read_ascii(raw), read_ascii(written)
            assert (after.header, after.hatches, after.contours) == (before.header, before.hatches, before.contours)
            while len([line for line in lines if line["event"] == "layer"]) < number:
                await asyncio.sleep(0.002)
            layer = [line for line in lines if line["event"] == "layer"][-1]
            assert layer["order"] == cells_of(after.order) != cells_of(before.order)
            assert (layer["on_time"], layer["fallbacks"]) == (CELLS, 0)
    assert [line["order"] for line in lines if line["event"] == "build_file"] == ["decided"] * 3
    (job,) = [line for line in lines if line["event"] == "job"]
    assert (job["reason"], job["windows"], job["fallbacks"]) == ("all layers printed", 3 * CELLS, 0)
    assert not list(plant.output.glob("*.part"))


@pytest.mark.parametrize("aligned", [False, True])
async def test_binary_files_too(square: Part, tmp_path: Path, aligned: bool) -> None:
    plant = Plantside(square, tmp_path)
    async with printing(plant):
        raw = write_binary(4, across=2, aligned=aligned)
        (plant.input / "1.cli").write_bytes(raw)
        written = await plant.written("1.cli")
    before, after = read_binary(raw, aligned=aligned), read_binary(written, aligned=aligned)
    assert written != raw
    assert (after.header, after.hatches, after.contours) == (before.header, before.hatches, before.contours)


async def test_without_decisions_the_file_goes_out_as_it_came_at_its_limit_and_that_is_said(
    square: Part, tmp_path: Path
) -> None:
    plant = Plantside(square, tmp_path)
    plant.coordinator.decide_s = 60.0
    async with printing(plant) as lines:
        raw = write_ascii(5, across=3)
        (plant.input / "1.cli").write_bytes(raw)
        assert await plant.written("1.cli") == raw
    (line,) = [line for line in lines if line["event"] == "build_file"]
    assert line["order"] == "original"
    (layer,) = [line for line in lines if line["event"] == "layer"]
    assert (layer["fallback_timeout"], layer["on_time"]) == (CELLS, 0)
    assert {line["fallback_order"] for line in lines if line["event"] == "window"} == {"file"}


async def test_what_was_decided_by_the_limit_comes_first_then_the_files_order(square: Part, tmp_path: Path) -> None:
    plant = Plantside(square, tmp_path)
    decided: list[int] = []

    def only_ten(decisions: Decisions) -> Decisions:
        decided.extend(decisions.cells)
        plant.coordinator.decide_s = 60.0 if len(decided) == 10 else 0.0
        return decisions

    plant.coordinator.mend = only_ten
    raw = write_ascii(6)
    async with printing(plant):
        (plant.input / "1.cli").write_bytes(raw)
        written = await plant.written("1.cli")
    own = [cell for cell in cells_of(read_ascii(raw).order) if cell not in decided]
    assert len(decided) == 10
    assert cells_of(read_ascii(written).order) == decided + own


async def test_without_a_coordinator_files_pass_at_once(square: Part, tmp_path: Path) -> None:
    plant = Plantside(square, tmp_path, coordinator=False)
    raw = write_ascii(7)
    async with printing(plant):
        (plant.input / "1.cli").write_bytes(raw)
        assert await plant.written("1.cli") == raw


@pytest.mark.parametrize("half", [write_ascii(8)[:3000], write_binary(8)[:1001], b""])
async def test_a_half_written_file_is_waited_for_and_never_passed_on(
    square: Part, tmp_path: Path, half: bytes
) -> None:
    plant = Plantside(square, tmp_path, incomplete_s=0.1)
    async with printing(plant) as lines:
        (plant.input / "1.cli").write_bytes(half)
        await plant.fault("it is waited for until it is whole")
        assert not list(plant.output.iterdir())
        whole = write_ascii(8)
        (plant.input / "1.cli").write_bytes(whole)
        assert read_ascii(await plant.written("1.cli")).hatches == read_ascii(whole).hatches
    assert len([line for line in lines if line["event"] == "printer_fault"]) == 1, "said once"


async def test_a_file_that_does_not_follow_the_part_is_passed_on_as_it_is_and_named(
    square: Part, tmp_path: Path
) -> None:
    plant = Plantside(square, tmp_path)
    raw = write_ascii(9).replace(b"UNITS/0.01", b"UNITS/0.02")
    async with printing(plant):
        (plant.input / "1.cli").write_bytes(raw)
        assert await plant.written("1.cli") == raw
        await plant.fault("the file was passed on as it is")


async def test_a_restarted_agent_goes_on_where_files_are_missing(square: Part, tmp_path: Path) -> None:
    plant = Plantside(square, tmp_path)
    for number in (1, 2):
        (plant.input / f"{number}.cli").write_bytes(write_ascii(number))
    (plant.input / "notes.cli").write_text("no number")
    (plant.input / "77.cli").write_text("no such layer")
    (plant.output / "1.cli").write_text("done")
    async with printing(plant) as lines:
        await plant.written("2.cli")
    assert [line["layer"] for line in lines if line["event"] == "layer"] == [1]
    assert (plant.output / "1.cli").read_text() == "done"


async def test_a_folder_that_cannot_be_written_is_named_and_tried_again(square: Part, tmp_path: Path) -> None:
    plant = Plantside(square, tmp_path)
    plant.output.rmdir()
    async with printing(plant):
        (plant.input / "1.cli").write_bytes(write_ascii(1))
        await plant.fault("cannot be written for the machine")
        plant.output.mkdir()
        assert await plant.written("1.cli")


def test_folders_that_cannot_be_used_are_named(square: Part, tmp_path: Path) -> None:
    for settings, match in (
        (BuildFiles(), "it is not set"),
        (BuildFiles(input_directory=str(tmp_path), output_directory=str(tmp_path / "absent")), "is no folder"),
        (BuildFiles(input_directory=str(tmp_path), output_directory=str(tmp_path)), "is the input as well"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            BuildFilePrinter(square, settings)


async def test_single_cells_are_refused(square: Part, tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="takes whole layers"):
        Plantside(square, tmp_path).driver.scan(0, 1)
