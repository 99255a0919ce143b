"""A connection of the port: who it is from, what it may send, and when it is given up."""

from __future__ import annotations

import asyncio
import logging

import structlog
from websockets.asyncio.server import ServerConnection

from cloud.access.strangers import Strangers

OPENING_BYTES_MAX = 64 * 1024
"""Largest message before a job is ready: what comes until then is short."""


class PrinterConnection(ServerConnection):
    """A connection that knows its printer, and does not wait for a peer that sends no request.

    Attributes:
        printer: whose token was shown; empty before.
        token_sha256: hash of that token.
        host: address of the peer.
    """

    strangers: Strangers
    sockets_max = 0
    request_s = 0.0
    message_bytes_max = 0

    printer = ""
    token_sha256 = ""
    host = ""
    _refused = False
    _opening = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many; give the peer a limited time to ask for something."""
        peer = transport.get_extra_info("peername")
        self.host = peer[0] if isinstance(peer, tuple) else ""
        now_s = self.loop.time()
        why = self.strangers.comes(self.host, now_s)
        if not why and len(self.server.handler_tasks) >= self.sockets_max:
            self.strangers.settled(self.host)
            why = f"{self.sockets_max} sockets are open, all there may be"
        if why:
            self._refused = True
            if self.strangers.to_be_said(self.host, now_s):
                structlog.get_logger().warning("connections_closed", peer=self.host, cause=why)
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        self._opening = True
        super().connection_made(transport)
        self.accept_up_to(OPENING_BYTES_MAX)
        self.loop.call_later(self.request_s, self._give_up_unless_asked)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is over."""
        if self._refused:  # never began
            return
        self.settled()
        super().connection_lost(exc)

    def settled(self) -> None:
        """Note that the peer has shown a token that is right, or is gone."""
        if self._opening:
            self._opening = False
            self.strangers.settled(self.host)

    def accept_up_to(self, bytes_max: int) -> None:
        """Accept messages of at most so many bytes from now on, and never more than the limit."""
        self.protocol.max_message_size = min(bytes_max, self.message_bytes_max)

    def _give_up_unless_asked(self) -> None:
        if self.request is None:
            self.transport.abort()


class _ToStructlog(logging.Handler):
    """Hands what the WebSocket library logs on to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno, "websocket", message=record.getMessage(), cause=str(error) if error else None
        )


def library_logger() -> logging.Logger:
    """Return the logger for the WebSocket library: what it says stands in our log."""
    logger = logging.getLogger("cloud.websockets")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(_ToStructlog())
    return logger
