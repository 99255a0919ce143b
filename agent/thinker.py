"""Runs the printer's own SmartScan in a thread, one thought at a time, and leaves it alone when it is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import structlog
from numpy.typing import NDArray

from fallback import SmartScanOrder

_log = structlog.get_logger()


class Thinker:
    """Lets `order` think when it is told that the printer may need it.

    limit_s: what a window may cost, seconds, averaged over one thought; beyond that the order is left alone until
        the next layer.
    clock: seconds that pass while a thought is under way; None: the event loop's.
    """

    def __init__(self, order: SmartScanOrder, limit_s: float, clock: Callable[[], float] | None = None) -> None:
        self._order = order
        self._limit_s = limit_s
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._layer = -1
        self._too_slow = False

    def begin(self, layer: int, map_K: NDArray[np.float32]) -> None:
        """Give the order the first map of `layer`, float32[n], kelvin."""
        self._layer = layer
        self._too_slow = False
        self._order.begin(map_K)

    def follow(self) -> None:
        """Let the order catch up with what was handed over, beside everything else. Returns at once."""
        if not self._too_slow and not self._order.ready and self._task is None:
            self._task = asyncio.create_task(self._think())
            self._task.add_done_callback(self._done)

    async def close(self) -> None:
        """Wait for the thought under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _think(self) -> None:
        clock = self._clock or asyncio.get_running_loop().time
        while not self._order.ready and not self._too_slow:
            began_s = clock()
            windows = await asyncio.to_thread(self._order.think)
            each_s = (clock() - began_s) / max(windows, 1)
            if each_s > self._limit_s:
                self._too_slow = True
                _log.warning(
                    "fallback_too_slow",
                    layer=self._layer,
                    order=self._order.name,
                    window_ms=round(each_s * 1e3, 3),
                    limit_ms=self._limit_s * 1e3,
                    remedy="raise fallback.smartscan_limit_ms, or take another fallback.order",
                )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._too_slow = True
            _log.error("fallback_failed", order=self._order.name, cause=f"{type(error).__name__}: {error}")
