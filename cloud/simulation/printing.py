"""A layer decided by the real controller over any engine, and held against the printer's clock.

Stands where session and agent stand: nothing is sent anywhere. With the whole layer as look-ahead the coordinator
runs ahead of the printer; a decision is late if it is not there when its window begins.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.deciding.controller import Carry, Decision, LayerController, Predictor
from cloud.deciding.guesses import InputGuess
from cloud.engines import Guess, LayerWork
from thermal.part import Part
from thermal.smartscan import SmartScan


@dataclass(frozen=True, slots=True)
class Decided:
    """A layer that was decided.

    Attributes:
        order: the cells, in the order of scanning.
        decided_s: when each was decided, seconds from the layer's start.
        runtime_s: from the layer's start to the last product, seconds.
    """

    order: list[int]
    decided_s: list[float]
    runtime_s: float

    def late(self, windows_s: NDArray[np.float64]) -> int:
        """Return how many windows would have begun without their decision.

        windows_s: float64[cells], seconds, by cell. The first window begins with the first decision; one that is
        late delays nothing, because the printer falls back.
        """
        begins_s = self.decided_s[0]
        late = 0
        for cell, decided_s in zip(self.order, self.decided_s, strict=True):
            late += decided_s > begins_s
            begins_s += float(windows_s[cell])
        return late


async def decide_layer(
    part: Part, layer: int, map_K: NDArray[np.floating], work: LayerWork, predictor: Predictor | None = None
) -> Decided:
    """Decide a whole layer; `work` is ended. Raises EngineError where the engine fails."""
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process)
    controller = LayerController(
        scan,
        geometry.lengths,
        scan.theta_from_map(map_K),
        layer=layer,
        epoch=0,
        predictor=predictor or InputGuess(scan),
    )
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    decided_s: list[float] = []
    try:
        while True:
            step = controller.step()
            if isinstance(step, Carry):
                y = await work.apply(step.cell, step.theta, _guess(controller, step))
                controller.carried(step, y)
            elif isinstance(step, Decision):
                decided_s.append(loop.time() - started_s)
            else:
                work.rest(done=True)
                return Decided(list(controller.order), decided_s, loop.time() - started_s)
    finally:
        work.end()


def _guess(controller: LayerController, carry: Carry) -> Guess:
    return lambda: controller.guess(carry)
