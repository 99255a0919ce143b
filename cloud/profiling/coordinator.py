"""What the coordinator does itself, measured on this machine: choosing cells, and the polynomial operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from cloud.deciding.controller import Carry, Decision, LayerController
from cloud.deciding.guesses import InputGuess
from cloud.engines.inline import InlineEngine
from cloud.profiling.figures import Figures, Own
from cloud.profiling.sampling import Interval, Samples
from thermal.part import Part
from thermal.smartscan import SmartScan

Advanced = Callable[[], None]


async def measure_coordinator(
    part: Part, samples: Callable[[], Samples], figures: Figures, advanced: Advanced
) -> None:
    """Measure every layer of `part`; writes `operators`, `control` and `spare_ms` into `figures`."""
    tolerance = part.manifest.operator.tolerance
    with ThreadPoolExecutor(1) as threads:
        engine = InlineEngine(part, threads)
        for geometry in part.geometries:
            figures.control.append(Own(geometry.elements, 0, 0.0, await _control(part, geometry.number, samples())))
            first = {int(length): cell for cell, length in enumerate(geometry.lengths)}
            theta = np.full(geometry.elements, 300.0)
            for length in sorted(first):
                taken = samples()
                await engine.apply(geometry.number, first[length], theta)
                while not taken.enough:
                    started_s = perf_counter()
                    await engine.apply(geometry.number, first[length], theta)
                    taken.add(perf_counter() - started_s)
                ms = taken.quantile(0.5).scaled(1e3)
                figures.operators.append(Own(geometry.elements, length, tolerance, ms))
            advanced()
        await engine.close()
    figures.note("spare_ms", figures.operators[-1].ms, "the polynomial operator of the largest layer measured")


async def _control(part: Part, number: int, taken: Samples) -> Interval:
    """Return the time of a window without its product, ms: whole layers are decided, with maps that stay."""
    geometry = part.geometries[number]
    scan = SmartScan(geometry, part.process)
    theta = np.full(geometry.elements, 300.0)
    while not taken.enough:
        controller = LayerController(
            scan, geometry.lengths, theta.copy(), layer=0, epoch=0, predictor=InputGuess(scan)
        )
        last_s = perf_counter()
        while not taken.enough:
            step = controller.step()
            if isinstance(step, Carry):
                controller.carried(step, step.theta)
                await asyncio.sleep(0)
            elif isinstance(step, Decision):
                now_s = perf_counter()
                taken.add(now_s - last_s)
                last_s = now_s
            else:
                break
    return taken.quantile(0.5).scaled(1e3)
