"""The worker's end of the link: blocking, one socket, numpy and the standard library.

`connect` makes what cloud.worker takes as its channel, from a `serve` event.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from cloud.link.frames import (
    HEADER,
    TEXT_BYTES_MAX,
    TYPE_NAMES,
    TYPES,
    VECTOR_BYTES_MAX,
    FrameError,
    Kind,
    aligned,
    pack,
    unpack,
)
from cloud.worker import Event, Floats, Question

CONNECT_TIMEOUT_S = 3.0
"""Longest wait for the coordinator to take the connection, seconds."""


def connect(event: Event) -> TcpChannel:
    """Return a channel to the coordinator of a `serve` event. Raises OSError, ValueError."""
    host, _, port = event["address"].rpartition(":")
    link = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S)
    return TcpChannel(link, float(event["limit_s"]))


class TcpChannel:
    """A connection to the coordinator.

    link: connected; it is closed by `close`.
    limit_s: so long without a window, and the worker ends on its own, seconds.
    """

    def __init__(self, link: socket.socket, limit_s: float) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A time-out of Python's would make the socket non-blocking: a receive could not wait for a whole vector.
        link.settimeout(None)
        limit = struct.pack("@ll", int(limit_s), int(limit_s % 1.0 * 1e6))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._link = link
        self._head = bytearray(HEADER.size)
        self._memory = aligned(0)
        self._bytes_in = 0
        self._bytes_out = 0

    def ready(self, function: str, token: str, environment: str, resident: Sequence[str]) -> None:
        """Say that windows may come."""
        hello = {"function": function, "token": token, "environment": environment, "resident": list(resident)}
        self._send(Kind.HELLO, json.dumps(hello).encode())

    def receive(self) -> Question | None:
        """Return the next window; its theta is valid until the next call. None: released, or nobody is there.

        Raises FrameError, a ValueError, for what no coordinator of ours sends.
        """
        if not self._fill(memoryview(self._head)):
            return None
        frame = unpack(self._head)
        if frame.kind is Kind.RELEASE:
            return None
        if frame.kind is not Kind.WINDOW or frame.bytes > VECTOR_BYTES_MAX:
            raise FrameError(f"the coordinator sent a {frame.kind.name} of {frame.bytes} bytes")
        if self._memory.nbytes < frame.bytes:
            self._memory = aligned(frame.bytes)
        if not self._fill(self._memory[: frame.bytes]):
            return None
        theta = np.frombuffer(self._memory[: frame.bytes], dtype=TYPE_NAMES[frame.type])
        return Question(frame.sequence, frame.geometry, frame.length, theta)

    def answer(self, sequence: int, partial: Floats | None, error: str) -> None:
        """Send a window's answer: float[rows], or None and what is wrong. Raises OSError."""
        if partial is None:
            self._send(Kind.FAULT, error.encode()[:TEXT_BYTES_MAX], sequence=sequence)
            return
        values = np.ascontiguousarray(partial)
        self._send(Kind.PARTIAL, values.data.cast("B"), type_=TYPES[values.dtype.name], sequence=sequence)

    def close(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Send the summary, end the connection, return the summary with the bytes that went over it."""
        said = {**summary, "bytes_in": self._bytes_in, "bytes_out": self._bytes_out}
        try:
            self._send(Kind.DONE, json.dumps(said).encode())
            self._link.shutdown(socket.SHUT_WR)
        except OSError:  # the coordinator is gone: the platform's answer still says it
            pass
        finally:
            self._link.close()
        return said

    def _fill(self, memory: memoryview) -> bool:
        """Fill `memory`; False when the coordinator is gone or silent for too long."""
        filled = 0
        while filled < memory.nbytes:
            try:
                count = self._link.recv_into(memory[filled:], 0, socket.MSG_WAITALL)
            except (BlockingIOError, ConnectionError):
                return False
            if count == 0:
                return False
            filled += count
        self._bytes_in += filled
        return True

    def _send(self, kind: Kind, payload: bytes | memoryview, *, type_: int = 0, sequence: int = 0) -> None:
        head = pack(kind, len(payload), type_=type_, sequence=sequence)
        sent = self._link.sendmsg([head, payload])
        total = len(head) + len(payload)
        if sent < len(head):
            self._link.sendall(head[sent:])
            sent = len(head)
        if sent < total:
            self._link.sendall(memoryview(payload)[sent - len(head) :])
        self._bytes_out += total
