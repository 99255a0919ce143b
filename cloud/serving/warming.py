"""Sends the rounds that keep-warm wants, and says what they found. The thin shell of cloud.invocation.keepwarm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from cloud.engines import Engine, WarmReport
from cloud.invocation.keepwarm import KeepWarm
from cosmic.errors import EngineError


class Warming:
    """Keeps the functions of one job warm.

    job: whose bill it is on.
    found: told (layer, report) after a layer's first round, and after any that found cold functions.
    """

    def __init__(
        self, schedule: KeepWarm, engine: Engine, job: str, found: Callable[[int, WarmReport], None]
    ) -> None:
        self.schedule = schedule
        self._engine = engine
        self._job = job
        self._found = found
        self._changed = asyncio.Event()
        self._told_layer: int | None = None

    def spreading(self, layer: int) -> None:
        """Note that powder is spread for `layer`."""
        self.schedule.spreading(layer, self._now_s())
        self._changed.set()

    def heard(self) -> None:
        """Note that the agent has said something."""
        self.schedule.heard(self._now_s())

    async def run(self) -> None:
        """Send rounds until cancelled."""
        while True:
            self._changed.clear()
            wait_s = self.schedule.due(self._now_s())
            if wait_s == 0.0:
                await self._round()
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _round(self) -> None:
        layer = self.schedule.layer
        assert layer is not None
        try:
            report = await self._engine.warm(self._job)
        except EngineError as error:
            structlog.get_logger().error("not_warm", job=self._job, layer=layer, **error.as_dict())
            return
        finally:
            self.schedule.answered()
        if layer != self._told_layer or report.cold:
            self._told_layer = layer
            self._found(layer, report)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
