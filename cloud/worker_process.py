"""The worker as a process of the coordinator's machine: blocks mapped from files, vectors in shared memory.

Started by the local engine as `python -m cloud.worker_process`, with a socket and a piece of shared memory
inherited. Events come by the socket: JSON for what happens now and then, a packed struct for a window. The
process ends when the other end of the socket is closed, whatever closed it. Imports numpy and no more.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cloud.worker import NO_SUCH_BLOCK, OK, Floats, Worker

SERVE = struct.Struct("<cQII")
"""A window: b"S", sequence number, geometry, length of the cell in elements."""

SERVED = struct.Struct("<cQI")
"""Its answer: b"S", sequence number, 0 or the number of what is wrong."""

MESSAGE_BYTES_MAX = 131_072
"""Longest event and answer, bytes."""

BLOCKS_MAX = 5000
"""Most blocks of a worker: an answer names each by 16 digits."""


class MappedFiles:
    """Blocks in a folder, mapped read-only: pages are shared with whoever maps them."""

    def __init__(self, store: dict[str, str]) -> None:
        self._folder = store["folder"]

    def read(self, blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Floats]]:
        """Yield every block with its array. Raises OSError, ValueError naming the file."""
        for block in blocks:
            path = os.path.join(self._folder, block["file"])  # noqa: PTH118 - pathlib costs import time
            try:
                yield block, _map_array(path)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error


class SharedVectors:
    """The shared memory as a worker sees it: theta, then a partial y a column range, `stride` values each."""

    def __init__(self, memory: mmap.mmap, precision: str, stride: int, column: int) -> None:
        vectors = np.frombuffer(memory, dtype=precision).reshape(-1, stride)
        self._theta = vectors[0]
        self._partial = vectors[1 + column]

    def multiply(self, worker: Worker, geometry: int, length: int) -> int:
        """Write the partial product of a window; return what is wrong, 0 for nothing."""
        block = worker.block(geometry, length)
        if block is None:
            return NO_SUCH_BLOCK
        np.dot(block.values, self._theta[slice(*block.columns)], out=self._partial[slice(*block.rows)])
        return OK


def _map_array(path: str) -> Floats:
    """Return the array of a .npy file, mapped and read in."""
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs import time in every worker
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version} of the .npy format, not 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
        if fortran or dtype.kind != "f":
            raise ValueError("not a C-ordered array of floats")
        size = os.fstat(file.fileno()).st_size
        if size != start + int(np.prod(shape)) * dtype.itemsize:
            raise ValueError(f"the file has {size} bytes: it was cut off")
        mapped = mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    # Populated pages may still cost a fault of the machine below ours when first read: better now than in a window.
    np.frombuffer(mapped, dtype=np.uint8)[:: mmap.PAGESIZE].sum()
    return np.ndarray(shape, dtype=dtype, buffer=mapped, offset=start)


def answer(worker: Worker, vectors: SharedVectors, link: socket.socket) -> None:
    """Answer events until the other end is closed."""
    while True:
        try:
            message = link.recv(MESSAGE_BYTES_MAX)
            if not message:
                return
            if message[:1] == b"S":
                _, sequence, geometry, length = SERVE.unpack(message)
                link.send(SERVED.pack(b"S", sequence, vectors.multiply(worker, geometry, length)))
            else:
                link.send(json.dumps(worker.invoked(json.loads(message))).encode())
        except ConnectionError:  # the coordinator went away
            return


def main() -> None:
    """Run one worker; the only argument is JSON: `socket`, `memory`, `precision`, `stride`, `column`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the coordinator's, which then ends us
    told = json.loads(sys.argv[1])
    link = socket.socket(fileno=told["socket"])
    size = os.fstat(told["memory"]).st_size
    memory = mmap.mmap(told["memory"], size)
    os.close(told["memory"])
    vectors = SharedVectors(memory, told["precision"], told["stride"], told["column"])
    answer(Worker(MappedFiles), vectors, link)


if __name__ == "__main__":
    main()
