"""A WebSocket of a few lines, so that many printers cost little: no extensions, no fragments, zero masks."""

from __future__ import annotations

import asyncio
import struct
from abc import abstractmethod

from protocol.limits import AGENT_PATH, SUBPROTOCOL

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MASK = b"\0\0\0\0"
"""A mask of zeros is legal, and leaves the payload as it is."""


def request(token: str) -> bytes:
    """Return the request that opens a connection with `token`."""
    return (
        f"GET {AGENT_PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """Return one frame as a client sends it."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return b"".join((head, _MASK, payload))


class Wire(asyncio.Protocol):
    """One connection. What comes is handed to `opened`, `came` and `lost`."""

    def __init__(self, token: str) -> None:
        self.status = 0
        self._token = token
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @abstractmethod
    def opened(self) -> None:
        """The handshake has succeeded."""

    @abstractmethod
    def came(self, payload: bytes) -> None:
        """A binary message came."""

    @abstractmethod
    def lost(self, why: str) -> None:
        """The connection is over, or was refused."""

    def send(self, payload: bytes) -> None:
        """Send one binary message; nothing happens once the connection is over."""
        if self._transport is not None:
            self._transport.write(frame(payload))

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(request(self._token))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        self._transport = None
        self.lost(str(exc) if exc is not None else f"closed (HTTP {self.status})")

    def data_received(self, data: bytes) -> None:
        """Take bytes: the answer to the request, then frames."""
        self._buffer += data
        if self.status != 101:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.status = int(self._buffer[9:12])
            del self._buffer[: end + 4]
            if self.status != 101:
                self.close()
                return
            self.opened()
        self._frames()

    def _frames(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= 2:
            size, head = buffer[start + 1] & 0x7F, 2
            if size == 126:
                if len(buffer) - start < 4:
                    break
                size, head = int.from_bytes(buffer[start + 2 : start + 4]), 4
            elif size == 127:
                if len(buffer) - start < 10:
                    break
                size, head = int.from_bytes(buffer[start + 2 : start + 10]), 10
            if len(buffer) - start < head + size:
                break
            opcode, payload = buffer[start] & 0x0F, bytes(buffer[start + head : start + head + size])
            start += head + size
            if opcode == BINARY:
                self.came(payload)
            elif opcode == PING and self._transport is not None:
                self._transport.write(frame(payload, PONG))
            elif opcode == CLOSE:
                self.close()
        del buffer[:start]
