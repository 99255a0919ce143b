"""The report of a job of 200 layers x 250 windows of 40,000 elements: time, size, and how soon a browser shows it.

    python benchmarks/report.py              200 layers
    python benchmarks/report.py 20           fewer
    python benchmarks/report.py 200 r.json   and write the figures

Of the time the processor's is told as well: on a busy machine it is what can be compared. The recording is written
by the real recorder: maps with a camera's noise, orders drawn at random, so that no map is like another. Chromium
(Debian's) opens the page three times with an empty profile; the time is until the first layer can be played.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import box

from agent.driver import CellStarted
from agent.keeper import Handover, Outcome
from agent.observers import DecisionReceived, DriverTold, JobBegan, LayerBegan, LinkChanged, MapTaken, WindowEnded
from agent.recorder.channels import JobHeader
from agent.recorder.recorder import Limits, Recorder
from cosmic import __version__
from thermal.building import build_from_outline
from thermal.manifest import canonical_bytes
from thermal.part import Part, write_part
from thermal.process import Process

SIDE_MM = 40.0
ISLAND_MM = 2.6
CHROMIUM = "/usr/bin/chromium"
OPENED = 3
READY = "document.body.dataset.ready === 'yes'"


def part_in(folder: Path, layers: int) -> Part:
    """Return a square of 16 cm2 with 256 islands, written to a folder."""
    part = build_from_outline(
        box(0, 0, SIDE_MM, SIDE_MM), "square", Process(element_m=2e-4), layers=layers, island_mm=ISLAND_MM
    )
    return write_part(part, folder)


def map_of(layer: int, part: Part, generator: np.random.Generator) -> np.ndarray:
    """Return a layer's map as a camera sees it: warm, uneven, 1 K of noise."""
    geometry = part.geometry_of(layer)
    x, y = geometry.col / geometry.col.max(), geometry.row / geometry.row.max()
    smooth_K = 360.0 + 40.0 * np.sin(3.0 * x + 0.3 * layer) * np.cos(2.0 * y)
    return (smooth_K + generator.normal(0.0, 1.0, x.shape)).astype(np.float32)


async def record(directory: Path, part: Part) -> Path:
    """Write a recording of all layers; return its file."""
    header = JobHeader(
        job="benchmark", part=part.name, digest=part.digest, printer="printer", started="2026-11-21T06:12:00Z",
        started_ns=10**18, agent=__version__,
    )  # fmt: skip
    attached = {
        "part.json": canonical_bytes(part.manifest),
        "configuration.json": json.dumps({"printer": {"part": str(part.folder)}}).encode(),
    }
    limits = Limits(directory=directory, bytes_max=1 << 30, file_bytes_max=1 << 30, flush_s=0.2, sync=False)
    recorder = Recorder(limits, header, attached)
    recorder.start()
    generator = np.random.default_rng(0)
    now_s = asyncio.get_running_loop().time()
    recorder.observe(LinkChanged(up=True, engine="local", cause=""))
    recorder.observe(JobBegan(part=part.name, digest=part.digest, layers=part.layers))
    for layer in range(part.layers):
        cells = part.size_of(layer)[1]
        recorder.observe(LayerBegan(layer, cells, now_s, now_s + 1.0))
        recorder.observe(MapTaken(layer, map_of(layer, part, generator), "camera", "", now_s))
        for window, cell in enumerate(generator.permutation(cells).tolist()):
            now_s = window_at(recorder, layer, window, cell, now_s, generator)
        await asyncio.sleep(0.3)  # let the recorder's thread follow
    await recorder.close()
    return recorder.path


def window_at(
    recorder: Recorder, layer: int, window: int, cell: int, now_s: float, generator: np.random.Generator
) -> float:
    """Tell a window; return when it ends. One in 500 falls back."""
    fell = generator.random() < 0.002
    handover = Handover(
        layer=layer, window=window, cell=cell, source="fallback" if fell else "coordinator",
        order="random" if fell else "", outcome=Outcome.FALLBACK_TIMEOUT if fell else Outcome.ON_TIME, epoch=0,
        deadline_s=now_s, slack_s=0.001 if fell else 0.025 + 0.005 * generator.random(), ahead_s=1.0,
        uniformity=None,
    )  # fmt: skip
    recorder.observe(
        DecisionReceived(
            layer=layer, epoch=0, window=window, cell=cell, uniformity=None, compute_ms=3.0, drop=None, at_s=now_s
        )
    )
    recorder.observe(DriverTold(CellStarted(layer, window, cell, now_s), now_s))
    ends_s = now_s + 0.042
    cause = "no decision came" if fell else ""
    recorder.observe(WindowEnded(handover, cell=cell, loop_lag_s=0.0003, link_up=True, cause=cause, at_s=ends_s))
    return ends_s


def opened(page_file: Path) -> list[float]:
    """Return how long Chromium takes until the first layer can be played, seconds."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    times_s = []
    for _ in range(OPENED):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            began_s = time.perf_counter()
            page.goto(page_file.as_uri())
            page.wait_for_function(READY, timeout=60_000)
            times_s.append(round(time.perf_counter() - began_s, 2))
            browser.close()
    return times_s


def main() -> None:
    """Measure, print a line a result, and write the record where one is named."""
    layers = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        part = part_in(folder / "part", layers)
        recording = asyncio.run(record(folder / "recordings", part))
        page = folder / "report.html"
        words = [Path(sys.executable).parent / "cosmic-agent", "report", recording, "-o", page, "--json"]
        began_s = time.perf_counter()
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
        built_s = time.perf_counter() - began_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures: dict[str, Any] = json.loads(done.stdout)
        record_of: dict[str, Any] = {
            "layers": layers,
            "windows": figures["windows"],
            "elements": part.largest.elements,
            "recording_mb": round(recording.stat().st_size / 1e6, 1),
            "built_s": round(built_s, 1),
            "built_processor_s": round(used.ru_utime + used.ru_stime, 1),
            "built_memory_mb": round(used.ru_maxrss / 1024),
            "layers_compared": len(figures["comparison"]["layers"]),
            "operator": figures["comparison"]["operator"],
            "report_mb": round(page.stat().st_size / 1e6, 1),
            "opened_s": opened(page),
        }
    record_of["machine"] = {
        "processors": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    for key, value in record_of.items():
        print(f"{key:16s} {value}")
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps(record_of, indent=2) + "\n")


if __name__ == "__main__":
    main()
