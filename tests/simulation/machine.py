"""A machine that is a process of its own: the simulated printer behind the real socket driver, by a line in memory.

It keeps to docs/reference/socket-driver.md: it goes on with what it was handed while nobody is connected, connects
again, answers `report`, and never takes another cell for a window that has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from agent.driver import interface as told
from agent.driver.simulated import SimulatedPrinter
from agent.driver.socket import lines
from tests.support.virtual_processes import Process, current

LINE_S = 0.0002
"""What a line takes from one side of the socket to the other, seconds."""
AGAIN_S = 0.05
"""Pause before the machine's driver connects again, seconds."""

_commands: msgspec.json.Decoder[lines.Commands] = msgspec.json.Decoder(lines.Commands)


class Pipe:
    """One direction of a connection: bytes arrive in order after `LINE_S`; a transport for the agent's side."""

    def __init__(self, take: Callable[[bytes], None], owner: Process, gone: Callable[[], None]) -> None:
        self._take = take
        self._owner = owner
        self._gone = gone
        self._last_s = 0.0
        self._closed = False

    def write(self, data: bytes) -> None:
        """Send."""
        loop = asyncio.get_running_loop()
        self._last_s = max(loop.time() + LINE_S, self._last_s + 1e-9)
        loop.call_at(self._last_s, self._take, data, context=self._owner.context)

    def get_write_buffer_size(self) -> int:
        """Return that nothing waits."""
        return 0

    def close(self) -> None:
        """Close behind what is on its way."""
        if not self._closed:
            self._closed = True
            self._owner.call(self._gone, after_s=2 * LINE_S)

    abort = close


class Socket:
    """The socket's file: where an agent listens, or nobody."""

    def __init__(self) -> None:
        self.accept: Callable[[], Any] | None = None
        self.agent: Process | None = None

    @asynccontextmanager
    async def listen(self, _settings: object, connected: Callable[[], Any]) -> AsyncIterator[None]:
        """Stand where the driver's `listen` stands."""
        self.accept, self.agent = connected, current()
        try:
            yield
        finally:
            self.accept = None


class Machine:
    """Runs `printer`, and the machine's own driver that tells an agent of it."""

    def __init__(self, printer: SimulatedPrinter, socket: Socket, process: Process) -> None:
        self.printer = printer
        self.over = False
        self._socket = socket
        self._process = process
        self._connection: Any = None
        self._out: Pipe | None = None
        self._welcome = asyncio.Event()
        self._done: lines.JobDone | None = None

    async def run(self) -> None:
        """Print the job, once an agent is there; then wait until one has heard of its end."""
        connecting = asyncio.create_task(self._stay_connected())
        await self._welcome.wait()
        await self.printer.run(self._tell)
        self.over = True
        await connecting

    async def _stay_connected(self) -> None:
        while self._done is None or self._out is None:
            if self._out is None:
                self._connect()
            await asyncio.sleep(AGAIN_S)

    def _connect(self) -> None:
        agent = self._socket.agent
        if self._socket.accept is None or agent is None or not agent.alive:
            return
        connection = self._socket.accept()
        self._connection = connection
        self._out = Pipe(connection.data_received, agent, lambda: connection.connection_lost(None))
        back = Pipe(self._heard, self._process, lambda: self._lost(connection))
        agent.at_death.append(lambda: self._process.call(self._lost, connection))
        agent.call(connection.connection_made, back)
        self._write(lines.Hello(version=1, machine="simulated", layers=self.printer.layers))
        if self._done is not None:
            self._write(self._done)

    def _lost(self, connection: object) -> None:
        if self._connection is connection:
            self._connection = self._out = None

    def _write(self, event: lines.Events) -> None:
        if self._out is not None:
            self._out.write(msgspec.json.encode(event) + b"\n")

    def _heard(self, data: bytes) -> None:
        for line in data.splitlines():
            match _commands.decode(line):
                case lines.Welcome():
                    self._welcome.set()
                case lines.Scan(layer=layer, window=window, cell=cell):
                    self._take(layer, window, [cell])
                case lines.Sequence(layer=layer, window=window, cells=cells):
                    self._take(layer, window, cells)
                case lines.Report():
                    self.printer.report()
                case lines.Abort(reason=reason):
                    self.printer.abort(reason)
                case lines.Error():
                    pass

    def _take(self, layer: int, window: int, cells: list[int]) -> None:
        if layer == self.printer._layer:
            self.printer.sequence(window, cells)  # keeps what a window has already

    def _tell(self, event: told.DriverEvent) -> None:
        """Say an event of the printer's in a line."""
        match event:
            case told.JobStarted(layers=layers):
                self._write(lines.Job(layers=layers))
            case told.SpreadingStarted(layer=layer, seconds=seconds):
                self._write(lines.Spreading(layer=layer, seconds=seconds))
            case told.LayerReady(layer=layer):
                self._write(lines.LayerReady(layer=layer))
            case told.CellStarted(layer=layer, window=window, cell=cell, at_s=at_s):
                self._write(lines.CellStarted(layer=layer, window=window, cell=cell, at_s=at_s))
            case told.CellFinished(layer=layer, window=window, cell=cell, at_s=at_s):
                self._write(lines.CellFinished(layer=layer, window=window, cell=cell, at_s=at_s))
            case told.LayerDone(layer=layer, starved_s=starved_s):
                self._write(lines.LayerDone(layer=layer, starved_s=starved_s))
            case told.Fault(text=text):
                self._write(lines.Fault(text=text))
            case told.Position():
                scanned = list(event.scanned)
                layer = min(event.layer, self.printer.layers - 1)
                if event.layer == layer:
                    ready, scanning = event.ready, event.scanning
                    self._write(
                        lines.Position(
                            layer=layer, ready=ready, scanned=scanned, scanning=scanning, at_s=event.at_s
                        )
                    )
            case told.JobDone(reason=reason, complete=complete):
                self._done = lines.JobDone(reason=reason, complete=complete)
                self._write(self._done)
            case told.Connected():
                pass
