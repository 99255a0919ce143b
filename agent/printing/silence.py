"""Asks a machine that is silent where it stands: an event that was lost must neither stop a layer nor the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

_log = structlog.get_logger()

ASK_AGAIN_MAX_S = 1.0
"""Longest pause between two questions, seconds."""

SAY_AFTER_S = 5.0
"""After how much silence the log says so, seconds."""


class Silence:
    """Asks by `ask` when an event is `overdue_s` seconds late, then again and again, ever more slowly."""

    def __init__(self, ask: Callable[[], None], overdue_s: float) -> None:
        self._ask = ask
        self._overdue_s = overdue_s
        self._pause_s = overdue_s
        self._due_s: float | None = None
        self._heard_s = 0.0
        self._said = False
        self._timer: asyncio.TimerHandle | None = None

    def reconfigure(self, overdue_s: float) -> None:
        """Have another setting from the next event on."""
        self._overdue_s = overdue_s

    def heard(self) -> None:
        """Something came from the machine: it is not silent, whatever is overdue."""
        self._heard_s = asyncio.get_running_loop().time()

    def expect(self, due_s: float | None) -> None:
        """Expect the next event at loop time `due_s`; None: the machine waits for us, or there is none."""
        if due_s is None:
            self.stop()
            return
        if due_s == self._due_s and self._timer is not None:
            return  # an answer that told nothing new: the pauses go on growing
        self.stop()
        self._due_s, self._pause_s, self._said = due_s, self._overdue_s, False
        self._timer = asyncio.get_running_loop().call_at(due_s + self._overdue_s, self._overdue)

    def stop(self) -> None:
        """Expect nothing."""
        self._due_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _overdue(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._due_s is not None, "a timer runs only while something is expected"
        silent_s = loop.time() - max(self._due_s, self._heard_s)
        if silent_s > SAY_AFTER_S and not self._said:
            self._said = True
            _log.warning("machine_silent", silent_s=round(silent_s, 3), remedy="see to the machine and its driver")
        self._pause_s = min(2 * self._pause_s, ASK_AGAIN_MAX_S)
        self._timer = loop.call_later(self._pause_s, self._overdue)
        self._ask()
