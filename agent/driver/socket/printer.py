"""The socket driver: listens, speaks with one machine at a time, and takes it back in the middle of a layer.

All of it runs on the event loop's thread. Nothing is waited for when a cell is handed over: it is written to the
socket's buffer, and a machine that does not read is disconnected when too much waits for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import structlog

from agent.configuration import Socket
from agent.driver import interface as told
from agent.driver.socket import lines
from agent.driver.socket.clock import MachineClock
from agent.driver.socket.connection import Connection
from agent.driver.socket.listening import listen
from cosmic.errors import CosmicError, DriverError
from thermal.part import Part

_log = structlog.get_logger()

WINDOW_S_MAX = 3600.0
"""Longest time of one cell that a machine may tell."""


class SocketPrinter:
    """A machine behind a Unix socket, printing `part`."""

    def __init__(self, part: Part, settings: Socket, *, dispatch: str) -> None:
        self._part = part
        self._settings = settings
        self._dispatch = dispatch
        self._listener: told.Listener = lambda _event: None
        self._connections: set[Connection] = set()
        self._machine: Connection | None = None
        self._clock = MachineClock()
        self._windows_s: dict[int, list[float]] = {}
        self._layer = -1
        self._placed = False
        self._begun = False
        self._aborted = ""
        self._over = asyncio.Event()

    # --- what the printing asks -------------------------------------------------------------------------------

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell of `layer` takes: as the machine said, else as the part does, seconds."""
        if layer in self._windows_s:
            return self._windows_s[layer]
        step_s = self._part.process.step_s
        return [int(length) * step_s for length in self._part.geometry_of(layer).lengths]

    def scan(self, window: int, cell: int) -> None:
        """Send `scan`; a machine that is not there is given it when it is back."""
        last = window + 1 == self._part.size_of(self._layer)[1]
        self._send(lines.Scan(layer=self._layer, window=window, cell=cell, last=last))

    def sequence(self, window: int, cells: Sequence[int]) -> None:
        """Send `sequence`."""
        self._send(lines.Sequence(layer=self._layer, window=window, cells=list(cells)))

    def report(self) -> None:
        """Send `report`."""
        self._send(lines.Report())

    def refuse(self, error: DriverError) -> None:
        """Tell the machine which rule it broke, and have it connect anew."""
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.refuse(error)

    def abort(self, reason: str) -> None:
        """Send `abort`; without a machine the job is over at once."""
        self._aborted = reason
        if self._machine is None:
            self._end(told.JobDone(reason))
        else:
            self._send(lines.Abort(reason=reason))

    async def run(self, listener: told.Listener) -> None:
        """Serve the machine until its job is over.

        Raises:
            DriverError: the socket cannot be made.
        """
        self._listener = listener
        async with listen(self._settings, self._connected):
            _log.info("socket_driver", path=self._settings.path, waiting="for the machine's driver")
            try:
                await self._over.wait()
            finally:
                self._machine = None
                for connection in self._connections:
                    connection.close()

    def _connected(self) -> Connection:
        connection = Connection(self._settings, self)
        self._connections.add(connection)
        return connection

    # --- what the connections tell ----------------------------------------------------------------------------

    def greeted(self, connection: Connection, hello: lines.Hello) -> None:
        """Take a machine that said hello. Raises LineError where it is not the one to print with."""
        if self._machine is not None:
            raise lines.LineError(f"{hello.machine} says hello", code="busy", remedy="close the other one first")
        if hello.version != lines.VERSION:
            raise lines.LineError(
                f"version {hello.version}",
                code="unknown_version",
                why=f"this agent speaks version {lines.VERSION}",
                remedy="update the agent or the machine's driver",
            )
        if hello.part not in (None, self._part.digest) or hello.layers > self._part.layers:
            raise lines.LineError(
                f"the machine prints part {hello.part} of {hello.layers} layers",
                code="wrong_part",
                why=f"the agent has part {self._part.digest} of {self._part.layers} layers",
                remedy="load the same part on both sides",
            )
        self._machine, self._clock, self._placed = connection, MachineClock(), False
        _log.info("machine", connected=True, machine=hello.machine)
        digest, layers = self._part.digest, self._part.layers
        self._send(lines.Welcome(version=lines.VERSION, part=digest, layers=layers, dispatch=self._dispatch))
        self._listener(told.Connected(hello.machine))
        if self._aborted:
            self._send(lines.Abort(reason=self._aborted))
        self.report()

    def line(self, connection: Connection, event: lines.Events, layers: int) -> None:
        """Take in a line of the machine. `layers`: of its job, as it said hello. Raises LineError."""
        if connection is not self._machine:
            return
        arrived_s = asyncio.get_running_loop().time()
        layer = getattr(event, "layer", 0)
        if layer >= self._part.layers:
            raise lines.LineError(f"layer {layer}", code="breach", why=f"the part has {self._part.layers} layers")
        match event:
            case lines.Hello():
                raise lines.LineError("hello was said twice", code="breach", remedy="say it once a connection")
            case lines.Job():
                self._begin(event.layers)
                return
            case lines.Fault():
                self._listener(told.Fault(event.text))
                return
            case lines.JobDone():
                self._end(told.JobDone(event.reason, event.complete))
                return
        if not (isinstance(event, lines.Position) and event.layer < 0):
            self._begin(layers)  # an agent that started in the middle of a job was not told of its beginning
        if isinstance(event, lines.CellStarted | lines.CellFinished):
            if not self._placed and event.layer > self._layer:
                return  # it went on while nobody listened; its position, asked for, tells of this cell too
        else:
            self._placed = True
        if isinstance(event, lines.LayerReady):
            self._keep_windows(event)
        if isinstance(event, lines.LayerReady | lines.CellStarted) or (
            isinstance(event, lines.Position) and event.ready
        ):
            self._layer = max(self._layer, event.layer)
        self._listener(self._told(event, arrived_s))

    def lost(self, connection: Connection, cause: str) -> None:
        """A connection is gone; the machine goes on with what it was handed, and may come back."""
        self._connections.discard(connection)
        if connection is not self._machine or self._over.is_set():
            return
        self._machine = None
        _log.warning("machine", connected=False, cause=cause)
        if self._aborted:
            self._end(told.JobDone(self._aborted))
        else:
            self._listener(told.Fault(f"the machine's driver has gone: {cause}"))

    def broke(self, connection: Connection, error: CosmicError) -> None:
        """A connection broke the protocol: it is told so and closed."""
        _log.error("driver_error", cause=str(error))
        if self._machine in (None, connection):  # what strangers do while a machine prints is no fault of its
            self._machine = None
            self._listener(told.Fault(str(error)))
        connection.refuse(error)

    # --- inside -----------------------------------------------------------------------------------------------

    def _begin(self, layers: int) -> None:
        if not self._begun:
            self._begun = True
            self._listener(told.JobStarted(layers))

    def _end(self, event: told.JobDone) -> None:
        if not self._over.is_set():
            self._over.set()
            self._listener(event)

    def _keep_windows(self, event: lines.LayerReady) -> None:
        if event.windows_s is None:
            return
        cells = self._part.size_of(event.layer)[1]
        if len(event.windows_s) != cells or not all(0.0 < each <= WINDOW_S_MAX for each in event.windows_s):
            raise lines.LineError(
                f"windows_s of {len(event.windows_s)} values",
                code="breach",
                where=f"layer {event.layer}",
                why=f"the layer has {cells} cells, each of more than 0 and at most {WINDOW_S_MAX:g} s",
            )
        self._windows_s = {event.layer: event.windows_s}

    def _told(self, event: lines.Events, arrived_s: float) -> told.DriverEvent:
        """Return what a line about a layer tells, in the loop's time."""
        machine_s = getattr(event, "at_s", None)
        at_s = self._clock.loop_time_s(machine_s if machine_s is None else _finite(machine_s), arrived_s)
        match event:
            case lines.Spreading():
                return told.SpreadingStarted(event.layer, event.seconds)
            case lines.LayerReady():
                return told.LayerReady(event.layer)
            case lines.CellStarted():
                return told.CellStarted(event.layer, event.window, event.cell, at_s)
            case lines.CellFinished():
                return told.CellFinished(event.layer, event.window, event.cell, at_s)
            case lines.LayerDone():
                return told.LayerDone(event.layer, event.starved_s)
            case lines.Position():
                return told.Position(event.layer, event.ready, tuple(event.scanned), event.scanning, at_s)
        raise AssertionError("every other event was dealt with before")

    def _send(self, command: lines.Commands) -> None:
        machine = self._machine
        if machine is not None and not machine.send(command):
            self._machine = None
            why = f"more than {self._settings.waiting_bytes_max} bytes wait for the machine"
            error = lines.LineError("the machine's driver does not read", code="slow", why=why)
            _log.error("driver_error", cause=str(error))
            self._listener(told.Fault(str(error)))
            machine.abort()


def _finite(machine_s: float) -> float:
    if not math.isfinite(machine_s):
        raise lines.LineError(f"at_s is {machine_s}", code="bad_line", why="a time is a finite number of seconds")
    return machine_s
