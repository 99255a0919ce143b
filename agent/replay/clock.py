"""The clock of a replay: an event loop that runs a number of times faster than real time, and can be held.

Timers run at exactly their time, and the clock stands still while this process computes: a replay never falls back
for want of computing power here. It is held at a moment that must not pass before an answer is there.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable
from typing import Any

BEHIND_S_MAX = 0.02
"""How far the clock may be behind its pace and make up for it, real seconds: waits are rounded up to whole ms."""

SLICE_S = 0.05
"""How often a held clock looks whether patience is over, real seconds."""


class ReplayLoop(asyncio.SelectorEventLoop):
    """Runs on the recording's seconds.

    Attributes:
        held_s: how long the clock was held in all, real seconds.
        gave_up: told who held it, when patience is over.
    """

    def __init__(self, begin_s: float, speed: float, patience_s: float) -> None:
        """Begin at `begin_s`, `speed` times faster than real time; be held `patience_s` real seconds at most."""
        self.held_s = 0.0
        self.gave_up: Callable[[str], None] = lambda _who: None
        self._now_s = begin_s
        self._speed = speed
        self._patience_s = patience_s
        self._holds_s: dict[str, float] = {}
        self._held_since_s: float | None = None
        self._seen_s = time.monotonic()
        self._behind_s = 0.0
        super().__init__(_PacedSelector(self))

    def time(self) -> float:
        """Return the recording's time, seconds."""
        return self._now_s

    def hold(self, who: str, at_s: float | None = None) -> None:
        """Do not let `at_s` (None: this moment) pass until `who` releases it."""
        self._holds_s[who] = self._now_s if at_s is None else max(at_s, self._now_s)

    def release(self, who: str) -> None:
        """Let the clock run, as far as `who` is concerned."""
        self._holds_s.pop(who, None)
        self._held_since_s = None

    @property
    def _hold_at_s(self) -> float:
        return min(self._holds_s.values(), default=math.inf)

    # --- for the selector -------------------------------------------------------------------------------------

    def wait_s(self, timeout_s: float | None) -> float | None:
        """Return for how many real seconds to wait for events when the next timer is due in `timeout_s`."""
        free_s = min(math.inf if timeout_s is None else timeout_s, self._hold_at_s - self._now_s)
        if free_s <= 0.0:
            return SLICE_S
        return None if math.isinf(free_s) else max(0.0, free_s / self._speed - self._behind_s)

    def advance(self, idle_s: float, *, whole: bool) -> None:
        """Set the clock on after a wait of `idle_s` real seconds, to the next timer at most.

        whole: nothing came, so that timer is due. What this process computed meanwhile does not count.
        """
        real_s = time.monotonic()
        passed_s, self._seen_s = real_s - self._seen_s, real_s
        limit_s = min(self._next_timer_s(), self._hold_at_s)
        if limit_s > self._now_s:
            on_s = limit_s if whole and math.isfinite(limit_s) else self._now_s + idle_s * self._speed
            on_s = min(limit_s, on_s)
            behind_s = self._behind_s + passed_s - (on_s - self._now_s) / self._speed
            self._behind_s = min(max(0.0, behind_s), BEHIND_S_MAX)
            self._now_s = on_s
        if self._now_s >= self._hold_at_s:
            self._hold_on(real_s, passed_s)

    def _next_timer_s(self) -> float:
        """Return when the next timer is due; infinite without one."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return scheduled[0].when() if scheduled else math.inf

    def _hold_on(self, real_s: float, passed_s: float) -> None:
        if self._held_since_s is None:
            self._held_since_s = real_s
            return
        self.held_s += passed_s
        if real_s - self._held_since_s > self._patience_s:
            who = min(self._holds_s, key=lambda each: self._holds_s[each])
            self.release(who)
            self.gave_up(who)


class _PacedSelector(selectors.DefaultSelector):
    def __init__(self, loop: ReplayLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        loop = self._loop
        if timeout is not None and timeout <= 0:  # something is ready to run
            return super().select(0)
        began_s = time.monotonic()
        ready = super().select(loop.wait_s(timeout))
        loop.advance(time.monotonic() - began_s, whole=not ready)
        return ready
