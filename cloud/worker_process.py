"""The worker as a process of the coordinator's machine: blocks mapped from files, vectors in shared memory.

Started by the local engine as `python -m cloud.worker_process`, with a pipe, a socket, an eventfd and a piece of
shared memory inherited. A byte in the pipe wakes the worker: for what happens now and then, which the socket has as
JSON, or for a window, which costs no message: question and theta are in shared memory, the answer goes there, and
a coordinator that sleeps is woken by an eventfd. The process ends when the other end of the pipe is closed,
whatever closed it. Imports numpy and no more.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cloud.worker import NO_SUCH_BLOCK, OK, Block, Floats, Store, Worker

WINDOW = b"w"
EVENT = b"e"
"""What the pipe's bytes say."""

LINE_WORDS = 8
"""64-bit words of the question in shared memory (cloud.engines.local.memory): a line of the processor's cache."""

WRONG_BITS = 8
"""Bits of an answer that say what was wrong, cloud.worker's numbers; the question's number is above them."""

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


Operands = tuple[Floats, Floats, Floats]
"""A block, theta of its columns, and where its partial product goes."""


class SharedVectors:
    """The shared memory as worker `number` of `workers` sees it; see cloud.engines.local.memory."""

    def __init__(
        self, memory: mmap.mmap, precision: str, stride: int, column: int, number: int, workers: int
    ) -> None:
        words = words_of(workers)
        vectors = np.frombuffer(memory, dtype=precision, offset=words * 8).reshape(-1, stride)
        self._theta = vectors[0]
        self._partial = vectors[1 + column]
        self._words = memoryview(memory)[: words * 8].cast("Q")
        self._answer = LINE_WORDS + number
        self._operands: dict[tuple[int, int], Operands] = {}

    def serve(self, worker: Worker) -> bool:
        """Answer the present question: first the product, then its number with what is wrong.

        Few steps: when a window comes, others have had the processor, and every step's code is far away. Whether
        the product is finite is looked at by the coordinator, once for all workers. Returns whether the
        coordinator sleeps and is to be told; that is looked at last.
        """
        words = self._words
        place = words[1], words[2]
        operands = self._operands.get(place) or self._found(worker, place)
        wrong = OK
        if operands is None:
            wrong = NO_SUCH_BLOCK
        else:
            self.product(*operands)
        words[self._answer] = words[0] << WRONG_BITS | wrong
        return words[3] != 0

    @staticmethod
    def product(values: Floats, theta: Floats, partial: Floats) -> None:
        """Write the product of a block and its columns of theta."""
        np.dot(values, theta, partial)

    def operands(self, block: Block) -> Operands:
        """Return what is multiplied in windows of a block, and where to."""
        return block.values, self._theta[slice(*block.columns)], self._partial[slice(*block.rows)]

    def forget(self) -> None:
        """Look blocks up anew: others may have been loaded."""
        self._operands.clear()

    def _found(self, worker: Worker, place: tuple[int, int]) -> Operands | None:
        block = worker.block(*place)
        if block is None:
            return None
        self._operands[place] = found = self.operands(block)
        return found


def words_of(workers: int) -> int:
    """Return the 64-bit words before the vectors, whole lines: question, and an answer of each of `workers`."""
    return LINE_WORDS * (1 + -(-workers // LINE_WORDS))


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


def answer(worker: Worker, vectors: SharedVectors, link: socket.socket, woken: int, answered: int) -> None:
    """Answer windows and events until the other end of the pipe is closed.

    woken: end of the pipe whose bytes say what there is to do.
    answered: eventfd that wakes the coordinator where it sleeps.
    """
    memory = bytearray(MESSAGE_BYTES_MAX)  # kept: new memory of this size would come from the system every time
    while what := os.read(woken, 1):
        if what == WINDOW:
            if vectors.serve(worker):
                os.eventfd_write(answered, 1)
            continue
        try:
            size = link.recv_into(memory)
            link.send(json.dumps(worker.invoked(json.loads(memory[:size]))).encode())
            vectors.forget()
        except (ConnectionError, json.JSONDecodeError):  # the coordinator went away
            return


def main(
    open_store: Callable[[dict[str, str]], Store] = MappedFiles, shared: type[SharedVectors] = SharedVectors
) -> None:
    """Run one worker; the only argument is JSON, what `WorkerProcess.start` tells it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the coordinator's, which then ends us
    told = json.loads(sys.argv[1])
    link = socket.socket(fileno=told["socket"])
    size = os.fstat(told["memory"]).st_size
    memory = mmap.mmap(told["memory"], size)
    os.close(told["memory"])
    names = "precision", "stride", "column", "number", "workers"
    vectors = shared(memory, *(told[name] for name in names))
    answer(Worker(open_store), vectors, link, told["woken"], told["answered"])


if __name__ == "__main__":
    main()
