"""How long to wait before connecting again: exponential with jitter (protocol.md, Reconnecting)."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from `min_s` to `max_s`, each shortened at random by up to half."""

    def __init__(self, min_s: float, max_s: float, generator: random.Random) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._generator = generator
        self._failures = 0

    def connected(self) -> None:
        """Begin again with the shortest pause."""
        self._failures = 0

    def pause_s(self, *, fatal: bool) -> float:
        """Return the next pause, seconds. `fatal`: only a person can change the answer: slowest pace."""
        full_s = self._max_s if fatal else min(self._max_s, self._min_s * 2.0 ** min(self._failures, 63))
        self._failures += 1
        return full_s * (0.5 + 0.5 * self._generator.random())
