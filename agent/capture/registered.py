"""A real camera: frames of a source, made into maps by a mapper. Whatever goes wrong is a named fault."""

from __future__ import annotations

import asyncio
import time
from typing import Self

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame, FrameSource
from agent.capture.mapping import Mapper
from cosmic.errors import CaptureError, CosmicError

_log = structlog.get_logger()

ANSWER_SHARE = 0.95
"""Share of the limit after which the camera itself gives up, so that it can say what is missing."""


class RegisteredCamera:
    """Takes frames from `source` within `limit_s` seconds and makes maps of them with `mapper`."""

    def __init__(self, source: FrameSource, mapper: Mapper, limit_s: float) -> None:
        self.source = source
        self.mapper = mapper
        self._limit_s = limit_s * ANSWER_SHARE
        self._preparing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the source, and begin to prepare the first layer."""
        await self.source.open()
        self._prepare(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the source."""
        if self._preparing is not None:
            await asyncio.gather(self._preparing, return_exceptions=True)
        await self.source.close()

    async def capture(self, layer: int) -> NDArray[np.float32]:
        """Return the map of `layer`, float32[n], kelvin, of a frame taken after this call.

        Raises:
            CaptureError: naming what is wrong with the frame; a FrameFault where it is a known fault.
        """
        began_s = time.monotonic()
        try:
            frame = await self.source.frame(layer, self._limit_s)
            map_K = await self.map_of(layer, frame, self._limit_s - (time.monotonic() - began_s))
        except CaptureError:
            raise
        except CosmicError as error:
            raise CaptureError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error
        except Exception as error:
            # A layer is printed without its map rather than not at all; the cause is told where it is logged.
            raise CaptureError(
                f"{type(error).__name__}: {error}", where=self.source.name, remedy="report this"
            ) from error
        finally:
            self._prepare(layer + 1)
        return map_K

    async def map_of(self, layer: int, frame: Frame, limit_s: float) -> NDArray[np.float32]:
        """Return the map of a frame, which is given back to its source when it has been read.

        Raises:
            FrameFault: the frame is faulty, or its map takes longer than `limit_s` seconds.
        """
        reading = asyncio.ensure_future(asyncio.to_thread(self.mapper.map_K, layer, frame))
        reading.add_done_callback(lambda _: frame.release())
        done, _ = await asyncio.wait([reading], timeout=max(limit_s, 0.0))
        if not done:
            raise FrameFault(
                FaultKind.LATE,
                f"the frame came, its map was not ready within {self._limit_s:.2f} s",
                where=frame.where,
                why="capture.limit_ms is for both",
                remedy="see whether the machine is overloaded, or raise capture.limit_ms",
            )
        return reading.result()

    def _prepare(self, layer: int) -> None:
        """Have what `layer` needs made while nobody waits for it."""
        if layer >= self.mapper.part.layers or (self._preparing is not None and not self._preparing.done()):
            return
        self._preparing = asyncio.create_task(self._prepared(layer))

    async def _prepared(self, layer: int) -> None:
        try:
            prepared = await asyncio.to_thread(self.mapper.prepare, layer)
        except CosmicError as error:  # told again by the layer that needs it
            _log.warning("capture_not_prepared", layer=layer, cause=str(error))
            return
        if prepared.outside:
            _log.warning("elements_outside_frame", layer=layer, elements=prepared.outside)
