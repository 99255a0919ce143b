"""A connection to the broker that is made again for as long as the agent runs. Printing never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from agent.configuration import Mqtt
from agent.mqtt.connection import Connector
from agent.uplink.backoff import Backoff

if TYPE_CHECKING:
    import aiomqtt

_log = structlog.get_logger()

SAY_AGAIN_S = 60.0
"""How often the log repeats that the broker is away for the same cause, seconds."""


class Reconnecting:
    """Connects, lets `live` use the client until it returns or the connection ends, and connects again.

    Attributes:
        connected: True from `up` until the connection ends.
        closing: True once `close` was called; `live` then says what is left to say and returns.
        news: set when there is something for `live` to do.
    """

    def __init__(
        self,
        settings: Mqtt,
        connector: Connector,
        live: Callable[[aiomqtt.Client], Awaitable[None]],
        *,
        event: str,
        seed: int,
    ) -> None:
        """Prepare; nothing is connected yet. `event`: the log's name for it; `seed`: of the pauses' jitter."""
        self.connected = False
        self.closing = False
        self.news = asyncio.Event()
        self._settings = settings
        self._connector = connector
        self._live = live
        self._event = event
        self._backoff = Backoff(
            settings.backoff_min_s,
            settings.backoff_max_s,
            random.Random(seed),  # noqa: S311  jitter, not a secret
        )
        self._said: tuple[str, float] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Let `live` finish; a broker that does not answer is left after a while."""
        self.closing = True
        self.news.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._settings.answer_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def up(self) -> None:
        """The broker has all and takes more: told by `live`."""
        self.connected, self._said = True, None
        self._backoff.connected()
        _log.info(self._event, mqtt="up", broker=self._connector.address)

    async def wait(self, until_s: float | None) -> None:
        """Wait for news, at most until loop time `until_s`. Clear `news` before looking for what there is to do."""
        timeout_s = None if until_s is None else max(until_s - asyncio.get_running_loop().time(), 0.0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.news.wait(), timeout=timeout_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so should publishing itself break: that is a bug, and printing goes on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(f"{self._event}_stopped", cause=f"{type(error).__name__}: {error}", remedy="report this")

    async def _run(self) -> None:
        while not self.closing:
            try:
                async with self._connector.connected() as client:
                    await self._live(client)
            except self._connector.failures as error:
                self._say_down(f"{error}" or type(error).__name__)
            self.connected = False
            if not self.closing:
                await self._pause(self._backoff.pause_s(fatal=False))

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when closing."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while not self.closing and loop.time() < until_s:
            self.news.clear()
            await self.wait(until_s)

    def _say_down(self, cause: str) -> None:
        """Log a loss once for every cause, and once a minute while it lasts."""
        now_s = asyncio.get_running_loop().time()
        if self._said is not None and self._said[0] == cause and now_s - self._said[1] < SAY_AGAIN_S:
            return
        self._said = (cause, now_s)
        _log.warning(self._event, mqtt="down", broker=self._connector.address, cause=cause)


async def first_to_end(*works: Awaitable[None]) -> None:
    """Run `works` side by side until one ends; end the others; raise what one of them failed with."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
