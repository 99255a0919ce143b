"""Signs of life from an event loop: fed by a timer of that very loop, never from a thread.

A loop that is stuck stops feeding, and the service manager starts the service anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cosmic.notify import Notifier

FEEDS_PER_LIMIT = 4
"""How often the watchdog is fed within the time in which it must be fed once."""


class Watchdog:
    """Feeds the watchdog that `notifier` knows of, where there is one."""

    def __init__(self, notifier: Notifier, beside: Callable[[], None] = lambda: None) -> None:
        """Prepare. `beside` is called with every feed: for what has to be said again until it was heard."""
        self._notifier = notifier
        self._beside = beside
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Feed now and from now on, on the running loop."""
        limit_s = self._notifier.watchdog_s
        if limit_s is None or not self._notifier.listened_to:
            return
        self._notifier.alive()
        self._beside()
        self._timer = asyncio.get_running_loop().call_later(limit_s / FEEDS_PER_LIMIT, self.start)

    def stop(self) -> None:
        """Feed no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
