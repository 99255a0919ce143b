"""GigE Vision and USB3 Vision cameras: a reader process is kept running, and hands frames over in shared memory.

Aravis's Python binding belongs to the system's Python and is not on PyPI; a process of its own lets the agent stay
in its environment, and a driver that crashes or hangs takes no deadline with it: it is ended and started anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import structlog

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import BITS, Frame
from agent.capture_settings import Genicam

_log = structlog.get_logger()

READER = Path(__file__).with_name("aravis_reader.py")

_ASKED_SHARE = 0.9
"""Share of the limit within which the reader must have answered, with a frame or without."""

FAILURES_MAX = 2
"""Requests without a frame, one after the other, after which the camera is connected to anew."""

_END_S = 2.0
"""How long the reader has to stop the camera, seconds; then it is killed."""


class GenicamSource:
    """Reads the camera of `settings`."""

    def __init__(self, settings: Genicam) -> None:
        self._settings = settings
        self.name = settings.camera or "the camera"
        self._supervisor: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._opened: dict[str, Any] | None = None
        self._memory: mmap.mmap | None = None
        self._fault: FrameFault | None = None
        self._changed = asyncio.Event()
        self._was_open = False
        self._failures = 0
        self._number = 0
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def open(self) -> None:
        """Start the reader; returns at once."""
        self._supervisor = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """End the reader and stop the camera."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    async def frame(self, layer: int, limit_s: float) -> Frame:  # noqa: ARG002  a camera knows no layers
        """Return a frame taken after this call.

        Raises:
            FrameFault: the camera is gone, or no whole frame came within `limit_s` seconds.
        """
        ends_s = time.monotonic() + limit_s
        await self._connected(limit_s)
        self._number += 1
        number, loop = self._number, asyncio.get_running_loop()
        answer = self._asked[number] = loop.create_future()
        left_s = ends_s - time.monotonic()
        self._send(do="frame", number=number, limit_s=left_s * _ASKED_SHARE)
        try:
            message = await asyncio.wait_for(answer, left_s)
        except TimeoutError:
            hangs = FrameFault(
                FaultKind.UNPLUGGED,
                f"the process that reads the camera did not answer within {left_s:.2f} s",
                where=self.name,
                remedy="it is started anew; if this comes again, see its messages in the journal",
            )
            self._end(hangs)
            raise hangs from None
        finally:
            self._asked.pop(number, None)
        if message["is"] == "frame":
            self._failures = 0
            return self._frame(message)
        fault = self._no_frame(message["seen"], message["silent"], limit_s)
        self._failures += 1
        if self._failures >= FAILURES_MAX:  # a camera that answers and sends nothing may have lost its settings
            self._failures = 0
            self._end(fault)
        raise fault

    async def _connected(self, limit_s: float) -> None:
        """Wait for the camera while it is connected to for the first time; raise the fault where it is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._opened is None and self._fault is None:
                    self._changed.clear()
                    await self._changed.wait()
        if self._opened is None:
            raise self._fault or FrameFault(
                FaultKind.UNPLUGGED, "the camera is still being connected to", where=self.name, remedy="wait"
            )

    def _frame(self, message: dict[str, Any]) -> Frame:
        assert self._memory is not None, "a frame comes from an open camera"
        assert self._opened is not None, "it has said so"
        slot, width, height = message["slot"], message["width"], message["height"]
        where = f"{self.name}, frame {message['id']}"
        settings = self._settings
        depth = 1 if BITS[settings.pixel_format] == 8 else 2
        stride = width * depth + message["padding"]
        if not message["right_format"] or stride * height > self._opened["payload"]:
            self._send(do="release", slot=slot)
            raise FrameFault(
                FaultKind.FORMAT,
                f"the frame is not {settings.pixel_format}",
                where=where,
                why="the camera was set to it when it was connected to",
                remedy="let no other program change the camera's settings",
            )
        kind = np.dtype(np.uint8 if depth == 1 else "<u2" if settings.byte_order == "little" else ">u2")
        pixels: np.ndarray[Any, Any] = np.ndarray(
            (height, width), kind, self._memory, slot * self._opened["slot_bytes"], (stride, depth)
        )
        process = self._process
        return Frame(
            pixels,
            where,
            identity=(message["id"], message["clock_ns"]),
            counts_max=float(2 ** BITS[settings.pixel_format] - 1),
            arrived_s=message["arrived_s"],
            release=lambda: self._send(process, do="release", slot=slot),
        )

    def _no_frame(self, seen: str, silent: bool, limit_s: float) -> FrameFault:
        if silent:
            return FrameFault(
                FaultKind.UNPLUGGED,
                f"no frame came within {limit_s:.2f} s, and the camera does not answer",
                where=self.name,
                remedy="check the camera's power and cable",
            )
        if seen:
            return FrameFault(
                FaultKind.HALF_WRITTEN,
                f"no whole frame came within {limit_s:.2f} s; the last one ended with '{seen}'",
                where=self.name,
                why="packets were lost on their way",
                remedy="give the camera a network of its own with jumbo frames, and raise net.core.rmem_max",
            )
        return FrameFault(
            FaultKind.MISSING,
            f"no frame came within {limit_s:.2f} s",
            where=self.name,
            why=f"the camera is there, its trigger is '{self._settings.trigger}'",
            remedy="check exposure and frame rate, and raise capture.limit_ms where they are slower",
        )

    # --- the reader ---------------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Keep the reader running."""
        settings = self._settings
        pause_s = settings.backoff_min_s
        while True:
            self._was_open = False
            try:
                await self._read()
            except FrameFault as fault:
                self._down(fault)
            pause_s = settings.backoff_min_s if self._was_open else min(2 * pause_s, settings.backoff_max_s)
            await asyncio.sleep(pause_s)

    def _down(self, fault: FrameFault) -> None:
        """Let nobody wait for a camera that is gone."""
        if str(fault) != str(self._fault):
            _log.warning("camera", camera="down", cause=str(fault))
        self._fault, self._opened, self._memory = fault, None, None
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(fault)
        self._asked.clear()
        self._changed.set()

    async def _read(self) -> None:
        """Run a reader until it ends. Always raises."""
        descriptor = os.memfd_create("cosmic-frames")
        try:
            process = await self._started(descriptor)
            try:
                self._process = process
                self._send(**msgspec.to_builtins(self._settings))
                async with asyncio.timeout(self._settings.connect_s) as patience:
                    await self._listen(process, descriptor, patience)
            except TimeoutError:
                raise FrameFault(
                    FaultKind.UNPLUGGED,
                    f"the camera did not start within {self._settings.connect_s:g} s",
                    where=self.name,
                    remedy="see whether another program holds it, or raise capture.genicam.connect_s",
                ) from None
            finally:
                await _ended(process)
        finally:
            os.close(descriptor)

    async def _started(self, descriptor: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                self._settings.python, "-I", str(READER), str(descriptor),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr.fileno(),
                pass_fds=(descriptor,),
            )  # fmt: skip
        except OSError as error:
            raise FrameFault(
                FaultKind.UNPLUGGED,
                f"{self._settings.python} cannot be started: {error.strerror}",
                where=self.name,
                remedy="install python3-gi, gir1.2-aravis-0.8; capture.genicam.python is the system's Python",
            ) from error

    async def _listen(
        self, process: asyncio.subprocess.Process, descriptor: int, patience: asyncio.Timeout
    ) -> None:
        """Take in what the reader says. Raises FrameFault when it ends."""
        assert process.stdout is not None, "it was asked for"
        async for line in process.stdout:
            message = json.loads(line)
            match message["is"]:
                case "open":
                    patience.reschedule(None)
                    size = message["slots"] * message["slot_bytes"]
                    self._memory = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
                    self._opened, self._fault, self._was_open = message, None, True
                    self._changed.set()
                    _log.info("camera", camera="up", model=message["camera"])
                case "gone":
                    gone = FrameFault(
                        FaultKind(message["kind"]),
                        message["text"],
                        where=self.name,
                        remedy="check the camera's power and cable, and capture.genicam; it is connected to again",
                    )
                    self._down(gone)  # now: ending the reader may take a while
                    raise gone
                case _:
                    self._answer(message)
        raise self._fault or FrameFault(
            FaultKind.UNPLUGGED,
            "the process that reads the camera ended",
            where=self.name,
            remedy="it is started anew; if this comes again, see its messages in the journal",
        )

    def _answer(self, message: dict[str, Any]) -> None:
        asked = self._asked.get(message["number"])
        if asked is not None and not asked.done():
            asked.set_result(message)
        elif message["is"] == "frame":  # whoever asked has given up
            self._send(do="release", slot=message["slot"])

    def _send(self, process: asyncio.subprocess.Process | None = None, **message: Any) -> None:
        """Tell the reader something; one that is gone, or was replaced, needs to know nothing."""
        current = self._process
        if current is None or (process is not None and process is not current) or current.returncode is not None:
            return
        assert current.stdin is not None, "it was asked for"
        with contextlib.suppress(ConnectionError):
            current.stdin.write(json.dumps(message).encode() + b"\n")

    def _end(self, fault: FrameFault) -> None:
        """Kill the reader; the supervisor starts the next."""
        self._down(fault)
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a reader: by the end of its requests, which lets it stop the camera, else by force."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as reason:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(reason, asyncio.CancelledError):
            raise
