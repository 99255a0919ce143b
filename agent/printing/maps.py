"""The map that a layer starts from: the camera's, or a stand-in that is said to be one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.capture import Camera
from cosmic.errors import CaptureError
from thermal.order import predict_map
from thermal.part import Part

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FirstMap:
    """A layer's first map, float32[n], kelvin; where it came from, and why not from the camera."""

    map_K: NDArray[np.float32]
    map_from: str
    cause: str = ""


class Maps:
    """Has maps taken within `limit_s`, seconds; stands in for frames that do not come as `on_fault` says."""

    def __init__(
        self, part: Part, camera: Camera, limit_s: float, on_fault: Literal["predicted", "ambient"] = "predicted"
    ) -> None:
        self._part = part
        self._camera = camera
        self._limit_s = limit_s
        self._on_fault = on_fault
        self._last: tuple[int, NDArray[np.float32], list[int]] | None = None

    async def take(self, layer: int) -> FirstMap:
        """Return the map of `layer`. Never fails: a frame that is missing, late or faulty is stood in for."""
        try:
            map_K = await asyncio.wait_for(self._camera.capture(layer), timeout=self._limit_s)
        except (CaptureError, TimeoutError) as error:
            cause = str(error) or f"no frame within {self._limit_s:g} s"
            map_K, map_from = await asyncio.to_thread(self._without_camera, layer)
            _log.warning("no_frame", layer=layer, cause=cause, map_from=map_from)
            return FirstMap(map_K, map_from, cause)
        return FirstMap(map_K, "camera")

    def printed(self, layer: int, map_K: NDArray[np.float32], order: list[int]) -> None:
        """Note what `layer` started from and in which order it was scanned: the layer above may need it."""
        self._last = (layer, map_K, order)

    def _without_camera(self, layer: int) -> tuple[NDArray[np.float32], str]:
        """Return a stand-in: predicted from the layer below where that is wanted and fits, else ambient."""
        if self._last is not None and self._on_fault == "predicted":
            below, map_K, printed = self._last
            if self._part.geometry_of(below).number == self._part.geometry_of(layer).number:
                return predict_map(self._part, below, map_K, printed), "predicted"
        elements = self._part.geometry_of(layer).elements
        return np.full(elements, self._part.process.ambient_K, dtype=np.float32), "ambient"
