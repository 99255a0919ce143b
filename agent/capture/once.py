"""Takes one frame as a layer would, for a person to look at."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.capture.choose import make_mapper, make_source
from agent.capture.drawing import Shot
from agent.capture.faults import FrameFault
from agent.capture.frame import Frame
from agent.capture.mapping import Mapper
from agent.capture.registered import RegisteredCamera
from agent.capture.resampling import Placement
from agent.capture.simulated import SimulatedCamera
from agent.capture_settings import Capture
from agent.plant import Plant
from cosmic.errors import CaptureError
from thermal.part import Part

ANY_AGE_MS = 1e12
"""While nothing prints, a folder gets no new frame: the newest will do."""

CONNECT_S = 20.0
"""How long a camera that is only now connected to may take for its first frame, seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What came of it: the shot to be drawn, the figures as a document, and the fault where there is one."""

    shot: Shot
    document: dict[str, Any]
    fault: CaptureError | None


async def take_once(settings: Capture, part: Part, layer: int) -> Taken:
    """Take a frame and make the map of `layer` of it.

    Raises:
        InputError: a setting or a file that it names cannot be used.
        CaptureError: there is no frame at all.
    """
    if settings.source == "simulated":
        return await _simulated(settings, part, layer)
    early = msgspec.structs.replace(settings.folder, early_ms=ANY_AGE_MS)
    mapper = await asyncio.to_thread(make_mapper, settings, part)
    source = make_source(msgspec.structs.replace(settings, folder=early))
    async with RegisteredCamera(source, mapper, settings.limit_ms / 1e3) as camera:
        limit_s = CONNECT_S if settings.source == "genicam" else settings.limit_ms / 1e3
        frame = await source.frame(layer, limit_s)
        pixels = np.array(frame.pixels, dtype=np.float32)  # the frame goes back to its source
        fault, map_K, took_ms = None, None, 0.0
        try:
            await asyncio.to_thread(mapper.prepare, layer)
            began_s = time.monotonic()
            map_K = await camera.map_of(layer, frame, CONNECT_S)
            took_ms = (time.monotonic() - began_s) * 1e3
        except FrameFault as error:
            fault = error
    return _taken(settings, mapper, layer, frame, pixels, map_K, fault, took_ms)


async def _simulated(settings: Capture, part: Part, layer: int) -> Taken:
    camera = SimulatedCamera(Plant(part, settings.residual), noise_K=settings.noise_K, seed=settings.seed)
    map_K = await camera.capture(layer)
    geometry = part.geometry_of(layer)
    document = {"source": "simulated", "layer": layer, "elements": geometry.elements, **_temperatures(map_K)}
    title = f"simulated camera - layer {layer} of {part.name}"
    shot = Shot(title, geometry, None, None, Placement(), map_K, "", _lines(document))
    return Taken(shot, document, None)


def _taken(
    settings: Capture,
    mapper: Mapper,
    layer: int,
    frame: Frame,
    pixels: NDArray[np.float32],
    map_K: NDArray[np.float32] | None,
    fault: FrameFault | None,
    took_ms: float,
) -> Taken:
    registration, geometry = mapper.registration, mapper.part.geometry_of(layer)
    document: dict[str, Any] = {
        "source": settings.source,
        "frame": frame.where,
        "width_px": frame.size_px[0],
        "height_px": frame.size_px[1],
        "layer": layer,
        "elements": geometry.elements,
        "registration_points": len(registration.points),
        "registration_rms_px": round(registration.rms_px, 3),
    }
    if map_K is not None:
        prepared = mapper.prepare(layer)
        document |= {
            "coverage_percent": round(100 * float(prepared.resampling.coverage.mean(dtype=np.float64)), 2),
            "pixels_per_element": round(prepared.resampling.pixels_per_element, 2),
            "map_ms": round(took_ms, 2),
            **_temperatures(map_K),
        }
    if fault is not None:
        document |= {"fault": fault.kind.value, **fault.as_dict()}
    title = f"{frame.where} - layer {layer} of {mapper.part.name}"
    text = "" if fault is None else str(fault)
    figures = _lines(document)
    return Taken(
        Shot(title, geometry, pixels, registration, mapper.placement, map_K, text, figures), document, fault
    )


def _temperatures(map_K: NDArray[np.float32]) -> dict[str, float]:
    return {
        "coldest_K": round(float(map_K.min()), 1),
        "mean_K": round(float(map_K.mean(dtype=np.float64)), 1),
        "hottest_K": round(float(map_K.max()), 1),
    }


def _lines(document: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the figures of a document as a person reads them."""
    forms = {
        "elements": ("elements", "{}"),
        "coverage_percent": ("in the frame", "{} %"),
        "pixels_per_element": ("scale", "{} pixels an element"),
        "registration_rms_px": ("registration", "{} px rms"),
        "coldest_K": ("coldest", "{} K"),
        "mean_K": ("mean", "{} K"),
        "hottest_K": ("hottest", "{} K"),
        "map_ms": ("frame to map", "{} ms"),
    }
    lines = [(name, form.format(document[key])) for key, (name, form) in forms.items() if key in document]
    points = document.get("registration_points")
    if points == 4:
        lines = [
            (name, f"{value} (4 points: always 0)" if name == "registration" else value) for name, value in lines
        ]
    elif points:
        lines = [(name, f"{value}, {points} points" if name == "registration" else value) for name, value in lines]
    return tuple(lines)
