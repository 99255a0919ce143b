"""The printer's driver: whether the machine could reach it, and what it would get."""

from __future__ import annotations

import asyncio
import uuid

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration, BuildFiles, Socket
from agent.driver.file.build_file import parse
from agent.driver.file.cells import hatches_of_cells
from agent.driver.file.folder import Folders
from agent.driver.socket.listening import listen
from cosmic.errors import DriverError
from thermal.part import Part


async def check_driver(settings: AgentConfiguration, part: Part | None) -> Finding:
    """Try what the driver needs before its first event."""
    match settings.printer.driver:
        case "simulated":
            return Finding("driver", Verdict.OK, "simulated: no machine is moved")
        case "socket":
            return await _socket(settings.printer.socket)
        case "file":
            return await asyncio.to_thread(_files, settings.printer.file, part)


async def _socket(settings: Socket) -> Finding:
    """Make the socket as a start would. A machine that connects meanwhile is sent away, and connects again."""
    async with listen(settings, _SendAway):
        text = f"{settings.path} can be made, mode {settings.mode}; the machine's driver connects to it"
    return Finding("driver", Verdict.OK, text)


class _SendAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _files(settings: BuildFiles, part: Part | None) -> Finding:
    """Write where the machine takes its files, and read the first of those that lie there."""
    folders = Folders(settings)
    try:
        trial = folders.write(f".check-{uuid.uuid4().hex}", b"")
        trial.unlink()
        found = folders.next_file(-1, part.layers if part is not None else 1)
    except OSError as error:
        raise DriverError(
            f"the folders cannot be used: {error.strerror or error}",
            where=f"{settings.input_directory}, {settings.output_directory}",
            remedy="let the agent's user read the first and write the second",
        ) from error
    if found is None or part is None:
        text = f"{settings.output_directory} can be written; no build file '{settings.pattern}' waits"
        return Finding("driver", Verdict.OK, f"{text} in {settings.input_directory}")
    build = parse(found.path.read_bytes(), str(found.path))
    cells = hatches_of_cells(build, part.geometry_of(found.layer), str(found.path))
    pieces = sum(len(of_cell) for of_cell in cells.pieces)
    return Finding(
        "driver",
        Verdict.OK,
        f"{found.path.name}, layer {found.layer}: {pieces} pieces in {len(cells.pieces)} cells",
    )
