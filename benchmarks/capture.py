"""The figures of docs/how-to/register-a-camera.md: `python benchmarks/capture.py [RECORD.json]`.

Needs Aravis (Debian: aravis-tools, gir1.2-aravis-0.8, python3-gi) and nothing else on UDP port 3956 of loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box

from agent.capture.faults import FrameFault
from agent.capture.frame import Frame
from agent.capture.genicam import GenicamSource
from agent.capture.homography import fit, project
from agent.capture.mapping import Mapper
from agent.capture.registration import Point, Registration, register
from agent.capture.resampling import Placement, element_centres_mm
from agent.capture_settings import CalibrationSettings, Checks, Genicam
from thermal.building import build_from_outline
from thermal.part import Part
from thermal.process import Process

SIDE_MM = 40.0
"""200 x 200 elements of 0.2 mm: 40,000."""

FRAMES = 60
SCALE_K = 0.05


def view(size_px: int, share: float = 0.8) -> Registration:
    """A slightly oblique camera that sees the part over `share` of a square frame."""
    half = size_px * share / 2
    corners = [(0.0, 0.0), (SIDE_MM, 0.0), (SIDE_MM, SIDE_MM), (0.0, SIDE_MM)]
    away = [(-1.0, 1.0), (1.0, 0.98), (0.94, -0.95), (-0.93, -1.0)]
    seen = [(size_px / 2 + half * x, size_px / 2 + half * y) for x, y in away]
    points = [Point(pixel=pixel, plate_mm=mm) for pixel, mm in zip(seen, corners, strict=True)]
    return register(points, (size_px, size_px))


def centres_mm(part: Part) -> NDArray[np.float64]:
    """Return the centres of the elements."""
    one = part.geometry_of(0)
    return element_centres_mm(one.dx_m * 1e3, (one.origin_m[0] * 1e3, one.origin_m[1] * 1e3), one.row, one.col)


def mapper(part: Part, registration: Registration) -> Mapper:
    """Return a mapper for the counts of the fake camera."""
    calibration = CalibrationSettings(scale_K=SCALE_K, offset_K=293.0)
    return Mapper(part, registration, Placement(), calibration, Checks(max_K=5000.0, saturated_share_max=1.0))


def mapped(own: Mapper, frame: Frame) -> tuple[NDArray[np.float32], float]:
    """Return the map, and the processor time that it took, seconds: what a busy machine does not change much."""
    began_s = time.thread_time()
    map_K = own.map_K(0, frame)
    return map_K, time.thread_time() - began_s


async def first(source: GenicamSource) -> Frame:
    """Return the first frame, once the camera is there."""
    for _ in range(10):
        try:
            return await source.frame(0, 10.0)
        except FrameFault:
            await asyncio.sleep(0.2)
    raise SystemExit("the fake camera gives no frame: is another one running?")


async def camera(part: Part, size_px: int) -> dict[str, Any]:
    """Take frames of the fake GigE Vision camera, make maps of them, and compare with what it sent."""
    registration = view(size_px)
    own = mapper(part, registration)
    began_s = time.perf_counter()
    resampling = own.prepare(0).resampling
    prepare_s = time.perf_counter() - began_s
    seen = registration.project(centres_mm(part))
    settings = Genicam(camera="GV01", byte_order="big", width_px=size_px, height_px=size_px, frame_rate_Hz=20.0)
    source = GenicamSource(settings)
    await source.open()
    arrived_ms, mapped_ms, cpu_ms, worst_K, compared = [], [], [], 0.0, 0
    frame = await first(source)
    frame.release()
    while len(arrived_ms) < FRAMES:
        frame = await source.frame(0, 5.0)
        here_s = time.monotonic()
        map_K, used_s = await asyncio.to_thread(mapped, own, frame)
        done_s = time.monotonic()
        assert not frame.pixels.flags.owndata, "the frame lies in the shared memory that Aravis filled"
        assert frame.identity is not None
        arrived_ms.append((done_s - frame.arrived_s) * 1e3)
        mapped_ms.append((done_s - here_s) * 1e3)
        cpu_ms.append(used_s * 1e3)
        frame.release()
        if frame.identity[0] + 2 * size_px < 65535:  # its counts wrap around there
            expected = (seen[:, 0] + seen[:, 1] + frame.identity[0]) * SCALE_K + 293.0
            worst_K = max(worst_K, float(np.abs(map_K - expected).max()))
            compared += 1
    await source.close()
    return {
        "frame_px": size_px,
        "pixels_per_element": round(resampling.pixels_per_element, 2),
        "weights": int(resampling.weights.nnz),
        "prepare_s": round(prepare_s, 2),
        "arrival_to_map_ms_median": round(float(np.median(arrived_ms)), 2),
        "arrival_to_map_ms_max": round(max(arrived_ms), 2),
        "map_cpu_ms_median": round(float(np.median(cpu_ms)), 2),
        "map_ms_median": round(float(np.median(mapped_ms)), 2),
        "map_ms_max": round(max(mapped_ms), 2),
        "frames": FRAMES,
        "frames_compared": compared,
        "worst_error_K": round(worst_K, 4),
    }


def corners(pixels_per_element: float, points: int, trials: int = 1000) -> dict[str, Any]:
    """Register from points with 0.5 px noise, and say how far the part's corners are off, in elements."""
    scale = pixels_per_element / 0.2
    marks = [(-2.0, -2.0), (42.0, -2.0), (42.0, 42.0), (-2.0, 42.0)]
    marks += [(20.0, -2.0), (42.0, 20.0), (20.0, 42.0), (-2.0, 20.0)][: points - 4]
    plate = np.array(marks)
    part = np.array([(0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0)])
    true = fit(plate[:4], plate[:4] * (scale, -scale) + [(3, 5), (-4, 2), (-20, 18), (16, 20)])
    random, off = np.random.default_rng(7), []
    for _ in range(trials if points == 4 else trials // 10):
        found = fit(plate, project(true, plate) + random.normal(0.0, 0.5, plate.shape))
        moved = project(found, part) - project(true, part)
        off.append(np.hypot(*moved.T) / pixels_per_element)
    every = np.array(off)
    worst_of_four = every.max(axis=1)
    return {
        "pixels_per_element": pixels_per_element,
        "points": points,
        "corner_error_elements_rms": round(float(np.sqrt(np.mean(np.square(every)))), 3),
        "worst_corner_elements_median": round(float(np.median(worst_of_four)), 3),
        "worst_corner_elements_p95": round(float(np.quantile(worst_of_four, 0.95)), 3),
        "worst_corner_elements_max": round(float(worst_of_four.max()), 3),
    }


def pattern(part: Part, size_px: int) -> dict[str, Any]:
    """Recover a pattern with a hot spot from a frame with 16 bit counts and 0.2 K of noise."""
    registration = view(size_px)
    v, u = np.mgrid[0:size_px, 0:size_px].astype(np.float64)
    q = np.stack((u, v, np.ones_like(u)), axis=-1) @ np.linalg.inv(registration.matrix).T

    def field_K(at: NDArray[np.float64]) -> NDArray[np.float64]:
        hot = 300 * np.exp(-((at[..., 0] - 23) ** 2 + (at[..., 1] - 14) ** 2) / 2 / 2.0**2)
        return np.asarray(400 + 2 * at[..., 0] + 30 * np.sin(at[..., 1] / 3) + hot)

    counts = (field_K(q[..., :2] / q[..., 2:]) - 293.0) / SCALE_K
    counts += np.random.default_rng(3).normal(0, 0.2 / SCALE_K, counts.shape)
    found = mapper(part, registration).map_K(
        0, Frame(np.rint(counts).astype(np.uint16), "pattern", counts_max=65535.0)
    )
    error = np.abs(found - field_K(centres_mm(part)))
    return {
        "frame_px": size_px,
        "worst_error_K": round(float(error.max()), 3),
        "mean_error_K": round(float(error.mean()), 3),
    }


def main() -> None:
    """Measure, print, and write the record where one is named."""
    part = build_from_outline(box(0, 0, SIDE_MM, SIDE_MM), "square", Process(), layers=1, island_mm=4)
    record: dict[str, Any] = {
        "machine": {"processors": os.cpu_count(), "load": os.getloadavg()[0], "system": platform.platform()},
        "elements": part.geometry_of(0).elements,
    }
    fake = subprocess.Popen(
        ["arv-fake-gv-camera-0.8", "-i", "lo", "-s", "GV01"],  # noqa: S607
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        record["camera"] = [asyncio.run(camera(part, size_px)) for size_px in (2048, 1024, 512)]
    finally:
        fake.kill()
        fake.wait()
    record["pattern"] = [pattern(part, size_px) for size_px in (512, 1024, 2048)]
    record["registration"] = [corners(scale, points) for points in (4, 8) for scale in (1.0, 2.0, 4.0, 7.5)]
    print(json.dumps(record, indent=2))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
