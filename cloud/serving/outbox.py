"""What is on its way to one printer: in order, bounded, decisions joined only while the socket is backed up."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protocol.messages import CoordinatorMessage, Decisions, Progress
from protocol.sessions import CoordinatorSession
from protocol.tables import State

MESSAGES_MAX = 64
"""Messages waiting before the printer is not listened to any more until they are sent."""

DECISIONS_MAX = 1000
"""Most decisions joined in one message: some 30 KB."""

FINISH_S = 2.0
"""Longest wait for the last messages to leave before the connection is closed, seconds."""


@dataclass(slots=True)
class _Decided:
    """Decisions for consecutive windows, not encoded yet."""

    layer: int
    epoch: int
    first_window: int
    cells: list[int] = field(default_factory=list)
    compute_ms: list[float] = field(default_factory=list)
    uniformity: list[float | None] = field(default_factory=list)


class Outbox:
    """The way out of one connection. `run` sends; everything else returns at once."""

    def __init__(self, connection: ServerConnection, session: CoordinatorSession) -> None:
        self._connection = connection
        self._session = session
        self._waiting: deque[bytes | _Decided] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._over = False

    def post(self, message: CoordinatorMessage) -> None:
        """Send `message` after what waits already. Raises LocalProtocolError where it is not legal now."""
        encoded = (self._encoded(item) for item in self._waiting)  # before `message` makes decisions illegal
        self._waiting = deque(item for item in encoded if item is not None)
        frame = self._session.send(message)
        if isinstance(message, Progress) and len(self._waiting) >= MESSAGES_MAX:
            return  # a later one says more
        self._append(frame)

    def decide(
        self, layer: int, epoch: int, window: int, cell: int, compute_ms: float, uniformity: float | None
    ) -> None:
        """Send one decision; joined to the one before where that still waits."""
        last = self._waiting[-1] if self._waiting else None
        if (
            not isinstance(last, _Decided)
            or (last.layer, last.epoch) != (layer, epoch)
            or last.first_window + len(last.cells) != window
            or len(last.cells) >= DECISIONS_MAX
        ):
            last = _Decided(layer, epoch, window)
            self._append(last)
        last.cells.append(cell)
        last.compute_ms.append(compute_ms)
        last.uniformity.append(uniformity)

    async def room(self) -> None:
        """Return when few enough messages wait. Awaited before more is read, so that nobody floods us."""
        await self._room.wait()

    async def finish(self, close_code: int, reason: str) -> None:
        """Let what waits leave, then close the connection. `reason`: cut to what a close frame holds."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self._empty.wait()
        except TimeoutError:
            pass  # a peer that does not read does not read the rest either
        await self._connection.close(close_code, reason.encode()[:120].decode(errors="ignore"))

    async def run(self) -> None:
        """Send until the connection is closed."""
        try:
            while True:
                await self._some.wait()
                frame = self._encoded(self._waiting.popleft()) if self._waiting else None
                if frame is not None:
                    await self._connection.send(frame)
                if not self._waiting:
                    self._some.clear()
                    self._empty.set()
                if len(self._waiting) < MESSAGES_MAX:
                    self._room.set()
        except ConnectionClosed:
            pass
        finally:
            self._over = True  # nobody sends any more: nothing may wait for it
            self._waiting.clear()
            self._empty.set()
            self._room.set()

    def _append(self, item: bytes | _Decided) -> None:
        if self._over:
            return
        self._waiting.append(item)
        self._some.set()
        self._empty.clear()
        if len(self._waiting) >= MESSAGES_MAX:
            self._room.clear()

    def _encoded(self, item: bytes | _Decided) -> bytes | None:
        """Return the frame of `item`, or None for decisions that a new epoch or layer has made void."""
        if isinstance(item, bytes):
            return item
        session = self._session
        if session.state is not State.LAYER or (session.layer, session.epoch) != (item.layer, item.epoch):
            return None
        known = any(value is not None for value in item.uniformity)
        return self._session.send(
            Decisions(
                layer=item.layer,
                epoch=item.epoch,
                first_window=item.first_window,
                cells=item.cells,
                compute_ms=item.compute_ms,
                uniformity=item.uniformity if known else None,
            )
        )
