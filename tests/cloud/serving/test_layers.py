"""One layer's loop by itself: what it counts of an engine whose products do not wait for turns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.deciding.controller import LayerController
from cloud.engines import Guess
from cloud.engines.turns import Tally
from cloud.serving.layers import LayerLoop
from cloud.serving.ledger import Ledger
from tests.support import virtual_time
from thermal.operators import Polynomial
from thermal.part import Part
from thermal.smartscan import SmartScan

WINDOW_S = 0.04


class Slow:
    """A LayerWork whose products take so long each, without turns."""

    def __init__(self, part: Part, taken_s: Sequence[float]) -> None:
        self._geometry = part.geometry_of(0)
        self._operator = Polynomial(self._geometry, part.process)
        self._taken_s = iter(taken_s)

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        del guess
        await asyncio.sleep(next(self._taken_s, 0.0))
        return self._operator.apply(int(self._geometry.lengths[cell]), theta)

    def rest(self, *, done: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def figures(self) -> dict[str, Any]:
        return {}

    def suspects(self, cell: int) -> str:
        return f"nobody, for {cell}"


class Nobody:
    """Takes decisions."""

    def decide(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("taken_s", "due_in_s", "late"),
    [
        ([0.01] * 36, 0.02, 0),
        ([0.01] * 30 + [0.03] * 6, 0.02, 6),
        ([0.03] * 36, -1.0, 0),  # asked for too late: not for want of anything here
    ],
)
def test_products_that_come_after_they_are_due_are_counted(
    part: Part, map_K: NDArray[np.float32], taken_s: list[float], due_in_s: float, late: int
) -> None:
    geometry = part.geometry_of(0)
    scan = SmartScan(geometry, part.process)
    tally = Tally()

    async def layer() -> None:
        controller = LayerController(scan, geometry.lengths, scan.theta_from_map(map_K), layer=0, epoch=0)
        loop = asyncio.get_running_loop()
        running = LayerLoop(
            controller,
            cast("Any", SimpleNamespace(epoch=0, prefix=[], windows_reported=0)),
            Slow(part, taken_s),
            cast("Any", Nobody()),
            lambda reason: pytest.fail(str(reason)),
            Ledger(),
            due_s=lambda now_s, _ahead, _elements: now_s + due_in_s,
            tally=tally,
        )
        task = loop.create_task(running.run())
        while tally.given < len(geometry.cells):
            await asyncio.sleep(WINDOW_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(layer())
    assert (tally.given, tally.late) == (len(geometry.cells), late)
