"""A worker of the measurement: takes a map, answers with its rows of it. Started as a process of its own.

`python -m cloud.link.measuring.peer WAY ADDRESS ROWS VALUES PARENT`
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from cloud.link.worker import connect

LIMIT_S = 60.0
PR_SET_PDEATHSIG = 1


def link(address: str, rows: int, values: int) -> None:  # noqa: ARG001  all ways are called alike
    """Answer over our own link."""
    channel = connect({"address": address, "limit_s": LIMIT_S})
    channel.ready("g0-0-0", "measuring", "peer", [])
    while (question := channel.receive()) is not None:
        channel.answer(question.sequence, question.theta[:rows], "")
    channel.close({})


def plain(address: str, rows: int, values: int) -> None:
    """Answer over a bare socket: no frames, sizes known beforehand."""
    host, _, port = address.rpartition(":")
    peer = socket.create_connection((host, int(port)), timeout=LIMIT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    memory = np.empty(values)
    answer = memory[:rows].data.cast("B")
    view = memory.data.cast("B")
    while True:
        filled = 0
        while filled < view.nbytes:
            count = peer.recv_into(view[filled:])
            if count == 0:
                return
            filled += count
        peer.sendall(answer)


def websocket(address: str, rows: int, values: int) -> None:  # noqa: ARG001
    """Answer over a WebSocket without compression."""
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415
    from websockets.sync.client import connect as dial  # noqa: PLC0415

    with dial(f"ws://{address}", compression=None, max_size=2**26, proxy=None) as peer:
        try:
            while True:
                theta = np.frombuffer(peer.recv(), dtype=np.float64)  # type: ignore[arg-type]
                peer.send(theta[:rows].tobytes())
        except ConnectionClosed:
            return


def zeromq(address: str, rows: int, values: int) -> None:  # noqa: ARG001
    """Answer over ZeroMQ."""
    from importlib import import_module  # noqa: PLC0415

    zmq = import_module("zmq")
    context = zmq.Context()
    peer = context.socket(zmq.DEALER)
    peer.setsockopt(zmq.RCVTIMEO, int(LIMIT_S * 1e3))
    peer.setsockopt(zmq.LINGER, 0)
    peer.connect(f"tcp://{address}")
    peer.send(b"ready")
    while True:
        message = peer.recv(copy=False)
        if len(message.buffer) == 0:
            break
        peer.send(np.frombuffer(message.buffer, dtype=np.float64)[:rows], copy=False)
    context.destroy()


def shared(address: str, rows: int, values: int, *, kind: str) -> None:
    """Answer in shared memory; `address`: descriptors of the memory and of both ends, and the worker's number."""
    memory, go, done, number = map(int, address.split(":"))
    vectors = np.frombuffer(mmap.mmap(memory, 2 * values * 8)).reshape(2, values)
    theta, answer = (vector[number * rows : (number + 1) * rows] for vector in vectors)
    while True:
        if kind == "pipe":
            os.read(go, 1)
            answer[:] = theta
            os.write(done, b"x")
        else:
            os.eventfd_read(go)
            answer[:] = theta
            os.eventfd_write(done, 1)


def end_with(parent: int) -> None:
    """Have the kernel end this process when the one that started it is gone, however it went (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it is gone already
        sys.exit()


if __name__ == "__main__":
    end_with(int(sys.argv[5]))
    ways: dict[str, Callable[[str, int, int], None]] = {
        "eventfd": partial(shared, kind="eventfd"),
        "pipe": partial(shared, kind="pipe"),
        "link": link,
        "sockets": plain,
        "streams": plain,
        "websockets": websocket,
        "zeromq": zeromq,
    }
    ways[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
