"""A frame as a source hands it over, and what a source is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BITS = {"Mono8": 8, "Mono10": 10, "Mono12": 12, "Mono14": 14, "Mono16": 16}
"""Pixel formats with one unpacked value a pixel, by the names of the GenICam Pixel Format Naming Convention."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        pixels: [height, width], counts: uint8, uint16, int16, float32 or float64 in any byte order. A view of
            memory that belongs to the source until `release` is called.
        where: the file, or the camera and the frame's number: where errors say that the fault is.
        identity: what differs from frame to frame, where the source knows it (a camera's frame number and clock).
        counts_max: the highest count of the pixel format; None for floating point.
        arrived_s: when it was complete, seconds of the monotonic clock.
        release: gives the memory back to the source.
    """

    pixels: NDArray[Any]
    where: str
    identity: tuple[int, ...] | None = None
    counts_max: float | None = None
    arrived_s: float = 0.0
    release: Callable[[], None] = _nothing

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])


class FrameSource(Protocol):
    """Where frames come from."""

    name: str

    async def open(self) -> None:
        """Begin. Returns at once; what is not there is connected to again and again."""
        ...

    async def frame(self, layer: int, limit_s: float) -> Frame:
        """Return a frame of `layer`, taken after this call, within `limit_s` seconds.

        Raises:
            FrameFault: there is none that can be used.
        """
        ...

    async def close(self) -> None:
        """End, and leave nothing behind."""
        ...


def counts_max(dtype: np.dtype[Any]) -> float | None:
    """Return the highest value of an integer type; None for floating point."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else None
