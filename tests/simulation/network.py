"""Connections in memory with the face that websockets' have: delay, jitter, stalls, half-open, losses. Seeded.

Frames of one direction stay in order. A loss that nobody is told of ends as it does on a real connection: the
keep-alive gives up after `PING_S` without an answer.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

PING_S = 6.0
"""Keep-alive interval and time-out together, seconds: the defaults of both sides."""


class End:
    """One end of a connection."""

    def __init__(self, wire: Wire) -> None:
        self.peer: End
        self.subprotocol = "cosmic.v1"
        self.protocol = SimpleNamespace(close_code=None, close_reason="")
        self.stalled_until_s = 0.0
        self._wire = wire
        self._arrived: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._last_s = 0.0

    async def send(self, frame: bytes) -> None:
        """Send a frame to the other end; it is there after a delay, behind the frames before."""
        await asyncio.sleep(0)
        if self._wire.closed:
            raise ConnectionClosedError(None, None)
        if self._wire.silent:
            return
        loop = asyncio.get_running_loop()
        # The loop runs timers of one time in any order: a nanosecond keeps frames in theirs.
        at_s = max(loop.time() + self._wire.delay_s(), self.stalled_until_s, self._last_s + 1e-9)
        self._last_s = at_s
        loop.call_at(at_s, self.peer.take, frame)

    def take(self, frame: bytes) -> None:
        """Take in a frame, unless the connection is gone."""
        if not self._wire.closed and not self._wire.silent:
            self._arrived.append(frame)
            self._changed.set()

    async def recv(self) -> bytes:
        """Return the next frame. Raises ConnectionClosedError when there will be none."""
        while not self._arrived:
            if self._wire.closed:
                raise ConnectionClosedError(self._wire.close_frame, None)
            self._changed.clear()
            await self._changed.wait()
        return self._arrived.popleft()

    def wake(self) -> None:
        """Let `recv` look again."""
        self._changed.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both ends."""
        self.protocol.close_code, self.protocol.close_reason = code, reason
        self._wire.close(Close(code, reason))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.recv()


@dataclass(eq=False)
class Wire:
    """A connection: two ends and what becomes of it."""

    delay_s: Callable[[], float]
    closed: bool = False
    silent: bool = False
    close_frame: Close | None = None
    ends: tuple[End, End] = field(init=False)

    def __post_init__(self) -> None:
        near, far = End(self), End(self)
        near.peer, far.peer = far, near
        self.ends = (near, far)

    def close(self, frame: Close | None = None) -> None:
        """Lose the connection, and have both ends told."""
        if not self.closed:
            self.closed, self.close_frame = True, frame
            for end in self.ends:
                end.wake()

    def go_silent(self) -> None:
        """Lose every frame from now on; both ends find out by their keep-alive."""
        if not self.silent and not self.closed:
            self.silent = True
            asyncio.get_running_loop().call_later(PING_S, self.close)

    def stall(self, side: int, seconds: float) -> None:
        """Hold the frames that one end sends back for `seconds`."""
        end = self.ends[side]
        end.stalled_until_s = max(end.stalled_until_s, asyncio.get_running_loop().time() + seconds)


class Network:
    """Where the coordinator is reached, when it is there."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.serve: Callable[[End], None] | None = None
        self.wire: Wire | None = None
        self.latency_s = 0.002

    def connect(self, _url: str, **_options: Any) -> Connecting:
        """Stand where websockets' `connect` stands."""
        return Connecting(self)

    def open(self) -> End:
        """Open a connection. Raises ConnectionRefusedError when nobody listens."""
        if self.serve is None:
            raise ConnectionRefusedError(111, "nobody listens")
        wire = Wire(lambda: self.latency_s * (0.5 + self.generator.expovariate(1.0)))
        self.wire = wire
        self.serve(wire.ends[1])
        return wire.ends[0]


class Connecting:
    """A connection being opened, to be entered."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._end: End | None = None

    async def __aenter__(self) -> End:
        await asyncio.sleep(2 * self._network.latency_s)
        self._end = self._network.open()
        return self._end

    async def __aexit__(self, *_error: object) -> None:
        if self._end is not None:
            await self._end.close()
