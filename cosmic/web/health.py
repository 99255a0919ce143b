"""Whether the event loop that keeps the deadlines turns, for `/healthz`; and answers in JSON."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from cosmic.web.server import Handler

INTERVAL_S = 0.2
"""How often the loop is looked at, seconds."""

KEPT_S = 10.0
"""How long a standstill is remembered, seconds."""

STILL_S = 2.0
"""A standstill of the loop after which it does not count as alive, seconds."""


class LoopTurns:
    """Measures on the loop itself how late a timer comes.

    Attributes:
        worst_s: the longest standstill of the last ten seconds.
    """

    def __init__(self) -> None:
        self._lags: deque[float] = deque([0.0], maxlen=round(KEPT_S / INTERVAL_S))
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def worst_s(self) -> float:
        """The longest standstill of the last ten seconds, seconds."""
        return max(self._lags)

    def start(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + INTERVAL_S
        self._timer = loop.call_at(self._due_s, self._tick)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._lags.append(max(0.0, asyncio.get_running_loop().time() - self._due_s))
        self.start()


def json_response(document: Any, *, status: int = 200) -> web.Response:
    """Return `document` as JSON."""
    return web.Response(
        body=msgspec.json.encode(document), status=status, headers={"Content-Type": "application/json"}
    )


def health_handler(turns: LoopTurns) -> Handler:
    """Return what answers `/healthz`: 200 while the loop turns."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        worst_s = turns.worst_s
        alive = worst_s < STILL_S
        reason = "" if alive else f"the loop that keeps the deadlines stood still for {worst_s:.1f} s"
        document = {"alive": alive, "loop_standstill_s": round(worst_s, 4), "reason": reason}
        return json_response(document, status=200 if alive else 503)

    return answer


def ready_handler(reason: Callable[[], str]) -> Handler:
    """Return what answers `/readyz`: 200 where `reason` returns nothing, else 503 and the reason in words."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        why = reason()
        return json_response({"ready": not why, "reason": why}, status=503 if why else 200)

    return answer
