"""A TCP proxy that does to a connection what networks do: delay, narrow, stall, swallow, reset, cut in a frame.

It stands between real peers as a task of the test. Up is from who connected to who listens; down is the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import Literal, Self

Way = Literal["up", "down"]
WAYS: tuple[Way, Way] = ("up", "down")
CHUNK_BYTES = 65536
WAITING_BYTES_MAX = 256 * 1024
"""What is under way in one direction, bytes: beyond that the sender is no longer read, as with a full window."""

ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER that makes `close` send RST."""


class Proxy:
    """Leads to `port` on 127.0.0.1; `async with` it.

    Attributes:
        port: where it listens.
        delay_s: how long every byte is under way, each way.
        bytes_per_s: how many bytes pass a second, each way; None: as many as come.
        accepted: connections so far.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.accepted = 0
        self._to = port
        self._stalled: dict[Way, bool] = {"up": False, "down": False}
        self._cut: Way | None = None
        self._swallow_new = False
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.refuse()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections from now on: nobody listens."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Reset every connection, both ends (RST)."""
        for connection in list(self._connections):
            connection.reset()

    def cut_in_frame(self, way: Way) -> None:
        """Reset the connection in the middle of the next bytes that go `way`: half of them arrive."""
        self._cut = way

    def stall(self, *ways: Way) -> None:
        """Hold bytes back; none is lost."""
        for way in ways or WAYS:
            self._stalled[way] = True

    def go_on(self) -> None:
        """Let bytes pass again, and new connections."""
        self._stalled = {"up": False, "down": False}
        self._swallow_new = False
        self._tell()

    def swallow(self, *ways: Way, new: bool = False) -> None:
        """Lose all bytes of the connections that are open, for ever: nobody is told that they are gone.

        new: connections made until `go_on` are accepted, and nothing of them arrives either.
        """
        for connection in self._connections:
            connection.swallowed |= set(ways or WAYS)
        self._swallow_new = new

    # --- what connections ask ---------------------------------------------------------------------------------

    async def passable(self, way: Way) -> None:
        """Wait until bytes may go `way`."""
        while self._stalled[way]:
            await self._changed.wait()

    def cuts(self, way: Way) -> bool:
        """Return whether the connection is to be cut now; it is so once."""
        if self._cut != way:
            return False
        self._cut = None
        return True

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = _Connection(self, writer)
        self._connections.add(connection)
        if self._swallow_new:
            connection.swallowed = set(WAYS)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await connection.run(reader, self._to)
        finally:
            self._connections.discard(connection)
            connection.reset()


class _Connection:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, writer: asyncio.StreamWriter) -> None:
        self.swallowed: set[Way] = set()
        self._proxy = proxy
        self._writers = [writer]

    async def run(self, reader: asyncio.StreamReader, port: int) -> None:
        """Pass bytes both ways, until both ends are at their end or the connection is reset."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(far_writer)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass(reader, far_writer, "up"))
            group.create_task(self._pass(far_reader, self._writers[0], "down"))

    def reset(self) -> None:
        """Reset both ends."""
        for writer in self._writers:
            with contextlib.suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        """Read as bytes come, write them when they are due."""
        loop = asyncio.get_running_loop()
        waiting: deque[tuple[float, bytes]] = deque()
        news = asyncio.Event()

        async def deliver() -> None:
            while True:
                while not waiting:
                    news.clear()
                    await news.wait()
                due_s, chunk = waiting[0]
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                await self._proxy.passable(way)
                waiting.popleft()
                room.set()
                if way in self.swallowed:
                    continue
                if not chunk:
                    writer.write_eof()
                    return
                if self._proxy.cuts(way):
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    self.reset()
                    return
                writer.write(chunk)
                await writer.drain()
                if self._proxy.bytes_per_s is not None:
                    await asyncio.sleep(len(chunk) / self._proxy.bytes_per_s)

        room = asyncio.Event()
        delivering = asyncio.create_task(deliver())
        try:
            while True:
                chunk = await reader.read(CHUNK_BYTES if self._proxy.bytes_per_s is None else 1024)
                waiting.append((loop.time() + self._proxy.delay_s, chunk))
                news.set()
                if not chunk:
                    break
                while sum(len(each) for _, each in waiting) > WAITING_BYTES_MAX:
                    room.clear()
                    await room.wait()
            await delivering
        except OSError:
            self.reset()
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
