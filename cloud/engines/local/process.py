"""One worker process: started, told to load, asked, found dead, ended. It knows nothing of the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from cloud.engines.local.memory import SharedVectors
from cloud.worker_process import EVENT, MESSAGE_BYTES_MAX, WINDOW
from cosmic.errors import EngineError

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
"""The workers are the parallelism: a BLAS with threads of its own would only get in their way."""


PROGRAM = "cloud.worker_process"


class WorkerLost(Exception):
    """The worker's end of the socket was closed, or it could not be started."""


class WorkerProcess:
    """A worker from its start to its end; a restarted worker is a new object.

    number: place among the engine's workers.
    column: column range of its blocks.
    lost: told (number) once, when the worker is gone and was not closed.
    program: module that the process runs.

    Attributes:
        wake: the pipe whose bytes wake the worker, -1 where it is gone.
    """

    def __init__(
        self,
        number: int,
        column: int,
        lost: Callable[[int], None],
        program: str = PROGRAM,
    ) -> None:
        self.number = number
        self._program = program
        self._column = column
        self.alive = False
        self._lost = lost
        self._link: socket.socket | None = None
        self.wake = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: asyncio.Future[dict[str, Any]] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return None if self._process is None else self._process.pid

    async def start(self, vectors: SharedVectors) -> None:
        """Start the process. Raises EngineError where the system does not let us."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        woken, self.wake = os.pipe()
        ours.setblocking(False)
        told = {
            "socket": theirs.fileno(),
            "memory": vectors.descriptor,
            "precision": vectors.precision,
            "stride": vectors.stride,
            "column": self._column,
            "woken": woken,
            "answered": vectors.answered,
            "number": self.number,
            "workers": vectors.workers,
        }

        def spawn() -> subprocess.Popen[bytes]:
            return subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", self._program, json.dumps(told)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # stdout is the coordinator's one document
                pass_fds=(theirs.fileno(), vectors.descriptor, woken, vectors.answered),
                env={**os.environ, **ONE_THREAD},
            )

        spawning = asyncio.ensure_future(asyncio.to_thread(spawn))
        try:
            self._process = await asyncio.shield(spawning)
        except OSError as error:
            self._give_up(ours)
            raise EngineError(
                f"worker {self.number} cannot be started: {error.strerror}",
                remedy="check the limits of processes and memory",
            ) from error
        except asyncio.CancelledError:
            await asyncio.wait(
                [spawning]
            )  # it has our descriptors: they must not be closed, and used again, meanwhile
            self._give_up(ours)  # what was started finds its other end closed, and ends
            raise
        finally:
            theirs.close()
            os.close(woken)
        self._link = ours
        self.alive = True
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)

    def serve(self) -> bool:
        """Wake the worker for a window, unless it is gone. Its answer comes by shared memory, a death by `lost`."""
        if not self.alive:
            return False
        with contextlib.suppress(BrokenPipeError):  # it is gone, as the reader finds, too
            os.write(self.wake, WINDOW)
        return True

    async def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an event of kind `load` or `warm`. Raises WorkerLost. One event at a time."""
        assert self._answer is None
        if not self.alive or self._link is None:
            raise WorkerLost
        self._answer = asyncio.get_running_loop().create_future()
        try:
            with contextlib.suppress(ConnectionError):  # the reader finds it closed and fails the answer
                await asyncio.get_running_loop().sock_sendall(self._link, json.dumps(event).encode())
                os.write(self.wake, EVENT)
            return await self._answer
        finally:
            self._answer = None

    async def stop(self) -> None:
        """End the process, at once and whatever it does, and wait until it is gone."""
        self._close_link()
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _readable(self) -> None:
        """Read one message: the loop calls again while there is more."""
        assert self._link is not None
        try:
            message = self._link.recv(MESSAGE_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._gone()
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(json.loads(message))

    def _give_up(self, ours: socket.socket) -> None:
        ours.close()
        self._close_link()

    def _gone(self) -> None:
        self._close_link()
        self._lost(self.number)

    def _close_link(self) -> None:
        self.alive = False
        if self._link is not None:
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            self._link.close()
            self._link = None
        if self.wake >= 0:
            os.close(self.wake)
            self.wake = -1
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerLost())
