"""The coordinator's end of one worker's socket: frames out without copying, frames in into memory that is there.

It works on the socket itself: a stream of asyncio would copy what the kernel does not take at once, and hand
out what it read as new bytes.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from cloud.link.frames import HEADER, HELLO_BYTES_MAX, TEXT_BYTES_MAX, Frame, FrameError, Kind, aligned, unpack

Heard = Callable[["Connection", Frame, memoryview], None]
"""(connection, frame, payload): the payload is valid until it returns. Raises FrameError to cut the worker off."""

Gone = Callable[["Connection", str], None]
"""(connection, why): it was closed by the worker, broke, or was cut off."""


class Connection:
    """One worker's connection, from accept to its end. `gone` is called once, unless `close` comes first.

    Attributes:
        peer: address of the worker, for logs.
        bytes_max: longest payload that is taken.
    """

    def __init__(
        self, link: socket.socket, peer: str, heard: Heard, gone: Gone, loop: asyncio.AbstractEventLoop
    ) -> None:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.bytes_max = HELLO_BYTES_MAX
        self._link = link
        self._heard = heard
        self._gone = gone
        self._loop = loop
        self._memory = aligned(HEADER.size + HELLO_BYTES_MAX)
        self._filled = 0
        self._unsent: deque[memoryview] = deque()
        self._open = True
        loop.add_reader(link.fileno(), self._readable)

    def make_room(self, payload_bytes: int) -> None:
        """Take payloads of up to `payload_bytes` from now on."""
        self.bytes_max = max(payload_bytes, TEXT_BYTES_MAX)
        if self._memory.nbytes < HEADER.size + self.bytes_max:
            memory = aligned(HEADER.size + self.bytes_max)
            memory[: self._filled] = self._memory[: self._filled]
            self._memory = memory

    def send(self, head: bytes, payload: memoryview | None = None) -> None:
        """Send a frame. What the kernel does not take at once is kept as it is, not copied, and sent later."""
        if not self._open:
            return
        parts = [memoryview(head)] if payload is None else [memoryview(head), payload]
        if self._unsent:
            self._unsent.extend(parts)
            return
        try:
            sent = self._link.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            # Said from the loop: whoever sends must be able to finish what it is doing first.
            self._loop.call_soon(self._end, f"the connection broke: {error.strerror}")
            return
        for part in parts:
            if sent < part.nbytes:
                self._unsent.append(part[sent:])
            sent = max(0, sent - part.nbytes)
        if self._unsent:
            self._loop.add_writer(self._link.fileno(), self._writable)

    @property
    def unsent(self) -> bool:
        """Whether an earlier frame is still on its way out."""
        return bool(self._unsent)

    def close(self) -> None:
        """End the connection and say nothing."""
        if not self._open:
            return
        self._open = False
        self._unsent.clear()
        self._loop.remove_reader(self._link.fileno())
        self._loop.remove_writer(self._link.fileno())
        self._link.close()

    def cut_off(self, why: str) -> None:
        """End the connection and say why."""
        self._end(why)

    def _end(self, why: str) -> None:
        if self._open:
            self.close()
            self._gone(self, why)

    def _writable(self) -> None:
        try:
            sent = self._link.sendmsg(list(self._unsent)[:16])
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"the connection broke: {error.strerror}")
            return
        while self._unsent and sent >= self._unsent[0].nbytes:
            sent -= self._unsent.popleft().nbytes
        if self._unsent:
            self._unsent[0] = self._unsent[0][sent:]
        else:
            self._loop.remove_writer(self._link.fileno())

    def _readable(self) -> None:
        try:
            count = self._link.recv_into(self._memory[self._filled :])
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"the connection broke: {error.strerror}")
            return
        if count == 0:
            self._end("it closed the connection")
            return
        self._filled += count
        try:
            while self._open and self._take_frame():
                pass
        except FrameError as error:
            self._end(f"it sent what it may not: {error}")

    def _take_frame(self) -> bool:
        """Hand on the first whole frame of what was read; False where there is none. Raises FrameError."""
        if self._filled < HEADER.size:
            return False
        frame = unpack(self._memory[: HEADER.size])
        if frame.bytes > (self.bytes_max if frame.kind in {Kind.HELLO, Kind.PARTIAL} else TEXT_BYTES_MAX):
            raise FrameError(f"a {frame.kind.name} of {frame.bytes} bytes")
        end = HEADER.size + frame.bytes
        if self._filled < end:
            return False
        memory = self._memory  # listening to the frame may make more room
        self._heard(self, frame, memory[HEADER.size : end])
        rest = self._filled - end
        if rest:  # always from the start: values stay aligned
            self._memory[:rest] = bytes(self._memory[end : self._filled])
        self._filled = rest
        return True
