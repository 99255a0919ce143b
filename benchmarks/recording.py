"""What recording costs on the deadline path, in bytes, and on a slow disk: `python benchmarks/recording.py [JSON]`.

A layer of 16 cm2 has 40,000 elements and 250 windows. The cost on the deadline path is what the event loop's thread
spends on everything that is told of one window; the share of the loop that the recorder's thread takes is seen by a
timer that should fire every millisecond.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from agent.driver import CellFinished, CellStarted
from agent.keeper import Handover, Outcome
from agent.observers import DecisionReceived, DriverTold, HandedOver, Happening, LayerBegan, MapTaken, WindowEnded
from agent.recorder.channels import JobHeader
from agent.recorder.reading import read
from agent.recorder.recorder import Limits, Recorder
from agent.recorder.writing import Disk

ELEMENTS = 40_000
WINDOWS = 250
LAYERS = 8
WINDOW_S = 0.010
FLUSH_S = 0.1
"""Both a quarter of what they are on a printer: a chunk then holds as many windows as there."""
HEADER = JobHeader(
    job="benchmark",
    part="part",
    digest="0" * 64,
    printer="printer",
    started="2026-11-21T06:12:00Z",
    started_ns=10**18,
)


def of_a_window(layer: int, window: int, now_s: float, generator: np.random.Generator) -> list[Happening]:
    """Return what the printing tells of one window."""
    cell, r = (window * 97) % WINDOWS, 0.006 + 0.001 * generator.random()
    handover = Handover(
        layer=layer, window=window, cell=cell, source="coordinator", order="", outcome=Outcome.ON_TIME, epoch=0,
        deadline_s=now_s + 0.03, slack_s=0.025 + 0.005 * generator.random(), ahead_s=0.4 + generator.random(),
        uniformity=r,
    )  # fmt: skip
    compute_ms = 3.0 + generator.random()
    return [
        DecisionReceived(
            layer=layer,
            epoch=0,
            window=window,
            cell=cell,
            uniformity=r,
            compute_ms=compute_ms,
            drop=None,
            at_s=now_s,
        ),
        HandedOver(handover, now_s),
        DriverTold(CellStarted(layer, window, cell, now_s), now_s),
        DriverTold(CellFinished(layer, window, cell, now_s), now_s),
        WindowEnded(
            handover, cell=cell, loop_lag_s=0.0003 * generator.random(), link_up=True, cause="", at_s=now_s
        ),
    ]


def map_of(layer: int, generator: np.random.Generator) -> np.ndarray:
    """Return a layer's map as a camera sees it: warm, uneven, 1 K of noise."""
    y, x = np.mgrid[0:200, 0:200] / 200.0
    smooth_K = 420.0 + 120.0 * np.sin(3.0 * x + layer) * np.cos(2.0 * y)
    return (smooth_K + generator.normal(0.0, 1.0, x.shape)).astype(np.float32).ravel()


async def printed(recorder: Recorder | None) -> tuple[list[float], list[float]]:
    """Tell the windows of some layers in real time; return the cost of each and the lag of a timer, ms."""
    generator = np.random.default_rng(0)
    loop = asyncio.get_running_loop()
    costs_ms: list[float] = []
    lags_ms: list[float] = []
    watching = asyncio.create_task(watch(lags_ms))
    for layer in range(LAYERS):
        map_K = map_of(layer, generator)
        told: list[list[Happening]] = [
            [
                LayerBegan(layer, WINDOWS, loop.time(), loop.time()),
                MapTaken(layer, map_K, "camera", "", loop.time()),
            ]
        ]
        told += [of_a_window(layer, window, loop.time(), generator) for window in range(WINDOWS)]
        for happenings in told:
            began_s = time.perf_counter()
            if recorder is not None:
                for happening in happenings:
                    recorder.observe(happening)
            costs_ms.append((time.perf_counter() - began_s) * 1e3)
            await asyncio.sleep(WINDOW_S)
    watching.cancel()
    return costs_ms, lags_ms


async def watch(lags_ms: list[float]) -> None:
    """Note how late a timer of a millisecond is."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + 0.001
        await asyncio.sleep(0.001)
        lags_ms.append((loop.time() - due_s) * 1e3)


def percentiles(values: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and largest."""
    p50, p99 = np.percentile(values, (50, 99))
    return {"median_ms": round(float(p50), 4), "p99_ms": round(float(p99), 4), "max_ms": round(max(values), 4)}


async def measured(directory: Path, disk: Disk | None = None) -> dict[str, Any]:
    """Record some layers; return costs, lags, bytes and what became of the messages."""
    limits = Limits(directory=directory, bytes_max=1 << 30, file_bytes_max=1 << 30, flush_s=FLUSH_S)
    recorder = Recorder(limits, HEADER, {}, disk=disk)
    recorder.start()
    costs_ms, lags_ms = await printed(recorder)
    await recorder.close()
    whole = len(read(recorder.path).windows) == LAYERS * WINDOWS
    return {
        "window": percentiles(costs_ms),
        "loop_lag": percentiles(lags_ms),
        "layer_bytes": recorder.counts.bytes // LAYERS,
        "lost": recorder.counts.lost,
        "whole": whole,
    }


def slow_write(fd: int, content: bytes) -> int:
    """Write as a disk does that takes half a second for it."""
    time.sleep(0.5)
    return os.write(fd, content)


def main() -> None:
    """Measure, print a line a result, and write the record where one is named."""
    with tempfile.TemporaryDirectory() as name:
        _, alone_ms = asyncio.run(printed(None))
        record: dict[str, Any] = {"without": {"loop_lag": percentiles(alone_ms)}}
        record["with"] = asyncio.run(measured(Path(name) / "with"))
        record["slow disk, 500 ms a write"] = asyncio.run(measured(Path(name) / "slow", Disk(write=slow_write)))
    for kind, found in record.items():
        for what, figures in found.items():
            print(f"{kind:28s} {what:12s} {figures}")
    record["machine"] = {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
