"""One connection of a machine's driver: bytes to lines, lines to bytes."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from agent.configuration import Socket
from agent.driver.socket.lines import CODES, Commands, Error, Events, Hello, LineError, Splitter, decode, encode
from cosmic.errors import CosmicError

LINGER_S = 1.0
"""How long a connection that is being closed may take to read its last line, seconds."""


class Machine(Protocol):
    """Who is told what a connection brings."""

    def greeted(self, connection: Connection, hello: Hello) -> None:
        """The first line came. Raises LineError where the machine is refused."""

    def line(self, connection: Connection, event: Events, layers: int) -> None:
        """A later line came. Raises LineError where it breaks the protocol."""

    def lost(self, connection: Connection, cause: str) -> None:
        """The connection is gone."""

    def broke(self, connection: Connection, error: CosmicError) -> None:
        """What came breaks the protocol."""


class Connection(asyncio.Protocol):
    """Speaks with whoever connected; tells `machine` what came."""

    def __init__(self, settings: Socket, machine: Machine) -> None:
        self._settings = settings
        self._machine = machine
        self._splitter = Splitter(settings.line_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._layers: int | None = None
        self._closing = False
        self._hello_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for hello, not for ever."""
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_later(self._settings.hello_s, self._no_hello)

    def data_received(self, data: bytes) -> None:
        """Take in what came, line by line."""
        try:
            for line in [] if self._closing else self._splitter.feed(data):
                self._line(line)
        except CosmicError as error:
            self._machine.broke(self, error)

    def connection_lost(self, error: Exception | None) -> None:
        """Say that it is gone."""
        self._stop_timer()
        self._closing = True
        self._machine.lost(self, "it closed the connection" if error is None else str(error))

    def send(self, command: Commands) -> bool:
        """Send a line; return False when too much waits to be read. Never waits."""
        if self._transport is None or self._closing:
            return True
        self._transport.write(encode(command))
        return self._transport.get_write_buffer_size() <= self._settings.waiting_bytes_max

    def refuse(self, error: CosmicError) -> None:
        """Send `error` and close."""
        code = error.code if isinstance(error, LineError) else "breach"
        assert code in CODES, "every code is documented"
        self.send(Error(code=code, text=str(error)))
        self.close()

    def close(self) -> None:
        """Close when what waits is read, or soon."""
        if self._transport is not None and not self._closing:
            self._closing = True
            self._stop_timer()
            self._transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def _line(self, line: bytes) -> None:
        if self._closing:
            return
        event = decode(line)
        if self._layers is not None:
            self._machine.line(self, event, self._layers)
            return
        if not isinstance(event, Hello):
            raise LineError("the first line is not hello", code="no_hello", remedy="say hello first")
        self._stop_timer()
        self._machine.greeted(self, event)
        self._layers = event.layers

    def _no_hello(self) -> None:
        error = LineError(
            f"no hello within {self._settings.hello_s:g} s", code="no_hello", remedy="say hello first"
        )
        self._machine.broke(self, error)

    def _stop_timer(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None
