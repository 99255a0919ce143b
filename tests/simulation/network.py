"""Connections in memory with the face that websockets' have: delay, jitter, bandwidth, stalls, half-open, losses.

Frames of one direction stay in order; those of two connections overtake each other. A loss that nobody is told of
ends as it does on a real connection: the keep-alive gives up after `PING_S` without an answer. Seeded.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from agent.configuration import Uplink
from tests.support.virtual_processes import Process, current

PING_S = 6.0
"""Keep-alive interval and time-out together, seconds: the defaults of both sides."""


class End:
    """One end of a connection, of the process that owns it."""

    def __init__(self, wire: Wire, owner: Process) -> None:
        self.peer: End
        self.owner = owner
        self.subprotocol = "cosmic.v1"
        self.protocol = SimpleNamespace(close_code=None, close_reason="")
        self.stalled_until_s = 0.0
        self._wire = wire
        self._arrived: deque[bytes] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._last_s = 0.0

    async def send(self, frame: bytes) -> None:
        """Send a frame to the other end; it is there after a delay, behind the frames before."""
        wire = self._wire
        if wire.closed:
            raise ConnectionClosedError(None, None)
        if wire.silent or wire.lost[self is wire.ends[0]]:
            return
        loop = asyncio.get_running_loop()
        at_s = max(loop.time() + wire.delay_s(len(frame)), self.stalled_until_s, self._last_s + 1e-9)
        self._last_s = at_s
        loop.call_at(at_s, self.peer.take, frame, context=self.peer.owner.context)

    def take(self, frame: bytes) -> None:
        """Take in a frame, unless the connection is gone."""
        if not self._wire.closed and not self._wire.silent:
            self._arrived.append(frame)
            self.wake()

    async def recv(self) -> bytes:
        """Return the next frame. Raises ConnectionClosedError when there will be none."""
        while not self._arrived:
            if self._wire.closed:
                raise ConnectionClosedError(self._wire.close_frame, None)
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._arrived.popleft()

    def wake(self) -> None:
        """Let `recv` look again."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both ends."""
        self.protocol.close_code, self.protocol.close_reason = code, reason
        self._wire.close(Close(code, reason))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.recv()


class Wire:
    """A connection: two ends, the agent's and the coordinator's, and what becomes of it."""

    def __init__(self, delay_s: Callable[[int], float], near: Process, far: Process) -> None:
        self.delay_s = delay_s
        self.closed = False
        self.silent = False
        self.lost = [False, False]
        self.close_frame: Close | None = None
        self.ends = (End(self, near), End(self, far))
        self.ends[0].peer, self.ends[1].peer = self.ends[1], self.ends[0]

    def close(self, frame: Close | None = None) -> None:
        """Lose the connection, and have both ends told."""
        if not self.closed:
            self.closed, self.close_frame = True, frame
            for end in self.ends:
                end.owner.call(end.wake)

    def go_silent(self) -> None:
        """Lose every frame from now on; both ends find out by their keep-alive."""
        if not self.silent and not self.closed:
            self.silent = True
            asyncio.get_running_loop().call_later(PING_S, self.close)

    def half_open(self, side: int) -> None:
        """Lose what one end sends from now on; what the other sends arrives until the keep-alive gives up."""
        if not self.closed:
            self.lost[side] = True
            asyncio.get_running_loop().call_later(PING_S, self.close)

    def stall(self, side: int, seconds: float) -> None:
        """Hold the frames that one end sends back for `seconds`."""
        end = self.ends[side]
        end.stalled_until_s = max(end.stalled_until_s, asyncio.get_running_loop().time() + seconds)


class Network:
    """Where the coordinator is reached, when it is there.

    Attributes:
        serve: takes a new connection of an agent's; None while nobody listens.
        wires: the newest connection of every printer.
        latency_s: least delay of a frame; as much again is its mean jitter.
        bytes_s: bandwidth of a connection.
    """

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.serve: Callable[[End, str], None] | None = None
        self.server: Process | None = None
        self.wires: dict[str, Wire] = {}
        self.latency_s = 0.002
        self.bytes_s = 12.5e6

    def dial(self, settings: Uplink, *_options: Any) -> Connecting:
        """Stand where the agent's `dial` stands. The printer's name is in `settings.url`: `ws://memory/NAME`."""
        return Connecting(self, settings.url.rpartition("/")[2])

    def open(self, printer: str) -> End:
        """Open a connection. Raises ConnectionRefusedError when nobody listens."""
        near = current()
        if self.serve is None or self.server is None or not self.server.alive or near is None:
            raise ConnectionRefusedError(111, "nobody listens")
        wire = Wire(self._delay_s, near, self.server)
        self.wires[printer] = wire
        self.server.call(self.serve, wire.ends[1], printer)
        return wire.ends[0]

    def reset(self, process: Process) -> None:
        """Lose the connections of a process that is gone: the system of its machine resets them."""
        for wire in self.wires.values():
            if process in (wire.ends[0].owner, wire.ends[1].owner):
                wire.close()

    def _delay_s(self, size: int) -> float:
        return self.latency_s * (0.5 + self.generator.expovariate(1.0)) + size / self.bytes_s


class Connecting:
    """A connection being opened, to be entered."""

    def __init__(self, network: Network, printer: str) -> None:
        self._network = network
        self._printer = printer
        self._end: End | None = None

    async def __aenter__(self) -> End:
        await asyncio.sleep(2 * self._network.latency_s)
        self._end = self._network.open(self._printer)
        return self._end

    async def __aexit__(self, *_error: object) -> None:
        if self._end is not None:
            await self._end.close()
