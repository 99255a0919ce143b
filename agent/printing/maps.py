"""The map that a layer starts from: the camera's, or a stand-in that is said to be one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.capture import Camera
from cosmic.errors import CaptureError
from thermal.carrying import carry_over
from thermal.operators import Polynomial
from thermal.order import cool, predict_map
from thermal.part import Part

_log = structlog.get_logger()

PREDICTION_S = 0.5
"""How long a prediction that is on its way is waited for when the frame is missing, seconds."""


@dataclass(frozen=True, slots=True)
class FirstMap:
    """A layer's first map, float32[n], kelvin; where it came from, and why not from the camera."""

    map_K: NDArray[np.float32]
    map_from: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class _Printed:
    """What the layer that was printed last started from, and in which order it was scanned."""

    layer: int
    map_K: NDArray[np.float32]
    order: Sequence[int]


class Maps:
    """Has maps taken within `limit_s`, seconds; stands in for frames that do not come as `on_fault` says.

    A prediction takes as long as deciding a whole layer. Where `ahead` says so it is made while powder is laid, so
    that it is there should the frame be missing; otherwise only then, and the layer's first windows may be without.
    """

    def __init__(
        self,
        part: Part,
        camera: Camera,
        limit_s: float,
        on_fault: Literal["predicted", "ambient"] = "predicted",
        *,
        ahead: bool = False,
    ) -> None:
        self._part = part
        self._camera = camera
        self._limit_s = limit_s
        self._on_fault = on_fault
        self._ahead = ahead
        self._last: _Printed | None = None
        self._predicting: tuple[int, asyncio.Future[NDArray[np.float32]]] | None = None

    def reconfigure(self, limit_s: float, on_fault: Literal["predicted", "ambient"]) -> None:
        """Have other settings from the next layer on."""
        self._limit_s, self._on_fault = limit_s, on_fault

    def spreading(self, layer: int) -> None:
        """Powder for `layer` is being laid: there is time to predict its map."""
        if self._ahead:
            self._predict(layer)

    async def take(self, layer: int) -> FirstMap:
        """Return the map of `layer`. Never fails: a frame that is missing, late or faulty is stood in for."""
        try:
            map_K = await asyncio.wait_for(self._camera.capture(layer), timeout=self._limit_s)
        except (CaptureError, TimeoutError) as error:
            cause = str(error) or f"no frame within {self._limit_s:g} s"
            map_K, map_from = await self._without_camera(layer)
            _log.warning("no_frame", layer=layer, cause=cause, map_from=map_from)
            return FirstMap(map_K, map_from, cause)
        return FirstMap(map_K, "camera")

    def printed(self, layer: int, map_K: NDArray[np.float32], order: list[int]) -> None:
        """Note what `layer` started from and in which order it was scanned: the layer above may need it."""
        self._last = _Printed(layer, map_K, tuple(order))

    def _predict(self, layer: int) -> asyncio.Future[NDArray[np.float32]] | None:
        """Return the prediction for `layer`, begun where it was not; None without anything to predict from."""
        if self._predicting is not None and self._predicting[0] == layer:
            return self._predicting[1]
        if self._last is None or self._last.layer != layer - 1 or self._on_fault != "predicted":
            return None
        work = asyncio.ensure_future(asyncio.to_thread(predicted_map, self._part, self._last, layer))
        work.add_done_callback(_look_at)
        self._predicting = (layer, work)
        return work

    async def _without_camera(self, layer: int) -> tuple[NDArray[np.float32], str]:
        """Return a stand-in: predicted from the layer below where that is wanted and in time, else ambient."""
        work = self._predict(layer)
        if work is not None:
            await asyncio.wait({work}, timeout=PREDICTION_S)
            if work.done() and work.exception() is None:
                return work.result(), "predicted"
        elements = self._part.geometry_of(layer).elements
        return np.full(elements, self._part.process.ambient_K, dtype=np.float32), "ambient"


def predicted_map(part: Part, printed: _Printed, layer: int) -> NDArray[np.float32]:
    """Return the map of `layer` that the one below leaves after spreading: float32[n], kelvin.

    The layer below is carried through its windows as it was scanned, cools while powder is laid (`spreading_s` of
    the part's process) and is seen where the new layer lies on it; the rest is at ambient. What the powder hides of
    the heat is not known and not taken off.
    """
    geometry, process = part.geometry_of(printed.layer), part.process
    operator = Polynomial(geometry, process, part.manifest.operator.tolerance)
    hot_K = predict_map(part, printed.layer, printed.map_K, printed.order, operator)
    theta = cool(part, printed.layer, hot_K.astype(np.float64) - process.ambient_K, process.spreading_s, operator)
    seen = carry_over(geometry, part.geometry_of(layer), theta, 0.0)
    return np.asarray(seen + process.ambient_K, dtype=np.float32)


def _look_at(work: asyncio.Future[NDArray[np.float32]]) -> None:
    """Say what went wrong with a prediction: the layer then starts from ambient."""
    if not work.cancelled() and (error := work.exception()) is not None:
        _log.error("no_prediction", cause=f"{type(error).__name__}: {error}")
