"""A worker: holds its block of the operators and answers with partial products. Imports numpy and no more.

Started by an engine as `python -m cloud.worker`, with a socket and a piece of shared memory inherited. Events
come by the socket: JSON for what happens now and then, a packed struct for a window. The worker ends when the
other end of the socket is closed, whatever closed it.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

SERVE = struct.Struct("<cQII")
"""A window: b"S", sequence number, geometry, length of the cell in elements."""

SERVED = struct.Struct("<cQI")
"""Its answer: b"S", sequence number, 0 or the number of what is wrong."""

OK = 0
NO_SUCH_BLOCK = 1

MESSAGE_BYTES_MAX = 32_768
"""Longest event and answer, bytes."""

ERROR_LENGTH_MAX = 1000
"""Longest explanation of a failure, characters."""

Floats = NDArray[np.float64] | NDArray[np.float32]


class Worker:
    """Block row `i`, block column `j` of every operator it was told to load.

    memory: what coordinator and workers share: theta, then a partial y for every column range, each
        `stride` values long.
    """

    def __init__(self, memory: mmap.mmap, precision: str, stride: int) -> None:
        self._memory = np.frombuffer(memory, dtype=precision).reshape(-1, stride)
        self._dtype = np.dtype(precision)
        self._blocks: dict[tuple[int, int], tuple[Floats, Floats, Floats]] = {}

    def invoked(self, event: dict[str, Any]) -> dict[str, Any]:
        """Answer an event of kind `load` or `warm`."""
        if event["kind"] == "load":
            try:
                return {"kind": "loaded", "bytes": self._load(event)}
            except (OSError, ValueError) as error:
                return {"kind": "failed", "error": f"{event['path']}: {error}"[:ERROR_LENGTH_MAX]}
        return {"kind": "warm", "blocks": len(self._blocks), "environment": os.getpid()}

    def serve(self, geometry: int, length: int) -> int:
        """Write the partial product of a window; return what is wrong, 0 for nothing."""
        held = self._blocks.get((geometry, length))
        if held is None:
            return NO_SUCH_BLOCK
        block, theta, partial = held
        np.dot(block, theta, out=partial)
        return OK

    def _load(self, event: dict[str, Any]) -> int:
        """Map a block's file and touch all of it; return its size in bytes."""
        top, bottom = event["rows"]
        left, right = event["columns"]
        block = _map_array(event["path"])
        if block.shape != (bottom - top, right - left) or block.dtype != self._dtype:
            raise ValueError(
                f"the block is {block.dtype}{list(block.shape)}, not {self._dtype}[{bottom - top}, {right - left}]"
            )
        theta = self._memory[0, left:right]
        partial = self._memory[1 + event["column"], top:bottom]
        self._blocks[event["geometry"], event["length"]] = (block, theta, partial)
        return int(block.nbytes)


def _map_array(path: str) -> Floats:
    """Return the array of a .npy file, mapped read-only and read in: pages are shared with whoever maps it."""
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


def answer(worker: Worker, link: socket.socket) -> None:
    """Answer events until the other end is closed."""
    while True:
        try:
            message = link.recv(MESSAGE_BYTES_MAX)
            if not message:
                return
            if message[:1] == b"S":
                _, sequence, geometry, length = SERVE.unpack(message)
                link.send(SERVED.pack(b"S", sequence, worker.serve(geometry, length)))
            else:
                link.send(json.dumps(worker.invoked(json.loads(message))).encode())
        except ConnectionError:  # the coordinator went away
            return


def main() -> None:
    """Run one worker; the only argument is a JSON object: `socket`, `memory`, `precision`, `stride`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the coordinator's, which then ends us
    told = json.loads(sys.argv[1])
    link = socket.socket(fileno=told["socket"])
    size = os.fstat(told["memory"]).st_size
    memory = mmap.mmap(told["memory"], size)
    os.close(told["memory"])
    answer(Worker(memory, told["precision"], told["stride"]), link)


if __name__ == "__main__":
    main()
