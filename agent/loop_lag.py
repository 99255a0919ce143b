"""How late the event loop runs what is due: reported with every window, since a late loop makes late decisions."""

from __future__ import annotations

import asyncio


class LoopLag:
    """Measures by a timer of its own how late timers run.

    interval_s: time between two measurements, seconds.
    """

    def __init__(self, interval_s: float = 0.02) -> None:
        self._interval_s = interval_s
        self._worst_s = 0.0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure on the running loop."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + self._interval_s
        self._timer = loop.call_at(self._due_s, self._tick)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def worst_since_last_s(self) -> float:
        """Return the largest lag since the last call, seconds."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    def note(self, lag_s: float) -> None:
        """Take in a lag that was measured elsewhere, at a deadline's timer."""
        self._worst_s = max(self._worst_s, lag_s)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self.note(now_s - self._due_s)
        self._due_s = now_s + self._interval_s
        self._timer = loop.call_at(self._due_s, self._tick)
