"""The camera: one real frame, made into the first layer's map as a layer's would be."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from agent.capture.choose import make_mapper, make_source
from agent.capture.faults import FrameFault
from agent.capture.frame import Frame
from agent.capture.registered import RegisteredCamera
from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from thermal.part import Part

ANY_AGE_MS = 1e13
"""While nothing prints, a folder gets no new frame: the newest will do, and its age is told."""


async def check_camera(settings: AgentConfiguration, part: Part | None) -> Finding:
    """Take a frame and make its map."""
    capture = settings.capture
    if capture.source == "simulated":
        return Finding("camera", Verdict.OK, "simulated: no camera is asked")
    if part is None:
        return Finding("camera", Verdict.FAILED, "not tried: there is no part to map to", "mend the part first")
    if capture.source == "folder":
        capture = msgspec.structs.replace(
            capture, folder=msgspec.structs.replace(capture.folder, early_ms=ANY_AGE_MS)
        )
    source = make_source(capture)
    mapper = await asyncio.to_thread(make_mapper, capture, part)
    limit_s = capture.limit_ms / 1e3
    async with RegisteredCamera(source, mapper, limit_s) as camera:
        await asyncio.to_thread(mapper.prepare, 0)  # a layer has it ready before its frame comes
        frame = await _frame(camera, limit_s)
        where, width_px, height_px = frame.where, *frame.size_px
        began_s = time.monotonic()
        map_K = await camera.map_of(0, frame, limit_s)
        took_ms = (time.monotonic() - began_s) * 1e3
    age = _age(Path(where)) if capture.source == "folder" else ""
    return Finding(
        "camera",
        Verdict.OK,
        f"{where}{age}, {width_px} x {height_px} px: map of {map_K.size} elements in {took_ms:.0f} ms, "
        f"{float(map_K.min()):.0f} to {float(map_K.max()):.0f} K",
    )


async def _frame(camera: RegisteredCamera, limit_s: float) -> Frame:
    """Return a frame; a camera that has only just been opened is given a second chance."""
    try:
        return await camera.source.frame(0, limit_s)
    except FrameFault:
        return await camera.source.frame(0, limit_s)


def _age(file: Path) -> str:
    try:
        seconds = max(time.time() - file.stat().st_mtime, 0.0)
    except OSError:
        return ""
    for unit, length_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length_s:
            return f", {seconds / length_s:.0f} {unit} old"
    return f", {seconds:.0f} s old"
